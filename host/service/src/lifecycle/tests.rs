use std::sync::Arc;
use std::time::Duration;

use replay_core::identity::SessionKey;
use replay_core::lifecycle::{Retention, RetentionPolicy};
use replay_core::row::Codec;
use replay_core::tombstone::EraseScope;
use replay_embedded::sqlite::{SqliteDeadLetters, SqliteHot, SqliteSettings};
use replay_ports::HotStore;

use super::{Lifecycle, LifecycleSettings};
use crate::clock::Clock;
use crate::observe::Metrics;
use crate::stores::Kept;

fn lifecycle(dir: &std::path::Path) -> (Arc<Lifecycle>, Arc<dyn HotStore>) {
    let settings = SqliteSettings::default();
    let hot: Arc<dyn HotStore> = Arc::new(SqliteHot::open(&dir.join("replays.sqlite"), &settings).unwrap());
    let letters = Arc::new(SqliteDeadLetters::open(&dir.join("dead.sqlite"), &settings).unwrap());
    let kept = Kept { hot: Arc::clone(&hot), cold: None, letters };
    let day = Duration::from_secs(86_400);
    let settings = LifecycleSettings {
        policy: RetentionPolicy::new(Retention { hot_ms: 1_000_000, cold_ms: 1_000_000 }),
        migration_enabled: false,
        cold_codec: Codec::Gzip,
        level: 6,
        batch_size: 10,
        letter_retention: day,
        tombstone_retention: day,
        max_raw_bytes: 1 << 20,
        max_session_bytes: 1 << 20,
    };
    (Arc::new(Lifecycle::new(kept, settings, Clock::start(), Arc::new(Metrics::default()))), hot)
}

#[tokio::test]
async fn what_is_to_be_erased_is_not_read_while_the_erasure_waits_for_its_turn() {
    let dir = tempfile::tempdir().unwrap();
    let (lifecycle, hot) = lifecycle(dir.path());
    let session = SessionKey::parse("shop/0191f0c4-7e1a-7c3b-9d55-0123456789ab").unwrap();
    let turn = lifecycle.deleting.lock().await;
    let erasing = tokio::spawn({
        let (lifecycle, scope) = (Arc::clone(&lifecycle), EraseScope::Session(session.clone()));
        async move { lifecycle.erase(scope, "test").await }
    });
    tokio::time::timeout(Duration::from_secs(60), async {
        while hot.tombstones(&session).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a tombstone");
    assert!(!erasing.is_finished());
    drop(turn);
    assert!(erasing.await.unwrap().unwrap().verified);
}
