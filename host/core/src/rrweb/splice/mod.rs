//! The one splice at the end of a chain: what plugins changed goes into the source's bytes, and
//! everything else stays as it came.

mod pieces;
mod pixels;
mod raw;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

pub(super) use pieces::Pieces;
pub(super) use pixels::emptied;

use super::scan::{Field, Scan};
use super::structure::Gaps;

/// What plugins made of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Edited {
    /// Its text, in parts.
    Text(Pieces),
    /// A picture that was emptied.
    Blank {
        /// The raw bytes in its place.
        raw: Vec<u8>,
        /// Their number, which is what plugins see of a picture.
        size: String,
    },
}

impl Edited {
    /// What plugins see.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(pieces) => pieces.text(),
            Self::Blank { size, .. } => size,
        }
    }
}

/// What a splice made.
#[derive(Debug)]
pub(super) struct Spliced {
    /// The events.
    pub(super) json: Vec<u8>,
    /// Bytes of the source that are no longer in them.
    pub(super) redacted_bytes: u64,
}

/// Puts the edited fields, by row of `scan.fields`, into the events, and leaves out the events removed and
/// what `gaps` has.
pub(super) fn splice(
    scan: &Scan,
    edited: &BTreeMap<u32, Edited>,
    removed: &BTreeSet<u32>,
    gaps: &Gaps,
) -> Spliced {
    let mut out = Vec::with_capacity(scan.json.len() + scan.json.len() / 16);
    let mut redacted_bytes = 0;
    let mut at = 0;
    for (range, patch) in patches(scan, edited, removed, gaps) {
        // Only inside a range that was just left out as a whole.
        if range.start < at {
            continue;
        }
        out.extend_from_slice(scan.json.get(at..range.start).unwrap_or_default());
        at = range.end;
        let raw = scan.json.get(range).unwrap_or_default();
        let kept = match patch {
            Patch::Cut { between } => between,
            Patch::Field(field, Edited::Text(pieces)) => pieces.write(raw, field.escaped, &mut out),
            Patch::Field(_, Edited::Blank { raw: blank, .. }) => {
                out.extend_from_slice(blank);
                0
            }
        };
        redacted_bytes += raw.len().saturating_sub(kept) as u64;
    }
    out.extend_from_slice(scan.json.get(at..).unwrap_or_default());
    Spliced { json: out, redacted_bytes }
}

enum Patch<'a> {
    /// An event, or a member of a list, left out; so many of the bytes are the gap beside it and count for nothing.
    Cut {
        between: usize,
    },
    Field(&'a Field, &'a Edited),
}

/// Everything that changes, in the order of the bytes, a cut before what is inside it.
fn patches<'a>(
    scan: &'a Scan,
    edited: &'a BTreeMap<u32, Edited>,
    removed: &BTreeSet<u32>,
    gaps: &Gaps,
) -> Vec<(Range<usize>, Patch<'a>)> {
    let mut patches = Vec::new();
    if !removed.is_empty() {
        let events: Vec<_> = scan.events.iter().map(|event| event.start..event.end).collect();
        cuts(&events, |event| u32::try_from(event).is_ok_and(|event| removed.contains(&event)), &mut patches);
    }
    for (members, gone) in gaps.lists() {
        cuts(members, |member| gone.contains(&member), &mut patches);
    }
    for (&row, edited) in edited {
        let Some(field) = scan.fields.get(row as usize) else { continue };
        if !removed.contains(&field.event) {
            let raw = field.raw_start as usize..field.raw_end as usize;
            patches.push((raw, Patch::Field(field, edited)));
        }
    }
    // Stable, and what is left out begins before what is in it.
    patches.sort_by_key(|(range, _)| range.start);
    patches
}

/// Each of `members` that is gone with one comma: the one before it, or, as long as none was kept, the one
/// after.
fn cuts(members: &[Range<u32>], is_gone: impl Fn(usize) -> bool, cuts: &mut Vec<(Range<usize>, Patch<'_>)>) {
    let mut kept_any = false;
    for (i, member) in members.iter().enumerate() {
        if !is_gone(i) {
            kept_any = true;
            continue;
        }
        let (start, end) = (member.start as usize, member.end as usize);
        let before = i.checked_sub(1).and_then(|i| members.get(i));
        let cut = match (kept_any, before, members.get(i + 1)) {
            (true, Some(before), _) => before.end as usize..end,
            (_, _, Some(after)) => start..after.start as usize,
            (_, _, None) => start..end,
        };
        let between = cut.len().saturating_sub(end.saturating_sub(start));
        cuts.push((cut, Patch::Cut { between }));
    }
}
