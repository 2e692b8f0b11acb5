//! What goes wrong is told for what it is, and what is told holds no secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use replay_ports::{ColdStore, Disposition, PortError, Precondition, PutOutcome};
use replay_servers::s3::{S3Cold, S3Settings};
use replay_tests::s3::{Fate, Proxy, TestBucket};
use replay_tests::servers::{S3, S3_KEYS, S3_OTHER, address};

use super::{KEY, PART_BYTES, buckets, open, put, read, settings, text};

async fn refused(settings: &S3Settings, words: &str) {
    let error = S3Cold::open(settings).await.err().unwrap();
    assert_eq!(error.disposition(), Disposition::Stop, "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert!(!format!("{error:?} {settings:?}").contains("SECRET"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_refused() {
    for bucket in buckets() {
        let good = settings(&bucket.raw.url, &bucket.name);
        let secret = Some((S3_KEYS.0.to_owned(), "SECRET-but-wrong".to_owned()));
        refused(&S3Settings { credentials: secret, ..good.clone() }, "check the access key").await;
        let unknown = Some(("nobody".to_owned(), "SECRET-but-wrong".to_owned()));
        refused(&S3Settings { credentials: unknown, ..good }, "check the access key").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_bucket_is_refused_or_made() {
    for url in [S3, S3_OTHER].into_iter().filter_map(address) {
        let bucket = TestBucket::name_only(&url);
        let missing = settings(&url, &bucket.name);
        refused(&missing, "NoSuchBucket").await;
        let store = S3Cold::open(&S3Settings { create_bucket: true, ..missing.clone() }).await.unwrap();
        put(&store, KEY, &text("x"), Precondition::Absent).await;
        let again = S3Cold::open(&S3Settings { create_bucket: true, ..missing }).await.unwrap();
        assert_eq!(read(&again, KEY).await.unwrap().1, "x");
    }
}

/// That an object is absent counts only where its bucket is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_gone_is_no_absent_object() {
    for bucket in buckets() {
        let store = open(&bucket.raw.url, &bucket).await;
        let tag = put(&store, KEY, &text("x"), Precondition::Absent).await;
        store.delete(KEY).await.unwrap();
        assert_eq!(bucket.send("DELETE", "", &[], b"").status, 204);
        let list = store.list("", None, 10).await.map(drop);
        let range = store.get_range(KEY, &tag, 0..1).await.map(drop);
        let replace = store.put(KEY, &text("y"), &[], Precondition::Matches(tag)).await.map(drop);
        let head = store.head(KEY).await.map(drop);
        for gone in [list, range, replace, head, store.get(KEY).await.map(drop), store.delete(KEY).await] {
            let error = gone.unwrap_err();
            assert_eq!(error.disposition(), Disposition::Stop, "{error}");
            assert!(error.to_string().contains("NoSuchBucket"), "{error}");
        }
    }
}

/// MinIO takes any region unless it is told its own; the other store has one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_region_is_refused() {
    let Some(url) = address(S3_OTHER) else { return };
    let bucket = TestBucket::make(&url);
    let there = S3Settings { region: Some("eu-west-7".to_owned()), ..settings(&url, &bucket.name) };
    refused(&there, "set `region`").await;
    // As AWS itself says it.
    let proxy = Proxy::start(&url, |_| {
        let headers = vec![("x-amz-bucket-region", "eu-west-7".to_owned())];
        Fate::Answer(301, headers, "<Error><Code>PermanentRedirect</Code></Error>".to_owned())
    });
    refused(&settings(&proxy.url, &bucket.name), "the bucket is in region eu-west-7").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = S3Cold::open(&settings(&closed, "replays")).await.err().unwrap();
    assert_eq!(error.disposition(), Disposition::Retry, "{error}");
    assert!(error.to_string().contains("does not answer"), "{error}");

    // It takes the connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let patience =
        S3Settings { answer_timeout: Duration::from_secs(1), attempts: 1, ..settings(&url, "replays") };
    let error = S3Cold::open(&patience).await.err().unwrap();
    assert_eq!(error.disposition(), Disposition::Retry, "{error}");

    // No store at all.
    for url in [S3, S3_OTHER].into_iter().filter_map(address).take(1) {
        let proxy = Proxy::start(&url, |_| Fate::Answer(200, vec![], "<html>hello</html>".to_owned()));
        let error = S3Cold::open(&settings(&proxy.url, "replays")).await.err().unwrap();
        assert_eq!(error.disposition(), Disposition::Retry, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_asks_for_patience_gets_it() {
    for bucket in buckets() {
        let busy = Arc::new(AtomicBool::new(false));
        let asked = Arc::new(AtomicUsize::new(0));
        let (is_busy, count) = (Arc::clone(&busy), Arc::clone(&asked));
        let proxy = Proxy::start(&bucket.raw.url, move |_| {
            if !is_busy.load(SeqCst) {
                return Fate::Pass;
            }
            count.fetch_add(1, SeqCst);
            let body = "<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>";
            Fate::Answer(503, vec![("retry-after", "7".to_owned())], body.to_owned())
        });
        let store = open(&proxy.url, &bucket).await;
        busy.store(true, SeqCst);
        let PortError::Unavailable { what, retry_after } = store.get(KEY).await.unwrap_err() else {
            panic!("not unavailable")
        };
        assert_eq!(retry_after, Some(Duration::from_secs(7)), "{what}");
        assert!(what.contains("SlowDown"), "{what}");
        assert_eq!(asked.load(SeqCst), 3, "attempts");
    }
}

/// Another call is in the way, or there are too many: the next attempt may do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_is_tried_again() {
    for bucket in buckets() {
        for (status, code) in [(409, "OperationAborted"), (429, "TooManyRequests"), (500, "InternalError")] {
            let asked = AtomicUsize::new(0);
            let proxy = Proxy::start(&bucket.raw.url, move |said| {
                let is_write = said.method == "PUT" && said.target.contains("shop");
                match is_write && asked.fetch_add(1, SeqCst) < 2 {
                    true => Fate::error(status, code),
                    false => Fate::Pass,
                }
            });
            let store = open(&proxy.url, &bucket).await;
            put(&store, KEY, &text("x"), Precondition::Absent).await;
            store.delete(KEY).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_breaks_off_is_no_object() {
    for bucket in buckets() {
        let proxy = Proxy::start(&bucket.raw.url, |said| {
            match said.method == "GET" && said.target.contains("shop") {
                true => {
                    let headers =
                        vec![("etag", "\"00\"".to_owned()), ("content-range", "bytes 0-3/100".to_owned())];
                    // More than is sent.
                    Fate::Answer(
                        206,
                        [headers, vec![("content-length", "100".to_owned())]].concat(),
                        "abcd".into(),
                    )
                }
                false => Fate::Pass,
            }
        });
        let store = open(&proxy.url, &bucket).await;
        let error = store.get(KEY).await.unwrap_err();
        assert_eq!(error.disposition(), Disposition::Retry, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_store_takes_is_rejected() {
    for bucket in buckets() {
        let store = open(&bucket.raw.url, &bucket).await;
        for key in ["", "/a", "a//b", "a/../b", "a b", &"x/".repeat(600)] {
            let error = store.put(key, &text("x"), &[], Precondition::Absent).await.unwrap_err();
            assert_eq!(error.disposition(), Disposition::DeadLetter, "{error}");
        }
        for metadata in
            [("Note", "x".to_owned()), ("note", "x\r\ny: z".to_owned()), ("note", "x".repeat(2_048))]
        {
            let error = store.put(KEY, &text("x"), &[metadata], Precondition::Absent).await.unwrap_err();
            assert_eq!(error.disposition(), Disposition::DeadLetter, "{error}");
        }
        // What we let through, the store takes.
        let full = [("note", "x".repeat(1_900))];
        let outcome = store.put(KEY, &text("x"), &full, Precondition::Absent).await.unwrap();
        assert!(matches!(outcome, PutOutcome::Written(_)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_over_the_bound_are_neither_written_nor_read() {
    for bucket in buckets() {
        let small =
            S3Settings { max_object_bytes: PART_BYTES as u64, ..settings(&bucket.raw.url, &bucket.name) };
        let store = S3Cold::open(&small).await.unwrap();
        let body = [Bytes::from(vec![7; PART_BYTES]), Bytes::from_static(b"x")];
        let error = store.put(KEY, &body, &[], Precondition::Absent).await.unwrap_err();
        assert_eq!(error.disposition(), Disposition::DeadLetter, "{error}");
        assert_eq!(store.head(KEY).await.unwrap(), None);
        put(&open(&bucket.raw.url, &bucket).await, KEY, &body, Precondition::Absent).await;
        let error = store.get(KEY).await.unwrap_err();
        assert!(error.to_string().contains("max_object_bytes"), "{error}");
    }
}

/// What [`credentials_come_from_the_environment_too`] starts, in an environment of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a part of another test"]
async fn open_with_the_environment() {
    let (url, bucket) = (std::env::var("OF_STORE").unwrap(), std::env::var("OF_BUCKET").unwrap());
    let opened = S3Cold::open(&S3Settings { credentials: None, ..settings(&url, &bucket) }).await;
    println!("{opened:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_come_from_the_environment_too() {
    for bucket in buckets() {
        let child = |keys: &[(&str, &str)]| {
            let mut child = std::process::Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "--ignored", "--nocapture", "s3::errors::open_with_the_environment"]);
            child.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nonexistent");
            child.env("OF_STORE", &bucket.raw.url).env("OF_BUCKET", &bucket.name);
            let output = child.envs(keys.iter().copied()).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let told = child(&[("AWS_ACCESS_KEY_ID", S3_KEYS.0), ("AWS_SECRET_ACCESS_KEY", S3_KEYS.1)]);
        assert!(told.contains("Ok(S3Cold"), "{told}");
        assert!(!told.contains(S3_KEYS.1), "{told}");
        let told = child(&[]);
        assert!(told.contains("Refused") && told.contains("there are no credentials"), "{told}");
    }
}
