//! Runs tenants' plugins: WebAssembly components that see one sealed batch and answer with verdicts.
//!
//! A plugin is made ready once (`prepare`: configured, tried out, warmed, snapshotted, compiled, in a
//! process of its own) and kept in a cache; each batch then gets a fresh instance of the snapshot
//! (`call`), which may use only so much time, memory and output (`limits`), sees the batch through a
//! handful of functions (`link`), and is dropped. Nothing of it survives the batch.

mod cache;
mod call;
mod checks;
mod child;
mod engine;
mod failure;
mod functions;
mod inspect;
mod job;
mod limits;
mod link;
mod loaded;
#[cfg(feature = "measure")]
mod long_lived;
mod manifest;
mod permits;
mod prepare;
mod sandbox;
mod snapshot;
mod source;
mod state;
mod synthetic;
mod ticker;
mod trusted;
mod verify;
mod wit;

pub use cache::sweep_unused;
pub use checks::{Check, Passed, Verification};
pub use child::compile_child;
pub use failure::{FailureKind, LoadError, PluginFailure, SandboxError, Stage, Usage};
pub use inspect::{Inspection, inspect, sha256_hex};
pub use limits::{Class, Limits, Settings};
#[cfg(feature = "measure")]
pub use long_lived::LongLived;
pub use manifest::Manifest;
pub use prepare::{Compiled, compile_in_process};
pub use sandbox::{Answer, Plugin, Sandbox};
pub use source::ChunkSource;
pub use state::{LogLevel, LogLine};
