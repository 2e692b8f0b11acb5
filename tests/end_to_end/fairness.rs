//! One tenant's plugin spins for ever: the others do not notice, and nothing of its records gets out.

use std::path::Path;
use std::time::{Duration, Instant};

use replay_tests::canaries::{Found, everything_below, fold};
use replay_tests::plugins::{build_hostile, components, config, sha256};
use replay_tests::records::{TestChunk, session_id};
use replay_tests::service::{FAST, Service};
use serde_json::Value;

use crate::memory::resident_mib;

/// Sealed batches of the hostile tenant, each a session of its own.
const HOSTILE_BATCHES: u64 = 200;

/// Of them, so many spin until their time is up; then the breaker opens.
const SPINS: u64 = 150;

/// The others' sessions, and chunks of each.
const SESSIONS: u64 = 10;
const CHUNKS: u32 = 5;

/// A busy machine included; the hostile batches alone spin for longer than 3.75 s on two cores.
const SECONDS: Duration = Duration::from_secs(15);

/// In all records of the hostile tenant, with the word that sets its plugin off.
const CANARY: &str = "hostile-canary-4b1d@spun.example";

fn start(dir: &Path) -> Service {
    let spin = build_hostile(&dir.join("plugins"));
    std::fs::copy(components().join("block-url.wasm"), dir.join("plugins/block-url.wasm")).unwrap();
    let block_url = sha256("block-url");
    let tenants = format!(
        "  hostile:\n    keys: [pk_live_hostile]\n    chain_revision: 1\n    \
             plugins: [{{ name: spin, sha256: {spin} }}]\n  \
           clinic:\n    keys: [pk_live_clinic]\n    chain_revision: 1\n    plugins:\n      \
             - {{ name: block-url, sha256: {block_url}, config: {{\"blockUrls\": [\"*nowhere*\"], \"on_unknown\": \"keep\"}} }}\n{FAST}"
    );
    let text = config(dir, &[("shop", 0, &[])], &tenants);
    let others = format!("plugins: {{ dir: {}", components().display());
    let own = format!("plugins: {{ breaker_failures: {SPINS}, dir: {}", dir.join("plugins").display());
    assert!(text.contains(&others), "{text}");
    let mut service = Service::prepare_with(dir, &text.replace(&others, &own));
    service.run();
    service
}

/// The others' chunks: `shop` has no chain, `clinic` one that changes nothing.
fn others() -> Vec<TestChunk> {
    let chunk = |session: u64, index: u32| {
        let project = if session.is_multiple_of(2) { "shop" } else { "clinic" };
        let start_ms = 1_700_000_000_000 + u64::from(index) * 1_000;
        TestChunk::new(project, &session_id(1_000 + session), index, start_ms, 20, "a quiet visit")
    };
    (0..SESSIONS).flat_map(|session| (0..CHUNKS).map(move |index| chunk(session, index))).collect()
}

/// Records with their events in plain sight, so that a search of bytes finds them where they are.
fn hostile() -> Vec<String> {
    let text = format!("spin {CANARY}");
    let record = |number| {
        let chunk = TestChunk::new("hostile", &session_id(number), 0, 1_700_000_000_000, 3, &text);
        let mut record: Value = serde_json::from_str(&chunk.record()).unwrap();
        let fields = record.as_object_mut().unwrap();
        fields.remove("data");
        fields.insert("events".into(), serde_json::from_str(&chunk.events).unwrap());
        record.to_string()
    };
    (0..HOSTILE_BATCHES).map(record).collect()
}

fn check_others(service: &Service, chunks: &[TestChunk]) {
    for visit in chunks.chunks(CHUNKS as usize) {
        let exported = service.ok(&["session", "export", &visit[0].project, &visit[0].session]);
        let events: Vec<&str> = visit.iter().map(|chunk| &*chunk.events).collect();
        assert_eq!(exported.trim_end().lines().collect::<Vec<_>>(), events);
    }
}

/// Every hostile record is a letter with its reason, and no letter holds what the record said.
fn check_letters(service: &Service) {
    let letters = service.json(&["dead-letter", "list", "--project", "hostile"]);
    assert_eq!(letters.len() as u64, HOSTILE_BATCHES);
    let count = |reason: &str| letters.iter().filter(|letter| letter["reason"] == reason).count() as u64;
    let (timeouts, refused) = (count("plugin_timeout"), count("plugin_breaker_open"));
    assert_eq!(timeouts + refused, HOSTILE_BATCHES, "{letters:?}");
    assert!(timeouts >= SPINS && refused > 0, "{timeouts} timeouts, {refused} refused");
    assert_eq!(service.json(&["dead-letter", "list"]).len() as u64, HOSTILE_BATCHES, "of nobody else");
    let failures = |reason: &str| {
        service.metric("replay_plugin_failures_total", &format!("plugin=\"spin\",reason=\"{reason}\""))
    };
    assert_eq!(failures("plugin_timeout"), timeouts as f64);
    assert_eq!(service.metric("replay_plugin_breakers_opened_total", ""), 1.0);
    assert_eq!(service.metric("replay_plugin_failures_total", "block-url"), 0.0);
}

/// The source log has the originals until its retention; nothing else has a word of them.
fn check_nothing_got_out(service: &Service) {
    let mut texts = everything_below(&service.dir.join("data"), &["log"]);
    texts.push(Found::new("stderr", &service.log()));
    texts.push(Found::new("metrics", &service.get("/metrics").1));
    texts.push(Found::new("letters", &service.ok(&["dead-letter", "list", "--output", "json"])));
    let canary = fold(CANARY);
    let places: Vec<&str> = texts.iter().filter(|found| found.has(&canary)).map(Found::place).collect();
    assert_eq!(places, Vec::<&str>::new());
    // The search itself works.
    let originals = everything_below(&service.dir.join("data"), &[]);
    assert!(originals.iter().any(|found| found.has(&canary)), "the log has no originals");
}

#[test]
fn a_plugin_that_spins_for_ever_keeps_nobody_else_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path());
    let at_ready_mib = resident_mib(service.pid());
    let quiet = others();
    let records: Vec<String> = hostile().into_iter().chain(quiet.iter().map(TestChunk::record)).collect();
    let fed = Instant::now();
    assert!(service.feed(&["ingest", "-"], records.join("\n").as_bytes()).status.success());
    let stored = quiet.len() as f64;
    service.wait_until("the others' chunks are stored", |service| {
        service.metric("replay_records_settled_total", "outcome=\"stored\"") == stored
    });
    let took = fed.elapsed();
    let unsettled = service.metric("replay_records_unsettled", "");
    assert!(took < SECONDS, "{took:?}");
    assert!(unsettled > 0.0, "the others waited until all hostile batches were done");
    check_others(&service, &quiet);

    service.wait_settled(HOSTILE_BATCHES + quiet.len() as u64);
    let grown_mib = resident_mib(service.pid()).saturating_sub(at_ready_mib);
    eprintln!("others stored after {took:?}, {unsettled} hostile batches to go; {grown_mib} MiB grown");
    assert!(grown_mib < 100, "{grown_mib} MiB above ready");
    check_letters(&service);
    check_nothing_got_out(&service);
}
