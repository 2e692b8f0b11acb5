//! A batch of chunks as a plugin sees them.

use super::chunk::Chunk;
use super::edit::Verdict;
use super::field::Field;
use super::source::{Source, ViewError};

/// The chunks of one sealed batch: one tenant, one session, in order of play.
pub struct Batch<'a> {
    chunks: Vec<Chunk<'a>>,
}

impl<'a> Batch<'a> {
    /// From where each chunk comes.
    pub fn new(sources: impl IntoIterator<Item = &'a dyn Source>) -> Result<Self, ViewError> {
        Ok(Self { chunks: sources.into_iter().map(Chunk::new).collect::<Result<_, _>>()? })
    }

    /// Its chunks.
    pub fn chunks(&self) -> &[Chunk<'a>] {
        &self.chunks
    }

    /// The fields of all its chunks.
    pub fn fields(&self) -> impl DoubleEndedIterator<Item = Field<'_>> {
        self.chunks.iter().flat_map(Chunk::fields)
    }

    /// The answer: one verdict for each chunk.
    pub fn into_verdicts(self) -> Vec<Verdict> {
        self.chunks.into_iter().map(Chunk::into_verdict).collect()
    }
}
