//! Embedded stores: the same pipeline with no servers at hand.

pub mod dir;
pub mod log;
pub mod sqlite;
