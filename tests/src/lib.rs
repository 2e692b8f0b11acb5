//! What the tests share: the contract suites that every backend must pass, the real service as a
//! child process, and records to feed it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "test support")]

pub mod canaries;
pub mod contract;
pub mod plugins;
pub mod records;
pub mod service;
