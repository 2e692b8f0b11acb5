//! Large objects in parts: whole or not at all, and nothing left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use replay_ports::{ColdStore, Disposition, Precondition, PutOutcome};
use replay_tests::s3::{Fate, Proxy, Raw, Said};
use tokio::sync::mpsc;

use super::{KEY, PART_BYTES, buckets, open, put, read, text};

/// Two and a half parts in pieces that do not fit them.
fn large(seed: u8) -> Vec<Bytes> {
    let piece = |n: usize| {
        Bytes::from((0..PART_BYTES / 2 - 7).map(|i| (i * 31 + n) as u8 ^ seed).collect::<Vec<_>>())
    };
    (0..5).map(piece).collect()
}

fn is_completion(said: &Said) -> bool {
    said.method == "POST" && said.target.contains("uploadId=")
}

fn is_part(said: &Said, number: usize) -> bool {
    said.method == "PUT" && said.target.contains(&format!("partNumber={number}&"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_object_is_sent_in_parts_and_reads_back() {
    for bucket in buckets() {
        let parts = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&parts);
        let proxy = Proxy::start(&bucket.raw.url, move |said| {
            let is_part = said.target.contains("partNumber=") && said.target.contains("shop");
            count.fetch_add(usize::from(is_part), SeqCst);
            Fate::Pass
        });
        let store = open(&proxy.url, &bucket).await;
        let metadata = [("sha256", "ab".repeat(32)), ("generation", "3".to_owned())];
        let first = store.put(KEY, &large(1), &metadata, Precondition::Absent).await.unwrap();
        let PutOutcome::Written(first) = first else { panic!("not written") };
        assert_eq!(parts.load(SeqCst), 3);
        let (tag, bytes) = read(&store, KEY).await.unwrap();
        assert!(tag == first && bytes == large(1).concat());
        let middle = PART_BYTES as u64 - 3..PART_BYTES as u64 + 4;
        let part = store.get_range(KEY, &tag, middle).await.unwrap().unwrap();
        assert_eq!(part, bytes[PART_BYTES - 3..PART_BYTES + 4]);

        let seen = bucket.send("GET", &format!("/{KEY}"), &[], b"");
        assert_eq!(seen.header("x-amz-meta-generation"), Some("3"));
        assert_eq!(seen.header("content-type"), Some("application/gzip"));
        assert_eq!(seen.header("content-encoding"), None);

        let second = put(&store, KEY, &large(2), Precondition::Matches(first.clone())).await;
        assert_ne!(second, first);
        for stale in [Precondition::Absent, Precondition::Matches(first)] {
            let outcome = store.put(KEY, &large(3), &[], stale).await.unwrap();
            assert_eq!(outcome, PutOutcome::PreconditionFailed);
        }
        assert!(read(&store, KEY).await.unwrap().1 == large(2).concat());
        assert_eq!(bucket.uploads(KEY), []);
    }
}

/// Someone else writes after the look and before the completion.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_condition_holds_at_the_completion() {
    for bucket in buckets() {
        for replaces in [false, true] {
            let key = format!("shop/2026/01/{}.gz", uuid::Uuid::new_v4());
            let (path, raw) = (format!("/{}/{key}", bucket.name), bucket.raw.clone());
            let target = path.clone();
            let proxy = Proxy::start(&bucket.raw.url, move |said| {
                if is_completion(said) && said.target.starts_with(&target) {
                    assert_eq!(raw.send("PUT", &target, &[], b"theirs").status, 200);
                }
                Fate::Pass
            });
            let store = open(&proxy.url, &bucket).await;
            let precondition = match replaces {
                true => Precondition::Matches(put(&store, &key, &text("old"), Precondition::Absent).await),
                false => Precondition::Absent,
            };
            let outcome = store.put(&key, &large(1), &[], precondition).await.unwrap();
            assert_eq!(outcome, PutOutcome::PreconditionFailed);
            assert_eq!(bucket.raw.send("GET", &path, &[], b"").body, b"theirs");
            assert_eq!(bucket.uploads(&key), []);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_fails_is_aborted() {
    for bucket in buckets() {
        let proxy = Proxy::start(&bucket.raw.url, |said| match is_part(said, 2) {
            true => Fate::error(500, "InternalError"),
            false => Fate::Pass,
        });
        let store = open(&proxy.url, &bucket).await;
        let error = store.put(KEY, &large(1), &[], Precondition::Absent).await.unwrap_err();
        assert_eq!(error.disposition(), Disposition::Retry, "{error}");
        assert_eq!(read(&store, KEY).await, None);
        assert_eq!(bucket.uploads(KEY), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_whose_writer_is_cancelled_is_aborted() {
    for bucket in buckets() {
        let (tell, mut told) = mpsc::unbounded_channel();
        let proxy = Proxy::start(&bucket.raw.url, move |said| {
            if is_part(said, 2) {
                tell.send("second part").unwrap();
                // Nobody waits for it any more.
                return Fate::Break;
            }
            if said.method == "DELETE" && said.target.contains("shop") {
                assert!(said.target.contains("uploadId="));
                tell.send("abort").unwrap();
            }
            Fate::Pass
        });
        let store = open(&proxy.url, &bucket).await;
        let writer = tokio::spawn(async move { store.put(KEY, &large(1), &[], Precondition::Absent).await });
        assert_eq!(told.recv().await, Some("second part"));
        writer.abort();
        while told.recv().await != Some("abort") {}
        // The proxy said so before it passed the abort on.
        let mut left = bucket.uploads(KEY);
        while !left.is_empty() {
            tokio::task::yield_now().await;
            left = bucket.uploads(KEY);
        }
        assert_eq!(bucket.send("GET", &format!("/{KEY}"), &[], b"").status, 404);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_another_aborted_is_an_error() {
    for bucket in buckets() {
        let raw: Raw = bucket.raw.clone();
        let proxy = Proxy::start(&bucket.raw.url, move |said| {
            if is_part(said, 3) {
                let upload = said.target.split_once("uploadId=").unwrap().1.split('&').next().unwrap();
                let path = said.target.split_once('?').unwrap().0;
                assert_eq!(raw.send("DELETE", &format!("{path}?uploadId={upload}"), &[], b"").status, 204);
            }
            Fate::Pass
        });
        let store = open(&proxy.url, &bucket).await;
        let error = store.put(KEY, &large(1), &[], Precondition::Absent).await.unwrap_err();
        assert!(error.to_string().contains("aborted by someone else"), "{error}");
        assert_eq!(error.disposition(), Disposition::Retry);
    }
}

/// It was sent, it was done, and nobody heard of it: the next attempt finds what the first one wrote.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_answer_was_lost_knows_itself() {
    for bucket in buckets() {
        for (body, replaces) in [large(1), text("small").to_vec()]
            .into_iter()
            .flat_map(|body| [(body.clone(), false), (body, true)])
        {
            let key = format!("shop/2026/01/{}.gz", uuid::Uuid::new_v4());
            let (target, in_parts) = (key.clone(), body.len() > 1);
            let is_lost = Arc::new(AtomicBool::new(false));
            let lost = Arc::clone(&is_lost);
            let proxy = Proxy::start(&bucket.raw.url, move |said| {
                let is_last = if in_parts { is_completion(said) } else { said.method == "PUT" };
                match said.target.contains(&target) && is_last && !lost.swap(true, SeqCst) {
                    true => Fate::LoseAnswer,
                    false => Fate::Pass,
                }
            });
            let direct = open(&bucket.raw.url, &bucket).await;
            let precondition = match replaces {
                true => Precondition::Matches(put(&direct, &key, &text("old"), Precondition::Absent).await),
                false => Precondition::Absent,
            };
            let store = open(&proxy.url, &bucket).await;
            let outcome = store.put(&key, &body, &[], precondition).await;
            let (tag, bytes) = read(&direct, &key).await.unwrap();
            assert_eq!(outcome, Ok(PutOutcome::Written(tag)));
            assert!(is_lost.load(SeqCst) && bytes == body.concat());
        }
    }
}
