//! Embedded stores: the same pipeline with no servers at hand.

pub mod log;
