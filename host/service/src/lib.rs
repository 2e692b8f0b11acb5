//! The replay processor as a library: the binary is a thin shell around it.
//!
//! `cli` is what people type, `config` what they wrote, `run` the loop over the core's pipeline,
//! `chains` the tenants' plugins over what it seals, `registry` where those come from, `reload` what puts
//! a rewritten config in force,
//! `lifecycle` what drives its machines, `ops` what commands change, `replays` the only reader of
//! hot ∪ cold, `http` and `observe` the sides that face the outside.

pub mod build;
pub mod chains;
pub mod cli;
pub mod clock;
pub mod config;
pub mod http;
pub mod lifecycle;
pub mod lock;
pub mod observe;
pub mod ops;
pub mod registry;
pub mod reload;
pub mod replays;
pub mod run;
pub mod status;
pub mod stores;
pub mod swap;
