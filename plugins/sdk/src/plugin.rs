//! What an author writes, and what is done with it.

use serde::de::DeserializeOwned;

use crate::model::{Batch, Chunk, Manifest, Verdict};

/// One of the manifest's error codes: what `process` may fail with.
pub type ErrorCode = &'static str;

/// A plugin: what `configure` makes is what every batch starts from. Nothing is remembered between
/// two batches.
pub trait Plugin: Sized {
    /// Its config, from JSON. Use `deny_unknown_fields`; no config at all is read as `{}`.
    type Config: DeserializeOwned;

    /// Checks the config and prepares what every batch needs. The error is shown to the operator.
    fn configure(config: Self::Config) -> Result<Self, String>;

    /// What it says of itself, given its config.
    fn manifest(&self) -> Manifest;

    /// Edits the fields of a batch, removes events, drops chunks. What is left alone is kept.
    fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
        let _ = batch;
        Ok(())
    }

    /// For a manifest with `needs_events`: whether this chunk's events are wanted, by its fields.
    fn wants_events(&self, chunk: &Chunk<'_>) -> bool {
        let _ = chunk;
        true
    }

    /// For a manifest with `needs_events`: gives a chunk's events (one JSON array) anew, or `None` to
    /// keep them. Slower than fields, and off unless the operator allows it.
    fn process_events(&self, chunk: &Chunk<'_>, events: &[u8]) -> Result<Option<Vec<u8>>, ErrorCode> {
        let _ = (chunk, events);
        Ok(None)
    }
}

/// One call of `process`: the answer for each chunk of the batch, in order.
pub fn run<P: Plugin>(plugin: &P, manifest: &Manifest, batch: Batch<'_>) -> Result<Vec<Verdict>, ErrorCode> {
    if manifest.needs_events {
        for chunk in batch.chunks().iter().filter(|chunk| plugin.wants_events(chunk)) {
            if let Some(events) = plugin.process_events(chunk, &chunk.events())? {
                chunk.replace_events(events);
            }
        }
    }
    plugin.process_fields(&batch)?;
    Ok(batch.into_verdicts())
}
