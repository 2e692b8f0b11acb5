//! One chunk on its way through a chain: its scan, and what the plugins so far made of it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finished, Redactions};
use crate::json;
use crate::pipeline::ChunkHead;
use crate::rrweb::elements::Elements;
use crate::rrweb::kind::Kinds;
use crate::rrweb::scan::{Field, Scan, ScanLimits};
use crate::rrweb::splice::{Edited, Spliced, splice};
use crate::rrweb::structure::{Gaps, moves};

/// rrweb's event types and incremental sources that matter here.
const FULL_SNAPSHOT: u8 = 2;
const INCREMENTAL: u8 = 3;
const REMOVABLE_TYPES: [u8; 2] = [5, 6];
const REMOVABLE_SOURCES: [u8; 7] = [1, 2, 3, 6, 7, 12, 14];

/// One chunk of the batch.
#[derive(Debug)]
pub(super) struct ChunkState {
    pub(super) head: ChunkHead,
    pub(super) scan: Scan,
    pub(super) limits: ScanLimits,
    /// What was known of the session's elements before it.
    pub(super) before: Elements,
    /// The fields that changed, by row of `scan.fields`.
    pub(super) edited: BTreeMap<u32, Edited>,
    /// Positions of the events that were removed.
    pub(super) removed: BTreeSet<u32>,
    /// What else leaves the events.
    pub(super) gaps: Gaps,
    /// Who removed one last.
    pub(super) removed_by: usize,
    pub(super) dropped: Option<Dropped>,
    pub(super) replaced: Option<Replaced>,
}

/// A plugin dropped the chunk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropped {
    /// Row of its drop reasons.
    pub(super) reason: u32,
    /// Its position in the chain.
    pub(super) plugin: usize,
}

/// A plugin replaced the events: `scan` is of its own, and this is what was before.
#[derive(Clone, Debug)]
pub(super) struct Replaced {
    /// What was redacted by then; its bytes are those of the source, as a whole.
    pub(super) redactions: Redactions,
}

impl ChunkState {
    pub(super) fn new(head: ChunkHead, scan: Scan, limits: ScanLimits, before: Elements) -> Self {
        Self {
            head,
            scan,
            limits,
            before,
            edited: BTreeMap::new(),
            removed: BTreeSet::new(),
            gaps: Gaps::default(),
            removed_by: 0,
            dropped: None,
            replaced: None,
        }
    }

    /// Whether answers left every field as the scan found it.
    pub(super) fn is_as_scanned(&self) -> bool {
        self.edited.is_empty() && self.is_whole()
    }

    /// Whether nothing was left out.
    pub(super) fn is_whole(&self) -> bool {
        self.removed.is_empty() && self.gaps.is_empty()
    }

    /// Whether a field is still there.
    pub(super) fn has(&self, field: &Field) -> bool {
        !self.removed.contains(&field.event) && !self.gaps.hides(field.raw_start)
    }

    /// The positions of its moves that are left; `None` if an event cannot be read.
    pub(super) fn moves(&self) -> Option<Vec<[u32; 3]>> {
        moves(&self.scan, &self.gaps, &self.removed, self.head.key.timestamp_start_ms)
    }

    /// The scanned text of a field.
    pub(super) fn scanned_text(&self, field: &Field) -> &[u8] {
        self.scan.text.get(field.start as usize..field.end as usize).unwrap_or_default()
    }

    /// The events that are left.
    pub(super) fn event_count(&self) -> u32 {
        u32::try_from(self.scan.events.len().saturating_sub(self.removed.len())).unwrap_or(u32::MAX)
    }

    /// Whether a full snapshot is left: none can be removed.
    pub(super) fn has_full_snapshot(&self) -> bool {
        self.scan.events.iter().any(|event| event.event_type == Some(FULL_SNAPSHOT))
    }

    /// The bytes as they are now.
    pub(super) fn spliced(&self) -> Spliced {
        splice(&self.scan, &self.edited, &self.removed, &self.gaps)
    }

    /// Whether playback can miss event number `event`; no for one that is not there.
    pub(super) fn is_removable(&self, event: u32) -> bool {
        self.scan.events.get(event as usize).is_some_and(|span| is_removable(span.event_type, span.source))
    }

    /// The fields of `kinds` that are left.
    pub(super) fn rows(&self, kinds: Kinds, scanned: Kinds) -> Rows {
        let all = self.scan.fields.len();
        if self.is_whole() && kinds.bits() & scanned.bits() == scanned.bits() {
            return Rows::All(u32::try_from(all).unwrap_or(u32::MAX));
        }
        let shown = |field: &Field| kinds.contains(field.kind) && self.has(field);
        let rows = (0u32..).zip(&self.scan.fields).filter(|(_, field)| shown(field));
        Rows::Some(rows.map(|(row, _)| row).collect())
    }

    /// The page open at its start, as it is now; `None` if the chunk does not say.
    pub(super) fn own_page_url(&self) -> Option<&str> {
        let scanned = self.scan.page_url.as_deref().filter(|_| self.scan.page_url_is_own)?;
        Some(self.address(self.scan.page_url_field, scanned))
    }

    /// The page open at its end, likewise.
    pub(super) fn last_url(&self) -> Option<&str> {
        Some(self.address(self.scan.last_url_field, self.scan.last_url.as_deref()?))
    }

    /// What the field at `row` says now, which was scanned as `scanned`.
    fn address<'a>(&'a self, row: Option<u32>, scanned: &'a str) -> &'a str {
        row.and_then(|row| self.edited.get(&row)).map_or(scanned, Edited::text)
    }

    /// What was redacted, but for the bytes.
    pub(super) fn redactions(&self, redacted_bytes: u64) -> Redactions {
        let mut redactions = match &self.replaced {
            Some(replaced) => replaced.redactions,
            None => Redactions { bytes: redacted_bytes, ..Redactions::default() },
        };
        for row in self.edited.keys() {
            let Some(field) = self.scan.fields.get(*row as usize) else { continue };
            if !self.has(field) {
                continue;
            }
            if let Some(count) = redactions.fields.get_mut(field.kind as usize) {
                *count = count.saturating_add(1);
            }
        }
        let removed = u32::try_from(self.removed.len()).unwrap_or(u32::MAX);
        redactions.events_removed = redactions.events_removed.saturating_add(removed);
        redactions
    }

    /// What the chain made of it.
    pub(super) fn finish(self) -> Finished {
        if let Some(Dropped { reason, plugin }) = self.dropped {
            return Finished::Dropped { reason: Some(reason), plugin };
        }
        let is_touched = self.replaced.is_some() || !self.is_as_scanned();
        if !is_touched && !self.scan.was_packed {
            return Finished::Unchanged;
        }
        if is_touched && self.event_count() == 0 {
            return Finished::Dropped { reason: None, plugin: self.removed_by };
        }
        let spliced = self.spliced();
        let redactions = self.redactions(spliced.redacted_bytes);
        // The splice cannot break the JSON; if it ever did, nothing is stored that a reader chokes on.
        let Ok(summary) = json::scan_events(&spliced.json, usize::MAX) else { return Finished::Failed };
        let json = if summary.has_whitespace { json::compact(&spliced.json) } else { spliced.json };
        Finished::Changed {
            json,
            redactions,
            event_count: summary.event_count,
            has_full_snapshot: summary.has_full_snapshot,
        }
    }
}

/// Whether playback can miss such an event.
pub(super) fn is_removable(event_type: Option<u8>, source: Option<u8>) -> bool {
    match event_type {
        Some(INCREMENTAL) => source.is_some_and(|source| REMOVABLE_SOURCES.contains(&source)),
        Some(other) => REMOVABLE_TYPES.contains(&other),
        None => false,
    }
}

/// Which fields a plugin is shown: row of its index to row of the scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// All of them, so many.
    All(u32),
    /// These.
    Some(Vec<u32>),
}

impl Rows {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::All(count) => *count as usize,
            Self::Some(rows) => rows.len(),
        }
    }

    /// The row of the scan.
    pub(super) fn get(&self, row: u32) -> Option<u32> {
        match self {
            Self::All(count) => (row < *count).then_some(row),
            Self::Some(rows) => rows.get(row as usize).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
    use crate::row::Codec;
    use crate::rrweb::kind::Kind;
    use crate::rrweb::scan::{EventSpan, Shape};
    use crate::rrweb::splice::Pieces;

    #[test]
    fn a_splice_that_breaks_the_events_is_a_failure_and_no_drop() {
        let head = ChunkHead {
            session: SessionKey {
                project_id: ProjectId::new("shop").unwrap(),
                session_id: SessionId::parse("0191f0c4-7e1a-7c3b-9d55-0123456789ab").unwrap(),
            },
            key: ChunkKey { timestamp_start_ms: 1, chunk_index: 0 },
            timestamp_end_ms: 1,
            event_count: 1,
            has_full_snapshot: false,
            data_size: 0,
            codec: Codec::Gzip,
        };
        let limits = ScanLimits { max_raw_chunk_bytes: 100, max_ratio: 1, max_depth: 9, max_fields: 9 };
        let json = br#"[{"type":5,"x":"secret"}]"#.to_vec();
        // One byte too many: the quote behind it.
        let field = Field {
            event: 0,
            node: 0,
            kind: Kind::Other,
            name: 0,
            element: 0,
            start: 0,
            end: 6,
            raw_start: 16,
            raw_end: 23,
            shape: Shape::String,
            escaped: false,
        };
        let events = vec![EventSpan { start: 1, end: 24, event_type: Some(5), source: None }];
        let scan = Scan { json, events, fields: vec![field], text: b"secret\n".to_vec(), ..Scan::default() };
        let mut chunk = ChunkState::new(head, scan, limits, Elements::default());
        let pieces = Pieces::of_source("secret").edited(&[(0..6, "*".to_owned())]).unwrap();
        chunk.edited.insert(0, Edited::Text(pieces));
        assert_eq!(chunk.finish(), Finished::Failed);
    }
}
