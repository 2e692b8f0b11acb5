//! End to end: the real binary, fed as users feed it, judged by the bytes that it gives back.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "tests")]

mod breakers;
mod check;
mod cold;
mod commands;
mod dead_letters;
mod disk;
mod erase;
mod fairness;
mod ingest;
mod kill;
mod listing;
mod many_tenants;
mod memory;
mod over_redaction;
mod playback;
mod plugin_author;
mod plugin_test;
mod plugin_walk;
mod plugins;
mod privacy;
mod registry;
mod reload;
mod retention;
mod shadow;
mod shipped;
