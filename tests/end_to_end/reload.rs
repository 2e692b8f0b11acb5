//! A running service takes the tenants and chains of the rewritten config, at SIGHUP or by itself, or says
//! why not and keeps its own.

mod departed;
mod directory;
mod owner;
mod requests;
mod secrets;
mod start;

use std::cell::Cell;
use std::path::Path;

use replay_tests::plugins::{Tenant, config, sha256};
use replay_tests::records::{TestChunk, session_id};
use replay_tests::service::{Service, signal};
use serde_json::json;

const ADDRESS: &str = "ann.lee@letters.example";

const CARDS: &[(&str, &str)] = &[("mask-pii", r#"{"kinds": ["card"]}"#)];
const ALL: &[(&str, &str)] = &[("mask-inputs", "{}"), ("mask-pii", "{}")];

/// Reloads only when asked to.
const BY_SIGNAL: &str = "replay: { idle_timeout: 50ms, flush_interval: 20ms }\nreload: { watch: false }\n";

/// Reloads by itself.
const WATCHED: &str = "replay: { idle_timeout: 50ms, flush_interval: 20ms }\nreload: { interval: 50ms }\n";

struct Running {
    service: Service,
    records: Cell<u64>,
}

impl Running {
    fn start(dir: &Path, tenants: &[Tenant<'_>]) -> Self {
        Self::start_with(dir, &config(dir, tenants, BY_SIGNAL))
    }

    fn start_with(dir: &Path, config: &str) -> Self {
        let mut service = Service::prepare_with(dir, config);
        service.run();
        Self { service, records: Cell::new(0) }
    }

    fn rewrite(&self, text: &str) {
        std::fs::write(self.service.dir.join("replay.yaml"), text).unwrap();
    }

    fn times_said(&self, words: &str) -> usize {
        self.service.log().matches(words).count()
    }

    /// The intake's answer to a chunk with this key.
    fn post(&self, key: &str) -> u16 {
        let number = self.records.get() + 1;
        let chunk = TestChunk::new("", &session_id(number), 0, 1_700_000_000_000, 1, "posted");
        let (code, said) = self.service.post(chunk.body(key).to_string().as_bytes());
        if code == 200 {
            self.records.set(number);
        }
        assert!(code != 0, "{said}");
        code
    }

    fn ingest(&self, chunk: &TestChunk) {
        assert!(self.service.feed(&["ingest", "-"], chunk.record().as_bytes()).status.success());
    }

    /// A chunk of a session of its own, with an address in the page's text.
    fn chunk(&self, project: &str) -> (u64, TestChunk) {
        let number = self.records.get() + 1;
        self.records.set(number);
        let session = session_id(number);
        let mut chunk = TestChunk::new(project, &session, 0, 1_700_000_000_000, 1, "");
        chunk.events = json!([{"type": 3, "timestamp": chunk.start_ms, "data": {
            "source": 0, "texts": [{"id": 7, "value": ADDRESS}], "attributes": [], "removes": [], "adds": [],
        }}])
        .to_string();
        (number, chunk)
    }

    /// Whether a record of now is stored as it came.
    fn stores_addresses(&self, project: &str) -> bool {
        let (number, chunk) = self.chunk(project);
        self.ingest(&chunk);
        self.service.wait_settled(number);
        let exported = self.service.ok(&["session", "export", project, &chunk.session]);
        assert!(exported.contains("\"texts\""), "{exported}");
        exported.contains(ADDRESS)
    }

    /// Rewrites the config, asks for a reload, and answers what was said until `end` was said once more.
    fn reload(&self, text: &str, end: &str) -> String {
        std::fs::write(self.service.dir.join("replay.yaml"), text).unwrap();
        let before = self.service.log().len();
        signal(self.service.pid(), "HUP");
        let said = |service: &Service| service.log().get(before..).unwrap_or_default().to_owned();
        self.service.wait_until(end, |service| {
            let said = said(service);
            said.split_once(end).is_some_and(|(_, rest)| rest.contains('\n'))
        });
        said(&self.service)
    }
}

const DONE: &str = "tenants and chains are in place";
const REFUSED: &str = "the config stays as it was";

#[test]
fn a_higher_revision_takes_the_place_of_the_running_chain() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = Running::start(dir.path(), &[("shop", 1, CARDS), ("clinic", 1, CARDS)]);
    assert!(running.stores_addresses("shop"));
    let pid = running.service.pid();
    running.reload(&config(dir.path(), &[("shop", 2, ALL), ("clinic", 1, CARDS)], BY_SIGNAL), DONE);
    assert!(!running.stores_addresses("shop"), "new records follow the new chain");
    assert!(running.stores_addresses("clinic"), "the other tenant's is what it was");
    assert_eq!(running.service.pid(), pid);
    assert!(running.service.ok(&["session", "export", "shop", &session_id(1)]).contains(ADDRESS));

    // And back, which is a change like any other.
    running.reload(&config(dir.path(), &[("shop", 3, CARDS), ("clinic", 1, CARDS)], BY_SIGNAL), DONE);
    assert!(running.stores_addresses("shop"));
    assert_eq!(running.service.stop().0, Some(0));
}

#[test]
fn a_config_that_is_refused_changes_nothing_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let of = |revision, chain| config(dir.path(), &[("shop", revision, chain)], BY_SIGNAL);
    let mut running = Running::start(dir.path(), &[("shop", 2, ALL)]);
    assert!(!running.stores_addresses("shop"));
    let (now, next) = (of(2, ALL), of(3, CARDS));
    for (text, why) in [
        (of(2, CARDS), "raise it to 3"),
        (of(1, CARDS), "was 2"),
        (next.replace("name: mask-pii", "name: not-there"), "not-there.wasm"),
        (next.replace("chain_revision: 3", "chain_revision: 3\n    chain_revisoin: 3"), "chain_revisoin"),
        (format!("{next}tenants: ["), "replay.yaml"),
        (String::new(), "replay.yaml"),
    ] {
        let said = running.reload(&text, REFUSED);
        assert!(said.contains("ERROR") && !said.contains(DONE), "{said}");
        // The reason is on the lines below.
        running.service.wait_until(why, |service| {
            let log = service.log();
            log.rsplit_once(REFUSED).is_some_and(|(_, reason)| reason.contains(why))
        });
        // The commands read the config too.
        std::fs::write(dir.path().join("replay.yaml"), &now).unwrap();
        assert!(!running.stores_addresses("shop"), "the old chain works on after: {why}");
    }
    // What was refused was not remembered: the next good one is taken.
    running.reload(&next, DONE);
    assert!(running.stores_addresses("shop"));
    assert_eq!(running.service.stop().0, Some(0));
}

#[test]
fn a_changed_file_is_taken_by_itself_and_a_broken_one_is_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let of = |revision, chain| config(dir.path(), &[("shop", revision, chain)], WATCHED);
    let mut running = Running::start_with(dir.path(), &of(1, CARDS));
    assert!(running.stores_addresses("shop"));
    running.rewrite(&of(2, ALL));
    running.service.wait_until(DONE, |_| running.times_said(DONE) == 1);
    assert!(!running.stores_addresses("shop"));
    let stale = || running.service.metric("replay_config_stale", "");
    assert_eq!(stale(), 0.0);

    // Half of it, again and again: each time it is read, refused, and counted.
    let half = of(3, CARDS);
    let half = &half[..half.len() - WATCHED.len() - 40];
    for times in 1..=3 {
        running.rewrite(half);
        let failed = |service: &Service| service.metric("replay_reload_failed_total", "") >= f64::from(times);
        running.service.wait_until("it is refused", failed);
    }
    assert_eq!((running.times_said(REFUSED), stale()), (1, 1.0), "{}", running.service.log());
    let (code, ready) = running.service.get("/readyz");
    assert!(
        code == 200 && ready.contains("degraded") && ready.contains("the config on disk is refused"),
        "{ready}"
    );
    running.rewrite(&of(2, ALL));
    running.service.wait_until("it is taken back", |_| stale() == 0.0);
    assert!(!running.stores_addresses("shop"));
    assert!(running.service.get("/readyz").1.contains("\"ready\""));
    assert_eq!(running.times_said(DONE), 1, "nothing was replaced");

    // What is read at the start only is said to be.
    running.rewrite(&of(2, ALL).replace("flush_interval: 20ms", "flush_interval: 30ms"));
    running.service.wait_until("it is taken in part", |_| running.times_said("need a restart") == 1);
    assert!(stale() == 1.0 && running.service.ok(&["status"]).contains("restart"));
    assert_eq!(running.service.stop().0, Some(0));
}

/// A config whose tenants have files of their own.
fn with_dir(dir: &Path, unlisted: &str, extra: &str) -> String {
    let tenants = dir.join("tenants");
    std::fs::create_dir_all(&tenants).unwrap();
    let inside = format!("tenants:\n  dir: {}\n  unlisted: {unlisted}\n", tenants.display());
    // The same plugins as the others have: what nobody has any more leaves the cache that tests share.
    let config = config(dir, &[("anchor", 1, ALL)], extra);
    config.replace("tenants:\n  unlisted: defaults\n", &inside)
}

/// A tenant's own file.
fn tenant_file(key: &str, revision: u16, chain: &[(&str, &str)]) -> String {
    let plugin = |(name, settings): &(&str, &str)| {
        format!("  - {{ name: {name}, sha256: {}, config: {settings} }}\n", sha256(name))
    };
    let plugins: String = chain.iter().map(plugin).collect();
    format!("keys: [{key}]\nchain_revision: {revision}\nplugins:\n{plugins}")
}

#[test]
fn tenants_come_and_go_with_their_files() {
    let dir = tempfile::tempdir().unwrap();
    let text = with_dir(dir.path(), "reject", WATCHED);
    let mut running = Running::start_with(dir.path(), &text);
    let file = |name: &str| dir.path().join("tenants").join(name);
    assert_eq!((running.post("pk_live_anchor"), running.post("pk_shop")), (200, 401));

    std::fs::write(file("shop.yaml"), tenant_file("pk_shop", 1, ALL)).unwrap();
    running.service.wait_until(DONE, |_| running.times_said(DONE) == 1);
    assert_eq!(running.post("pk_shop"), 200);
    assert!(!running.stores_addresses("shop"));
    assert!(running.service.ok(&["check"]).contains("tenants: 2 listed"));

    // A mistake in one file, and nobody's tenants change.
    std::fs::write(file("blog.yaml"), "keys: [pk_blog]\nplugns: []\n").unwrap();
    running.service.wait_until(REFUSED, |_| running.times_said("unknown key `plugns`") == 1);
    assert_eq!((running.post("pk_shop"), running.post("pk_blog")), (200, 401));
    assert_eq!(running.service.cli(&["check"]).status.code(), Some(78));
    std::fs::write(file("blog.yaml"), "keys: [pk_blog]\n").unwrap();
    running.service.wait_until(DONE, |_| running.times_said(DONE) == 2);
    assert_eq!(running.post("pk_blog"), 200);

    std::fs::remove_file(file("shop.yaml")).unwrap();
    running.service.wait_until(DONE, |_| running.times_said(DONE) == 3);
    assert_eq!((running.post("pk_shop"), running.post("pk_blog")), (401, 200));
    let (number, chunk) = running.chunk("shop");
    running.ingest(&chunk);
    running.service.wait_settled(number);
    let letters = running.service.json(&["dead-letter", "list"]);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["reason"], "unknown_tenant");

    // All at once is a mount that failed, not a decision.
    std::fs::remove_file(file("blog.yaml")).unwrap();
    running.service.wait_until(DONE, |_| running.times_said(DONE) == 4);
    running.rewrite(&text.replace("  anchor:", "  #").replace("    keys: [pk_live_anchor]", "  #"));
    running.service.wait_until(REFUSED, |_| running.times_said(REFUSED) == 2);
    running.rewrite(&text);
    running.service.wait_until("taken back", |service| service.metric("replay_config_stale", "") == 0.0);
    assert_eq!(running.post("pk_live_anchor"), 200);
    assert_eq!(running.service.stop().0, Some(0));
}
