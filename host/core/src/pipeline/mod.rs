//! The pipeline: bookkeeping from the source's record to the committed offset.

mod position;

pub use position::{At, ReplayOf};
