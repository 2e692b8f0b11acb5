//! Plugins for the replay processor, in Rust: write a struct, say what it wants, edit the fields.
//!
//! ```
//! use replay_plugin::{Batch, ErrorCode, Kind, Manifest, Plugin};
//!
//! #[derive(serde::Deserialize, Default)]
//! #[serde(deny_unknown_fields, default)]
//! struct Config {
//!     word: String,
//! }
//!
//! struct HideWord(Config);
//!
//! impl Plugin for HideWord {
//!     type Config = Config;
//!
//!     fn configure(config: Config) -> Result<Self, String> {
//!         if config.word.is_empty() { Err("`word` is empty".into()) } else { Ok(Self(config)) }
//!     }
//!
//!     fn manifest(&self) -> Manifest {
//!         Manifest::new("hide-word", "1.0.0").kinds([Kind::Text]).redacts()
//!     }
//!
//!     fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
//!         for field in batch.fields() {
//!             if let Some(at) = field.text().find(&self.0.word) {
//!                 field.mask(at..at + self.0.word.len());
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! replay_plugin::export!(HideWord);
//! ```
//!
//! [`export!`] does nothing but on `wasm32`, so the same struct runs in a plain `cargo test`, on chunks
//! made by hand or recorded ([`memory`]). `model` is the interface in plain Rust, `matching` finds text
//! however it is spelled, `series` knows what was typed key by key, `selectors` which elements are meant.

mod config;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
mod log;
pub mod matching;
pub mod memory;
mod model;
mod plugin;
mod recorded;
pub mod selectors;
pub mod series;

pub use config::parse_config;
pub use log::{Level, log};
pub use model::{
    Batch, Changes, Chunk, ChunkInfo, Edit, Element, Field, FieldsView, FocusChange, Item, Kind, Kinds,
    Manifest, MaskChar, Move, Replacement, Source, Verdict, ViewError,
};
pub use plugin::{ErrorCode, Plugin, run};
pub use recorded::RecordedError;

/// The examples of the README are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

#[doc(hidden)]
pub mod private {
    pub use serde_json::from_str;
}

/// Makes a [`Plugin`] the exports of a component. Does nothing but on `wasm32`.
#[cfg(target_arch = "wasm32")]
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        $crate::export_guest!($plugin);
    };
}

/// Makes a [`Plugin`] the exports of a component. Does nothing but on `wasm32`.
#[cfg(not(target_arch = "wasm32"))]
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        const _: () = {
            fn assert_plugin<P: $crate::Plugin>() {}
            let _ = assert_plugin::<$plugin>;
        };
    };
}
