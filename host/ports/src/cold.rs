//! The cold store: one object a session, written under conditions.

use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
pub use replay_core::lifecycle::{ObjectHead, ObjectTag, Precondition};

use crate::Result;

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// Written, durable and visible, under this tag.
    Written(ObjectTag),
    /// The condition did not hold; nothing was written.
    PreconditionFailed,
}

/// Objects by key.
#[async_trait]
pub trait ColdStore: Send + Sync {
    /// Writes an object in one step, or not at all: a reader sees the old bytes or all the new.
    /// `body` is written piece after piece. `metadata` holds at most 2 KB of names
    /// (`[a-z0-9-]`) and ASCII values, for people and foreign tools; we never read it back.
    async fn put(
        &self,
        key: &str,
        body: &[Bytes],
        metadata: &[(&str, String)],
        precondition: Precondition,
    ) -> Result<PutOutcome>;

    /// The object's head, or `None`.
    async fn head(&self, key: &str) -> Result<Option<ObjectHead>>;

    /// The whole object with its tag, or `None`.
    async fn get(&self, key: &str) -> Result<Option<(ObjectTag, Bytes)>>;

    /// Bytes of the object that still has this tag; `None` if it is gone or changed, or if the range
    /// reaches past its end.
    async fn get_range(&self, key: &str, tag: &ObjectTag, range: Range<u64>) -> Result<Option<Bytes>>;

    /// Deletes the object with all its versions and unfinished uploads. Deleting nothing is fine.
    async fn delete(&self, key: &str) -> Result<()>;

    /// Deletes the object's versions but the current one, and its unfinished uploads: what an erasure
    /// rewrote must not live on in a versioned bucket. A store without versions has nothing to do.
    async fn prune(&self, _key: &str) -> Result<()> {
        Ok(())
    }

    /// A page of objects whose key starts with `prefix`, ascending, after the key `after`.
    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<ObjectHead>>;

    /// Whether [`ColdStore::put`] holds its precondition against writers that race it. A store that does
    /// not (it only looks beforehand) is for write-once objects: each move writes one of its own.
    fn conditional_writes(&self) -> bool {
        true
    }

    /// Aborts uploads of our own keys that began longer than this ago and were left by writers that
    /// died; returns how many. A store without such uploads has nothing to do.
    async fn sweep_uploads(&self, _older_than: Duration) -> Result<u64> {
        Ok(0)
    }
}
