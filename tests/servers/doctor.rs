//! `doctor` names what is wrong, says what to do, and its exit code says so too.

use std::process::Output;

use replay_tests::service::Service;
use replay_tests::stage::Stage;
use serde_json::Value;

/// What it found: check, verdict, detail and advice.
fn findings(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn doctor(stage: &Stage, change: impl FnOnce(String) -> String) -> (Option<i32>, Vec<Value>) {
    let dir = tempfile::tempdir().unwrap();
    let config = change(stage.config(dir.path(), &[("shop", 0, &[])], ""));
    let service = Service::prepare_with(dir.path(), &config);
    let output = service.cli(&["doctor", "--output", "json"]);
    (output.status.code(), findings(&output))
}

/// The findings with that verdict, each with advice.
fn with<'a>(found: &'a [Value], verdict: &str) -> Vec<&'a str> {
    let found: Vec<&Value> = found.iter().filter(|finding| finding["verdict"] == verdict).collect();
    for finding in &found {
        assert!(!finding["advice"].as_str().unwrap().is_empty(), "{finding}");
    }
    found.iter().map(|finding| finding["check"].as_str().unwrap()).collect()
}

#[test]
fn on_a_good_stage_nothing_is_wrong() {
    let Some(stage) = Stage::new(1) else { return };
    let dir = tempfile::tempdir().unwrap();
    // The schema, the bucket and the topic of the letters are made by the first start.
    let (code, _) = stage.start(dir.path(), &[("shop", 0, &[])], "").stop();
    assert_eq!(code, Some(0));
    let (code, found) = doctor(&stage, |config| config);
    assert_eq!((with(&found, "wrong"), with(&found, "unreachable")), (vec![], vec![]), "{found:#?}");
    assert_eq!(code, Some(0), "{found:#?}");
    for check in ["kafka topic", "clickhouse schema", "clickhouse delete", "s3 bucket", "s3 delete"] {
        assert!(found.iter().any(|finding| finding["check"] == check), "{check} was not looked at");
    }
}

#[test]
fn each_thing_that_is_not_there_is_named() {
    let Some(stage) = Stage::new(1) else { return };
    // No schema was applied, and the config names a topic that is not there.
    let (code, found) = doctor(&stage, |config| config.replace(&stage.topic(), "no.such.topic"));
    assert_eq!(code, Some(78), "{found:#?}");
    let wrong = with(&found, "wrong");
    for check in ["kafka topic", "clickhouse schema"] {
        assert!(wrong.contains(&check), "{check} is not among {wrong:?}");
    }
}

#[test]
fn each_server_that_does_not_answer_is_named() {
    let Some(stage) = Stage::new(1) else { return };
    let servers = [
        (stage.kafka.clone(), "127.0.0.1:1", "kafka brokers"),
        (stage.clickhouse.trim_start_matches("http://").to_owned(), "127.0.0.1:1", "clickhouse server"),
        (stage.s3.trim_start_matches("http://").to_owned(), "127.0.0.1:1", "s3 address"),
    ];
    for (server, nobody, check) in servers {
        let (code, found) = doctor(&stage, |config| {
            config
                .replace(&server, nobody)
                .replace("end_offsets_interval", "request_timeout: 1s, end_offsets_interval")
        });
        assert_eq!(with(&found, "unreachable"), [check], "{found:#?}");
        assert_eq!(code, Some(69), "{check}");
    }
}

#[test]
fn a_service_without_its_schema_or_topic_says_so_and_does_not_start() {
    let Some(stage) = Stage::new(1) else { return };
    let dir = tempfile::tempdir().unwrap();
    let service = Service::prepare_with(dir.path(), &stage.config(dir.path(), &[("shop", 0, &[])], ""));
    let output = service.cli(&["run"]);
    assert_eq!(output.status.code(), Some(78));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("schema apply"), "{said}");
}
