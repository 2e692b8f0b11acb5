//! Plugins in JavaScript and Python: built by `plugin build` as their authors would, and run as `class: script`.
//!
//! Needs node with `npm ci` in `plugins/mask-basics-js`, and componentize-py in an environment in
//! `target/script-venv` (or the active one). Where one is missing its tests say SKIPPED and pass, unless
//! `REQUIRE_SCRIPTS=1` says that both must be there.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod build;
mod chains;
mod example;
mod guests;
mod hostile;
mod speed;
