//! Tests of what the tests rest on.
#![allow(clippy::unwrap_used, reason = "tests")]

mod proxy;
#[cfg(feature = "servers")]
mod servers;
