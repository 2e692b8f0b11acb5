//! The plugin's options.

use replay_plugin::{Kind, Kinds, MaskChar};
use serde::Deserialize;

/// The options. All have defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// In which kinds of fields; what people see on the page by default.
    pub field_kinds: Kinds,
    /// Which attributes, of those that are no address, name or style.
    pub attributes: Attributes,
    /// Texts that stay, as they stand in the page but for white space at their ends; `*` is any text, `?` one
    /// character.
    pub keep_texts: Vec<String>,
    /// Selectors of elements in which text stays.
    pub keep_selectors: Vec<String>,
    /// Names of attributes that stay, `data-theme`.
    pub keep_attributes: Vec<String>,
    /// The character that masks: GoSight's by default.
    pub mask_char: MaskChar,
}

/// Which attributes are masked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attributes {
    /// Every one: what people read, `data-*`, and what nobody knows.
    #[default]
    All,
    /// Only what people read: `placeholder title alt label summary content aria-*`.
    Read,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            field_kinds: [Kind::Text, Kind::Input, Kind::Attribute, Kind::Html, Kind::Canvas].into(),
            attributes: Attributes::default(),
            keep_texts: Vec::new(),
            keep_selectors: Vec::new(),
            keep_attributes: Vec::new(),
            mask_char: MaskChar::new('█').unwrap_or_default(),
        }
    }
}

/// Kinds that a page is built of, or that only programs read: masked, nothing would play.
const MACHINES: [Kind; 4] = [Kind::Markup, Kind::Url, Kind::Style, Kind::Code];

impl Config {
    /// What each option alone does not tell.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.field_kinds.is_empty() {
            return Err("`field_kinds` is empty: nothing would be masked".into());
        }
        let machines: Vec<&str> =
            MACHINES.into_iter().filter(|kind| self.field_kinds.contains(*kind)).map(Kind::as_str).collect();
        if machines.is_empty() {
            return Ok(());
        }
        Err(format!(
            "`field_kinds` has {}: a page without them does not play; `mask-pii` finds what is in them",
            machines.join(", ")
        ))
    }
}
