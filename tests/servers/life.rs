//! The whole life of a session on servers: taken in, hot, moved, cold, ended.

use replay_tests::records::{recorded, recordings, visits};
use replay_tests::service::FAST;
use replay_tests::stage::{Sent, Stage};

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
