//! `session list` finds what an operator looks for, wherever it lies.

use replay_tests::records::TestChunk;
use replay_tests::records::{recorded, session_id, visits};
use replay_tests::service::{FAST, Service};

fn listed(service: &Service, args: &[&str]) -> Vec<String> {
    let rows = service.json(&[&["session", "list"], args].concat());
    rows.iter()
        .map(|row| format!("{}/{}", row["project_id"].as_str().unwrap(), row["session_id"].as_str().unwrap()))
        .collect()
}

#[test]
fn sessions_are_found_by_duration_place_and_error() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    // One of a moment, and one of two minutes.
    let short = TestChunk::new("clinic", &session_id(1), 0, 1_700_000_000_000, 5, "short");
    let long = [0, 1].map(|index| {
        TestChunk::new(
            "clinic",
            &session_id(2),
            index,
            1_700_000_000_000 + u64::from(index) * 120_000,
            5,
            "long",
        )
    });
    let made: Vec<String> = [&short, &long[0], &long[1]].iter().map(|chunk| chunk.record()).collect();
    let errors: Vec<String> = recorded("shop", "support");
    let lines = [made, errors].concat();
    assert!(service.feed(&["ingest", "-"], lines.join("\n").as_bytes()).status.success());
    service.wait_settled(lines.len() as u64);

    let (short, long) = (format!("clinic/{}", session_id(1)), format!("clinic/{}", session_id(2)));
    assert_eq!(listed(&service, &["--project", "clinic"]), [&*short, &*long]);
    assert_eq!(listed(&service, &["--project", "clinic", "--min-duration", "1m"]), [&*long]);
    assert_eq!(listed(&service, &["--project", "clinic", "--min-duration", "1h"]), Vec::<String>::new());

    let support =
        visits().into_iter().find(|(project, visit, ..)| project == "shop" && visit == "support").unwrap();
    let support = format!("shop/{}", support.2);
    assert_eq!(listed(&service, &["--has-error"]), [&*support]);

    service.ok(&["migrate", "run", "--session", &support]);
    assert_eq!(listed(&service, &["--state", "cold"]), [&*support]);
    assert_eq!(listed(&service, &["--state", "hot"]), [&*short, &*long]);
    assert_eq!(listed(&service, &["--has-error", "--state", "cold"]), [&*support]);
    assert_eq!(listed(&service, &["--has-error", "--state", "hot"]), Vec::<String>::new());
}
