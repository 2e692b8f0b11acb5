//! No way out through a replay: a replay loads what the recording names, so an edit must not name a
//! new place.
//!
//! What is guarded: addresses, CSS, `srcdoc`, attributes that load or run something whatever their
//! kind, text whose element is not known (it may be CSS), and what fits no kind. What is guaranteed:
//! after edits with a `text`, each address in such a field (a `//` with what follows it up to the
//! path, a scheme with its authority, `url(`, `@import` and the like) was spelled in the same field
//! before, letter for letter but for case, or came of a mask; so was each escape of CSS (`\`) and of
//! HTML (`&`) with the letters behind it; and into `srcdoc` come letters, digits and a few signs only.
//! It errs on the side of refusing. Masks alone are not checked: they say nothing.
//!
//! Read like a browser reads (WHATWG URL): control characters are skipped anywhere, `\` is `/`, case
//! does not count, and `https:`, however many slashes follow, takes an authority.

use std::collections::BTreeSet;

use crate::rrweb::elements::Elements;
use crate::rrweb::kind::Kind;
use crate::rrweb::scan::Field;

/// How a guarded field is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Syntax {
    /// An address, a list of them, or text that may hold some.
    Address,
    /// CSS.
    Style,
    /// A document.
    Html,
}

/// Attributes that load, run or style, of whatever kind the scan takes them for.
const LOADING: [&str; 27] = [
    "action",
    "archive",
    "background",
    "cite",
    "classid",
    "code",
    "codebase",
    "content",
    "data",
    "formaction",
    "href",
    "icon",
    "imagesrcset",
    "longdesc",
    "lowsrc",
    "manifest",
    "ping",
    "poster",
    "profile",
    "rr_src",
    "src",
    "srcset",
    "style",
    "target",
    "usemap",
    "xlink:href",
    "xml:base",
];

/// Schemes with an authority, slashes or not.
const SPECIAL: [&str; 6] = ["http", "https", "ws", "wss", "ftp", "file"];
/// Schemes whose rest is a document or a program: it stays as it is to the end.
const INLINE: [&str; 7] = ["data", "javascript", "vbscript", "blob", "filesystem", "view-source", "jar"];
/// What makes CSS load something.
const LOADERS: [&str; 8] =
    ["url(", "@import", "image-set(", "image(", "src(", "expression(", "behavior", "-moz-binding"];
/// Characters behind an escape that can belong to it: `\00002f `, `&#x00002f;`.
const ESCAPE_CHARS: usize = 12;

/// How a field is guarded, if it is.
pub(super) fn syntax_of(field: &Field, names: &[String], elements: &Elements, page: u32) -> Option<Syntax> {
    let name = names.get(field.name as usize).map(|name| name.to_ascii_lowercase()).unwrap_or_default();
    match field.kind {
        Kind::Style => Some(Syntax::Style),
        Kind::Html => Some(Syntax::Html),
        Kind::Url | Kind::Other => Some(Syntax::Address),
        Kind::Attribute | Kind::Markup if name == "srcdoc" => Some(Syntax::Html),
        Kind::Attribute | Kind::Markup => {
            (LOADING.contains(&name.as_str()) || name.starts_with("on")).then_some(Syntax::Address)
        }
        Kind::Text => elements.element(page, field.element).is_none().then_some(Syntax::Style),
        // Shown, never loaded; pictures are only blanked, and code only masked.
        Kind::Input
        | Kind::Code
        | Kind::Console
        | Kind::Network
        | Kind::Custom
        | Kind::Canvas
        | Kind::Pixels => None,
    }
}

/// Whether `after`, into which `texts` were put, names no place that none of `known` names.
pub(super) fn is_at_home<'a>(
    syntax: Syntax,
    known: &mut dyn Iterator<Item = &'a str>,
    mut texts: impl Iterator<Item = &'a str>,
    after: &str,
) -> bool {
    if syntax == Syntax::Html && texts.any(|text| !text.chars().all(is_inert)) {
        return false;
    }
    let named = heads(syntax, after);
    if named.is_empty() {
        return true;
    }
    let known: BTreeSet<String> = known.flat_map(|text| heads(syntax, text)).collect();
    named.is_subset(&known)
}

/// Whether a character can be put into a document without becoming markup, a script or an address.
fn is_inert(character: char) -> bool {
    character.is_alphanumeric()
        || matches!(character, ' ' | '.' | ',' | '-' | '_' | '*' | '•' | '█' | '[' | ']' | '#' | '!' | '?')
}

/// Everything in `text` that names a place, or can help to.
pub(super) fn heads(syntax: Syntax, text: &str) -> BTreeSet<String> {
    let mut heads = BTreeSet::new();
    let lower: String = text.chars().filter(|c| !c.is_control()).map(|c| c.to_ascii_lowercase()).collect();
    match syntax {
        Syntax::Address => {}
        Syntax::Style => escapes(&lower, '\\', &mut heads),
        Syntax::Html => {
            escapes(&lower, '&', &mut heads);
            escapes(&lower, '\\', &mut heads);
        }
    }
    if syntax != Syntax::Address {
        heads.extend(LOADERS.iter().filter(|loader| lower.contains(**loader)).map(|l| (*l).to_owned()));
    }
    let lower = lower.replace('\\', "/");
    for (at, _) in lower.match_indices("//") {
        heads.insert(format!("//{}", authority(lower.get(at..).unwrap_or_default())));
    }
    for (at, _) in lower.match_indices(':') {
        heads.extend(scheme_head(syntax, &lower, at));
    }
    heads
}

fn escapes(text: &str, mark: char, heads: &mut BTreeSet<String>) {
    for (at, _) in text.match_indices(mark) {
        let escape = text.get(at..).unwrap_or_default();
        heads.insert(escape.chars().take(ESCAPE_CHARS).collect());
    }
}

/// What an address begins with, if the `:` at `colon` ends a scheme.
fn scheme_head(syntax: Syntax, text: &str, colon: usize) -> Option<String> {
    let (before, rest) = (text.get(..colon)?, text.get(colon + 1..)?);
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let scheme = before.get(before.trim_end_matches(is_scheme).len()..)?;
    if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    if SPECIAL.contains(&scheme) {
        let slashes = rest.len() - rest.trim_start_matches('/').len();
        return Some(format!("{scheme}:{}{}", "/".repeat(slashes), authority(rest)));
    }
    if INLINE.contains(&scheme) {
        // A document at an address of its own goes on to the end; in CSS it ends with its bracket.
        let end = if syntax == Syntax::Style { rest.find(')') } else { None };
        return Some(format!("{scheme}:{}", rest.get(..end.unwrap_or(rest.len()))?));
    }
    // Anything else is an address only where one can begin, and in CSS `color:` is none.
    let start = before.len() - scheme.len();
    let begins = before.get(..start)?.chars().next_back().is_none_or(|c| " ,\"'(=;<>".contains(c));
    (begins && syntax == Syntax::Address).then(|| format!("{scheme}:"))
}

/// Host and all, of what begins after any slashes.
///
/// A space ends it for most, but not before an `@`, where it is part of a user's name.
fn authority(text: &str) -> &str {
    let text = text.trim_start_matches('/');
    let end = text.find(['/', '?', '#']).unwrap_or(text.len());
    let long = text.get(..end).unwrap_or_default();
    match long.contains('@') {
        true => long,
        false => long.split(' ').next().unwrap_or_default(),
    }
}
