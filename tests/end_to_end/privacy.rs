//! The shipped configs of GoSight's privacy levels over recorded visits: what each promises to take is nowhere,
//! and what it promises to keep is there.

use replay_tests::canaries::{Canary, Found, canaries, search};
use replay_tests::plugins::privacy_config;
use replay_tests::records::visits;
use replay_tests::service::{FAST, Service};

use crate::plugins::{everything, move_some, send_all};

/// What every level takes: what was typed, hidden inputs, cards.
fn essential(canary: &Canary) -> bool {
    // Of a table in the page one row was typed as well.
    let is_typed = canary.typed && !canary.text.ends_with("@directory.example");
    is_typed || matches!(&*canary.rule, "mask-inputs" | "mask-pii:card") || canary.id == "canvas-glyphs"
}

fn enhanced(canary: &Canary) -> bool {
    essential(canary)
        || matches!(&*canary.rule, "mask-pii:ipv4" | "mask-pii:token" | "mask-pii:jwt")
        || ["network-bearer", "network-request", "network-iban", "network-response"].contains(&&*canary.id)
}

/// What level 2 keeps, and level 1 too.
const KEPT: [&str; 16] = [
    "article-author",
    "article-email",
    "article-css",
    "article-phone",
    "table-name",
    "table-first",
    "app-split-email",
    "canvas-name",
    "canvas-email",
    "console-object",
    "custom-name",
    "custom-key",
    "network-query",
    "iframe-name",
    "shadow-email",
    "shop-meta-url",
];

/// What a level leaves behind of all visits and of broken records.
fn left(level: &str) -> Vec<Found> {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Service::prepare_with(dir.path(), &privacy_config(level, dir.path(), FAST));
    service.run();
    send_all(&service);
    assert_eq!(service.metric("replay_plugin_failures_total", ""), 0.0, "{}", service.log());
    assert_eq!(service.metric("replay_records_settled_total", "outcome=\"dropped_by_plugin\""), 0.0);
    move_some(&service);
    everything(&service)
}

fn check(level: &str, is_gone: fn(&Canary) -> bool, kept: &[&str]) -> Vec<Found> {
    let texts = left(level);
    let gone: Vec<Canary> = canaries().into_iter().filter(is_gone).collect();
    let hits = search(&gone, &texts);
    assert!(hits.is_empty(), "{level}: {} hits:\n{}", hits.len(), hits.join("\n"));
    for id in kept {
        let canary = canaries().into_iter().find(|canary| canary.id == *id).unwrap();
        assert!(!is_gone(&canary) && !search(&[canary], &texts).is_empty(), "{level} keeps {id}");
    }
    texts
}

#[test]
fn essential_takes_what_was_typed_and_cards() {
    let also =
        ["app-jwt", "console-ip", "console-token", "network-bearer", "network-request", "network-response"];
    check("essential", essential, &[&KEPT[..], &also].concat());
}

#[test]
fn enhanced_takes_addresses_of_machines_tokens_and_what_requests_carry() {
    check("enhanced", enhanced, &KEPT);
}

#[test]
fn maximum_leaves_no_canary_and_pages_that_are_whole() {
    let texts = check("maximum", |_| true, &[]);
    for (project, visit, ..) in visits() {
        let export =
            texts.iter().find(|found| found.place() == format!("export of {project}/{visit}")).unwrap();
        for kept in ["\"tagName\":\"html\"", &format!("http://{project}.example/"), "\"positions\""] {
            assert!(export.has(kept), "{project}/{visit} has no {kept}");
        }
        assert!(!export.has("rrweb/console@1"), "{project}/{visit}");
    }
}
