//! Recordings as fields: what a plugin sees of a chunk, and how its answers become bytes.
//!
//! `scan` reads the events once and finds every field; `elements` remembers which element a node id
//! means; `batch` shows one sealed batch to a chain of plugins, each of which sees what those before
//! it left, and checks their answers; `structure` finds what leaves beside text; `splice` puts what they
//! changed into the original bytes, so that everything untouched stays as it came.

mod batch;
mod edit;
mod elements;
mod intern;
mod kind;
mod scan;
mod splice;
mod structure;

pub use batch::{
    Applied, Batch, ChunkInfo, ChunkTrace, Comparison, EditRules, Fate, Finished, Redactions, Sides, View,
};
pub use edit::{Changes, Edit, EditFault, EditFaultKind, Item, Replacement, Verdict};
pub use elements::{Element, ElementLimits, Elements};
pub use kind::{Kind, Kinds};
pub use scan::{ChunkPlace, EventSpan, Field, FocusChange, Scan, ScanError, ScanLimits, Shape, scan};
