//! The interface in plain Rust, the same natively and in a guest.

mod batch;
mod chunk;
mod edit;
mod field;
mod kind;
mod manifest;
mod source;

pub use batch::Batch;
pub use chunk::Chunk;
pub(crate) use chunk::ROW_BYTES;
pub use edit::{Changes, Edit, Item, MaskChar, Replacement, Verdict};
pub use field::Field;
pub use kind::{Kind, Kinds};
pub use manifest::Manifest;
pub use source::{ChunkInfo, Element, FieldsView, FocusChange, Move, Source, ViewError};
