//! A hot store of its own over a real bucket, and what processes on it do and see.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::lifecycle::{Retention, RetentionPolicy};
use replay_core::row::{ChunkMeta, ChunkRow, Codec};
use replay_core::time::DAY_MS;
use replay_core::winner::{ContentHash, Version};
use replay_embedded::sqlite::{SqliteDeadLetters, SqliteHot, SqliteSettings};
use replay_ports::{ColdStore, HotStore};
use replay_processor::clock::Clock;
use replay_processor::lifecycle::{Lifecycle, LifecycleSettings};
use replay_processor::observe::Metrics;
use replay_processor::replays::Replays;
use replay_processor::stores::Kept;
use replay_servers::s3::S3Cold;
use replay_tests::records::gzip;
use replay_tests::s3::TestBucket;
use tempfile::TempDir;
use uuid::Uuid;

use super::{open, settings};

/// A hot store of its own over a bucket.
pub(super) struct World {
    pub(super) hot: Arc<SqliteHot>,
    pub(super) letters: Arc<SqliteDeadLetters>,
    pub(super) bucket: TestBucket,
    _dir: TempDir,
}

impl World {
    pub(super) fn over(bucket: TestBucket) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sqlite = SqliteSettings::default();
        let hot = Arc::new(SqliteHot::open(&dir.path().join("hot.sqlite"), &sqlite).unwrap());
        let letters = SqliteDeadLetters::open(&dir.path().join("dead.sqlite"), &sqlite).unwrap();
        Self { hot, letters: Arc::new(letters), bucket, _dir: dir }
    }

    /// What a process of its own has.
    pub(super) async fn process(&self, url: &str) -> Lifecycle {
        self.lifecycle(open(url, &self.bucket).await)
    }

    pub(super) fn lifecycle(&self, cold: S3Cold) -> Lifecycle {
        let kept = Kept { hot: self.hot.clone(), cold: Some(Arc::new(cold)), letters: self.letters.clone() };
        let policy = RetentionPolicy::new(Retention { hot_ms: 30 * DAY_MS, cold_ms: 90 * DAY_MS });
        let settings = LifecycleSettings {
            policy,
            migration_enabled: true,
            cold_codec: Codec::Gzip,
            level: 6,
            batch_size: 7,
            letter_retention: Duration::from_secs(86_400),
            tombstone_retention: Duration::from_secs(86_400),
            max_session_bytes: u64::MAX,
            max_raw_bytes: 1 << 20,
        };
        Lifecycle::new(kept, settings, Clock::start(), Arc::new(Metrics::default()))
    }

    pub(super) async fn store(&self, session: &SessionKey, index: u32, received_at_ms: u64, text: &str) {
        let report = self.hot.insert(&[chunk(session, index, received_at_ms, text)]).await.unwrap();
        assert_eq!(report.tombstoned, Vec::<usize>::new());
    }

    /// Every chunk that a reader sees, by its index, in order of play.
    pub(super) async fn read(&self, session: &SessionKey) -> BTreeMap<u32, Bytes> {
        let cold: Arc<dyn ColdStore> = Arc::new(
            S3Cold::open_read_only(&settings(&self.bucket.raw.url, &self.bucket.name)).await.unwrap(),
        );
        let replays = Replays::new(self.hot.clone(), Some(cold), 1 << 20);
        let mut seen = BTreeMap::new();
        let take = |meta: &ChunkMeta, data: Bytes| {
            assert!(seen.insert(meta.key.chunk_index, data).is_none(), "{:?} is there twice", meta.key);
            Ok(())
        };
        replays.read(session, take).await.unwrap();
        seen
    }

    pub(super) async fn assert_reads(&self, session: &SessionKey, texts: &[&str]) {
        let expected: BTreeMap<u32, Bytes> =
            (0..).zip(texts.iter().map(|text| Bytes::from(gzip(events(text).as_bytes())))).collect();
        assert_eq!(self.read(session).await, expected);
    }

    pub(super) async fn hot_copies(&self, session: &SessionKey) -> usize {
        self.hot.copies(session).await.unwrap().len()
    }

    pub(super) async fn objects(&self) -> Vec<String> {
        let direct =
            S3Cold::open_read_only(&settings(&self.bucket.raw.url, &self.bucket.name)).await.unwrap();
        direct.list("", None, 1_000).await.unwrap().into_iter().map(|head| head.key).collect()
    }

    pub(super) async fn assert_reconciled(&self, lifecycle: &Lifecycle) {
        let report = lifecycle.reconcile(false, 0).await.unwrap();
        assert_eq!(report.findings, []);
    }
}

pub(super) fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// When what is due was received.
pub(super) fn long_ago() -> u64 {
    now_ms() - 31 * DAY_MS
}

pub(super) fn session() -> SessionKey {
    SessionKey {
        project_id: ProjectId::new("shop").unwrap(),
        session_id: SessionId::new(Uuid::new_v4()).unwrap(),
    }
}

pub(super) fn events(text: &str) -> String {
    format!("[{{\"type\":5,\"text\":\"{text}\"}}]")
}

pub(super) fn chunk(session: &SessionKey, index: u32, received_at_ms: u64, text: &str) -> ChunkRow {
    let data = Bytes::from(gzip(events(text).as_bytes()));
    let content_hash = ContentHash::of(&data);
    let key = ChunkKey { timestamp_start_ms: 1_700_000_000_000 + u64::from(index), chunk_index: index };
    let meta = ChunkMeta {
        project_id: session.project_id.clone(),
        session_id: session.session_id,
        key,
        timestamp_end_ms: key.timestamp_start_ms,
        received_at_ms,
        codec: Codec::Gzip,
        data_size: events(text).len() as u64,
        compressed_size: data.len() as u64,
        event_count: 1,
        has_full_snapshot: false,
        version: Version::new(1, 0, content_hash),
        content_hash,
    };
    ChunkRow { meta, data }
}
