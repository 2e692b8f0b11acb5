//! `replace`: whole new events, which must be the old ones with something taken out.

use std::collections::BTreeSet;

use super::address::{self, Syntax};
use super::check::Plan;
use super::chunk::{ChunkState, Replaced, is_removable};
use crate::json;
use crate::rrweb::edit::{EditFaultKind, Replacement};
use crate::rrweb::elements::Elements;
use crate::rrweb::kind::{Kind, Kinds};
use crate::rrweb::scan::{EventSpan, Field, Scan, scan_on_page};

/// Checks `json` and scans it, so that later plugins see its fields.
///
/// Each of its events stands for one of the present ones: same type, source and timestamp, in the same
/// order; only such as playback can miss may be missing. Addresses and code in it are of the present
/// ones, as for edits, here over the whole chunk.
pub(super) fn plan(
    state: &ChunkState,
    elements: &Elements,
    kinds: Kinds,
    json: Vec<u8>,
) -> Result<Plan, EditFaultKind> {
    const BAD: EditFaultKind = EditFaultKind::BadReplace;
    let spliced = state.spliced();
    if json == spliced.json {
        return Ok(Plan::Keep);
    }
    if json.len() > state.limits.max_raw_chunk_bytes {
        return Err(BAD);
    }
    let summary = json::scan_events(&json, state.limits.max_depth).map_err(|_| BAD)?;
    let json = if summary.has_whitespace { json::compact(&json) } else { json };
    let before = Scanned::new(state, elements, spliced.json, Kinds::ALL).ok_or(BAD)?;
    let after = Scanned::new(state, elements, json.clone(), Kinds::ALL).ok_or(BAD)?;
    if !same_events(&before.scan, &after.scan, state.limits.max_depth) || !is_at_home(&before, &after) {
        return Err(BAD);
    }
    let scan = if kinds == Kinds::ALL {
        after.scan
    } else {
        Scanned::new(state, elements, json, kinds).ok_or(BAD)?.scan
    };
    let mut redactions = state.redactions(spliced.redacted_bytes);
    if state.replaced.is_none() {
        redactions.bytes = state.scan.json.len() as u64;
    }
    Ok(Plan::Replace { scan: Box::new(scan), replaced: Replaced { redactions } })
}

/// Events scanned once more, with what is then known of their page.
struct Scanned {
    scan: Scan,
    elements: Elements,
}

impl Scanned {
    /// `json` in the place of the chunk's events. What it says of elements goes into a table of its own:
    /// what a plugin writes must not change what is known of the session.
    fn new(state: &ChunkState, elements: &Elements, json: Vec<u8>, kinds: Kinds) -> Option<Self> {
        let mut elements = elements.clone();
        let mut scan = scan_on_page(json, state.scan.page, kinds, &mut elements, &state.limits).ok()?;
        if !scan.page_url_is_own {
            // The table knows how the batch ends, the chunk how it began.
            scan.page_url.clone_from(&state.scan.page_url);
        }
        Some(Self { scan, elements })
    }
}

fn same_events(before: &Scan, after: &Scan, max_depth: usize) -> bool {
    let mut left = after.events.iter().map(|span| identity(after, span, max_depth)).peekable();
    for span in &before.events {
        let is_same = left.next_if_eq(&identity(before, span, max_depth)).is_some();
        if !is_same && !is_removable(span.event_type, span.source) {
            return false;
        }
    }
    left.next().is_none()
}

/// What an event is told by: type, source, timestamp as it is written.
fn identity<'a>(scan: &'a Scan, span: &EventSpan, max_depth: usize) -> (Option<u8>, Option<u8>, &'a [u8]) {
    let event = scan.json.get(span.start as usize..span.end as usize).unwrap_or_default();
    let mut timestamp: &[u8] = &[];
    let _ = json::walk_object(event, max_depth, |member| {
        if json::unquote(member.key).is_some_and(|key| *key == *b"timestamp") {
            timestamp = member.value;
        }
    });
    (span.event_type, span.source, timestamp)
}

/// Whether nothing in `after` loads or runs what nothing in `before` does.
fn is_at_home(before: &Scanned, after: &Scanned) -> bool {
    let known = Named::of(before);
    let named = Named::of(after);
    let is_masked = |code: &&str| code.chars().all(|c| c.is_whitespace() || Replacement::MASKS.contains(&c));
    named.heads.is_subset(&known.heads)
        && named.html.is_subset(&known.html)
        && named.code.iter().all(|code| is_masked(code) || known.code.contains(code))
}

/// What the guarded fields of a chunk name.
#[derive(Default)]
struct Named<'a> {
    heads: BTreeSet<String>,
    code: BTreeSet<&'a str>,
    /// Its markup, which masks leave alone or take away.
    html: BTreeSet<String>,
}

impl<'a> Named<'a> {
    fn of(Scanned { scan, elements }: &'a Scanned) -> Self {
        let mut named = Self::default();
        for field in &scan.fields {
            let text = text_of(scan, field);
            if field.kind == Kind::Code {
                named.code.insert(text);
            }
            let Some(syntax) = address::syntax_of(field, &scan.names, elements, scan.page) else { continue };
            named.heads.extend(address::heads(syntax, text));
            if syntax == Syntax::Html {
                let tags = text.split('<').skip(1).filter_map(|tag| tag.split('>').next());
                named.html.extend(tags.map(str::to_owned));
            }
        }
        named
    }
}

fn text_of<'a>(scan: &'a Scan, field: &Field) -> &'a str {
    let text = scan.text.get(field.start as usize..field.end as usize).unwrap_or_default();
    std::str::from_utf8(text).unwrap_or_default()
}
