//! The contract suites, over every backend: what one keeps, all keep.
#![allow(clippy::unwrap_used, reason = "tests")]

#[cfg(feature = "servers")]
mod clickhouse;
mod cold;
mod complete;
mod dead_letters;
mod hot;
#[cfg(feature = "servers")]
mod kafka;
#[cfg(feature = "servers")]
mod s3;
mod source;
