//! The server twins of the embedded stores: Kafka, ClickHouse, and S3-compatible object stores.
//!
//! A cargo feature each; none imports another. Each passes the same contract suite as its embedded
//! twin, against a real server.

#[cfg(feature = "clickhouse")]
pub mod clickhouse;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "s3")]
pub mod s3;

pub use replay_ports::{Finding, Verdict};
