//! The contract suites, over every backend: what one keeps, all keep.
#![allow(clippy::unwrap_used, reason = "tests")]

mod cold;
mod complete;
mod dead_letters;
mod hot;
mod source;
