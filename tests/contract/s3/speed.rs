//! How fast objects go to a store and come back. Prints, asserts only that they are the same.

use std::time::Instant;

use bytes::Bytes;
use replay_ports::{ColdStore, Precondition};
use replay_servers::s3::{S3Cold, S3Settings};

use super::{buckets, put, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: run it by name with --nocapture"]
async fn bytes_a_second_there_and_back() {
    for bucket in buckets() {
        let usual = S3Settings { part_bytes: 64 << 20, ..settings(&bucket.raw.url, &bucket.name) };
        let store = S3Cold::open(&usual).await.unwrap();
        for (megabytes, rounds) in [(1, 50), (100, 3)] {
            let body: Vec<Bytes> = (0..megabytes).map(|n| Bytes::from(vec![n as u8; 1_000_000])).collect();
            let key = |round: usize| format!("shop/2026/01/{megabytes}-{round}.gz");
            let begun = Instant::now();
            for round in 0..rounds {
                put(&store, &key(round), &body, Precondition::Absent).await;
            }
            let put_seconds = begun.elapsed().as_secs_f64();
            let begun = Instant::now();
            for round in 0..rounds {
                let (_, bytes) = store.get(&key(round)).await.unwrap().unwrap();
                assert!(bytes == body.concat());
            }
            let get_seconds = begun.elapsed().as_secs_f64();
            let total = (megabytes * rounds) as f64;
            println!(
                "{} {megabytes} MB: put {:.0} MB/s, get {:.0} MB/s",
                bucket.raw.url,
                total / put_seconds,
                total / get_seconds
            );
            for round in 0..rounds {
                store.delete(&key(round)).await.unwrap();
            }
        }
    }
}
