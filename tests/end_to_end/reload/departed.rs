//! Tenants that leave the list of a running service: what was admitted of them, and what is stored.

use std::path::PathBuf;

use replay_tests::records::{TestChunk, session_id};
use replay_tests::service::files_with;

use super::{ADDRESS, ALL, DONE, REFUSED, Running, tenant_file, with_dir};

/// Sealed by age or at the end only: what was admitted waits.
const SLOW: &str = "replay: { idle_timeout: 1h, flush_interval: 20ms }\nlimits: { max_session_age: 1h }\n\
                    reload: { watch: false }\n";

fn wait_buffered(running: &Running, number: u64) {
    running.service.wait_until("it waits", |service| {
        service.metric("replay_records_received_total", "") >= number as f64
            && service.metric("replay_open_sessions", "") == number as f64
    });
}

#[test]
fn what_was_admitted_of_a_tenant_that_left_is_rejected_and_holds_no_payload() {
    let dir = tempfile::tempdir().unwrap();
    let text = with_dir(dir.path(), "reject", SLOW);
    let shop = dir.path().join("tenants/shop.yaml");
    std::fs::write(&shop, tenant_file("pk_shop", 1, ALL)).unwrap();
    let mut running = Running::start_with(dir.path(), &text);
    let (number, chunk) = running.chunk("shop");
    running.ingest(&chunk);
    wait_buffered(&running, number);
    std::fs::remove_file(&shop).unwrap();
    running.reload(&text, DONE);
    // Of somebody who never had a chain: the defaults redact nothing, so that the letter holds everything.
    let (_, stranger) = running.chunk("stranger");
    running.ingest(&stranger);
    let (code, said) = running.service.stop();
    assert!(code == Some(0) && said.contains("dead-lettered 2"), "{said}");
    // Of the tenant that left too, when it comes after the next start.
    running.service.run();
    let (_, late) = running.chunk("shop");
    running.ingest(&late);
    running.service.wait_settled(1);
    let letters = running.service.json(&["dead-letter", "list"]);
    assert_eq!(letters.len(), 3, "{letters:?}");
    assert!(letters.iter().all(|letter| letter["reason"] == "unknown_tenant"), "{letters:?}");
    assert_eq!(running.service.stop().0, Some(0));
    let in_letters = |chunk: &TestChunk| {
        let found = files_with(&dir.path().join("data"), chunk.record().as_bytes());
        let is_letters = |path: &PathBuf| path.to_string_lossy().contains("dead.sqlite");
        assert!(!found.is_empty(), "the source has it");
        found.iter().any(is_letters)
    };
    assert_eq!([&stranger, &chunk, &late].map(in_letters), [true, false, false]);
}

#[test]
fn a_retired_tenant_keeps_its_chain_until_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let text = with_dir(dir.path(), "defaults", SLOW);
    let shop = dir.path().join("tenants/shop.yaml");
    std::fs::write(&shop, tenant_file("pk_shop", 1, ALL)).unwrap();
    let mut running = Running::start_with(dir.path(), &text);
    let (number, before) = running.chunk("shop");
    running.ingest(&before);
    wait_buffered(&running, number);

    // Only to take the file away would send its records through the defaults unsaid.
    std::fs::remove_file(&shop).unwrap();
    let said = running.reload(&text, REFUSED);
    assert!(!said.contains(DONE), "{said}");
    running.service.wait_until("it says what to do", |service| service.log().contains("tenants.retired"));
    let retired = text.replace("  unlisted:", "  retired: [shop]\n  unlisted:");
    running.reload(&retired, DONE);
    let (number, after) = running.chunk("shop");
    running.ingest(&after);
    wait_buffered(&running, number);
    assert_eq!(running.post("pk_shop"), 401);
    let (code, said) = running.service.stop();
    assert!(code == Some(0) && said.contains("stored 2"), "{said}");

    running.rewrite(&retired.replace("idle_timeout: 1h", "idle_timeout: 50ms"));
    running.service.run();
    for chunk in [&before, &after] {
        let exported = running.service.ok(&["session", "export", "shop", &chunk.session]);
        assert!(exported.contains("\"texts\"") && !exported.contains(ADDRESS), "{exported}");
    }
    // From here on it is as anybody who is not listed.
    running.records.set(0);
    let (_, mut chunk) = running.chunk("shop");
    chunk.session = session_id(77);
    running.ingest(&chunk);
    running.service.wait_settled(1);
    assert!(running.service.ok(&["session", "export", "shop", &chunk.session]).contains(ADDRESS));
    assert_eq!(running.service.stop().0, Some(0));
}

/// A day is a second, and who has no days of its own has two of them.
const SHORT_DAYS: &str = "replay: { idle_timeout: 50ms, flush_interval: 20ms, \
                          migration: { day_length: 1s, hot_retention_days: 1, cold_retention_days: 1 } }\n\
                          reload: { watch: false }\n";

#[test]
fn the_sessions_of_a_tenant_that_left_keep_their_days_until_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let text = with_dir(dir.path(), "defaults", SHORT_DAYS);
    let shop = dir.path().join("tenants/shop.yaml");
    std::fs::write(&shop, "keys: [pk_shop]\nhot_retention_days: 300\n").unwrap();
    let mut running = Running::start_with(dir.path(), &text);
    // What the defaults would end, and after it something that they do end.
    let (_, kept) = running.chunk("shop");
    running.ingest(&kept);
    let (number, stranger) = running.chunk("stranger");
    running.ingest(&stranger);
    running.service.wait_settled(number);

    // A deploy that goes wrong for a moment.
    std::fs::remove_file(&shop).unwrap();
    running.reload(&text, DONE);
    assert_eq!(running.times_said("its sessions keep their days"), 1, "{}", running.service.log());
    let sessions = |running: &Running| -> Vec<(String, String)> {
        running.service.ok(&["migrate", "run"]);
        let listed = running.service.json(&["session", "list"]);
        let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        listed.iter().map(|row| (word(&row["session_id"]), word(&row["state"]))).collect()
    };
    let hot = [(kept.session.clone(), "hot".to_owned())];
    running.service.wait_until("the stranger's days are over", |_| sessions(&running) == hot);
    assert!(running.service.json(&["migrate", "plan"]).is_empty(), "it goes by the days that are kept");
    assert!(running.service.ok(&["session", "export", "shop", &kept.session]).contains(ADDRESS));

    // Nothing is remembered beyond the process: from here on the defaults decide.
    assert_eq!(running.service.stop().0, Some(0));
    let planned = running.service.json(&["migrate", "plan"]);
    assert!(matches!(&*planned, [one] if one["session_id"] == kept.session), "{planned:?}");
    running.service.run();
    running.service.wait_until("its days are over", |_| sessions(&running).is_empty());
    assert_eq!(running.service.stop().0, Some(0));
}
