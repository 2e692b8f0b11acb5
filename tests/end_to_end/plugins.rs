//! Tenants' chains over recorded visits: what they must catch is nowhere, and a control run finds it all.

use std::path::Path;

use replay_tests::canaries::{Canary, Found, canaries, everything_below, search};
use replay_tests::plugins::{Tenant, config};
use replay_tests::records::{recorded, recordings, visits};
use replay_tests::service::{FAST, Service};
use serde_json::Value;

const MASKS: &[(&str, &str)] = &[("mask-inputs", "{}"), ("mask-pii", "{}")];

/// The source log holds originals until its retention; compiled plugins hold no payload at all.
const ORIGINALS: &[&str] = &["log"];

fn start(dir: &Path, tenants: &[Tenant<'_>]) -> Service {
    let mut service = Service::prepare_with(dir, &config(dir, tenants, FAST));
    service.run();
    service
}

/// Every recorded visit and every broken record; answers how many were sent.
pub(crate) fn send_all(service: &Service) -> u64 {
    let mut lines: Vec<String> =
        visits().iter().flat_map(|(project, visit, ..)| recorded(project, visit)).collect();
    let broken = std::fs::read_to_string(recordings().join("broken.ndjson")).unwrap();
    lines.extend(broken.lines().map(str::to_owned));
    let fed = service.feed(&["ingest", "-"], lines.join("\n").as_bytes());
    assert!(fed.status.success(), "{}", String::from_utf8_lossy(&fed.stderr));
    service.wait_settled(lines.len() as u64);
    lines.len() as u64
}

/// Files, tables, objects, exports, the log on stderr and the metrics.
pub(crate) fn everything(service: &Service) -> Vec<Found> {
    let mut texts = everything_below(&service.dir.join("data"), ORIGINALS);
    for (project, visit, session, _) in visits() {
        let exported = service.ok(&["session", "export", &project, &session]);
        let visit = format!("{project}/{visit}");
        texts.push(Found::new(format!("export of {visit}"), &exported).of_visit(visit));
    }
    texts.push(Found::new("stderr", &service.log()));
    texts.push(Found::new("metrics", &service.get("/metrics").1));
    texts.push(Found::new("letters", &service.ok(&["dead-letter", "list", "--output", "json"])));
    texts
}

/// The list holds no rule to what is drawn digit by digit: no field of it is one. The masks do.
fn to_be_caught() -> Vec<Canary> {
    canaries().into_iter().filter(|canary| canary.rule != "none" || canary.id == "canvas-glyphs").collect()
}

pub(crate) fn move_some(service: &Service) {
    for (project, _, session, _) in visits().iter().step_by(2) {
        service.ok(&["migrate", "run", "--session", &format!("{project}/{session}")]);
    }
}

#[test]
fn what_the_masks_must_catch_is_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path(), &[("shop", 1, MASKS), ("clinic", 1, MASKS)]);
    send_all(&service);
    assert_eq!(service.metric("replay_plugin_failures_total", ""), 0.0, "{}", service.log());
    assert!(service.metric("replay_redacted_fields_total", "") > 100.0);
    move_some(&service);
    let hits = search(&to_be_caught(), &everything(&service));
    assert!(hits.is_empty(), "{} hits:\n{}", hits.len(), hits.join("\n"));
}

#[test]
fn without_plugins_the_same_search_finds_everything_and_a_reprocess_repairs_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = start(dir.path(), &[("shop", 0, &[]), ("clinic", 0, &[])]);
    send_all(&service);
    move_some(&service);
    let hits = search(&to_be_caught(), &everything(&service));
    for canary in to_be_caught() {
        let named = |hit: &&String| hit.split([' ', ':']).next() == Some(&*canary.id);
        assert!(hits.iter().any(|hit| named(&hit)), "the search does not find {canary:?}");
    }
    let (code, _) = service.stop();
    assert_eq!(code, Some(0));

    let mut service = Service::prepare_with(
        dir.path(),
        &config(dir.path(), &[("shop", 1, MASKS), ("clinic", 1, MASKS)], FAST),
    );
    service.run();
    for project in ["shop", "clinic"] {
        let report = &service.json(&["session", "reprocess", project])[0];
        assert!(report["chunks_changed"].as_u64().unwrap() > 5, "{report}");
        assert_eq!(report["failures"].as_array().map(Vec::len), Some(0), "{report}");
        let again = &service.json(&["session", "reprocess", project, "--dry-run"])[0];
        assert_eq!(again["chunks_changed"], 0, "{again}");
        assert!(again["sessions"].as_u64().unwrap() > 0, "{again}");
    }
    // Who mistypes what is to be repaired must not take it for repaired.
    let nobody = replay_tests::records::session_id(4711);
    let said = service.cli(&["session", "reprocess", "shop", &nobody]);
    let error = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.code() == Some(1) && error.contains(&nobody), "{said:?}");
    let said = service.cli(&["session", "reprocess", "shoop"]);
    assert!(String::from_utf8_lossy(&said.stderr).contains("no session of `shoop`"), "{said:?}");
    // Letters hold originals of the time before; they are fed back or erased apart from this.
    let texts: Vec<Found> =
        everything(&service).into_iter().filter(|found| !found.is_of("dead.sqlite")).collect();
    let hits = search(&to_be_caught(), &texts);
    assert!(hits.is_empty(), "{} hits:\n{}", hits.len(), hits.join("\n"));
}

#[test]
fn a_blocked_page_is_dropped_for_the_tenant_that_blocks_it() {
    let dir = tempfile::tempdir().unwrap();
    let blocks: &[(&str, &str)] = &[("block-url", r#"{"blockUrls": ["*table.html*"]}"#)];
    let service = start(dir.path(), &[("shop", 0, &[]), ("clinic", 1, blocks)]);
    send_all(&service);
    // Other pages may link to it.
    let pages = |project: &str| -> Vec<String> {
        let of = |visit: &(String, String, String, usize)| visit.0 == project;
        let sessions = visits().into_iter().filter(of);
        let exported: String =
            sessions.map(|visit| service.ok(&["session", "export", project, &visit.2])).collect();
        let events = exported.lines().flat_map(|line| serde_json::from_str::<Vec<Value>>(line).unwrap());
        events.filter_map(|event| Some(event["data"].get("href")?.as_str()?.to_owned())).collect()
    };
    let opens = |pages: &[String], name: &str| pages.iter().any(|page| page.contains(name));
    assert!(opens(&pages("shop"), "table.html"));
    assert!(!opens(&pages("clinic"), "table.html"));
    assert!(opens(&pages("clinic"), "app.html"), "other pages stay");
    assert!(service.metric("replay_records_settled_total", "outcome=\"dropped_by_plugin\"") > 0.0);
}

#[test]
fn a_changed_chain_needs_a_higher_revision_and_a_pin_must_fit() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = start(dir.path(), &[("shop", 2, MASKS)]);
    service.stop();
    let refused = |tenants: &[Tenant<'_>], change: &dyn Fn(String) -> String| -> String {
        let text = change(config(dir.path(), tenants, FAST));
        let service = Service::prepare_with(dir.path(), &text);
        let output = service.cli(&["run"]);
        assert_eq!(output.status.code(), Some(78), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stderr).unwrap()
    };
    let same = |text: String| text;
    let less = &MASKS[..1];
    assert!(refused(&[("shop", 2, less)], &same).contains("chain_revision 2; raise it to 3"));
    assert!(refused(&[("shop", 1, MASKS)], &same).contains("was 2"));
    let other_pin = |text: String| {
        let pin = replay_tests::plugins::sha256("mask-pii");
        text.replace(&pin, &"0".repeat(64))
    };
    let said = refused(&[("shop", 3, MASKS)], &other_pin);
    assert!(said.contains("mask-pii") && said.contains("sha256"), "{said}");
    let missing = |text: String| text.replace("name: mask-pii", "name: not-there");
    let said = refused(&[("shop", 3, MASKS)], &missing);
    assert!(said.contains("not-there.wasm"), "{said}");
    // What was refused was not remembered.
    let mut service = Service::prepare_with(dir.path(), &config(dir.path(), &[("shop", 3, less)], FAST));
    service.run();
    assert_eq!(service.stop().0, Some(0));
}
