//! What is erased is gone from the files, and stays gone.

use replay_tests::records::{TestChunk, gzip, session_id};
use replay_tests::service::{FAST, Service, files_with};
use serde_json::Value;

/// Bytes that only this chunk's stored form holds.
fn trace(chunk: &TestChunk) -> Vec<u8> {
    let stored = gzip(chunk.events.as_bytes());
    stored[stored.len() / 2 - 12..stored.len() / 2 + 12].to_vec()
}

/// Files that hold any trace, but for the source log, which keeps originals until its retention.
fn found(service: &Service, needle: &[u8]) -> Vec<std::path::PathBuf> {
    let data = service.dir.join("data");
    files_with(&data, needle).into_iter().filter(|path| !path.starts_with(data.join("log"))).collect()
}

#[test]
fn an_erased_session_is_gone_from_every_file_and_a_late_chunk_does_not_bring_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    let session = session_id(1);
    let chunk = |index: u32| {
        let text = format!("a text of its own {index} {}", index.wrapping_mul(2_654_435_761));
        TestChunk::new("shop", &session, index, 1_700_000_000_000 + u64::from(index), 40, &text)
    };
    let post = |chunk: &TestChunk| {
        assert_eq!(service.post(chunk.body("pk_live_shop").to_string().as_bytes()).0, 200)
    };
    (0..3).for_each(|index| post(&chunk(index)));
    service.wait_settled(3);
    // Some of it cold, some of it hot, and a broken record that names it.
    service.ok(&["migrate", "run", "--session", &format!("shop/{session}")]);
    post(&chunk(3));
    let broken = format!("{{\"session_id\":\"{session}\", broken");
    assert!(service.feed(&["ingest", "-"], broken.as_bytes()).status.success());
    let keeper = TestChunk::new("shop", &session_id(2), 0, 1_700_000_000_000, 40, "another one's");
    post(&keeper);
    service.wait_settled(6);
    let traces: Vec<_> = (0..4).map(|index| trace(&chunk(index))).collect();
    assert!(traces.iter().all(|trace| !found(&service, trace).is_empty()), "the search finds what is there");
    assert!(!found(&service, session.as_bytes()).is_empty());

    let report = service.json(&["session", "erase", "--yes", "shop", &session]);
    assert_eq!(report[0]["verified"], true);
    assert!(report[0]["bytes"].as_u64().unwrap() > 0);
    for trace in &traces {
        assert_eq!(found(&service, trace), Vec::<std::path::PathBuf>::new());
    }
    assert_eq!(service.json(&["dead-letter", "list"]), Vec::<Value>::new());

    let late = chunk(9);
    post(&late);
    service.wait_settled(7);
    assert_eq!(service.metric("replay_records_settled_total", "reason=\"tombstoned\""), 1.0);
    assert_eq!(found(&service, &trace(&late)), Vec::<std::path::PathBuf>::new());
    assert_eq!(service.cli(&["session", "show", "shop", &session]).status.code(), Some(1));
    assert_eq!(service.ok(&["session", "export", "shop", &session_id(2)]), format!("{}\n", keeper.events));
}

#[test]
fn an_erased_project_is_gone_up_to_now_and_may_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    let chunk = |project: &str, number: u64| {
        let text = format!("text {project} {}", number.wrapping_mul(11_400_714_819_323_198_485));
        TestChunk::new(project, &session_id(number), 0, 1_700_000_000_000, 30, &text)
    };
    let post = |chunk: &TestChunk| {
        let key = format!("pk_live_{}", chunk.project);
        assert_eq!(service.post(chunk.body(&key).to_string().as_bytes()).0, 200);
    };
    for number in 1..4 {
        post(&chunk("shop", number));
        post(&chunk("clinic", number));
    }
    service.wait_settled(6);
    service.ok(&["migrate", "run", "--session", &format!("shop/{}", session_id(2))]);
    let report = service.json(&["project", "erase", "--yes", "shop"]);
    assert_eq!(report[0]["verified"], true);
    for number in 1..4 {
        assert_eq!(found(&service, &trace(&chunk("shop", number))), Vec::<std::path::PathBuf>::new());
        assert_eq!(service.json(&["session", "show", "clinic", &session_id(number)]).len(), 1);
    }
    post(&chunk("shop", 8));
    service.wait_settled(7);
    assert_eq!(service.json(&["session", "list", "--project", "shop"]).len(), 1);
}
