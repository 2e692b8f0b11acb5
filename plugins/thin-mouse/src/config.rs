//! The plugin's options.

use serde::Deserialize;

/// The options. All have defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// One position is kept in so many milliseconds.
    pub interval_ms: u32,
    /// Whether the last position before a click, a tap and the like is kept.
    pub keep_before_clicks: bool,
    /// None is kept at all.
    pub drop_all: bool,
}

/// The longest interval, a minute.
const MAX_INTERVAL_MS: u32 = 60_000;

impl Default for Config {
    fn default() -> Self {
        Self { interval_ms: 100, keep_before_clicks: true, drop_all: false }
    }
}

impl Config {
    /// What the types do not tell.
    pub(crate) fn check(&self) -> Result<(), String> {
        if (1..=MAX_INTERVAL_MS).contains(&self.interval_ms) {
            return Ok(());
        }
        Err(format!(
            "`interval_ms` is {}: it must be from 1 to {MAX_INTERVAL_MS}; `drop_all` keeps none",
            self.interval_ms
        ))
    }
}
