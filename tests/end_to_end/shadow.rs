//! What whoever runs plugins meets: a next chain is tried beside the present one, looked at, promoted and
//! taken back; and what `plugin status` says is what was stored.

use std::path::Path;

use replay_tests::canaries::{Canary, Found, canaries, search};
use replay_tests::plugins::{Tenant, build_hostile, components, config, sha256};
use replay_tests::records::{TestChunk, gzip, recorded, session_id, visits};
use replay_tests::service::{FAST, Service, signal};
use serde_json::{Value, json};

const CARDS: &[(&str, &str)] = &[("mask-pii", r#"{"kinds": ["card"]}"#)];
const ALL: &[(&str, &str)] = &[("mask-inputs", "{}"), ("mask-pii", "{}")];

const ADDRESS: &str = "ann.lee@letters.example";

/// Shadows that see all that they can: what is let go would be no number to wait for.
const EAGER: &str = "shadow: { cpu_percent: 100, queue_batches: 100000, queue_bytes: 1GiB }";

const COMMENT: &str = "    # ours, and tried on everybody\n";

/// A config whose `shop` has a chain and, as a shadow on all sessions, another one.
fn tried(dir: &Path, active: &[(&str, &str)], shadow: &[(&str, &str)]) -> String {
    let tenants: &[Tenant<'_>] = &[("shop", 1, active), ("clinic", 0, &[])];
    let plugins: String = shadow
        .iter()
        .map(|(name, settings)| {
            format!("        - {{ name: {name}, sha256: {}, config: {settings} }}\n", sha256(name))
        })
        .collect();
    let key = "    keys: [pk_live_shop]\n";
    let beside = format!("{key}{COMMENT}    shadow:\n      share: 100\n      plugins:\n{plugins}");
    eager(&config(dir, tenants, FAST)).replacen(key, &beside, 1)
}

fn eager(config: &str) -> String {
    assert!(config.contains("plugins: { dir:"), "{config}");
    config.replacen("plugins: { dir:", &format!("plugins: {{ {EAGER}, dir:"), 1)
}

fn start(dir: &Path, config: &str) -> Service {
    let mut service = Service::prepare_with(dir, config);
    service.run();
    service
}

fn file(service: &Service) -> String {
    std::fs::read_to_string(service.dir.join("replay.yaml")).unwrap()
}

/// What `plugin status` says of one tenant.
fn status(service: &Service, project: &str) -> Value {
    let mut reports = service.json(&["plugin", "status", "--project", project]);
    assert_eq!(reports.len(), 1, "{reports:?}");
    reports.pop().unwrap()
}

/// Waits until the shadow has seen all that there was, and answers how it compares.
fn compared(service: &Service) -> Value {
    let count = |shadow: &Value, key: &str| shadow[key].as_u64().unwrap();
    let failed = |shadow: &Value| sum(&shadow["failures"]);
    service.wait_until("the shadow has seen all", |service| {
        let shadow = &status(service, "shop")["shadow"];
        let seen = count(shadow, "compared") + count(shadow, "fell_behind") + failed(shadow);
        count(shadow, "batches") > 0 && seen == count(shadow, "batches")
    });
    status(service, "shop")["shadow"].take()
}

/// All numbers of an object.
fn sum(counts: &Value) -> u64 {
    counts.as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

/// One side over all kinds.
fn fields(shadow: &Value, side: &str) -> u64 {
    shadow["fields"].as_object().unwrap().values().map(|sides| sides[side].as_u64().unwrap()).sum()
}

fn feed(service: &Service, records: &[String], settled: u64) {
    let fed = service.feed(&["ingest", "-"], records.join("\n").as_bytes());
    assert!(fed.status.success(), "{}", String::from_utf8_lossy(&fed.stderr));
    service.wait_settled(settled);
}

fn recordings_of_shop() -> Vec<String> {
    let of_shop = visits().into_iter().filter(|(project, ..)| project == "shop");
    of_shop.flat_map(|(project, visit, ..)| recorded(&project, &visit)).collect()
}

/// Whether a record of now is stored with the address that it came with.
fn stores_addresses(service: &Service, number: u64) -> bool {
    let session = session_id(number);
    let chunk = TestChunk::new("shop", &session, 0, 1_700_000_000_000, 1, ADDRESS);
    let received = service.metric("replay_records_received_total", "") as u64;
    feed(service, &[chunk.record()], received + 1);
    let exported = service.ok(&["session", "export", "shop", &session]);
    assert!(exported.contains("\"text\""), "{exported}");
    exported.contains(ADDRESS)
}

fn reload(service: &Service) {
    let done = "the config's tenants and chains are in place";
    let before = service.log().matches(done).count();
    signal(service.pid(), "HUP");
    service.wait_until(done, |service| service.log().matches(done).count() > before);
}

/// Runs a command that must be refused, with these words, and must leave the file alone.
fn refused(service: &Service, args: &[&str], words: &[&str]) {
    let before = file(service);
    let output = service.cli(args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{args:?} was not refused");
    for word in words {
        assert!(said.contains(word), "{args:?}: {word:?} is not in {said}");
    }
    assert_eq!(file(service), before);
}

#[test]
fn a_shadow_is_looked_at_promoted_and_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path(), &tried(dir.path(), CARDS, ALL));
    let records = recordings_of_shop();
    feed(&service, &records, records.len() as u64);
    let shadow = compared(&service);
    assert_eq!((&shadow["fell_behind"], sum(&shadow["failures"])), (&Value::from(0), 0), "{shadow}");
    assert!(fields(&shadow, "shadow_only") > 50 && fields(&shadow, "active_only") == 0, "{shadow}");
    let bytes = |side: &str| shadow[side]["redacted_bytes"].as_u64().unwrap();
    assert!(bytes("shadow") > bytes("active"), "{shadow}");
    assert_eq!(shadow["redacted_less"], 0, "{shadow}");
    // Nothing of it was stored, and its metrics are its own.
    assert!(stores_addresses(&service, 1));
    assert_eq!(service.metric("replay_plugin_calls_total", "mask-inputs"), 0.0);
    assert!(service.metric("replay_shadow_fields_total", "changed_by=\"shadow\"") > 50.0);
    no_canary_is_told(&service);

    let before = file(&service);
    let said = service.ok(&["plugin", "promote", "shop"]);
    assert!(said.contains("chain_revision 2") && said.contains("kill -HUP"), "{said}");
    let after = file(&service);
    assert!(after.contains(COMMENT) && !after.contains("    shadow:\n"), "{after}");
    assert_eq!(after.lines().next(), before.lines().next());
    refused(&service, &["plugin", "rollback", "shop"], &["has changed", "reload it first"]);
    reload(&service);
    assert_eq!(status(&service, "shop")["chain_revision"], 2);
    refused(&service, &["plugin", "promote", "shop"], &["has no `shadow`"]);
    assert!(!stores_addresses(&service, 2), "the shadow is the chain");

    // What would be written, and then written.
    let before = file(&service);
    let printed = service.ok(&["plugin", "rollback", "shop", "--print"]);
    assert!(printed.contains("chain_revision: 3") && printed.contains(r#""kinds": ["card"]"#), "{printed}");
    assert_eq!(file(&service), before);
    let said = service.ok(&["plugin", "rollback", "shop"]);
    let (now, before) = said.split_once("before: ").unwrap();
    assert!(now.contains("chain_revision 3: mask-pii ") && !now.contains("mask-inputs"), "{said}");
    assert!(before.contains("mask-inputs "), "{said}");
    reload(&service);
    assert!(stores_addresses(&service, 3), "the chain is what it was");
    assert_eq!(status(&service, "shop")["chain_revision"], 3);
    // Once more would bring back what was just gone back from.
    refused(&service, &["plugin", "rollback", "shop"], &["gone back from", "--yes"]);
    let said = service.ok(&["plugin", "rollback", "shop", "--yes"]);
    assert!(said.contains("chain_revision 4") && said.contains("kill -HUP"), "{said}");
    refused(&service, &["plugin", "rollback", "clinic"], &["no chain of `clinic`"]);
    refused(&service, &["plugin", "rollback", "nobody"], &["not listed"]);
}

/// Status, metrics and log of a shadow: all that was typed and planted was in the chunks that it saw.
fn no_canary_is_told(service: &Service) {
    let to_be_caught: Vec<Canary> = canaries().into_iter().filter(|canary| canary.rule != "none").collect();
    let texts = [
        Found::new("status", &service.ok(&["plugin", "status"])),
        Found::new("status as JSON", &service.ok(&["plugin", "status", "--output", "json"])),
        Found::new("metrics", &service.get("/metrics").1),
        Found::new("stderr", &service.log()),
    ];
    let hits = search(&to_be_caught, &texts);
    assert!(hits.is_empty(), "{}", hits.join("\n"));
    // The same search finds them where they are.
    let exports: Vec<Found> = visits()
        .into_iter()
        .filter(|(project, ..)| project == "shop")
        .map(|(project, _, session, _)| {
            Found::new(&session, &service.ok(&["session", "export", &project, &session]))
        })
        .collect();
    assert!(!search(&to_be_caught, &exports).is_empty());
}

#[test]
fn a_shadow_that_leaves_more_must_be_meant() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path(), &tried(dir.path(), ALL, CARDS));
    refused(&service, &["plugin", "promote", "shop"], &["nothing was compared"]);
    let records = recordings_of_shop();
    feed(&service, &records, records.len() as u64);
    let shadow = compared(&service);
    assert!(fields(&shadow, "active_only") > 50, "{shadow}");
    let less = shadow["redacted_less"].as_u64().unwrap();
    assert!(less > 0, "{shadow}");
    let words = format!("redacted less than the chain in {less} chunks");
    refused(&service, &["plugin", "promote", "shop"], &["left fields as they are", &words, "--yes"]);
    assert!(service.ok(&["plugin", "status"]).contains(&format!("{less} of them with less redacted")));
    // Somebody else's change that no service has accepted is not promoted with it.
    let mine = file(&service);
    std::fs::write(service.dir.join("replay.yaml"), mine.replacen("share: 100\n      plugins:\n", "share: 100\n      plugins:\n        - { name: block-url, sha256: 0000000000000000000000000000000000000000000000000000000000000000 }\n", 1)).unwrap();
    refused(&service, &["plugin", "promote", "shop", "--yes"], &["has changed"]);
    std::fs::write(service.dir.join("replay.yaml"), mine).unwrap();
    service.ok(&["plugin", "promote", "shop", "--yes"]);
    reload(&service);
    assert!(stores_addresses(&service, 1));
}

#[test]
fn a_shadow_that_spins_is_felt_by_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let own = dir.path().join("plugins");
    let spin = build_hostile(&own);
    for plugin in ["mask-inputs.wasm", "mask-pii.wasm"] {
        std::fs::copy(components().join(plugin), own.join(plugin)).unwrap();
    }
    let text = tried(dir.path(), ALL, CARDS);
    let text =
        text.replacen(&format!("dir: {}", components().display()), &format!("dir: {}", own.display()), 1);
    let (chain, rest) = text.split_once("      share: 100\n      plugins:\n").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    let spinning = format!("        - {{ name: spin, sha256: {spin} }}\n");
    let service = start(dir.path(), &format!("{chain}      share: 100\n      plugins:\n{spinning}{rest}"));
    let record = |number: u64| {
        let text = format!("spin {ADDRESS}");
        TestChunk::new("shop", &session_id(number), 0, 1_700_000_000_000, 2, &text).record()
    };
    let records: Vec<String> = (0..20).map(record).collect();
    feed(&service, &records, 20);
    assert_eq!(
        service.metric("replay_records_settled_total", "outcome=\"stored\""),
        20.0,
        "{}",
        service.log()
    );
    assert!(service.json(&["dead-letter", "list"]).is_empty());
    let shadow = compared(&service);
    let failures = shadow["failures"].as_object().unwrap();
    assert!(failures["plugin_timeout"].as_u64().unwrap() >= 5, "{shadow}");
    // Its breaker opened, the other's is closed, and metrics know of no failure of a chain that stores.
    assert_eq!(shadow["plugins"][0]["breaker"], "open");
    assert_eq!(status(&service, "shop")["plugins"][0]["breaker"], "closed");
    assert_eq!(service.metric("replay_plugin_breakers_open", ""), 0.0);
    assert_eq!(service.metric("replay_plugin_failures_total", ""), 0.0);
    let told = service.ok(&["plugin", "status"]) + &service.get("/metrics").1 + &service.log();
    assert!(!told.contains(ADDRESS));
    refused(&service, &["plugin", "promote", "shop"], &["it failed on"]);
}

/// One event whose data is compressed as rrweb's recorder does: a character for each byte.
fn packed(number: u64, data: &str) -> TestChunk {
    let data: String = gzip(data.as_bytes()).into_iter().map(char::from).collect();
    let mut chunk = TestChunk::new("shop", &session_id(number), 0, 1_700_000_000_000, 0, "");
    let event = json!({"type": 5, "timestamp": chunk.start_ms, "cv": "2024-10", "data": data});
    chunk.events = json!([event]).to_string();
    chunk
}

#[test]
fn a_shadow_of_nobodys_chain_changes_nothing_that_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path(), &tried(dir.path(), &[], ALL));
    let mut unreadable = packed(3, "");
    unreadable.events = json!(["no packer made this"]).to_string();
    let chunks = [
        TestChunk::new("shop", &session_id(1), 0, 1_700_000_000_000, 1, ADDRESS),
        packed(2, &json!({"tag": "note", "payload": {"text": ADDRESS}}).to_string()),
        unreadable,
        packed(4, &json!({"tag": "note", "payload": {"text": "0".repeat(4 << 20)}}).to_string()),
    ];
    let records: Vec<String> = chunks.iter().map(TestChunk::record).collect();
    feed(&service, &records, 4);
    service.wait_until("the shadow has seen all", |service| {
        sum(&status(service, "shop")["shadow"]["chunks"])
            + sum(&status(service, "shop")["shadow"]["failures"])
            == 4
    });
    let shadow = &status(&service, "shop")["shadow"];
    assert_eq!(shadow["failures"], json!({"packed_unreadable": 1, "bomb": 1}));
    assert_eq!(shadow["chunks"], json!({"kept/changed": 2}));
    assert_eq!(service.metric("replay_records_settled_total", "outcome=\"stored\""), 4.0);
    assert!(service.json(&["dead-letter", "list"]).is_empty());
    for chunk in &chunks {
        let exported = service.ok(&["session", "export", "shop", &chunk.session]);
        assert_eq!(exported.trim_end(), chunk.events, "byte for byte");
    }
    refused(&service, &["plugin", "promote", "shop"], &["it failed on"]);
}

#[test]
fn what_status_says_is_what_was_stored() {
    const CHUNKS: u64 = 12;
    let dir = tempfile::tempdir().unwrap();
    let blocks: &[(&str, &str)] =
        &[("block-url", r#"{"blockUrls": ["*secret*"], "on_unknown": "keep"}"#), ("mask-pii", "{}")];
    let service =
        start(dir.path(), &eager(&config(dir.path(), &[("shop", 4, blocks), ("clinic", 1, ALL)], FAST)));
    let chunk = |number: u64| {
        let text = if number.is_multiple_of(3) { "nothing to see" } else { ADDRESS };
        let mut chunk = TestChunk::new("shop", &session_id(number), 0, 1_700_000_000_000, 0, "");
        let href = if number.is_multiple_of(4) { "https://a.example/secret" } else { "https://a.example/" };
        let mut events = vec![json!({"type": 4, "timestamp": chunk.start_ms, "data": {"href": href}})];
        events.extend((1..=4).map(|id| {
            json!({"type": 3, "timestamp": chunk.start_ms + id, "data": {
                "source": 0, "texts": [{"id": id, "value": text}], "attributes": [], "removes": [], "adds": [],
            }})
        }));
        chunk.events = Value::Array(events).to_string();
        chunk.record()
    };
    let records: Vec<String> = (0..CHUNKS).map(chunk).collect();
    feed(&service, &records, CHUNKS);
    let said = status(&service, "shop");
    assert_eq!((&said["tenant"], &said["chain_revision"]), (&Value::from("shop"), &Value::from(4)));
    let [blocking, masking] = &**said["plugins"].as_array().unwrap() else { panic!("{said}") };
    let settled = |outcome: &str| service.metric("replay_records_settled_total", outcome) as u64;
    // Each is a session and so a batch; of 0, 4 and 8 nothing is stored, of 3, 6 and 9 all as it came.
    assert_eq!(
        (&blocking["calls"], &blocking["dropped"], &blocking["kept"]),
        (&12.into(), &3.into(), &9.into())
    );
    assert_eq!(settled("dropped_by_plugin"), 3);
    assert_eq!((&masking["calls"], &masking["changed"], &masking["kept"]), (&9.into(), &6.into(), &3.into()));
    assert_eq!(settled("outcome=\"stored\""), 9);
    assert_eq!(service.metric("replay_changed_chunks_total", ""), 6.0);
    assert_eq!(masking["fields"], json!({"text": 24}));
    assert_eq!(service.metric("replay_redacted_fields_total", ""), 24.0);
    let masked = |number| {
        let exported = service.ok(&["session", "export", "shop", &session_id(number)]);
        exported.matches("\"value\":\"*").count()
    };
    let stored: usize = (0..CHUNKS).filter(|number| !number.is_multiple_of(4)).map(masked).sum();
    assert_eq!(stored, 24, "fields that are masked in what is stored");
    assert_eq!(masking["sha256"], sha256("mask-pii"));
    assert!(masking["memory_bytes"].as_u64().unwrap() > 64 << 10 && masking["p99_us"].as_u64().unwrap() > 0);
    // The other tenant's plugins of the same names did nothing.
    assert!(status(&service, "clinic")["plugins"].as_array().unwrap().iter().all(|one| one["calls"] == 0));
    assert_eq!(service.json(&["plugin", "status"]).len(), 2);
    assert_eq!(status(&service, "stranger")["tenant"], "defaults");
    let table = service.ok(&["plugin", "status"]);
    assert!(table.contains("6 changed") && table.contains("24 text") && !table.contains(ADDRESS), "{table}");
}

#[test]
fn a_tenants_own_file_is_where_its_chain_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let tenants = dir.path().join("tenants");
    std::fs::create_dir(&tenants).unwrap();
    let (old, new) = ("0".repeat(64), "1".repeat(64));
    let own = format!(
        "# the shop\nkeys: [pk_1]\nchain_revision: 4\nplugins:\n  - {{ name: a, sha256: {old} }}\nshadow:\n  \
         share: 1\n  plugins:\n    - {{ name: a, sha256: {new}, config: {{ \"k\": [1] }} }}\nhot_retention_days: 3 # days\n"
    );
    let path = tenants.join("shop.yaml");
    std::fs::write(&path, own).unwrap();
    let text = config(dir.path(), &[], FAST).replacen(
        "  unlisted: defaults\n",
        &format!("  unlisted: defaults\n  dir: {}\n", tenants.display()),
        1,
    );
    let service = Service::prepare_with(dir.path(), &text);
    // Nothing runs, so nothing was compared.
    refused(&service, &["plugin", "promote", "shop"], &["no service runs", "--yes"]);
    service.ok(&["plugin", "promote", "shop", "--yes"]);
    assert_eq!(file(&service), text);
    let wanted = format!(
        "# the shop\nkeys: [pk_1]\nchain_revision: 5\nplugins:\n  - {{ name: a, sha256: {new}, config: {{\"k\": [1]}} }}\n\
         hot_retention_days: 3 # days\n"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), wanted);
}
