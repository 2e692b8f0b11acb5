//! What kind of control a field belongs to, and whether it is masked. What is not known is masked.

use replay_plugin::{Element, Field};

use crate::config::Config;

/// Parents of a text that are looked at for `contenteditable`.
const MAX_PARENTS: usize = 32;

/// What is done with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// Nothing.
    Keep,
    /// All its values: chosen, not typed, so that they say nothing elsewhere.
    MaskChoice,
    /// All its values, and their prefixes elsewhere.
    Mask,
}

/// The options, ready to ask.
#[derive(Debug)]
pub(crate) struct Rules {
    all: bool,
    types: Vec<String>,
    names: Vec<String>,
}

impl Rules {
    pub(crate) fn new(config: Config) -> Self {
        let lower = |words: Vec<String>| words.into_iter().map(|word| word.to_ascii_lowercase()).collect();
        Self {
            all: config.mask_all_inputs,
            types: lower(config.mask_input_types),
            names: lower(config.sensitive_names),
        }
    }

    /// For an input's field.
    pub(crate) fn input(&self, field: Field<'_>) -> Treatment {
        let Some(element) = field.element() else { return Treatment::Mask };
        let kind = match element.tag.as_str() {
            "input" => element.attribute("type").unwrap_or("text").to_ascii_lowercase(),
            "textarea" | "select" => element.tag.clone(),
            // The values that stand in the page for all.
            "option" | "li" | "progress" | "meter" | "data" | "param" | "button" => return Treatment::Keep,
            _ => return Treatment::Mask,
        };
        let is_masked = match kind.as_str() {
            "submit" | "button" | "reset" | "image" => return Treatment::Keep,
            "password" | "hidden" => true,
            // What they are worth is written in the page; which is chosen is not text.
            "checkbox" | "radio" => self.types.contains(&kind) || self.is_sensitive(&element),
            _ => self.all || self.types.contains(&kind) || self.is_sensitive(&element),
        };
        match kind.as_str() {
            _ if !is_masked => Treatment::Keep,
            "select" | "checkbox" | "radio" | "range" | "color" => Treatment::MaskChoice,
            _ => Treatment::Mask,
        }
    }

    /// For a text: whether it stands in an editable element, or may: nothing is known of where it stands.
    pub(crate) fn text(&self, field: Field<'_>) -> Treatment {
        // What is masked only in doubt says nothing elsewhere.
        let in_doubt = if self.all { Treatment::MaskChoice } else { Treatment::Keep };
        let (mut node, mut parents) = (field.element_id(), 0);
        if node == 0 {
            return in_doubt;
        }
        while node != 0 && parents < MAX_PARENTS {
            let Some(element) = field.chunk().element(node) else { return in_doubt };
            match element.attribute("contenteditable") {
                Some(value) if value.eq_ignore_ascii_case("false") => return Treatment::Keep,
                Some(_) if self.all || self.is_sensitive(&element) => return Treatment::Mask,
                Some(_) | None => {}
            }
            if element.tag == "html" {
                return Treatment::Keep;
            }
            node = element.parent;
            parents += 1;
        }
        in_doubt
    }

    fn is_sensitive(&self, element: &Element) -> bool {
        element.attributes.iter().any(|(name, value)| {
            let names_it =
                matches!(name.as_str(), "name" | "id" | "autocomplete") || name.starts_with("data-");
            let has = |text: &str| {
                let text = text.to_ascii_lowercase();
                self.names.iter().any(|word| text.contains(word.as_str()))
            };
            names_it && (has(value) || name.starts_with("data-") && has(name))
        })
    }
}
