//! What the replay processor asks of the world: four traits, and what their errors mean.
//!
//! Each trait has an embedded and a server implementation, and one contract suite that both pass.
//! The traits speak of physical copies; which copy readers see is decided in `replay-core`.

mod cold;
mod dead_letters;
mod error;
mod finding;
mod hot;
mod source;

pub use cold::{ColdStore, ObjectHead, ObjectTag, Precondition, PutOutcome};
pub use dead_letters::{DeadLetters, LetterFilter};
pub use error::{Disposition, PortError, Result};
pub use finding::{Finding, Verdict};
pub use hot::{ArchiveFilter, AuditEntry, HotStore, InsertReport, SessionAge, SessionFilter, SessionSummary};
pub use source::{Source, SourceEvent, SourceRecord};

/// One past the last settled offset of a partition.
pub use replay_core::pipeline::Commit as CommitTo;
