//! The real binary on real servers: Kafka, ClickHouse and an S3-compatible store.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

mod doctor;
mod flow;
mod foreign;
mod life;
mod memory;
mod outages;
mod registry;
mod throughput;
mod upgrade;
mod visits;
