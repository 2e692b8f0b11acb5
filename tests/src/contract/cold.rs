//! The promises of [`replay_ports::ColdStore`].
//!
//! `cold_contract!(crate::open)` makes a test of each, where `open` is an
//! `async fn() -> Option<(Arc<dyn ColdStore>, impl Sized)>`: the store with what must outlive it, or
//! `None` where the server it needs is not there.

#![expect(clippy::unwrap_used, reason = "this is test code")]

use std::sync::Arc;

use bytes::Bytes;
use replay_ports::{ColdStore, ObjectTag, Precondition, PutOutcome};
use uuid::Uuid;

/// Tests of every promise of the cold store.
#[macro_export]
macro_rules! cold_contract {
    ($open:path) => {
        $crate::cold_contract! { @ $open,
            what_is_put_reads_back,
            an_absent_object_is_absent,
            a_new_object_needs_an_empty_place,
            a_replacement_needs_the_object_it_knows,
            of_racing_creators_one_wins,
            of_racing_replacers_one_wins,
            ranges_are_of_the_object_with_that_tag,
            a_tag_never_returns,
            readers_see_old_bytes_or_new_ones,
            deleting_is_final_and_idempotent,
            deletions_and_writes_share_folders,
            keys_are_listed_in_order_and_pages,
            heads_say_size_and_time,
            metadata_is_no_object,
        }
    };
    (@ $open:path, $($promise:ident),* $(,)?) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            if let Some((store, _keep)) = $open().await {
                $crate::contract::cold::$promise(store).await;
            }
        })*
    };
}

type Store = Arc<dyn ColdStore>;

/// A project that nobody else uses, as the first segment of keys.
fn new_project() -> String {
    format!("p-{}", Uuid::new_v4())
}

fn key_of(project: &str, number: u128) -> String {
    format!("{project}/2026/01/{}.gz", Uuid::from_u128(number))
}

fn body(text: &str) -> Vec<Bytes> {
    vec![Bytes::copy_from_slice(text.as_bytes())]
}

/// Puts and expects it to be written.
async fn put(store: &Store, key: &str, text: &str, precondition: Precondition) -> ObjectTag {
    match store.put(key, &body(text), &[], precondition).await.unwrap() {
        PutOutcome::Written(tag) => tag,
        PutOutcome::PreconditionFailed => panic!("{key} was not written"),
    }
}

async fn text_of(store: &Store, key: &str) -> Option<String> {
    let (_, bytes) = store.get(key).await.unwrap()?;
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

/// All pieces in order, every byte; under any key that a session can have.
pub async fn what_is_put_reads_back(store: Store) {
    let project = new_project();
    let every_byte: Bytes = (0..=255).collect();
    let large = Bytes::from(vec![0xa5; 9 << 20]);
    let pieces = [Bytes::new(), every_byte.clone(), large.clone(), every_byte.clone()];
    for key in [
        key_of(&project, u128::MAX),
        format!("{project}/1970/01/a.zst"),
        format!("{project}/9999/12/x.0123456789abcdef.gz"),
        format!("{project}._-{}/2026/01/x.gz", "y".repeat(80)),
    ] {
        let written = store.put(&key, &pieces, &[], Precondition::Absent).await.unwrap();
        let (tag, bytes) = store.get(&key).await.unwrap().unwrap();
        assert_eq!(written, PutOutcome::Written(tag));
        assert_eq!(bytes, [&every_byte[..], &large, &every_byte].concat());
    }
    let empty = key_of(&project, 1);
    assert!(matches!(
        store.put(&empty, &[], &[], Precondition::Absent).await.unwrap(),
        PutOutcome::Written(_)
    ));
    assert_eq!(store.get(&empty).await.unwrap().unwrap().1, Bytes::new());
}

/// In every question that one can ask, also where the folder above it is an object's neighbour.
pub async fn an_absent_object_is_absent(store: Store) {
    let project = new_project();
    let key = key_of(&project, 1);
    let tag = put(&store, &key, "x", Precondition::Absent).await;
    for absent in [key_of(&project, 2), key_of(&new_project(), 1), project.clone()] {
        assert_eq!(store.head(&absent).await.unwrap(), None);
        assert_eq!(store.get(&absent).await.unwrap(), None);
        assert_eq!(store.get_range(&absent, &tag, 0..1).await.unwrap(), None);
        store.delete(&absent).await.unwrap();
    }
    assert_eq!(text_of(&store, &key).await.as_deref(), Some("x"));
}

/// `Absent` writes once, and not over what is there.
pub async fn a_new_object_needs_an_empty_place(store: Store) {
    let key = key_of(&new_project(), 1);
    put(&store, &key, "first", Precondition::Absent).await;
    let second = store.put(&key, &body("second"), &[], Precondition::Absent).await.unwrap();
    assert_eq!(second, PutOutcome::PreconditionFailed);
    assert_eq!(text_of(&store, &key).await.as_deref(), Some("first"));
}

/// `Matches` writes over exactly that object, and never where there is none.
pub async fn a_replacement_needs_the_object_it_knows(store: Store) {
    let key = key_of(&new_project(), 1);
    let first = put(&store, &key, "first", Precondition::Absent).await;
    let second = put(&store, &key, "second", Precondition::Matches(first.clone())).await;
    let stale = store.put(&key, &body("x"), &[], Precondition::Matches(first)).await.unwrap();
    assert_eq!(stale, PutOutcome::PreconditionFailed);
    assert_eq!(text_of(&store, &key).await.as_deref(), Some("second"));
    store.delete(&key).await.unwrap();
    let gone = store.put(&key, &body("x"), &[], Precondition::Matches(second)).await.unwrap();
    assert_eq!(gone, PutOutcome::PreconditionFailed);
    assert_eq!(text_of(&store, &key).await, None);
}

/// Races eight writers on one key, with texts that no round before had (the tag of a store may be of
/// the bytes alone), and returns what the winner wrote.
async fn race(store: &Store, key: &str, precondition: Precondition) -> String {
    let round = Uuid::new_v4();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (store, key, precondition) = (Arc::clone(store), key.to_owned(), precondition.clone());
            tokio::spawn(async move {
                let text = format!("{round} {writer} ").repeat(5_000 + writer);
                let outcome = store.put(&key, &body(&text), &[], precondition).await.unwrap();
                (text, outcome)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for writer in writers {
        let (text, outcome) = writer.await.unwrap();
        if let PutOutcome::Written(tag) = outcome {
            winners.push((text, tag));
        }
    }
    assert_eq!(winners.len(), 1, "{} writers won", winners.len());
    let (text, tag) = winners.remove(0);
    assert_eq!(store.head(key).await.unwrap().unwrap().tag, tag);
    assert!(text_of(store, key).await.as_ref() == Some(&text), "other bytes than the winner's");
    text
}

/// Eight at once on an empty place: exactly one is told that it wrote, and its bytes are there.
pub async fn of_racing_creators_one_wins(store: Store) {
    for _ in 0..5 {
        race(&store, &key_of(&new_project(), 1), Precondition::Absent).await;
    }
}

/// The same over an object that all eight know.
pub async fn of_racing_replacers_one_wins(store: Store) {
    let key = key_of(&new_project(), 1);
    let mut before = String::from("first");
    let mut tag = put(&store, &key, &before, Precondition::Absent).await;
    for _ in 0..5 {
        let after = race(&store, &key, Precondition::Matches(tag)).await;
        assert!(before != after, "nothing was written");
        tag = store.head(&key).await.unwrap().unwrap().tag;
        before = after;
    }
}

/// Its bytes, from anywhere in it; nothing of another object or past its end.
pub async fn ranges_are_of_the_object_with_that_tag(store: Store) {
    let key = key_of(&new_project(), 1);
    let tag = put(&store, &key, "0123456789", Precondition::Absent).await;
    for (range, expected) in [(0..10, "0123456789"), (3..5, "34"), (9..10, "9"), (0..1, "0")] {
        let bytes = store.get_range(&key, &tag, range).await.unwrap().unwrap();
        assert_eq!(bytes, expected);
    }
    for past in [0..11, 9..11, 10..11, 50..60] {
        assert_eq!(store.get_range(&key, &tag, past).await.unwrap(), None);
    }
    let other = ObjectTag("no tag of this object".into());
    assert_eq!(store.get_range(&key, &other, 0..1).await.unwrap(), None);
    let new = put(&store, &key, "abcdefghij", Precondition::Matches(tag.clone())).await;
    assert_eq!(store.get_range(&key, &tag, 0..1).await.unwrap(), None);
    assert_eq!(store.get_range(&key, &new, 0..2).await.unwrap().unwrap(), "ab");
}

/// Whoever holds a tag reads or replaces those bytes or none: other bytes of the same length, written
/// as fast as can be, deleted between or not, have another tag.
pub async fn a_tag_never_returns(store: Store) {
    let key = key_of(&new_project(), 1);
    let mut tags = vec![put(&store, &key, "version 0000", Precondition::Absent).await];
    for number in 1..40 {
        let precondition = if number % 2 == 0 {
            store.delete(&key).await.unwrap();
            Precondition::Absent
        } else {
            Precondition::Matches(tags[tags.len() - 1].clone())
        };
        let tag = put(&store, &key, &format!("version {number:04}"), precondition).await;
        assert!(!tags.contains(&tag), "{tag:?} came back");
        tags.push(tag);
    }
}

/// Never a mixture, never nothing, and never one's tag with the other's bytes.
pub async fn readers_see_old_bytes_or_new_ones(store: Store) {
    let key = key_of(&new_project(), 1);
    let text = |number: u32| format!("{number:04}").repeat(30_000);
    let mut tag = put(&store, &key, &text(0), Precondition::Absent).await;
    let reader = {
        let (store, key) = (Arc::clone(&store), key.clone());
        tokio::spawn(async move {
            let mut last = 0;
            while last < 19 {
                let (tag, bytes) = store.get(&key).await.unwrap().unwrap();
                let number = std::str::from_utf8(&bytes[..4]).unwrap().parse().unwrap();
                assert!(bytes == text(number) && number >= last);
                if let Some(part) = store.get_range(&key, &tag, 4..8).await.unwrap() {
                    assert_eq!(part, bytes[..4]);
                }
                last = number;
            }
        })
    };
    for number in 1..20 {
        tag = put(&store, &key, &text(number), Precondition::Matches(tag)).await;
    }
    reader.await.unwrap();
}

/// Gone for every question, and gone again without complaint.
pub async fn deleting_is_final_and_idempotent(store: Store) {
    let project = new_project();
    let (key, neighbour) = (key_of(&project, 1), key_of(&project, 2));
    let tag = put(&store, &key, "x", Precondition::Absent).await;
    put(&store, &neighbour, "y", Precondition::Absent).await;
    for _ in 0..2 {
        store.delete(&key).await.unwrap();
        assert_eq!(store.head(&key).await.unwrap(), None);
        assert_eq!(store.get(&key).await.unwrap(), None);
        assert_eq!(store.get_range(&key, &tag, 0..1).await.unwrap(), None);
        let listed = store.list(&format!("{project}/"), None, 10).await.unwrap();
        assert_eq!(listed.iter().map(|head| &head.key).collect::<Vec<_>>(), [&neighbour]);
    }
    put(&store, &key, "again", Precondition::Absent).await;
    assert_eq!(text_of(&store, &key).await.as_deref(), Some("again"));
}

/// A deletion that empties a month does not pull the ground from under a write into it.
pub async fn deletions_and_writes_share_folders(store: Store) {
    let project = new_project();
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let (store, key) = (Arc::clone(&store), key_of(&project, worker + 1));
            tokio::spawn(async move {
                for _ in 0..15 {
                    put(&store, &key, "x", Precondition::Absent).await;
                    assert_eq!(text_of(&store, &key).await.as_deref(), Some("x"));
                    store.delete(&key).await.unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    assert!(store.list(&project, None, 10).await.unwrap().is_empty());
}

/// Ascending byte by byte, whatever a folder is, each key once.
pub async fn keys_are_listed_in_order_and_pages(store: Store) {
    let project = new_project();
    let mut keys: Vec<String> =
        ["/2026/01/b.gz", "/2026/01/a.gz", "/2026/01/a.b.gz", "/2026/01/A.gz", "/2025/12/z.gz"]
            .iter()
            .chain(&["-x/2026/01/a.gz", ".y/2026/01/a.gz", "0/2026/01/a.gz", "/2026-x/a.gz", "/2026.gz"])
            .map(|end| format!("{project}{end}"))
            .collect();
    for key in &keys {
        put(&store, key, key, Precondition::Absent).await;
    }
    keys.sort();
    for limit in [1, 3, 10, 1_000] {
        let mut seen: Vec<String> = Vec::new();
        loop {
            let page = store.list(&project, seen.last().map(String::as_str), limit).await.unwrap();
            assert!(page.len() <= limit);
            if page.is_empty() {
                break;
            }
            seen.extend(page.into_iter().map(|head| head.key));
        }
        assert_eq!(seen, keys);
    }
    let list = async |prefix: &str, after: Option<&str>| {
        let page = store.list(&format!("{project}{prefix}"), after, 100).await.unwrap();
        page.into_iter().map(|head| head.key[project.len()..].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list("/2026/01/a", None).await, ["/2026/01/a.b.gz", "/2026/01/a.gz"]);
    assert_eq!(list("/2025/", None).await, ["/2025/12/z.gz"]);
    assert!(list("/2027", None).await.is_empty());
    // `after` need not be a key that is there.
    let after = format!("{project}/2026/01/a.c");
    assert_eq!(list("/2026/", Some(&after)).await, ["/2026/01/a.gz", "/2026/01/b.gz"]);
    assert!(store.list(&project, None, 0).await.unwrap().is_empty());
}

/// The head, the listing and the read agree.
pub async fn heads_say_size_and_time(store: Store) {
    let now_ms = || std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    let key = key_of(&new_project(), 1);
    let before = now_ms();
    let tag = put(&store, &key, "12345", Precondition::Absent).await;
    let head = store.head(&key).await.unwrap().unwrap();
    assert_eq!((&head.key, &head.tag, head.size), (&key, &tag, 5));
    // Servers keep whole seconds, and clocks of their own.
    assert!((before - 5_000..=now_ms() + 5_000).contains(&head.modified_at_ms), "{head:?}");
    let listed = store.list(&key, None, 10).await.unwrap();
    assert_eq!(
        listed.iter().map(|head| (&head.key, &head.tag, head.size)).collect::<Vec<_>>(),
        [(&key, &tag, 5)]
    );
}

/// It takes what §8 puts there and is not among the keys.
pub async fn metadata_is_no_object(store: Store) {
    let project = new_project();
    let key = key_of(&project, 1);
    let metadata = |generation: u32| {
        [
            ("format-version", "1".to_owned()),
            ("generation", generation.to_string()),
            ("sha256", "ab".repeat(32)),
            ("note", "x".repeat(1_500)),
        ]
    };
    let first = store.put(&key, &body("x"), &metadata(1), Precondition::Absent).await.unwrap();
    let PutOutcome::Written(tag) = first else { panic!("not written") };
    let second = store.put(&key, &body("y"), &metadata(2), Precondition::Matches(tag)).await.unwrap();
    assert!(matches!(second, PutOutcome::Written(_)));
    let listed = store.list(&project, None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|head| &head.key).collect::<Vec<_>>(), [&key]);
    store.delete(&key).await.unwrap();
    assert!(store.list(&project, None, 10).await.unwrap().is_empty());
}
