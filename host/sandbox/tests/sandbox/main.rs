//! Plugins through the whole of the sandbox: good ones, hostile ones, and files that are none.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod cache;
mod checks;
mod guests;
mod hostile;
mod refused;
mod released;
mod support;
mod well_behaved;
