//! The plugin's options; those that GoSight's SDK has are called as there.

use serde::Deserialize;

/// The options. One of the two lists must be given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Pages that must not be recorded.
    #[serde(rename = "blockUrls")]
    pub block_urls: Vec<String>,
    /// The only pages that may be recorded; empty for all.
    #[serde(rename = "allowUrls")]
    pub allow_urls: Vec<String>,
    /// What becomes of a chunk whose page is not known: dropped by default if `allowUrls` is given.
    pub on_unknown: Option<OnUnknown>,
}

/// What becomes of a chunk whose page is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// It is kept.
    Keep,
    /// It is dropped.
    Drop,
}
