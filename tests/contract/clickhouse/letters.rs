//! Closed letters: gone for every reader at once, and from the disk by merge, retention or erasure.

use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::reject::Reason;
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_ports::{DeadLetters, LetterFilter};
use replay_servers::clickhouse::ClickHouseDeadLetters;

use super::{Database, T0, session};

fn letter(offset: u64) -> DeadLetter {
    let payload = format!("{{\"session_id\":\"{}\", broken", session(1).session_id);
    DeadLetter {
        id: LetterId { topic: "replays".into(), partition: 3, offset },
        reason: Reason::InvalidJson,
        detail: String::new(),
        project_id: None,
        session_id: None,
        received_at_ms: T0,
        dead_at_ms: T0 + offset,
        attempts: 1,
        payload_size: payload.len() as u64,
        payload: Some(payload.into()),
    }
}

const PAYLOADS: &str = "SELECT count() FROM {db}.replay_dead_letters WHERE notEmpty(payload)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bytes_of_a_closed_letter_go() {
    let Some(database) = Database::with_tables().await else { return };
    let letters = ClickHouseDeadLetters::open(&database.settings).await.unwrap();
    database.ask("SYSTEM STOP MERGES {db}.replay_dead_letters");
    for offset in 0..4 {
        letters.put(&letter(offset)).await.unwrap();
        letters.close(&letter(offset).id).await.unwrap();
    }
    assert!(letters.list(&LetterFilter::default(), None, 10).await.unwrap().is_empty());
    assert_eq!(database.ask(PAYLOADS), "4", "no merge yet");
    // Fed back and dead again: it is a letter like any other.
    letters.put(&letter(3)).await.unwrap();
    assert_eq!(letters.get(&letter(3).id).await.unwrap(), Some(letter(3)));
    letters.close(&letter(3).id).await.unwrap();

    database.ask("SYSTEM START MERGES {db}.replay_dead_letters");
    // Retention takes what is left of them, and counts none: they were no letters any more.
    assert_eq!(letters.purge(T0 + 1).await.unwrap(), 0);
    assert_eq!(database.ask("SELECT min(offset) FROM {db}.replay_dead_letters"), "1");
    // A merge puts the closing in the letter's place.
    database.ask("OPTIMIZE TABLE {db}.replay_dead_letters FINAL");
    assert_eq!(database.ask(PAYLOADS), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_finds_closed_letters() {
    let Some(database) = Database::with_tables().await else { return };
    let letters = ClickHouseDeadLetters::open(&database.settings).await.unwrap();
    database.ask("SYSTEM STOP MERGES {db}.replay_dead_letters");
    letters.put(&letter(1)).await.unwrap();
    letters.close(&letter(1).id).await.unwrap();
    database.ask("SYSTEM START MERGES {db}.replay_dead_letters");
    let tombstone = Tombstone { scope: EraseScope::Session(session(1)), erased_at_ms: T0 };
    letters.erase(&tombstone).await.unwrap();
    assert_eq!(letters.count_erasable(&tombstone).await.unwrap(), 0);
    assert_eq!(database.ask(PAYLOADS), "0");
    assert!(letters.list(&LetterFilter::default(), None, 10).await.unwrap().is_empty(), "nothing comes back");
}
