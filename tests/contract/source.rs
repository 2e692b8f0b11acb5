//! The contract of a source, on the local log and on Kafka.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use replay_embedded::log::{LocalLog, LogSettings, OffsetStore};
use replay_ports::{Result, Source};
use replay_tests::contract::source::Bench;

/// Outlives the log, as the database does.
#[derive(Default)]
struct Offsets(AtomicU64);

impl OffsetStore for Offsets {
    fn load(&self) -> Result<u64> {
        Ok(self.0.load(SeqCst))
    }

    fn save(&self, next: u64) -> Result<()> {
        self.0.store(next, SeqCst);
        Ok(())
    }
}

struct LocalBench {
    dir: tempfile::TempDir,
    offsets: Arc<Offsets>,
}

async fn local_log() -> Option<LocalBench> {
    Some(LocalBench { dir: tempfile::tempdir().unwrap(), offsets: Arc::default() })
}

impl Bench for LocalBench {
    async fn open(&self) -> Arc<dyn Source> {
        // Small bounds: the suite must cross segments and chunks.
        let settings = LogSettings { segment_bytes: 2_000, read_ahead_bytes: 500, ..LogSettings::default() };
        Arc::new(LocalLog::open(self.dir.path(), settings, self.offsets.clone()).unwrap())
    }

    fn largest_bytes(&self) -> usize {
        64 << 20
    }
}

replay_tests::source_contract!(local_log);

#[tokio::test]
async fn a_second_process_is_told_that_the_log_is_in_use() {
    let bench = local_log().await.unwrap();
    let first = bench.open().await;
    let second = LocalLog::open(bench.dir.path(), LogSettings::default(), bench.offsets.clone());
    assert!(second.err().unwrap().to_string().contains("another process has"));
    drop(first);
    bench.open().await;
}

/// The log holds what no plugin has redacted yet.
#[tokio::test]
async fn its_files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let bench = local_log().await.unwrap();
    let log = bench.open().await;
    log.append("x".into(), 1, None).await.unwrap();
    let dir = bench.dir.path().join("log");
    let files = std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    for path in files.chain([dir.clone()]) {
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
    }
}

/// Topics of one partition, of three, and of groups by both protocols.
#[cfg(feature = "servers")]
mod kafka {
    use std::sync::Arc;
    use std::time::Duration;

    use replay_ports::Source;
    use replay_servers::kafka::{KafkaSettings, KafkaSource};
    use replay_tests::contract::source::Bench;
    use replay_tests::kafka::Topic;

    struct KafkaBench {
        topic: Topic,
        settings: KafkaSettings,
    }

    async fn bench(partitions: i32, properties: &[(&str, &str)]) -> Option<KafkaBench> {
        let topic = Topic::new(partitions).await?;
        let mut settings = topic.own_settings();
        settings.properties =
            properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Some(KafkaBench { topic, settings })
    }

    impl Bench for KafkaBench {
        async fn open(&self) -> Arc<dyn Source> {
            Arc::new(KafkaSource::open(&self.settings).unwrap())
        }

        fn quiet(&self) -> Duration {
            Duration::from_millis(700)
        }

        fn largest_bytes(&self) -> usize {
            64 << 20
        }

        async fn put_null(&self) -> bool {
            self.topic.produce(None, Some("key"), None, None).await;
            true
        }
    }

    mod one_partition {
        async fn make() -> Option<super::KafkaBench> {
            super::bench(1, &[]).await
        }
        replay_tests::source_contract!(make);
    }

    mod three_partitions {
        async fn make() -> Option<super::KafkaBench> {
            super::bench(3, &[]).await
        }
        replay_tests::source_contract!(make);
    }

    mod consumer_protocol {
        async fn make() -> Option<super::KafkaBench> {
            super::bench(2, &[("group.protocol", "consumer")]).await
        }
        replay_tests::source_contract!(make);
    }

    mod static_member {
        async fn make() -> Option<super::KafkaBench> {
            super::bench(2, &[("group.instance.id", "replica-1")]).await
        }
        replay_tests::source_contract!(make);
    }
}
