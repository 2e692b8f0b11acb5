//! The plugin's options.

use replay_plugin::{Kind, Kinds, MaskChar};
use serde::Deserialize;

use crate::rules::Rule;

/// The options. All have defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What is looked for; all by default.
    pub kinds: Vec<Rule>,
    /// Own patterns.
    pub patterns: Vec<Pattern>,
    /// The character that masks.
    pub mask_char: MaskChar,
    /// In which kinds of fields; all but pictures by default.
    pub field_kinds: Kinds,
}

/// An own pattern.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// What it is called in errors.
    pub name: String,
    /// A regular expression of Rust's `regex` crate, without Unicode classes.
    pub regex: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            kinds: Rule::ALL.to_vec(),
            patterns: Vec::new(),
            mask_char: MaskChar::default(),
            field_kinds: Kinds::ALL.without([Kind::Pixels].into()),
        }
    }
}

impl Config {
    /// What each option alone does not tell.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.kinds.is_empty() && self.patterns.is_empty() {
            return Err("`kinds` and `patterns` are both empty: nothing would be masked".into());
        }
        if self.field_kinds.is_empty() {
            return Err("`field_kinds` is empty: nothing would be masked".into());
        }
        if self.field_kinds.contains(Kind::Pixels) {
            return Err("`field_kinds` has `pixels`: no pattern sees what is in a picture".into());
        }
        Ok(())
    }
}
