//! Single objects of any key, read by who writes none.

use replay_ports::Disposition;
use replay_servers::s3::{S3Reader, S3Settings};
use replay_tests::s3::{Fate, Proxy};

use super::{buckets, settings};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_is_there_absent_or_too_long() {
    for bucket in buckets() {
        bucket.send("PUT", "/registry/mask.wasm", &[], b"component");
        let reader = S3Reader::open(&settings(&bucket.raw.url, &bucket.name)).await.unwrap();
        assert_eq!(reader.size("registry/mask.wasm").await.unwrap(), Some(9));
        assert_eq!(reader.get("registry/mask.wasm", 9).await.unwrap().unwrap(), "component");
        let error = reader.get("registry/mask.wasm", 8).await.unwrap_err();
        assert_eq!(error.disposition(), Disposition::DeadLetter, "{error}");
        assert!(error.to_string().contains("9 bytes"), "{error}");
        for absent in ["registry/other.wasm", "registry"] {
            assert_eq!(reader.size(absent).await.unwrap(), None, "{absent}");
            assert_eq!(reader.get(absent, 9).await.unwrap(), None, "{absent}");
        }
    }
}

/// What cannot be asked is never taken for absent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_say_is_an_error() {
    for bucket in buckets() {
        let missing =
            S3Settings { bucket: format!("{}-not", bucket.name), ..settings(&bucket.raw.url, "any") };
        let reader = S3Reader::open(&missing).await.unwrap();
        assert!(reader.size("mask.wasm").await.is_err() && reader.get("mask.wasm", 9).await.is_err());
        for fate in [Fate::error(403, "AccessDenied"), Fate::error(503, "SlowDown"), Fate::Break] {
            let proxy = Proxy::start(&bucket.raw.url, move |_| fate.clone());
            let reader = S3Reader::open(&settings(&proxy.url, &bucket.name)).await.unwrap();
            assert!(reader.size("mask.wasm").await.is_err() && reader.get("mask.wasm", 9).await.is_err());
        }
        let wrong = S3Settings {
            credentials: Some(("replay-test".to_owned(), "SECRET".to_owned())),
            ..settings(&bucket.raw.url, &bucket.name)
        };
        let error = S3Reader::open(&wrong).await.unwrap().get("mask.wasm", 9).await.unwrap_err();
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
}
