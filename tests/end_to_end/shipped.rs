//! Each shipped plugin by itself on recorded visits: what it takes, and what it leaves.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use replay_tests::plugins::{components, config, patient};
use replay_tests::records::{visits, whole_recordings};
use replay_tests::service::{FAST, Service, binary};
use serde_json::Value;

use crate::over_redaction::judge_by;
use crate::plugins::send_all;

/// The canaries with a rule that a plugin leaves.
fn left(plugin: &str, settings: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let (_, report) = judge_by(&[(plugin, settings)], command(dir.path()));
    assert_eq!(report["chunks_failed"], 0, "{report}");
    let left = report["canaries_left"].as_array().unwrap();
    left.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// The service's command line, with time for plugins.
fn command(dir: &Path) -> Command {
    let mut command = Command::new(binary());
    command.arg("--config").arg(patient(dir));
    command
}

/// All events that a plugin leaves, by session.
fn events(plugin: &str, settings: &str) -> BTreeMap<String, Vec<Value>> {
    let dir = tempfile::tempdir().unwrap();
    let output = command(dir.path())
        .args(["plugin", "test", "--show", "0", "--settings", settings])
        .arg(components().join(format!("{plugin}.wasm")))
        .arg("--input")
        .args(whole_recordings())
        .arg("--write")
        .arg(dir.path().join("written"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let of = |file: &Path| -> Vec<Value> {
        let text = std::fs::read_to_string(file).unwrap();
        // One chunk a line.
        text.lines().flat_map(|line| serde_json::from_str::<Vec<Value>>(line).unwrap()).collect()
    };
    visits()
        .into_iter()
        .map(|(project, _, session, _)| {
            let events = of(&dir.path().join("written").join(project).join(format!("{session}.ndjson")));
            (session, events)
        })
        .collect()
}

/// All of them.
fn originals() -> BTreeMap<String, Vec<Value>> {
    events("sample", r#"{"share": 1}"#)
}

fn is_of(event: &Value, event_type: u64, source: u64) -> bool {
    event["type"] == event_type && event["data"]["source"] == source
}

#[test]
fn mask_text_takes_what_people_see_and_no_more() {
    let left = left("mask-text", "{}");
    let has = |id: &str| left.iter().any(|left| left == id);
    for gone in [
        "article-phone",
        "article-iban",
        "article-title",
        "table-last",
        "app-split-email",
        "canvas-email",
        "shop-app-email",
    ] {
        assert!(!has(gone), "{gone} is left");
    }
    for kept in ["article-css", "article-link", "console-object", "custom-key", "network-response"] {
        assert!(has(kept), "{kept} is gone");
    }
}

#[test]
fn scrub_network_takes_what_requests_carry() {
    let left = left("scrub-network", "{}");
    let has = |id: &str| left.iter().any(|left| left == id);
    for gone in [
        "network-query",
        "network-bearer",
        "network-request",
        "network-iban",
        "network-response",
        "shop-meta-url",
    ] {
        assert!(!has(gone), "{gone} is left");
    }
    assert!(has("article-link") && has("console-object"));
    let all = events("scrub-network", r#"{"drop_requests": ["*"]}"#);
    let requests = |event: &&Value| event["data"]["payload"]["requests"][0].is_object();
    assert!(originals().values().flatten().any(|event| requests(&event)));
    assert_eq!(all.values().flatten().filter(requests).count(), 0);
}

#[test]
fn mask_selectors_takes_what_is_meant_and_leaves_the_rest() {
    let left = left("mask-selectors", r##"{"maskSelectors": ["#author"], "blockSelectors": ["table"]}"##);
    let has = |id: &str| left.iter().any(|left| left == id);
    for gone in ["app-split-email", "table-first", "table-middle", "table-last"] {
        assert!(!has(gone), "{gone} is left");
    }
    assert!(has("article-email") && has("shop-app-email"));
}

#[test]
fn drop_console_takes_the_levels_that_are_meant() {
    let levels = |events: &BTreeMap<String, Vec<Value>>| -> Vec<String> {
        let logged = events.values().flatten().filter(|event| event["data"]["plugin"] == "rrweb/console@1");
        logged.map(|event| event["data"]["payload"]["level"].as_str().unwrap().to_owned()).collect()
    };
    let before = levels(&originals());
    assert!(before.iter().any(|level| level == "error") && before.iter().any(|level| level != "error"));
    assert_eq!(levels(&events("drop-console", "{}")), [""; 0]);
    let errors = levels(&events("drop-console", r#"{"levels": ["error"]}"#));
    let others: Vec<String> = before.iter().filter(|level| *level != "error").cloned().collect();
    assert_eq!(errors, others);

    assert_eq!(levels(&events("drop-console", r#"{"action": "mask"}"#)), before);
    let masked = left("drop-console", r#"{"action": "mask"}"#);
    for settings in ["{}", r#"{"action": "mask"}"#] {
        let left = left("drop-console", settings);
        assert!(!left.iter().any(|id| id.starts_with("console-")), "{left:?}");
    }
    assert!(masked.iter().any(|id| id == "article-email"));
}

/// Events keep their numbers when others before them leave, and move up in the array that plugins read.
#[test]
fn drop_console_finds_its_logs_after_another_plugin_removed_events() {
    const CHAIN: &[(&str, &str)] =
        &[("thin-mouse", r#"{"drop_all": true}"#), ("drop-console", r#"{"levels": ["error"]}"#)];
    let dir = tempfile::tempdir().unwrap();
    let mut service = Service::prepare_with(
        dir.path(),
        &config(dir.path(), &[("shop", 1, CHAIN), ("clinic", 1, CHAIN)], FAST),
    );
    service.run();
    send_all(&service);
    let alone = events("drop-console", r#"{"levels": ["error"]}"#);
    let logged = |events: &[Value]| -> Vec<Value> {
        events.iter().filter(|event| event["data"]["plugin"] == "rrweb/console@1").cloned().collect()
    };
    let (mut logs, mut gone) = (0, 0);
    for (project, _, session, _) in visits() {
        let exported = service.ok(&["session", "export", &project, &session]);
        let stored: Vec<Value> =
            exported.lines().flat_map(|line| serde_json::from_str::<Vec<Value>>(line).unwrap()).collect();
        let expected = logged(&alone[&session]);
        assert_eq!(logged(&stored), expected, "{project}/{session}");
        logs += expected.len();
        gone += alone[&session].len() - stored.len();
    }
    assert!(logs > 0 && gone > 0, "{logs} logs, {gone} events less");
}

/// When and where each position is, by event; and when something was clicked.
fn positions(events: &[Value]) -> (Vec<Vec<(i64, Value)>>, Vec<i64>) {
    let at = |event: &Value| event["timestamp"].as_i64().unwrap();
    let moves = events.iter().filter(|event| [1, 6, 12].iter().any(|source| is_of(event, 3, *source)));
    let moves = moves.map(|event| {
        let positions = event["data"]["positions"].as_array().unwrap().iter();
        positions.map(|place| (at(event) + place["timeOffset"].as_i64().unwrap(), place.clone())).collect()
    });
    let clicks = events.iter().filter(|event| is_of(event, 3, 2) && event["data"]["type"] == 2);
    (moves.collect(), clicks.map(at).collect())
}

#[test]
fn thin_mouse_leaves_the_way_and_where_it_ended() {
    let (before, after) = (originals(), events("thin-mouse", r#"{"interval_ms": 250}"#));
    let none = events("thin-mouse", r#"{"drop_all": true}"#);
    let (mut all, mut left) = (0, 0);
    for (session, events) in &before {
        let ((moves, clicks), (thinned, _)) = (positions(events), positions(&after[session]));
        assert_eq!(moves.len(), thinned.len(), "an event left");
        for (moves, thinned) in moves.iter().zip(&thinned) {
            assert_eq!(moves.last(), thinned.last());
        }
        let (moves, thinned) = (moves.concat(), thinned.concat());
        for click in clicks {
            let before = |(at, _): &&(i64, Value)| *at <= click;
            assert_eq!(moves.iter().rfind(before), thinned.iter().rfind(before), "before {click}");
        }
        (all, left) = (all + moves.len(), left + thinned.len());
        assert!(positions(&none[session]).0.is_empty());
        assert!(none[session].len() < events.len());
    }
    // A recorder tells twenty positions a second at most, and there are many clicks.
    assert!(left * 5 < all * 4, "{left} of {all}");
}

#[test]
fn sample_keeps_sessions_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let half: &[(&str, &str)] = &[("sample", r#"{"share": 0.5}"#)];
    let text = config(dir.path(), &[("shop", 1, half), ("clinic", 1, half)], FAST);
    let mut service = Service::prepare_with(dir.path(), &text);
    service.run();
    send_all(&service);
    let (mut kept, mut dropped) = (0, 0);
    for (project, visit, session, chunks) in visits() {
        let exported = service.cli(&["session", "export", &project, &session]);
        match String::from_utf8(exported.stdout).unwrap().lines().count() {
            0 => dropped += 1,
            some => {
                assert_eq!(some, chunks, "{project}/{visit} was cut");
                kept += 1;
            }
        }
    }
    assert!(kept > 0 && dropped > 0, "{kept} kept, {dropped} dropped");
    assert!(service.metric("replay_records_settled_total", "outcome=\"dropped_by_plugin\"") > 0.0);
}
