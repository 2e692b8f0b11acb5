//! What kind of control a field belongs to, and whether it is masked. What is not known is masked.

use replay_plugin::{Element, Field};

use crate::config::Config;

/// Parents of a text that are looked at for `contenteditable`.
const MAX_PARENTS: usize = 32;

/// What is done with a field, from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

    /// For an input's field. One that had several types was typed into as any of them: a password is shown
    /// by making it a text.
    pub(crate) fn input(&self, field: Field<'_>) -> Treatment {
        let Some(element) = field.element() else { return Treatment::Mask };
        match element.tag.as_str() {
            "input" => {
                let types =
                    element.values("type").map(|kind| self.typed(&element, &kind.to_ascii_lowercase()));
                types.max().unwrap_or_else(|| self.typed(&element, "text"))
            }
            kind @ ("textarea" | "select") => self.typed(&element, kind),
            // The values that stand in the page for all.
            "option" | "li" | "progress" | "meter" | "data" | "param" | "button" => Treatment::Keep,
            _ => Treatment::Mask,
        }
    }

    fn typed(&self, element: &Element, kind: &str) -> Treatment {
        let is_meant = || self.types.iter().any(|meant| meant == kind) || self.is_sensitive(element);
        let is_masked = match kind {
            "submit" | "button" | "reset" | "image" => false,
            "password" | "hidden" => true,
            // What they are worth is written in the page; which is chosen is not text.
            "checkbox" | "radio" => is_meant(),
            _ => self.all || is_meant(),
        };
        match kind {
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
            let is_off = |value: &str| value.eq_ignore_ascii_case("false");
            if element.values("contenteditable").any(|value| !is_off(value)) {
                if self.all || self.is_sensitive(&element) {
                    return Treatment::Mask;
                }
            } else if element.values("contenteditable").any(is_off) {
                return Treatment::Keep;
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
