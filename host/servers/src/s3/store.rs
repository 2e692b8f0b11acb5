//! The port's promises, kept with calls to the store.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use replay_ports::{ColdStore, ObjectHead, ObjectTag, Precondition, PutOutcome, Result};
use tokio::sync::OnceCell;

use super::bucket::Bucket;
use super::key::check_key;
use super::probe::warn_of_no_conditions;
use super::settings::S3Settings;
use super::versions::{is_ours, read_only};

/// A cold store in a bucket.
#[derive(Clone, Debug)]
pub struct S3Cold {
    bucket: Arc<Bucket>,
    mode: Mode,
    /// Of a store that was opened while it was away: whether its bucket was seen to be there.
    seen: Arc<OnceCell<()>>,
}

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    ReadOnly,
    /// Writes hold their conditions.
    Conditional,
    /// Writes look at their conditions beforehand, and may be overtaken.
    Unconditional,
    /// The same, because nobody could ask; the bucket is looked for, or made, before the first one.
    Untried,
}

impl S3Cold {
    /// Opens the store: looks whether the bucket is there (or makes it, if allowed), and tries on a
    /// scratch key whether the store holds the conditions of writes.
    pub async fn open(settings: &S3Settings) -> Result<Self> {
        let bucket = Arc::new(Bucket::new(settings).await?);
        bucket.ensure().await?;
        let mode = match bucket.holds_conditions().await? {
            true => Mode::Conditional,
            false => Mode::Unconditional,
        };
        if mode == Mode::Unconditional {
            warn_of_no_conditions(&bucket.place);
        }
        Ok(Self { bucket, mode, seen: Arc::default() })
    }

    /// Asks nothing yet, and so counts on no condition of a write until it is opened anew. For a start
    /// while the store is away.
    pub async fn open_untried(settings: &S3Settings) -> Result<Self> {
        let bucket = Arc::new(Bucket::new(settings).await?);
        Ok(Self { bucket, mode: Mode::Untried, seen: Arc::default() })
    }

    /// Opens the store for reading; writes and deletions are `Refused`. Writes nothing.
    pub async fn open_read_only(settings: &S3Settings) -> Result<Self> {
        let bucket = Arc::new(Bucket::new(settings).await?);
        bucket.try_listing().await.map_err(|fault| bucket.error(&fault, "list objects"))?;
        Ok(Self { bucket, mode: Mode::ReadOnly, seen: Arc::default() })
    }

    /// Makes sure that the bucket is there if nobody did. (What asks for a single object is told that
    /// there is none, which is true of a bucket that is not there.)
    async fn seen(&self) -> Result<()> {
        if self.mode == Mode::Untried {
            self.seen.get_or_try_init(|| self.bucket.ensure()).await?;
        }
        Ok(())
    }

    fn writable(&self) -> Result<&Arc<Bucket>> {
        match self.mode {
            Mode::ReadOnly => Err(read_only(&self.bucket.place)),
            Mode::Conditional | Mode::Unconditional | Mode::Untried => Ok(&self.bucket),
        }
    }
}

#[async_trait]
impl ColdStore for S3Cold {
    async fn put(
        &self,
        key: &str,
        body: &[Bytes],
        metadata: &[(&str, String)],
        precondition: Precondition,
    ) -> Result<PutOutcome> {
        let conditional = self.mode == Mode::Conditional;
        self.seen().await?;
        self.writable()?.put(key, body, metadata, precondition, conditional).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectHead>> {
        check_key(key)?;
        self.bucket.head(key).await
    }

    async fn get(&self, key: &str) -> Result<Option<(ObjectTag, Bytes)>> {
        check_key(key)?;
        self.bucket.get(key).await
    }

    async fn get_range(&self, key: &str, tag: &ObjectTag, range: Range<u64>) -> Result<Option<Bytes>> {
        check_key(key)?;
        self.bucket.get_range(key, tag, range).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.writable()?.delete(key).await
    }

    async fn prune(&self, key: &str) -> Result<()> {
        self.writable()?.prune(key).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<ObjectHead>> {
        self.seen().await?;
        self.bucket.list(prefix, after, limit).await
    }

    fn conditional_writes(&self) -> bool {
        self.mode == Mode::Conditional
    }

    async fn sweep_uploads(&self, older_than: Duration) -> Result<u64> {
        self.writable()?.sweep(older_than, is_ours).await
    }
}
