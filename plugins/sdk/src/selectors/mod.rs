//! Selectors of elements: the part of CSS that what the host tells of an element can answer.
//!
//! A list of selectors, `.a, #b c`. Each is compound selectors with a space (a descendant) or `>` (a
//! child) between them; a compound is a tag or `*`, then `.class`, `#id`, `[name]`, `[name=value]` and the
//! other comparisons of attributes, with `i` to leave case aside. Of attributes, `type name id class
//! autocomplete contenteditable data-*` are known; any other is refused, because it would never match.

mod closest;
mod parse;

pub use closest::{Closest, Within};

use crate::model::{Chunk, Element};

/// Ancestors that are looked at at most; who is deeper is within nobody knows what.
const MAX_DEPTH: usize = 1_024;

/// A list of selectors: an element matches if one of them does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selectors(Vec<Selector>);

/// Compounds from the right to the left, each with how it is joined to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Selector {
    subject: Compound,
    ancestors: Vec<(Combinator, Compound)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Combinator {
    Descendant,
    Child,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Compound {
    /// Lower case.
    tag: Option<String>,
    attributes: Vec<Attribute>,
}

/// What is asked of one attribute; classes and ids are attributes too.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Attribute {
    /// Lower case.
    name: String,
    test: Test,
    any_case: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    /// `[a]`
    Present,
    /// `[a=b]`
    Equals(String),
    /// `[a~=b]`, and classes
    Word(String),
    /// `[a|=b]`
    Dash(String),
    /// `[a^=b]`
    Begins(String),
    /// `[a$=b]`
    Ends(String),
    /// `[a*=b]`
    Contains(String),
}

impl Selectors {
    /// Reads a list of lists. The error names the selector, the place and what is wrong.
    pub fn parse<S: AsRef<str>>(lists: &[S]) -> Result<Self, String> {
        let mut all = Vec::new();
        for list in lists {
            all.extend(parse::list(list.as_ref())?);
        }
        Ok(Self(all))
    }

    /// These, and those of another list.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Whether nothing can match.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an element of `chunk` matches; `None` if that hangs on an ancestor that is not known.
    fn matches(&self, chunk: &Chunk<'_>, element: &Element) -> Option<bool> {
        let mut is_sure = true;
        for selector in self.0.iter().filter(|selector| selector.subject.matches(element)) {
            match selector.has_ancestors(chunk, element) {
                Some(true) => return Some(true),
                Some(false) => {}
                None => is_sure = false,
            }
        }
        is_sure.then_some(false)
    }
}

impl Selector {
    /// Whether the ancestors are as asked. A descendant is looked for as near as can be; where a child is
    /// asked for above it, the next one up is tried.
    fn has_ancestors(&self, chunk: &Chunk<'_>, element: &Element) -> Option<bool> {
        if self.ancestors.is_empty() {
            return Some(true);
        }
        let mut path = Vec::new();
        let mut parent = element.parent;
        let mut is_whole = true;
        while parent != 0 && !path.last().is_some_and(is_root) {
            match chunk.element(parent).filter(|_| path.len() < MAX_DEPTH) {
                Some(element) => {
                    parent = element.parent;
                    path.push(element);
                }
                None => {
                    is_whole = is_root(path.last().unwrap_or(element));
                    break;
                }
            }
        }
        let found = reachable(&self.ancestors, &path);
        (found || is_whole).then_some(found)
    }
}

/// Whether the ancestors `asked` for are found on `path`, both from the inside out.
///
/// All places where what was asked for so far can end are kept, so that it is linear in either.
fn reachable(asked: &[(Combinator, Compound)], path: &[Element]) -> bool {
    // Place `at` stands for the element below `path[at]`.
    let mut places = vec![false; path.len() + 1];
    if let Some(first) = places.first_mut() {
        *first = true;
    }
    for (combinator, compound) in asked {
        let mut next = vec![false; path.len() + 1];
        let mut is_below = false;
        for (at, element) in path.iter().enumerate() {
            let is_here = places.get(at).copied().unwrap_or_default();
            is_below |= is_here;
            let reaches = match combinator {
                Combinator::Child => is_here,
                Combinator::Descendant => is_below,
            };
            if let Some(place) = next.get_mut(at + 1).filter(|_| reaches) {
                *place = compound.matches(element);
            }
        }
        places = next;
    }
    places.contains(&true)
}

impl Compound {
    fn matches(&self, element: &Element) -> bool {
        self.tag.as_ref().is_none_or(|tag| *tag == element.tag)
            && self.attributes.iter().all(|attribute| attribute.matches(element))
    }
}

impl Attribute {
    fn matches(&self, element: &Element) -> bool {
        // Names of HTML's attributes have no case. An attribute that changed within the batch stands there with
        // each value: what matched at any time matches.
        let mut named = element.attributes.iter().filter(|(name, _)| name.eq_ignore_ascii_case(&self.name));
        named.any(|(_, value)| self.accepts(value))
    }

    fn accepts(&self, value: &str) -> bool {
        let lower;
        let value = if self.any_case {
            lower = value.to_ascii_lowercase();
            lower.as_str()
        } else {
            value
        };
        match &self.test {
            Test::Present => true,
            Test::Equals(wanted) => value == wanted,
            Test::Word(wanted) => value.split_ascii_whitespace().any(|word| word == wanted),
            Test::Dash(wanted) => value
                .strip_prefix(wanted.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
            Test::Begins(wanted) => value.starts_with(wanted.as_str()),
            Test::Ends(wanted) => value.ends_with(wanted.as_str()),
            Test::Contains(wanted) => value.contains(wanted.as_str()),
        }
    }
}

/// Whether nothing that could match is around an element: the document's own. A page may put an `html` into any
/// other element.
fn is_root(element: &Element) -> bool {
    element.tag == "html" && element.parent == 0
}

#[cfg(test)]
mod tests;
