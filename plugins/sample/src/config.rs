//! The plugin's options.

use serde::Deserialize;

/// The options. `share` must be given.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Which share of the sessions is kept: above 0, up to 1.
    pub share: f64,
    /// Text that goes into the choice: another salt, another choice.
    #[serde(default)]
    pub salt: String,
}

impl Config {
    /// What the type does not tell.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.share > 0.0 && self.share <= 1.0 {
            return Ok(());
        }
        Err(format!(
            "`share` is {}: it must be above 0 and at most 1; 0.25 keeps every fourth session",
            self.share
        ))
    }
}
