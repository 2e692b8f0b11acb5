//! Records that cannot be stored: kept with their reason, listed, fed back, closed.

use replay_tests::records::{TestChunk, recordings, session_id};
use replay_tests::service::{FAST, Service, files_with};
use serde_json::Value;

#[test]
fn broken_records_become_letters_with_their_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    let broken = std::fs::read(recordings().join("broken.ndjson")).unwrap();
    let expected: Value =
        serde_json::from_slice(&std::fs::read(recordings().join("broken.expected.json")).unwrap()).unwrap();
    let mut expected: Vec<String> = reasons(&expected);
    assert!(service.feed(&["ingest", "-"], &broken).status.success());
    service.wait_settled(expected.len() as u64);
    let letters = service.json(&["dead-letter", "list"]);
    let mut found: Vec<String> =
        letters.iter().map(|letter| letter["reason"].as_str().unwrap().to_owned()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(service.metric("replay_records_settled_total", "dead_lettered"), expected.len() as f64);

    // The original is kept as it came.
    let first = letters.iter().find(|letter| letter["reason"] == "invalid_json").unwrap();
    let payload = service.ok(&["dead-letter", "show", first["id"].as_str().unwrap(), "--payload"]);
    assert!(broken.windows(payload.len()).any(|window| window == payload.as_bytes()));
}

/// Every reason that the file lists, whatever its exact shape.
fn reasons(expected: &Value) -> Vec<String> {
    match expected {
        Value::String(text) if replay_core::reject::Reason::from_name(text).is_some() => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(reasons).collect(),
        Value::Object(fields) => fields.values().flat_map(reasons).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// A log that was made anew counts from the beginning, as a topic does.
#[test]
fn a_letter_does_not_take_the_record_that_came_in_the_place_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Service::prepare(dir.path(), FAST);
    let config = dir.path().join("replay.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("{ kind: table }", "{ kind: table, payload: reference }")).unwrap();
    service.run();
    assert!(service.feed(&["ingest", "-"], b"{not json").status.success());
    service.wait_settled(1);
    assert_eq!(service.json(&["dead-letter", "replay", "--dry-run"])[0]["outcome"], "would_feed_back");
    assert_eq!(service.stop().0, Some(0));

    std::fs::remove_dir_all(dir.path().join("data/log")).unwrap();
    for file in ["replays.sqlite", "replays.sqlite-wal", "replays.sqlite-shm"] {
        let _ = std::fs::remove_file(dir.path().join("data").join(file));
    }
    service.run();
    let other = TestChunk::new("clinic", &session_id(1), 0, 1_700_000_000_000, 3, "anna@example.com");
    assert!(service.feed(&["ingest", "-"], other.record().as_bytes()).status.success());
    service.wait_settled(1);
    let said = service.cli(&["dead-letter", "replay", "--output", "json"]);
    assert_eq!(said.status.code(), Some(3), "left alone");
    let outcome: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(outcome["outcome"], "original_gone");
}

#[test]
fn a_letter_is_fed_back_and_closed_once_its_cause_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Service::prepare(dir.path(), FAST);
    let config = dir.path().join("replay.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("unlisted: defaults", "unlisted: reject")).unwrap();
    service.run();
    let chunk = TestChunk::new("newcomer", &session_id(1), 0, 1_700_000_000_000, 3, "x");
    assert!(service.feed(&["ingest", "-"], chunk.record().as_bytes()).status.success());
    service.wait_settled(1);
    let letters = service.json(&["dead-letter", "list"]);
    assert_eq!(letters[0]["reason"], "unknown_tenant");
    let received_at = letters[0]["received_at"].clone();

    // Not mended: it comes back, and says that it was tried again.
    assert_eq!(service.json(&["dead-letter", "replay", "--dry-run"])[0]["outcome"], "would_feed_back");
    assert_eq!(
        service.json(&["dead-letter", "replay", "--reason", "unknown_tenant"])[0]["outcome"],
        "fed_back"
    );
    service.wait_settled(2);
    let letters = service.json(&["dead-letter", "list"]);
    assert_eq!((letters.len(), letters[0]["attempts"].as_u64()), (1, Some(2)));

    service.stop();
    std::fs::write(&config, text).unwrap();
    service.run();
    let id = letters[0]["id"].as_str().unwrap();
    let said = service.cli(&["dead-letter", "replay", "nobody/0/7"]);
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    assert!(String::from_utf8_lossy(&said.stderr).contains("there is no dead letter nobody/0/7"), "{said:?}");
    let told = service.json(&["dead-letter", "replay", id]);
    assert_eq!((told.len(), &told[0]["outcome"]), (1, &Value::from("fed_back")));
    service.wait_settled(1);
    assert_eq!(service.json(&["dead-letter", "list"]), Vec::<Value>::new());
    let rows = service.json(&["session", "show", "newcomer", &session_id(1)]);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["received_at"], received_at, "the first receipt counts");
}

#[test]
fn payload_text_stays_out_of_logs_metrics_and_letters_details() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    let canary = "canary-7f3a@example.com";
    let chunk = TestChunk::new("shop", &session_id(1), 0, 1_700_000_000_000, 2, canary);
    let broken = [
        chunk.record().replace("\"chunk_index\":0", &format!("\"chunk_index\":\"{canary}\"")),
        format!("{{\"project_id\":\"shop\",\"session_id\":\"{canary}\",\"{canary}\":{canary}}}"),
        format!("{{\"project_id\":\"{canary}\",\"session_id\":\"{}\",\"chunk_index\":0}}", session_id(2)),
        format!(
            "{{\"project_id\":\"shop\",\"session_id\":\"{}\",\"chunk_index\":0,\"timestamp_start\":1,\
             \"timestamp_end\":2,\"events\":[{{\"text\":\"{canary}\"}},{canary}]}}",
            session_id(3)
        ),
    ];
    assert!(service.feed(&["ingest", "-"], broken.join("\n").as_bytes()).status.success());
    service.wait_settled(broken.len() as u64);
    assert_eq!(service.json(&["dead-letter", "list"]).len(), broken.len());
    for (place, text) in [
        ("the log", service.log()),
        ("the metrics", service.get("/metrics").1),
        ("the status", service.ok(&["status"])),
        ("the listing", service.ok(&["dead-letter", "list", "--output", "json"])),
    ] {
        assert!(!text.contains(canary) && !text.contains("7f3a"), "{place} holds payload text:\n{text}");
    }
    // The search itself works: the originals are in the log and in the letters.
    assert!(files_with(&dir.path().join("data"), canary.as_bytes()).len() >= 2);
}
