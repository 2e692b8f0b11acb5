//! The whole life of a session on servers: taken in, hot, moved, cold, ended.

use std::io::Read;

use flate2::read::GzDecoder;
use replay_tests::records::{recorded, recordings, unbase64, visits};
use replay_tests::service::{FAST, Service};
use replay_tests::stage::{Sent, Stage};
use serde_json::{Value, json};

/// Records as they are in the topic: the recorded visits, and the broken ones among them.
fn recorded_records() -> Vec<String> {
    let mut lines: Vec<String> =
        visits().iter().flat_map(|(project, visit, ..)| recorded(project, visit)).collect();
    let broken = std::fs::read_to_string(recordings().join("broken.ndjson")).unwrap();
    lines.extend(broken.lines().map(str::to_owned));
    lines
}

#[test]
fn a_session_is_taken_in_kept_moved_and_read_back_byte_for_byte() {
    let Some(stage) = Stage::new(3) else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut service = stage.start(dir.path(), &[("shop", 0, &[]), ("clinic", 0, &[])], FAST);
    let lines = recorded_records();
    // Chunks of a session lie on all partitions, as a producer that ignores keys spreads them.
    stage.produce(
        lines.iter().zip((0..3).cycle()).map(|(line, partition)| Sent::new(partition, line.as_str())),
    );
    service.wait_settled(lines.len() as u64);
    service.wait_until("every offset is committed", |_| stage.is_committed());

    for (project, _, session, chunks) in visits() {
        let hot = service.ok(&["session", "export", &project, &session]);
        assert_eq!(hot.lines().count(), chunks, "{project}/{session}");
        let name = format!("{project}/{session}");
        let report = &service.json(&["migrate", "run", "--session", &name])[0];
        assert_eq!(report["sessions_moved"], 1, "{report}");
        let cold = service.ok(&["session", "export", &project, &session]);
        assert!(hot == cold, "{name} changed on its way");
        let rows = service.json(&["session", "show", &project, &session]);
        assert!(rows.iter().all(|row| row["place"] == "cold"), "{name}");
    }
    assert_eq!(stage.sql(&format!("SELECT count() FROM {}.replay_chunks", stage.name)).trim(), "0");
    let letters = service.json(&["dead-letter", "list"]);
    assert!(letters.len() >= 10, "{letters:?}");
    let (code, said) = service.stop();
    assert_eq!(code, Some(0), "{said}\n{}", service.log());
}

/// The events in a recorded line, as they are exported.
fn events_of(line: &str) -> String {
    let record: Value = serde_json::from_str(line).unwrap();
    let packed = unbase64(record["data"].as_str().unwrap());
    let mut events = String::new();
    GzDecoder::new(&*packed).read_to_string(&mut events).unwrap();
    events
}

/// The same by the clock alone, with days of two seconds: hot, then cold, then nowhere.
#[test]
fn a_session_lives_its_whole_life_in_seconds() {
    let Some(stage) = Stage::new(3) else { return };
    let dir = tempfile::tempdir().unwrap();
    let extra = "replay: { idle_timeout: 50ms, flush_interval: 20ms, migration: { interval: 1s, \
                 day_length: 2s, hot_retention_days: 3, cold_retention_days: 8 } }\n";
    let mut service = stage.start(dir.path(), &[("shop", 0, &[]), ("clinic", 0, &[])], extra);
    assert!(service.log().contains("a day lasts 2s"), "{}", service.log());
    let visits = visits();
    for (number, (project, visit, ..)) in visits.iter().enumerate() {
        let partition = i32::try_from(number % 3).unwrap();
        stage.produce(recorded(project, visit).into_iter().map(|line| Sent::new(partition, line)));
    }
    let chunks: usize = visits.iter().map(|(.., chunks)| chunks).sum();
    service.wait_settled(chunks as u64);
    let states = |service: &Service| -> Vec<String> {
        let listed = service.json(&["session", "list"]);
        listed.iter().map(|session| session["state"].as_str().unwrap().to_owned()).collect()
    };
    service.wait_until("all are cold", |service| {
        let states = states(service);
        states.len() == visits.len() && states.iter().all(|state| state == "cold")
    });
    let (project, visit, session, _) = &visits[0];
    let sent: Vec<String> = recorded(project, visit).iter().map(|line| events_of(line)).collect();
    let exported = service.ok(&["session", "export", project, session]);
    assert!(exported.lines().eq(sent.iter().map(String::as_str)), "{project}/{session} changed on its way");
    service.wait_until("all are gone", |service| states(service).is_empty());
    let reconciled = &service.json(&["migrate", "reconcile", "--grace", "0s"])[0];
    assert_eq!((&reconciled["objects"], &reconciled["found"]), (&json!(0), &json!(0)), "{reconciled}");
    for table in ["replay_chunks", "replay_archive"] {
        assert_eq!(stage.sql(&format!("SELECT count() FROM {}.{table}", stage.name)).trim(), "0", "{table}");
    }
    let (code, said) = service.stop();
    assert_eq!(code, Some(0), "{said}\n{}", service.log());
}
