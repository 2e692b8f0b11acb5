//! What comes in is stored, once, and comes out as it was.

use std::io::{Read, Write};
use std::net::TcpStream;

use flate2::read::GzDecoder;
use replay_tests::records::{TestChunk, gzip, recorded, session_id, unbase64, visits};
use replay_tests::service::{FAST, Service};
use serde_json::{Value, json};

/// The events of a recorded line as JSON, however it spells its payload.
fn events_of(line: &str) -> Value {
    let record: Value = serde_json::from_str(line).unwrap();
    let Some(data) = record["data"].as_str() else { return record["events"].clone() };
    let bytes = unbase64(data);
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return serde_json::from_slice(&bytes).unwrap();
    }
    let mut text = String::new();
    GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_recorded_visit_is_given_back_chunk_for_chunk() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    let mut sent = 0;
    for (project, visit, ..) in visits() {
        let lines = recorded(&project, &visit);
        sent += lines.len() as u64;
        let output = service.feed(&["ingest", "-"], lines.join("\n").as_bytes());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    service.wait_settled(sent);
    assert_eq!(service.metric("replay_records_settled_total", "outcome=\"stored\""), sent as f64);

    for (project, visit, session, chunks) in visits() {
        let exported = service.ok(&["session", "export", &project, &session]);
        let exported: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut lines: Vec<Value> =
            recorded(&project, &visit).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines.sort_by_key(|line| {
            (line["timestamp_start"].as_f64().unwrap() as u64, line["chunk_index"].as_u64())
        });
        let expected: Vec<Value> = lines.iter().map(|line| events_of(&line.to_string())).collect();
        assert_eq!(exported.len(), chunks, "{project}/{visit}");
        assert_eq!(exported, expected, "{project}/{visit}");

        let rows = service.json(&["session", "show", &project, &session]);
        assert_eq!(rows.len(), chunks);
        for (row, line) in rows.iter().zip(&lines) {
            assert_eq!(row["event_count"], events_of(&line.to_string()).as_array().unwrap().len());
            assert_eq!(row["has_full_snapshot"], line["has_full_snapshot"]);
        }
    }
    let listed = service.json(&["session", "list"]);
    assert_eq!(listed.len(), visits().len());
    assert!(listed.iter().all(|row| row["state"] == "hot"), "{listed:?}");
}

#[test]
fn an_unchanged_payload_is_stored_verbatim_and_a_retry_is_seen_once() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    let chunk = TestChunk::new("shop", &session_id(1), 0, 1_700_000_000_000, 5, "anna@example.com");
    let body = chunk.body("pk_live_shop").to_string();
    assert_eq!(service.post(body.as_bytes()).0, 200);
    assert_eq!(service.post(&gzip(body.as_bytes())).0, 200, "a gzip body, by its magic bytes");
    service.wait_settled(2);
    let rows = service.json(&["session", "show", "shop", &session_id(1)]);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["compressed_size"], gzip(chunk.events.as_bytes()).len());
    assert_eq!(service.ok(&["session", "export", "shop", &session_id(1)]), format!("{}\n", chunk.events));
}

#[test]
fn the_intake_says_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let extra = "replay: { idle_timeout: 50ms, flush_interval: 20ms }\nlimits: { max_record_bytes: 64KiB }\n";
    let service = Service::start(dir.path(), extra);
    let chunk = TestChunk::new("shop", &session_id(1), 0, 1, 1, "x");
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = chunk.body("pk_live_shop");
        change(&mut body);
        let (status, text) = service.post(body.to_string().as_bytes());
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} {text}"));
        (status, answer["error"].as_str().unwrap_or("").to_owned())
    };
    assert_eq!(service.post(b"{not json").0, 400);
    assert_eq!(with(&|body| body["project_key"] = json!("pk_unknown")).0, 401);
    assert_eq!(with(&|body| _ = body.as_object_mut().unwrap().remove("project_key")).0, 400);
    assert_eq!(with(&|body| body["session_id"] = json!("nobody")), (400, "invalid_session_id".into()));
    assert_eq!(with(&|body| body["chunk_index"] = json!(-1)), (400, "invalid_chunk_index".into()));
    assert_eq!(with(&|body| body["timestamp_start"] = json!("now")), (400, "invalid_timestamp".into()));
    assert_eq!(with(&|body| body["data"] = json!("x".repeat(70_000))).0, 413);
    assert_eq!(with(&|body| body["unknown"] = json!({"a": 1})).0, 200, "unknown keys are ignored");
    assert_eq!(service.get("/nowhere").0, 404);
    assert_eq!(service.get("/livez").0, 200);
    assert_eq!(service.get("/healthz").0, 200);
    let ready: Value = serde_json::from_str(&service.get("/readyz").1).unwrap();
    assert_eq!(ready["status"], "ready");
    assert!(ready["checks"].as_array().unwrap().iter().all(|check| check["ok"] == true));
}

#[test]
fn bodies_that_are_announced_and_never_come_keep_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), &format!("{FAST}limits: {{ memory_budget: 128MiB }}\n"));
    let address = service.api().strip_prefix("http://").unwrap();
    let announce = || {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = "POST /v1/replay HTTP/1.1\r\nhost: replay\r\ncontent-length: 67108864\r\n\r\n{";
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let announced: Vec<TcpStream> = (0..8).map(|_| announce()).collect();
    std::thread::sleep(std::time::Duration::from_millis(200));
    let chunk = TestChunk::new("shop", &session_id(1), 0, 1_700_000_000_000, 2, "x");
    let (status, text) = service.post(chunk.body("pk_live_shop").to_string().as_bytes());
    assert_eq!(status, 200, "{text}");
    drop(announced);
}

#[test]
fn a_page_may_send_from_an_allowed_origin_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Service::prepare(dir.path(), FAST);
    let config = dir.path().join("replay.yaml");
    let text = std::fs::read_to_string(&config).unwrap().replace(
        "listen: \"127.0.0.1:0\"",
        "listen: \"127.0.0.1:0\", allowed_origins: [\"https://shop.example\"]",
    );
    std::fs::write(&config, text).unwrap();
    service.run();
    let preflight = |origin: &str| {
        let request = ureq::http::Request::builder()
            .method("OPTIONS")
            .uri(format!("{}/v1/replay", service.api()))
            .header("origin", origin)
            .body(())
            .unwrap();
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let answer = agent.run(request).unwrap();
        let allowed = answer.headers().get("access-control-allow-origin");
        allowed.map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(preflight("https://shop.example").as_deref(), Some("https://shop.example"));
    assert_eq!(preflight("https://evil.example"), None);
}

#[test]
fn clocks_that_lie_are_stored_and_kept_as_long_as_others() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    let (in_1999, in_2150) = (915_148_800_000, 5_680_281_600_000);
    for (number, start_ms) in [in_1999, in_2150].into_iter().enumerate() {
        let chunk = TestChunk::new("shop", &session_id(number as u64), 0, start_ms, 2, "x");
        assert_eq!(service.post(chunk.body("pk_live_shop").to_string().as_bytes()).0, 200);
    }
    service.wait_settled(2);
    assert_eq!(service.metric("replay_records_settled_total", "outcome=\"stored\""), 2.0);
    service.ok(&["migrate", "run"]);
    for number in 0..2 {
        let rows = service.json(&["session", "show", "shop", &session_id(number)]);
        assert_eq!(rows.len(), 1, "neither moved nor expired by what its browser said");
    }
}
