//! A tenant's breaker is its own: what others change does not close it, and what it refused is fed back once
//! its own chain has changed.

use std::path::Path;

use replay_tests::plugins::{build_hostile, components, config};
use replay_tests::records::{TestChunk, session_id};
use replay_tests::service::{Service, signal};
use serde_json::Value;

const BY_SIGNAL: &str = "replay: { idle_timeout: 50ms, flush_interval: 20ms }\nreload: { watch: false }\n";

/// Two failures open a breaker, for longer than the test runs.
const BREAKER: &str = "breaker_failures: 2, breaker_wait: 1h";

const TEXT: &str = "spin and be left alone";

/// `hostile` with this chain, and `clinic` with none under this number.
fn text(dir: &Path, hostile: &str, clinic: u16) -> String {
    let tenants = format!("  hostile:\n    keys: [pk_live_hostile]\n{hostile}{BY_SIGNAL}");
    let text = config(dir, &[("clinic", clinic, &[])], &tenants);
    let others = format!("plugins: {{ dir: {}", components().display());
    let own = format!("plugins: {{ {BREAKER}, dir: {}", dir.join("plugins").display());
    assert!(text.contains(&others), "{text}");
    text.replace(&others, &own)
}

fn reload(service: &Service, text: &str) {
    let done = "the config's tenants and chains are in place";
    let before = service.log().matches(done).count();
    std::fs::write(service.dir.join("replay.yaml"), text).unwrap();
    signal(service.pid(), "HUP");
    service.wait_until(done, |service| service.log().matches(done).count() > before);
}

/// Feeds sessions one after the other: each is a batch that meets what the one before left.
fn feed(service: &Service, sessions: std::ops::RangeInclusive<u64>) -> Vec<TestChunk> {
    let chunk = |number| TestChunk::new("hostile", &session_id(number), 0, 1_700_000_000_000, 1, TEXT);
    let chunks: Vec<TestChunk> = sessions.map(chunk).collect();
    for chunk in &chunks {
        let settled = service.metric("replay_records_settled_total", "") as u64;
        assert!(service.feed(&["ingest", "-"], chunk.record().as_bytes()).status.success());
        service.wait_settled(settled + 1);
    }
    chunks
}

/// Reason and attempts of each letter.
fn letters(service: &Service) -> Vec<(String, u64)> {
    let letter = |letter: &Value| {
        (letter["reason"].as_str().unwrap().to_owned(), letter["attempts"].as_u64().unwrap())
    };
    let mut letters: Vec<_> = service.json(&["dead-letter", "list"]).iter().map(letter).collect();
    letters.sort();
    letters
}

fn breaker(service: &Service) -> String {
    let said = service.json(&["plugin", "status", "--project", "hostile"]);
    said[0]["plugins"][0]["breaker"].as_str().unwrap().to_owned()
}

/// A service whose `hostile` spins, and has for so long that its breaker is open; its chain.
fn spinning(dir: &Path) -> (String, Service) {
    let spin = build_hostile(&dir.join("plugins"));
    let spinning = format!("    chain_revision: 1\n    plugins: [{{ name: spin, sha256: {spin} }}]\n");
    let mut service = Service::prepare_with(dir, &text(dir, &spinning, 1));
    service.run();
    feed(&service, 1..=2);
    (spinning, service)
}

#[test]
fn what_a_breaker_refused_waits_for_its_own_tenants_change() {
    let dir = tempfile::tempdir().unwrap();
    let (spinning, service) = spinning(dir.path());
    let refused = feed(&service, 3..=4);
    let of = |reason: &str, attempts: u64| (reason.to_owned(), attempts);
    let (open, timeout) = (|| of("plugin_breaker_open", 1), || of("plugin_timeout", 1));
    assert_eq!(letters(&service), [open(), open(), timeout(), timeout()]);

    // As often as would use up what a letter may be tried.
    for clinic in 2..=6 {
        reload(&service, &text(dir.path(), &spinning, clinic));
        assert_eq!(breaker(&service), "open", "under the clinic's revision {clinic}");
    }
    feed(&service, 5..=5);
    assert_eq!(letters(&service), [open(), open(), open(), timeout(), timeout()]);

    reload(&service, &text(dir.path(), "    chain_revision: 2\n    plugins: []\n", 6));
    service.wait_until("the refused ones are stored", |service| {
        service.metric("replay_records_settled_total", "outcome=\"stored\"") == 3.0
    });
    for chunk in &refused {
        let exported = service.ok(&["session", "export", "hostile", &chunk.session]);
        assert_eq!(exported.trim_end(), chunk.events);
    }
    // What failed by itself is fed back by hand; the others came back once, and only now.
    service.wait_until("their letters are closed", |service| letters(service) == [timeout(), timeout()]);
    assert_eq!(service.metric("replay_records_received_total", ""), 5.0 + 3.0);
}

#[test]
fn what_a_breaker_refused_was_not_tried_however_often_the_service_starts() {
    let dir = tempfile::tempdir().unwrap();
    let (_, mut service) = spinning(dir.path());
    feed(&service, 3..=26);
    let count = |service: &Service, reason: &str, attempts: u64| {
        letters(service).iter().filter(|letter| **letter == (reason.to_owned(), attempts)).count()
    };
    let mut refused = count(&service, "plugin_breaker_open", 1);
    assert_eq!(refused, 24);

    // As often as would use up what a letter may be tried. Each time some are, before the breaker opens.
    for start in 1..=3 {
        service.stop();
        service.run();
        service.wait_settled(refused as u64);
        let left = count(&service, "plugin_breaker_open", 1);
        assert!(0 < left && left < refused, "{left} of {refused} after start {start}");
        assert_eq!(count(&service, "plugin_timeout", 2), 24 - left);
        refused = left;
    }

    service.stop();
    let repaired = text(dir.path(), "    chain_revision: 2\n    plugins: []\n", 1);
    std::fs::write(service.dir.join("replay.yaml"), repaired).unwrap();
    service.run();
    service.wait_until("the rest is stored", |service| {
        service.metric("replay_records_settled_total", "outcome=\"stored\"") == refused as f64
    });
    service.wait_until("and closed", |service| count(service, "plugin_breaker_open", 1) == 0);
}
