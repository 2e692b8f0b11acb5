//! What the S3 cold store promises beyond its port, on real stores.

mod conditions;
mod doctor;
mod errors;
mod lifecycle;
mod parts;
mod reader;
mod speed;
mod versions;
mod world;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use replay_ports::{ColdStore, ObjectTag, Precondition, PutOutcome};
use replay_servers::s3::{S3Cold, S3Settings};
use replay_tests::s3::TestBucket;
use replay_tests::servers::{S3, S3_KEYS, S3_OTHER, address};

/// The smallest part that S3 takes.
const PART_BYTES: usize = 5 << 20;

/// A session's key.
const KEY: &str = "shop/2026/01/0191f0c4-7e1a-7c3b-9d55-0123456789ab.gz";

/// Short bounds, so that a test of an error ends soon.
fn settings(url: &str, bucket: &str) -> S3Settings {
    S3Settings {
        credentials: Some((S3_KEYS.0.to_owned(), S3_KEYS.1.to_owned())),
        part_bytes: PART_BYTES as u64,
        max_back_off: Duration::from_millis(20),
        ..S3Settings::new(Some(url.to_owned()), bucket)
    }
}

/// A store over a bucket that is there.
async fn open(url: &str, bucket: &TestBucket) -> S3Cold {
    S3Cold::open(&settings(url, &bucket.name)).await.unwrap()
}

/// A new bucket on each store that this machine has, and on the first one only, for what only some do.
fn buckets() -> Vec<TestBucket> {
    [S3, S3_OTHER].into_iter().filter_map(address).map(|url| TestBucket::make(&url)).collect()
}

fn first_bucket() -> Option<TestBucket> {
    address(S3).map(|url| TestBucket::make(&url))
}

pub(crate) async fn open_for_contract(variable: &str) -> Option<(Arc<dyn ColdStore>, TestBucket)> {
    let bucket = TestBucket::make(&address(variable)?);
    let store = open(&bucket.raw.url, &bucket).await;
    assert!(store.conditional_writes());
    Some((Arc::new(store), bucket))
}

/// Puts and expects it to be written.
async fn put(store: &S3Cold, key: &str, body: &[Bytes], precondition: Precondition) -> ObjectTag {
    match store.put(key, body, &[], precondition).await.unwrap() {
        PutOutcome::Written(tag) => tag,
        PutOutcome::PreconditionFailed => panic!("{key} was not written"),
    }
}

fn text(text: &'static str) -> [Bytes; 1] {
    [Bytes::from_static(text.as_bytes())]
}

/// What lies there, with its tag; the tag has to be the head's.
async fn read(store: &S3Cold, key: &str) -> Option<(ObjectTag, Bytes)> {
    let found = store.get(key).await.unwrap();
    let head = store.head(key).await.unwrap();
    assert_eq!(head.map(|head| head.tag), found.as_ref().map(|(tag, _)| tag.clone()));
    found
}
