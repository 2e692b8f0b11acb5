//! The interface in plain Rust, the same natively and in a guest.

mod chunk;
mod edit;
mod field;
mod kind;
mod manifest;

pub use chunk::{Batch, Chunk, ChunkInfo, Element, FieldsView, FocusChange, Source, ViewError};
pub use edit::{Edit, MaskChar, Replacement, Verdict};
pub use field::Field;
pub use kind::{Kind, Kinds};
pub use manifest::Manifest;
