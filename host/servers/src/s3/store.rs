//! The port's promises, kept with calls to the store.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use replay_ports::{ColdStore, ObjectHead, ObjectTag, Precondition, PutOutcome, Result};

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
}

/// What may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    ReadOnly,
    /// Writes hold their conditions.
    Conditional,
    /// Writes look at their conditions beforehand, and may be overtaken.
    Unconditional,
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
        Ok(Self { bucket, mode })
    }

    /// Opens the store for reading; writes and deletions are `Refused`. Writes nothing.
    pub async fn open_read_only(settings: &S3Settings) -> Result<Self> {
        let bucket = Arc::new(Bucket::new(settings).await?);
        bucket.try_listing().await.map_err(|fault| bucket.error(&fault, "list objects"))?;
        Ok(Self { bucket, mode: Mode::ReadOnly })
    }

    fn writable(&self) -> Result<&Arc<Bucket>> {
        match self.mode {
            Mode::ReadOnly => Err(read_only(&self.bucket.place)),
            Mode::Conditional | Mode::Unconditional => Ok(&self.bucket),
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
        self.bucket.list(prefix, after, limit).await
    }

    fn conditional_writes(&self) -> bool {
        self.mode == Mode::Conditional
    }

    async fn sweep_uploads(&self, older_than: Duration) -> Result<u64> {
        self.writable()?.sweep(older_than, is_ours).await
    }
}
