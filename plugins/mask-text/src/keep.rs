//! What is excepted.

use std::collections::BTreeSet;

use replay_plugin::matching::is_like;
use replay_plugin::selectors::{Closest, Selectors, Within};
use replay_plugin::{Field, Kind};

use crate::config::{Attributes, Config};

/// Attributes that people read, `aria-*` aside.
const READ: [&str; 6] = ["placeholder", "title", "alt", "label", "summary", "content"];

/// The exceptions, ready to ask.
#[derive(Debug)]
pub(crate) struct Keep {
    texts: BTreeSet<String>,
    patterns: Vec<Vec<char>>,
    names: BTreeSet<String>,
    attributes: Attributes,
    pub(crate) selectors: Selectors,
}

impl Keep {
    /// The error names what is wrong.
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        let trimmed = config.keep_texts.iter().map(|text| text.trim());
        let (patterns, texts): (Vec<&str>, Vec<&str>) = trimmed.partition(|text| text.contains(['*', '?']));
        if let Some(all) = patterns.iter().find(|pattern| pattern.chars().all(|char| "*? ".contains(char))) {
            return Err(format!("`keep_texts`: `{all}` keeps whatever there is: nothing would be masked"));
        }
        let selectors =
            Selectors::parse(&config.keep_selectors).map_err(|e| format!("`keep_selectors`: {e}"))?;
        Ok(Self {
            texts: texts.into_iter().map(str::to_owned).collect(),
            patterns: patterns.into_iter().map(|pattern| pattern.chars().collect()).collect(),
            names: config.keep_attributes.iter().map(|name| name.to_ascii_lowercase()).collect(),
            attributes: config.attributes,
            selectors,
        })
    }

    /// For each name of a chunk, whether attributes of that name stay.
    pub(crate) fn of_names(&self, names: &[String]) -> Vec<bool> {
        let stays = |name: &String| {
            let name = name.to_ascii_lowercase();
            self.names.contains(&name)
                || self.attributes == Attributes::Read
                    && !READ.contains(&name.as_str())
                    && !name.starts_with("aria-")
        };
        names.iter().map(stays).collect()
    }

    /// Whether a field stays as it is; `names` is of its chunk.
    pub(crate) fn keeps(&self, field: Field<'_>, names: &[bool], closest: &mut Closest<'_, 1>) -> bool {
        if field.kind() == Kind::Attribute && names.get(field.name_row()) == Some(&true) {
            return true;
        }
        let text = field.text().trim();
        text.is_empty()
            || is_payload(field.kind()) && is_key(field)
            || !self.texts.is_empty() && self.texts.contains(text)
            || self.patterns.iter().any(|pattern| is_like(pattern, text))
            || !self.selectors.is_empty() && matches!(closest.of(field.element_id()), [Within::Matching(_)])
    }
}

/// Whether what comes next in the event is called by this text: it says what a value is, not what it is
/// worth.
fn is_key(field: Field<'_>) -> bool {
    let next = field.chunk().field(field.row() + 1);
    next.is_some_and(|next| next.event() == field.event() && next.name() == field.text())
}

fn is_payload(kind: Kind) -> bool {
    matches!(kind, Kind::Console | Kind::Network | Kind::Custom | Kind::Other)
}
