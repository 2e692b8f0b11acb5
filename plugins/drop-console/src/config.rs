//! The plugin's options.

use replay_plugin::MaskChar;
use serde::Deserialize;

/// The options. All have defaults.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which levels; all by default.
    pub levels: Option<Vec<Level>>,
    /// What becomes of what was logged.
    pub action: Action,
    /// The character that masks.
    pub mask_char: MaskChar,
}

/// What becomes of what was logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is left out.
    #[default]
    Remove,
    /// It stays, without its text.
    Mask,
}

/// The methods of `console` that rrweb's plugin records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "they are called as in the browser")]
pub enum Level {
    Assert,
    Clear,
    Count,
    CountReset,
    Debug,
    Dir,
    Dirxml,
    Error,
    Group,
    GroupCollapsed,
    GroupEnd,
    Info,
    Log,
    Table,
    Time,
    TimeEnd,
    TimeLog,
    Trace,
    Warn,
}

impl Config {
    /// What each option alone does not tell.
    pub(crate) fn check(&self) -> Result<(), String> {
        match &self.levels {
            Some(levels) if levels.is_empty() => {
                Err("`levels` is empty: nothing would be removed; leave it out for all levels".into())
            }
            Some(_) | None => Ok(()),
        }
    }
}
