//! The topic of the dead letters: seen from other processes, and from its raw records.

use rdkafka::message::OwnedHeaders;
use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::identity::{ProjectId, SessionId, SessionKey};
use replay_core::reject::Reason;
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_ports::{DeadLetters, LetterFilter, PortError};
use replay_servers::kafka::KafkaDeadLetters;
use replay_tests::kafka::Topic;
use uuid::Uuid;

fn letter(offset: u64, payload: &str) -> DeadLetter {
    DeadLetter {
        id: LetterId { topic: "records".into(), partition: 2, offset },
        reason: Reason::NotEvents,
        detail: "not an array".into(),
        project_id: ProjectId::new("shop"),
        session_id: SessionId::new(Uuid::from_u128(7)),
        received_at_ms: 1_767_571_200_000,
        dead_at_ms: 1_767_571_200_005,
        attempts: 1,
        payload_size: payload.len() as u64,
        payload: Some(payload.to_owned().into()),
    }
}

async fn all(store: &KafkaDeadLetters) -> Vec<u64> {
    let page = store.list(&LetterFilter::default(), None, 100).await.unwrap();
    page.iter().map(|letter| letter.id.offset).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_see_the_same_letters() {
    let Some(topic) = Topic::new(1).await else { return };
    let letters = topic.unmade();
    let open = || KafkaDeadLetters::open(&topic.own_settings(), &letters.name).unwrap();
    let (one, other) = (open(), open());
    one.put(&letter(1, "a")).await.unwrap();
    other.put(&letter(2, "b")).await.unwrap();
    assert_eq!((all(&one).await, all(&other).await), (vec![1, 2], vec![1, 2]));
    other.close(&letter(1, "").id).await.unwrap();
    assert_eq!(one.get(&letter(1, "").id).await.unwrap(), None);
    let again = DeadLetter { attempts: 2, ..letter(2, "c") };
    one.put(&again).await.unwrap();
    assert_eq!(other.get(&again.id).await.unwrap(), Some(again));
    assert_eq!(all(&open()).await, [2]);
}

/// The key, the headers and the value are what other tools see.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_is_keyed_by_its_position_and_says_why_in_its_headers() {
    let Some(topic) = Topic::new(1).await else { return };
    let letters = topic.unmade();
    let store = KafkaDeadLetters::open(&topic.own_settings(), &letters.name).unwrap();
    store.put(&letter(5, "{\"a\":1")).await.unwrap();
    store.close(&letter(5, "").id).await.unwrap();
    let raw = letters.read_raw(2).await;
    assert_eq!(raw[0].key.as_deref(), Some("records/2/5"));
    assert_eq!(raw[0].payload.as_deref(), Some(&b"{\"a\":1"[..]));
    for (name, value) in [
        ("replay-reason", "not_events"),
        ("replay-position", "records/2/5"),
        ("replay-project", "shop"),
        ("replay-session", "00000000-0000-0000-0000-000000000007"),
        ("replay-attempts", "1"),
        ("replay-payload", "include"),
    ] {
        assert!(
            raw[0].headers.contains(&(name.to_owned(), value.to_owned())),
            "{name}: {:?}",
            raw[0].headers
        );
    }
    assert_eq!((raw[1].key.as_deref(), raw[1].payload.as_deref()), (Some("records/2/5"), None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_that_the_topic_does_not_take_refers_to_its_record() {
    let Some(topic) = Topic::new(1).await else { return };
    let letters = topic.unmade();
    letters.make(1, &[("cleanup.policy", "compact"), ("max.message.bytes", "50000")]).await;
    let store = KafkaDeadLetters::open(&topic.own_settings(), &letters.name).unwrap();
    let large = letter(1, &"x".repeat(100_000));
    store.put(&large).await.unwrap();
    let reference = DeadLetter { payload: None, ..large };
    assert_eq!(store.get(&reference.id).await.unwrap(), Some(reference));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_records_among_the_letters_do_no_harm_and_newer_ones_are_refused() {
    let Some(topic) = Topic::new(1).await else { return };
    let letters = topic.unmade();
    let store = KafkaDeadLetters::open(&topic.own_settings(), &letters.name).unwrap();
    store.put(&letter(1, "a")).await.unwrap();
    letters.produce(None, Some("records/2/9"), Some(b"hello"), None).await;
    letters.produce(None, Some("a key"), None, None).await;
    assert_eq!(all(&store).await, [1]);
    let newer =
        OwnedHeaders::new().insert(rdkafka::message::Header { key: "replay-letter", value: Some("2") });
    letters.produce(None, Some("records/2/3"), Some(b"?"), Some(newer)).await;
    let outcome = store.list(&LetterFilter::default(), None, 10).await;
    let Err(PortError::Refused { what }) = outcome else { panic!("{outcome:?}") };
    assert!(what.contains("format 2"), "{what}");
}

/// Two erasers at once, and one that comes after: nothing is left, and nothing else is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_may_run_twice() {
    let Some(topic) = Topic::new(1).await else { return };
    let letters = topic.unmade();
    let open = || KafkaDeadLetters::open(&topic.own_settings(), &letters.name).unwrap();
    let (one, other) = (open(), open());
    for offset in 0..20 {
        let session_id = SessionId::new(Uuid::from_u128(7 + u128::from(offset % 2)));
        one.put(&DeadLetter { session_id, ..letter(offset, "a") }).await.unwrap();
    }
    let session = SessionKey {
        project_id: ProjectId::new("shop").unwrap(),
        session_id: SessionId::new(Uuid::from_u128(7)).unwrap(),
    };
    let tombstone = Tombstone { scope: EraseScope::Session(session), erased_at_ms: 1 };
    let (first, second) = tokio::join!(one.erase(&tombstone), other.erase(&tombstone));
    assert!(first.unwrap() + second.unwrap() >= 10);
    assert_eq!(one.count_erasable(&tombstone).await.unwrap(), 0);
    assert_eq!(open().count_erasable(&tombstone).await.unwrap(), 0);
    assert_eq!(all(&open()).await, (0..20).filter(|offset| offset % 2 == 1).collect::<Vec<_>>());
}
