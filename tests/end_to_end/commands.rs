//! What an operator types: exit codes, messages, listings.

use replay_tests::records::{TestChunk, session_id};
use replay_tests::service::{FAST, Service, binary};

fn chunk(session: u64, index: u32) -> TestChunk {
    TestChunk::new("shop", &session_id(session), index, 1_700_000_000_000 + u64::from(index), 3, "x")
}

#[test]
fn the_users_own_config_passes_check() {
    let seed = concat!(env!("CARGO_MANIFEST_DIR"), "/../host/service/tests/fixtures/config/seed-replay.yaml");
    let check = |env: &[(&str, &str)]| {
        let mut command = std::process::Command::new(binary());
        command.args(["check", "--config", seed]).env_clear().envs(env.iter().copied());
        command.output().unwrap()
    };
    let output = check(&[("MINIO_ROOT_USER", "gosight"), ("MINIO_ROOT_PASSWORD", "s3cret-pass")]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("gosight-replays"), "{said}");
    assert!(!said.contains("s3cret-pass"), "a secret is printed");
    let output = check(&[]);
    assert_eq!(output.status.code(), Some(78));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        complaint.contains("MINIO_ROOT_USER") && complaint.contains("MINIO_ROOT_PASSWORD"),
        "{complaint}"
    );
}

#[test]
fn it_stops_when_told_to_and_says_what_became_of_everything() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Service::start(dir.path(), "replay: { idle_timeout: 1h, flush_interval: 1h }\n");
    for index in 0..3 {
        assert_eq!(service.post(chunk(1, index).body("pk_live_shop").to_string().as_bytes()).0, 200);
    }
    let (code, said) = service.stop();
    assert_eq!(code, Some(0), "{}", service.log());
    let last = said.lines().last().unwrap_or_default();
    assert!(last.contains("stored 3") && last.contains("left uncommitted 0"), "{said}");
    // Without a service the commands work on the files themselves.
    assert_eq!(service.json(&["session", "show", "shop", &session_id(1)]).len(), 3);
}

#[test]
fn commands_work_with_and_without_a_running_service() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Service::prepare(dir.path(), FAST);
    let output = service.cli(&["session", "list"]);
    assert_eq!(output.status.code(), Some(78), "there is nothing to read yet");
    assert!(service.feed(&["ingest", "-"], chunk(1, 0).record().as_bytes()).status.success());
    let output = service.cli(&["status"]);
    assert_eq!(output.status.code(), Some(69), "{}", String::from_utf8_lossy(&output.stderr));
    service.run();
    service.wait_settled(1);
    let status = service.ok(&["status"]);
    assert!(status.contains("ready") && status.contains("stored"), "{status}");
    service.stop();
    service.ok(&["migrate", "run", "--session", &format!("shop/{}", session_id(1))]);
    assert_eq!(service.json(&["session", "list"])[0]["state"], "cold");
    assert_eq!(service.json(&["session", "erase", "--yes", "shop", &session_id(1)])[0]["verified"], true);
    assert_eq!(service.json(&["session", "list"]), Vec::<serde_json::Value>::new());
}

#[test]
fn a_second_service_on_the_same_directory_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    let output = service.cli(&["run"]);
    assert_eq!(output.status.code(), Some(75));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(complaint.contains(&format!("process {}", service.pid())), "{complaint}");
}

#[test]
fn wrong_arguments_and_wrong_configs_have_their_codes() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    assert_eq!(service.cli(&["no-such-command"]).status.code(), Some(2));
    assert_eq!(service.cli(&["session", "show", "shop", "nobody"]).status.code(), Some(2));
    assert_eq!(service.cli(&["session", "show", "..", &session_id(1)]).status.code(), Some(2));
    assert_eq!(service.cli(&["dead-letter", "list", "--reason", "no_such_reason"]).status.code(), Some(2));
    assert_eq!(
        service.cli(&["session", "erase", "shop", &session_id(1)]).status.code(),
        Some(2),
        "it must be meant"
    );
    std::fs::write(dir.path().join("wrong.yaml"), "hot: { kind: sqlight }\nlimitz: {}\n").unwrap();
    let output = std::process::Command::new(binary())
        .args(["check", "--config"])
        .arg(dir.path().join("wrong.yaml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78));
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        complaint.contains("sqlite") && complaint.contains("limits"),
        "both mistakes at once: {complaint}"
    );
}

#[test]
fn sessions_list_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    for session in 0..7 {
        assert_eq!(service.post(chunk(session, 0).body("pk_live_shop").to_string().as_bytes()).0, 200);
    }
    service.wait_settled(7);
    service.ok(&["migrate", "run", "--session", &format!("shop/{}", session_id(3))]);
    let all = service.json(&["session", "list"]);
    assert_eq!(all.len(), 7);
    let mut paged = service.json(&["session", "list", "--limit", "3"]);
    while paged.len() < 7 {
        let last = paged.last().unwrap();
        let after =
            format!("{}/{}", last["project_id"].as_str().unwrap(), last["session_id"].as_str().unwrap());
        let page = service.json(&["session", "list", "--limit", "3", "--after", &after]);
        assert!(!page.is_empty());
        paged.extend(page);
    }
    assert_eq!(paged, all);
}
