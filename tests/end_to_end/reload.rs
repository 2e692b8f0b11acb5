//! SIGHUP: a running service takes the chains of the rewritten config, or says why not and keeps its own.

use std::cell::Cell;
use std::path::Path;

use replay_tests::plugins::{Tenant, config};
use replay_tests::records::{TestChunk, session_id};
use replay_tests::service::{FAST, Service, signal};
use serde_json::json;

const ADDRESS: &str = "ann.lee@letters.example";

const CARDS: &[(&str, &str)] = &[("mask-pii", r#"{"kinds": ["card"]}"#)];
const ALL: &[(&str, &str)] = &[("mask-inputs", "{}"), ("mask-pii", "{}")];

struct Running {
    service: Service,
    records: Cell<u64>,
}

impl Running {
    fn start(dir: &Path, tenants: &[Tenant<'_>]) -> Self {
        let mut service = Service::prepare_with(dir, &config(dir, tenants, FAST));
        service.run();
        Self { service, records: Cell::new(0) }
    }

    /// Whether a record of now is stored as it came, with an address in the page's text.
    fn stores_addresses(&self, project: &str) -> bool {
        let number = self.records.get() + 1;
        self.records.set(number);
        let session = session_id(number);
        let mut chunk = TestChunk::new(project, &session, 0, 1_700_000_000_000, 1, "");
        chunk.events = json!([{"type": 3, "timestamp": chunk.start_ms, "data": {
            "source": 0, "texts": [{"id": 7, "value": ADDRESS}], "attributes": [], "removes": [], "adds": [],
        }}])
        .to_string();
        assert!(self.service.feed(&["ingest", "-"], chunk.record().as_bytes()).status.success());
        self.service.wait_settled(number);
        let exported = self.service.ok(&["session", "export", project, &session]);
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

const DONE: &str = "the chains of the config are in place";
const REFUSED: &str = "the chains stay as they were";

#[test]
fn a_higher_revision_takes_the_place_of_the_running_chain() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = Running::start(dir.path(), &[("shop", 1, CARDS), ("clinic", 1, CARDS)]);
    assert!(running.stores_addresses("shop"));
    let pid = running.service.pid();
    running.reload(&config(dir.path(), &[("shop", 2, ALL), ("clinic", 1, CARDS)], FAST), DONE);
    assert!(!running.stores_addresses("shop"), "new records follow the new chain");
    assert!(running.stores_addresses("clinic"), "the other tenant's is what it was");
    assert_eq!(running.service.pid(), pid);
    assert!(running.service.ok(&["session", "export", "shop", &session_id(1)]).contains(ADDRESS));

    // And back, which is a change like any other.
    running.reload(&config(dir.path(), &[("shop", 3, CARDS), ("clinic", 1, CARDS)], FAST), DONE);
    assert!(running.stores_addresses("shop"));
    assert_eq!(running.service.stop().0, Some(0));
}

#[test]
fn a_config_that_is_refused_changes_nothing_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let of = |revision, chain| config(dir.path(), &[("shop", revision, chain)], FAST);
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
