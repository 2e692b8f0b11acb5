//! Many tenants: thousands that share a few configs, and more configs than are kept mapped.
//!
//! Compiling takes minutes, so they run in `cargo xtask soak`. Times are those of a release build:
//! `REPLAY_BINARY=target/release/replay-processor cargo test --test end_to_end many_tenants -- --ignored`.

use std::path::Path;
use std::time::{Duration, Instant};

use replay_tests::plugins::{components, sha256};
use replay_tests::records::{TestChunk, session_id};
use replay_tests::service::{FAST, Service, binary};

use crate::memory::anonymous_mib;

/// So many are compiled in one start, before the test gets impatient.
const STEP: usize = 25;

const CANARY: &str = "anna.canary@example.com";

/// `tenants` tenants `t0`, `t1`, …, of which one in `configs` has the same chain.
fn config(dir: &Path, tenants: usize, configs: usize, loaded: &str) -> String {
    let pin = sha256("mask-pii");
    let listed: String = (0..tenants)
        .map(|tenant| {
            let own = tenant % configs;
            format!(
                "  t{tenant}:\n    keys: [pk_live_t{tenant}]\n    chain_revision: 1\n    plugins:\n      \
                 - {{ name: mask-pii, sha256: {pin}, config: {{\"patterns\": [{{\"name\": \"own\", \"regex\": \
                 \"own-{own}-[0-9]+\"}}]}} }}\n"
            )
        })
        .collect();
    format!(
        "source: {{ kind: local }}\nhot: {{ kind: sqlite }}\ncold: {{ kind: none }}\ndead_letters: {{ kind: table }}\n\
         embedded: {{ dir: {data} }}\napi: {{ listen: \"127.0.0.1:0\" }}\n{FAST}\
         plugins: {{ dir: {components}, cache_dir: {cache}, loaded_bytes: {loaded} }}\n\
         tenants:\n  unlisted: reject\n  defaults: {{ plugins: [] }}\n{listed}",
        data = dir.join("data").display(),
        components = components().display(),
        cache = dir.join("cache").display(),
    )
}

fn started(dir: &Path, config: &str) -> (Service, Duration) {
    let mut service = Service::prepare_with(dir, config);
    let begin = Instant::now();
    service.run();
    (service, begin.elapsed())
}

fn feed(service: &Service, records: &str) {
    assert!(service.feed(&["ingest", "-"], records.as_bytes()).status.success());
}

#[test]
#[ignore = "compiles fifty plugins"]
fn five_thousand_tenants_over_fifty_configs_are_soon_ready() {
    let dir = tempfile::tempdir().unwrap();
    let text = config(dir.path(), 5_000, 50, "256MiB");
    let (mut service, cold) = started(dir.path(), &text);
    assert_eq!(service.stop().0, Some(0));
    let (mut service, cached) = started(dir.path(), &text);
    eprintln!("5,000 tenants over 50 configs: ready after {cold:.1?} cold, {cached:.2?} from the cache");
    // Any of them works.
    for (number, tenant) in (0..).zip([0, 49, 50, 4_999]) {
        let project = format!("t{tenant}");
        let text = format!("{CANARY} own-{}-77", tenant % 50);
        let chunk = TestChunk::new(&project, &session_id(tenant as u64), 0, 1_700_000_000_000, 3, &text);
        feed(&service, &chunk.record());
        service.wait_settled(number + 1);
        let stored = service.ok(&["session", "export", &project, &session_id(tenant as u64)]);
        assert!(stored.contains("***") && !stored.contains(CANARY) && !stored.contains("-77"), "{stored}");
    }
    assert_eq!(service.stop().0, Some(0));
    if !binary().components().any(|part| part.as_os_str() == "debug") {
        assert!(cold < Duration::from_secs(30) && cached < Duration::from_secs(2), "{cold:?}, {cached:?}");
    }
}

#[test]
#[ignore = "compiles five hundred plugins"]
fn five_hundred_configs_take_turns_within_the_bound() {
    const CONFIGS: usize = 500;
    let dir = tempfile::tempdir().unwrap();
    // Of all that is compiled, a good part has to go for the rest.
    let of = |tenants: usize| config(dir.path(), tenants, CONFIGS, "300MiB");
    for tenants in (STEP..CONFIGS).step_by(STEP) {
        let (mut service, _) = started(dir.path(), &of(tenants));
        assert_eq!(service.stop().0, Some(0));
    }
    let (mut service, _) = started(dir.path(), &of(CONFIGS));
    let compiled: u64 = std::fs::read_dir(dir.path().join("cache"))
        .unwrap()
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    let mut most_mib = anonymous_mib(service.pid());
    for round in 0..3 {
        for page in 0..CONFIGS / 50 {
            let records: String = (page * 50..(page + 1) * 50)
                .map(|tenant| {
                    let session = session_id((round * CONFIGS + tenant) as u64);
                    let chunk =
                        TestChunk::new(&format!("t{tenant}"), &session, 0, 1_700_000_000_000, 20, CANARY);
                    chunk.record() + "\n"
                })
                .collect();
            feed(&service, &records);
            most_mib = most_mib.max(anonymous_mib(service.pid()));
        }
        service.wait_settled(((round + 1) * CONFIGS) as u64);
        most_mib = most_mib.max(anonymous_mib(service.pid()));
    }
    eprintln!(
        "{CONFIGS} configs, {} MiB compiled: {most_mib} MiB of anonymous memory at most",
        compiled >> 20
    );
    assert!(service.json(&["dead-letter", "list"]).is_empty(), "{}", service.log());
    let stored = service.metric("replay_records_settled_total", "outcome=\"stored\"");
    assert_eq!(stored, (3 * CONFIGS) as f64, "{}", service.log());
    assert!(compiled > 300 << 20, "{compiled}");
    assert!(most_mib < 300, "{most_mib} MiB");
    assert_eq!(service.stop().0, Some(0));
}
