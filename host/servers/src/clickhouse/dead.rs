//! Dead letters in a table beside the hot store.

use std::sync::Arc;

use async_trait::async_trait;
use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::tombstone::Tombstone;
use replay_ports::{DeadLetters, LetterFilter, Result};

use super::dead_rows;
use super::server::Store;
use super::settings::ClickHouseSettings;

/// `replay_dead_letters` of one database.
#[derive(Clone)]
pub struct ClickHouseDeadLetters {
    store: Arc<Store>,
}

impl ClickHouseDeadLetters {
    /// As [`ClickHouseHot::open`](super::ClickHouseHot::open).
    pub async fn open(settings: &ClickHouseSettings) -> Result<Self> {
        let letters = Self::open_lazily(settings)?;
        letters.store.ready().await?;
        Ok(letters)
    }

    /// As [`ClickHouseHot::open_lazily`](super::ClickHouseHot::open_lazily).
    pub fn open_lazily(settings: &ClickHouseSettings) -> Result<Self> {
        Ok(Self { store: Arc::new(Store::new(settings)?) })
    }
}

impl std::fmt::Debug for ClickHouseDeadLetters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClickHouseDeadLetters").finish_non_exhaustive()
    }
}

#[async_trait]
impl DeadLetters for ClickHouseDeadLetters {
    async fn put(&self, letter: &DeadLetter) -> Result<()> {
        dead_rows::put(self.store.ready().await?, letter).await
    }

    async fn list(
        &self,
        filter: &LetterFilter,
        after: Option<&LetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        dead_rows::list(self.store.ready().await?, filter, after, limit).await
    }

    async fn get(&self, id: &LetterId) -> Result<Option<DeadLetter>> {
        dead_rows::get(self.store.ready().await?, id).await
    }

    async fn close(&self, id: &LetterId) -> Result<()> {
        dead_rows::close(self.store.ready().await?, id).await
    }

    async fn erase(&self, tombstone: &Tombstone) -> Result<u64> {
        dead_rows::erase(self.store.ready().await?, tombstone).await
    }

    async fn count_erasable(&self, tombstone: &Tombstone) -> Result<u64> {
        dead_rows::count_erasable(self.store.ready().await?, tombstone).await
    }

    async fn purge(&self, before_ms: u64) -> Result<u64> {
        dead_rows::purge(self.store.ready().await?, before_ms).await
    }
}
