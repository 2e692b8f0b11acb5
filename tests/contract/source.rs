//! The contract of a source, on the local log.

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
