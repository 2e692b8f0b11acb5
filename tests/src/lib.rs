//! What the tests share: the contract suites that every backend must pass, the real service as a
//! child process, and records to feed it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "test support")]

pub mod canaries;
pub mod contract;
#[cfg(feature = "servers")]
pub mod kafka;
#[cfg(feature = "servers")]
pub mod kafka_broker;
pub mod own_clickhouse;
pub mod plugins;
pub mod proxy;
pub mod records;
pub mod s3;
pub mod servers;
pub mod service;
#[cfg(feature = "servers")]
pub mod stage;
