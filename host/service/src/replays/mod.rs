//! The only reader of hot ∪ cold: winners, tombstones, order of play.
//!
//! A read goes through the hot store to its end, then the archive rows, then the tombstones, then
//! picks winners, and only then fetches bytes. A move works the other way round (object, archive row,
//! then the hot copies), so a chunk that moves meanwhile is seen at least once. What is gone when its
//! bytes are wanted makes the read look again.

mod errors;
mod list;
mod read;

pub use list::{ListFilter, SessionRow, State, list_sessions};
pub use read::{Place, PlayedChunk, ReadError, Replays};
