//! The promises of [`replay_ports::DeadLetters`].
//!
//! `dead_letters_contract!(crate::open)` makes a test of each, where `open` is an
//! `async fn() -> Option<(Arc<dyn DeadLetters>, impl Sized)>`: the store with what must outlive it,
//! or `None` where the server it needs is not there.

#![expect(clippy::unwrap_used, reason = "this is test code")]

use std::sync::Arc;

use bytes::Bytes;
use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::identity::{ProjectId, SessionId, SessionKey};
use replay_core::reject::Reason;
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_ports::{DeadLetters, LetterFilter};
use uuid::Uuid;

/// Tests of every promise of the dead letters.
#[macro_export]
macro_rules! dead_letters_contract {
    ($open:path) => {
        $crate::dead_letters_contract! { @ $open,
            a_letter_reads_back,
            a_letter_replaces_itself,
            letters_are_listed_without_payload,
            letters_come_in_pages,
            letters_are_filtered,
            a_closed_letter_is_gone,
            an_erased_session_takes_every_letter_that_may_be_its_own,
            an_erased_project_takes_letters_up_to_then,
            many_large_letters_are_searched,
            old_letters_are_purged,
            letters_are_put_side_by_side,
        }
    };
    (@ $open:path, $($promise:ident),* $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            if let Some((store, _keep)) = $open().await {
                $crate::contract::dead_letters::$promise(store).await;
            }
        })*
    };
}

type Store = Arc<dyn DeadLetters>;

const T0: u64 = 1_767_571_200_000;

/// A topic that nobody else uses, so that its letters can be told apart.
fn new_topic() -> String {
    format!("topic-{}", Uuid::new_v4())
}

fn new_project() -> ProjectId {
    ProjectId::new(&format!("p-{}", Uuid::new_v4())).unwrap()
}

fn session_of(project_id: &ProjectId) -> SessionKey {
    let session_id = SessionId::new(Uuid::new_v4()).unwrap();
    SessionKey { project_id: project_id.clone(), session_id }
}

/// A letter of nobody, for which a test says what matters.
fn letter(topic: &str, offset: u64) -> DeadLetter {
    let payload = format!("{{\"offset\": {offset}}}");
    DeadLetter {
        id: LetterId { topic: topic.to_owned(), partition: 0, offset },
        reason: Reason::InvalidJson,
        detail: "expected `,` at byte 17".into(),
        project_id: None,
        session_id: None,
        received_at_ms: T0,
        dead_at_ms: T0 + 5,
        attempts: 1,
        payload_size: payload.len() as u64,
        payload: Some(payload.into()),
    }
}

fn with_payload(topic: &str, offset: u64, payload: impl Into<Bytes>) -> DeadLetter {
    let payload = payload.into();
    DeadLetter { payload_size: payload.len() as u64, payload: Some(payload), ..letter(topic, offset) }
}

fn unopened(letter: &DeadLetter) -> DeadLetter {
    DeadLetter { payload: None, ..letter.clone() }
}

async fn put_all(store: &Store, letters: &[DeadLetter]) {
    for letter in letters {
        store.put(letter).await.unwrap();
    }
}

/// Every letter of a topic, page by page.
async fn list_all(store: &Store, topic: &str, filter: &LetterFilter, limit: usize) -> Vec<DeadLetter> {
    let mut seen: Vec<DeadLetter> = Vec::new();
    // Before every position of the topic: nothing sorts between a name and itself with a zero.
    let mut after = LetterId { topic: topic[..topic.len() - 1].to_owned(), partition: u32::MAX, offset: 0 };
    loop {
        let page = store.list(filter, Some(&after), limit).await.unwrap();
        assert!(page.len() <= limit);
        let Some(last) = page.last() else { return seen };
        after = last.id.clone();
        seen.extend(page.into_iter().filter(|letter| letter.id.topic == topic));
        if after.topic.as_str() > topic {
            return seen;
        }
    }
}

/// Every field, whatever the payload's bytes, and with the payload left out.
pub async fn a_letter_reads_back(store: Store) {
    let topic = new_topic();
    let project_id = new_project();
    let every_byte: Vec<u8> = (0..=255).collect();
    let full = DeadLetter {
        id: LetterId { topic: topic.clone(), partition: u32::MAX, offset: i64::MAX as u64 },
        reason: Reason::StoreRejected,
        detail: "ä \"quoted\" \n line".into(),
        project_id: Some(project_id.clone()),
        session_id: Some(session_of(&project_id).session_id),
        received_at_ms: 0,
        dead_at_ms: 4_102_444_800_000,
        attempts: u32::MAX,
        ..with_payload(&topic, 0, every_byte)
    };
    let by_reference = DeadLetter { payload: None, payload_size: 64 << 20, ..letter(&topic, 1) };
    let empty = with_payload(&topic, 2, Bytes::new());
    let large = with_payload(&topic, 3, vec![b'x'; 8 << 20]);
    for letter in [&full, &by_reference, &empty, &large] {
        store.put(letter).await.unwrap();
        assert_eq!(store.get(&letter.id).await.unwrap().as_ref(), Some(letter));
    }
    let absent = LetterId { topic, partition: 0, offset: 99 };
    assert_eq!(store.get(&absent).await.unwrap(), None);
}

/// The position is the identity: what was tried again is one letter, with what is known now.
pub async fn a_letter_replaces_itself(store: Store) {
    let topic = new_topic();
    let first = letter(&topic, 7);
    let again = DeadLetter {
        reason: Reason::TooLarge,
        attempts: 2,
        dead_at_ms: T0 + 99,
        payload: None,
        ..first.clone()
    };
    put_all(&store, &[first.clone(), first, again.clone()]).await;
    assert_eq!(store.get(&again.id).await.unwrap(), Some(again.clone()));
    assert_eq!(list_all(&store, &topic, &LetterFilter::default(), 10).await, [again]);
}

/// A listing is for looking, and bounded.
pub async fn letters_are_listed_without_payload(store: Store) {
    let topic = new_topic();
    let one = letter(&topic, 1);
    store.put(&one).await.unwrap();
    assert_eq!(list_all(&store, &topic, &LetterFilter::default(), 10).await, [unopened(&one)]);
}

/// Ascending by topic, partition and offset as numbers, each letter once.
pub async fn letters_come_in_pages(store: Store) {
    let topic = new_topic();
    let mut letters = Vec::new();
    for partition in [10, 2, 0] {
        for offset in [100, 20, 3, 0] {
            let id = LetterId { topic: topic.clone(), partition, offset };
            letters.push(DeadLetter { id, ..letter(&topic, offset) });
        }
    }
    put_all(&store, &letters).await;
    letters.sort_by(|a, b| a.id.cmp(&b.id));
    let expected: Vec<_> = letters.iter().map(unopened).collect();
    for limit in [1, 5, 100] {
        assert_eq!(list_all(&store, &topic, &LetterFilter::default(), limit).await, expected);
    }
    assert!(store.list(&LetterFilter::default(), None, 0).await.unwrap().is_empty());
    assert_eq!(store.list(&LetterFilter::default(), None, 1).await.unwrap().len(), 1);
}

/// By reason, by project, by when it died; all at once.
pub async fn letters_are_filtered(store: Store) {
    let topic = new_topic();
    let project_id = new_project();
    let letters = [
        letter(&topic, 0),
        DeadLetter { project_id: Some(project_id.clone()), ..letter(&topic, 1) },
        DeadLetter { project_id: Some(project_id.clone()), reason: Reason::Bomb, ..letter(&topic, 2) },
        DeadLetter { reason: Reason::Bomb, dead_at_ms: T0 + 50, ..letter(&topic, 3) },
    ];
    put_all(&store, &letters).await;
    let offsets = async |reason, project_id: Option<&ProjectId>, since_ms| {
        let filter = LetterFilter { reason, project_id: project_id.cloned(), since_ms };
        let listed = list_all(&store, &topic, &filter, 2).await;
        listed.iter().map(|letter| letter.id.offset).collect::<Vec<_>>()
    };
    assert_eq!(offsets(Some(Reason::Bomb), None, None).await, [2, 3]);
    assert_eq!(offsets(None, Some(&project_id), None).await, [1, 2]);
    assert_eq!(offsets(None, None, Some(T0 + 6)).await, [3]);
    assert_eq!(offsets(None, None, Some(T0 + 5)).await, [0, 1, 2, 3]);
    assert_eq!(offsets(Some(Reason::Bomb), Some(&project_id), Some(T0)).await, [2]);
    assert!(offsets(Some(Reason::TooDeep), None, None).await.is_empty());
}

/// And closing it again, or one that never was, is fine.
pub async fn a_closed_letter_is_gone(store: Store) {
    let topic = new_topic();
    let letters = [letter(&topic, 1), letter(&topic, 2)];
    put_all(&store, &letters).await;
    store.close(&letters[0].id).await.unwrap();
    store.close(&letters[0].id).await.unwrap();
    store.close(&LetterId { topic: new_topic(), partition: 0, offset: 1 }).await.unwrap();
    assert_eq!(store.get(&letters[0].id).await.unwrap(), None);
    let left = list_all(&store, &topic, &LetterFilter::default(), 10).await;
    assert_eq!(left, [unopened(&letters[1])]);
}

/// By its ids, or, where a letter lacks one, by the session's id in its text.
pub async fn an_erased_session_takes_every_letter_that_may_be_its_own(store: Store) {
    let topic = new_topic();
    let project_id = new_project();
    let (erased, other) = (session_of(&project_id), session_of(&project_id));
    let text = format!("\u{fffd}{{\"session_id\":\"{}\", broken", erased.session_id);
    let (of_erased, of_other) = (Some(erased.session_id), Some(other.session_id));
    let whose = |offset, project: Option<&ProjectId>, session_id| DeadLetter {
        project_id: project.cloned(),
        session_id,
        ..letter(&topic, offset)
    };
    let letters = [
        whose(0, Some(&project_id), of_erased),
        whose(1, None, of_erased),
        with_payload(&topic, 2, text.clone()),
        DeadLetter { project_id: Some(new_project()), ..with_payload(&topic, 3, text.clone()) },
        // Not its own: another session's, another project's, nobody's, known to be another's.
        whose(4, Some(&project_id), of_other),
        whose(5, Some(&new_project()), of_erased),
        letter(&topic, 6),
        DeadLetter { session_id: of_other, ..with_payload(&topic, 7, text.clone()) },
        DeadLetter { payload: None, ..letter(&topic, 8) },
    ];
    put_all(&store, &letters).await;
    let tombstone = Tombstone { scope: EraseScope::Session(erased), erased_at_ms: T0 - 1 };
    for letter in &letters {
        assert_eq!(letter.erased_by(&tombstone), letter.id.offset < 4, "the test itself");
    }
    assert_eq!(store.count_erasable(&tombstone).await.unwrap(), 4);
    let bytes: u64 = letters[..4].iter().map(|letter| letter.payload_size).sum();
    assert_eq!(store.erase(&tombstone).await.unwrap(), bytes);
    assert_eq!(store.count_erasable(&tombstone).await.unwrap(), 0);
    assert_eq!(store.erase(&tombstone).await.unwrap(), 0);
    let left = list_all(&store, &topic, &LetterFilter::default(), 10).await;
    assert_eq!(left, letters[4..].iter().map(unopened).collect::<Vec<_>>());
}

/// Received up to then; without a project only if the text names it.
pub async fn an_erased_project_takes_letters_up_to_then(store: Store) {
    let topic = new_topic();
    let project_id = new_project();
    let session = session_of(&project_id);
    let mine = |offset| DeadLetter { project_id: Some(project_id.clone()), ..letter(&topic, offset) };
    let named = format!("{{\"project_id\": \"{project_id}\", broken");
    let letters = [
        mine(0),
        DeadLetter { session_id: Some(session.session_id), ..mine(1) },
        DeadLetter { payload: None, ..mine(2) },
        with_payload(&topic, 3, named.clone()),
        DeadLetter { session_id: Some(session.session_id), ..with_payload(&topic, 4, named.clone()) },
        // Not covered: later, later, another's, nobody's, a longer name.
        DeadLetter { received_at_ms: T0 + 1, ..mine(5) },
        DeadLetter { received_at_ms: T0 + 1, ..with_payload(&topic, 6, named.clone()) },
        DeadLetter { project_id: Some(new_project()), ..with_payload(&topic, 7, named) },
        letter(&topic, 8),
        with_payload(&topic, 9, format!("{{\"project_id\": \"{project_id}-x\"")),
    ];
    put_all(&store, &letters).await;
    let tombstone = Tombstone { scope: EraseScope::Project(project_id), erased_at_ms: T0 };
    for letter in &letters {
        assert_eq!(letter.erased_by(&tombstone), letter.id.offset < 5, "the test itself");
    }
    assert_eq!(store.count_erasable(&tombstone).await.unwrap(), 5);
    store.erase(&tombstone).await.unwrap();
    assert_eq!(store.count_erasable(&tombstone).await.unwrap(), 0);
    let left = list_all(&store, &topic, &LetterFilter::default(), 10).await;
    assert_eq!(left, letters[5..].iter().map(unopened).collect::<Vec<_>>());
}

/// More letters, and more bytes, than any store looks at in one step.
pub async fn many_large_letters_are_searched(store: Store) {
    let topic = new_topic();
    let session = session_of(&new_project());
    let mut needle = vec![b'.'; 3 << 20];
    needle.extend(session.session_id.to_string().bytes());
    for offset in 0..16 {
        let payload = if offset % 4 == 3 { needle.clone() } else { vec![b'.'; 3 << 20] };
        store.put(&with_payload(&topic, offset, payload)).await.unwrap();
    }
    for offset in 16..700 {
        let payload = if offset % 100 == 0 { session.session_id.to_string() } else { "{".into() };
        store.put(&with_payload(&topic, offset, payload)).await.unwrap();
    }
    let tombstone = Tombstone { scope: EraseScope::Session(session), erased_at_ms: T0 };
    assert_eq!(store.count_erasable(&tombstone).await.unwrap(), 10);
    assert_eq!(store.erase(&tombstone).await.unwrap(), 4 * needle.len() as u64 + 6 * 36);
    assert_eq!(store.count_erasable(&tombstone).await.unwrap(), 0);
    let left = list_all(&store, &topic, &LetterFilter::default(), 1_000).await;
    assert_eq!(left.len(), 690);
}

/// What died before the moment, and nothing that died later.
pub async fn old_letters_are_purged(store: Store) {
    let topic = new_topic();
    // Far in the past, so that no other test's letters are touched.
    let died = |offset, dead_at_ms| DeadLetter { dead_at_ms, ..letter(&topic, offset) };
    let letters: Vec<_> = (0..600).map(|offset| died(offset, 1_000 + offset)).collect();
    put_all(&store, &letters).await;
    assert_eq!(store.purge(1_000).await.unwrap(), 0);
    assert_eq!(store.purge(1_550).await.unwrap(), 550);
    let left = list_all(&store, &topic, &LetterFilter::default(), 1_000).await;
    assert_eq!(left, letters[550..].iter().map(unopened).collect::<Vec<_>>());
}

/// Each put is durable on its own, whoever else is writing.
pub async fn letters_are_put_side_by_side(store: Store) {
    let topic = new_topic();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (store, topic) = (Arc::clone(&store), topic.clone());
            tokio::spawn(async move {
                for number in 0..10 {
                    let letter = letter(&topic, writer * 10 + number);
                    store.put(&letter).await.unwrap();
                    assert_eq!(store.get(&letter.id).await.unwrap(), Some(letter));
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(list_all(&store, &topic, &LetterFilter::default(), 33).await.len(), 80);
}
