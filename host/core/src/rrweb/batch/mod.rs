//! One sealed batch under a chain of plugins: each sees what those before it left; the answers are
//! checked as a whole, and one splice at the end makes the bytes.

mod address;
mod check;
mod chunk;
mod leave;
mod mask;
mod replace;
mod trace;
mod view;

use std::collections::BTreeSet;

use super::edit::{EditFault, Verdict};
use super::elements::{Element, Elements};
use super::kind::{Kind, Kinds};
use super::scan::{ChunkPlace, Field, ScanError, ScanLimits, scan};
use super::splice::Edited;
use super::structure::{Gaps, nodes};
use crate::pipeline::ChunkHead;
use check::{Call, Plan};
use chunk::{ChunkState, Dropped};
pub use trace::{ChunkTrace, Comparison, Fate, Sides};

/// What plugins may do, and how much of it.
#[derive(Clone, Copy, Debug)]
pub struct EditRules {
    /// Whether `replace` is allowed (`allow_replace`).
    pub allow_replace: bool,
    /// Whether nothing but masks and blanks is allowed (`policy: mask_only`).
    pub mask_only: bool,
    /// Edits of a call beyond one a field; and, beyond one for so many bytes of events, elements that are
    /// blocked and items that are dropped.
    pub extra_edits: usize,
    /// Bytes of replacement text of a call.
    pub max_text_bytes: usize,
    /// Rows of the manifest's drop reasons.
    pub drop_reasons: u32,
}

/// What a plugin is told of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkInfo {
    /// Project id.
    pub project_id: String,
    /// Session id.
    pub session_id: String,
    /// Restarts at 0 on every page load.
    pub chunk_index: u32,
    /// Counts the page loads that the batch saw: node ids are a page's.
    pub page: u32,
    /// First event, Unix milliseconds.
    pub timestamp_start_ms: u64,
    /// Last event, Unix milliseconds.
    pub timestamp_end_ms: u64,
    /// Events that are left in the chunk.
    pub event_count: u32,
    /// Whether one is a full snapshot.
    pub has_full_snapshot: bool,
    /// The page open at its start, as the plugins before left it.
    pub page_url: Option<String>,
}

/// The fields of one chunk as a plugin sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Decoded text, each field followed by `\n`.
    pub text: Vec<u8>,
    /// Eight little-endian u32 a field: event, node, kind, name, page, element, start, end.
    pub index: Vec<u8>,
    /// Names; row 0 is empty.
    pub names: Vec<String>,
}

impl View {
    /// The rows of the index: event, node, kind, name, page, element, start, end.
    pub fn rows(&self) -> impl Iterator<Item = [u32; 8]> + '_ {
        let columns = |row: &[u8; 32]| {
            let mut columns = [0; 8];
            for (column, bytes) in columns.iter_mut().zip(row.as_chunks::<4>().0) {
                *column = u32::from_le_bytes(*bytes);
            }
            columns
        };
        self.index.as_chunks::<32>().0.iter().map(columns)
    }
}

/// What a chain redacted in a chunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redactions {
    /// Source bytes masked, replaced or removed: for the winner rule.
    pub bytes: u64,
    /// Fields changed, by kind.
    pub fields: [u32; Kind::ALL.len()],
    /// Events removed.
    pub events_removed: u32,
}

/// What one plugin's answer did, once it was found good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Chunks that it left as they were.
    pub kept: u32,
    /// Chunks in which it changed fields or removed events.
    pub changed: u32,
    /// Chunks that it dropped.
    pub dropped: u32,
    /// Chunks whose events it replaced.
    pub replaced: u32,
    /// Fields changed by edits, by kind.
    pub fields: [u32; Kind::ALL.len()],
    /// Events removed.
    pub events_removed: u32,
}

/// What a chain made of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished {
    /// Nothing changed: store what arrived.
    Unchanged,
    /// These events are to be stored.
    Changed {
        /// One compact JSON array.
        json: Vec<u8>,
        /// How much was redacted.
        redactions: Redactions,
        /// Events in `json`.
        event_count: u32,
        /// Whether one is a full snapshot.
        has_full_snapshot: bool,
    },
    /// A plugin dropped it (or no event is left).
    Dropped {
        /// Row of the drop reasons of the plugin that did, `None` if no event was left.
        reason: Option<u32>,
        /// Position of that plugin in the chain.
        plugin: usize,
    },
    /// The splice broke the JSON, which is a fault of ours: nothing of it may be stored.
    Failed,
}

/// The chunks of one sealed batch, in order of play, on their way through a chain.
#[derive(Debug)]
pub struct Batch {
    elements: Elements,
    chunks: Vec<ChunkState>,
    kinds: Kinds,
}

impl Batch {
    /// An empty batch for a chain that wants `kinds`; `elements` is what is known of the session.
    pub fn new(kinds: Kinds, elements: Elements) -> Self {
        Self { elements, chunks: Vec::new(), kinds }
    }

    /// Adds the next chunk in order of play. After an error the batch is as it was.
    pub fn add(&mut self, head: &ChunkHead, json: Vec<u8>, limits: &ScanLimits) -> Result<(), ScanError> {
        let known = self.elements.clone();
        let place =
            ChunkPlace { chunk_index: head.key.chunk_index, timestamp_start_ms: head.key.timestamp_start_ms };
        let scan = scan(json, place, self.kinds, &mut self.elements, limits);
        match scan {
            Ok(scan) => self.chunks.push(ChunkState::new(head.clone(), scan, *limits, known)),
            Err(error) => {
                self.elements = known;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Chunks in the batch.
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Whether a plugin before dropped this chunk: later ones do not see it.
    pub fn is_dropped(&self, chunk: usize) -> bool {
        self.chunks.get(chunk).is_some_and(|chunk| chunk.dropped.is_some())
    }

    /// Bytes of text over all chunks that were not dropped, for the plugin's deadline.
    pub fn text_bytes(&self) -> usize {
        let shown = self.chunks.iter().filter(|chunk| chunk.dropped.is_none());
        shown.map(|chunk| chunk.scan.text.len()).sum()
    }

    /// What a plugin is told of chunk number `chunk`.
    pub fn info(&self, chunk: usize) -> Option<ChunkInfo> {
        let state = self.chunks.get(chunk)?;
        let head = &state.head;
        Some(ChunkInfo {
            project_id: head.session.project_id.as_str().to_owned(),
            session_id: head.session.session_id.to_string(),
            chunk_index: head.key.chunk_index,
            page: state.scan.page,
            timestamp_start_ms: head.key.timestamp_start_ms,
            timestamp_end_ms: head.timestamp_end_ms,
            event_count: state.event_count(),
            has_full_snapshot: state.has_full_snapshot(),
            page_url: self.page_url(chunk),
        })
    }

    /// The fields of `kinds`, as the plugins before left them.
    pub fn view(&self, chunk: usize, kinds: Kinds) -> Option<View> {
        view::view(self.chunks.get(chunk)?, kinds, self.kinds)
    }

    /// For each field of [`Self::view`], in the same order, its number among all fields of `kinds` that the
    /// batch was made with, as the chunk came: what leaves does not renumber what stays. `None` also if a
    /// plugin replaced the events.
    pub fn numbers(&self, chunk: usize, kinds: Kinds) -> Option<Vec<u32>> {
        let state = self.chunks.get(chunk).filter(|state| state.replaced.is_none())?;
        let rows = state.rows(kinds, self.kinds);
        Some((0..).map_while(|shown| rows.get(shown)).collect())
    }

    /// Where the focus went, three little-endian u32 each.
    pub fn focus(&self, chunk: usize) -> Option<Vec<u8>> {
        let state = self.chunks.get(chunk)?;
        let left = state.scan.focus.iter().filter(|change| !state.removed.contains(&change.event));
        let rows = left.map(|change| [change.event, change.node, u32::from(change.focused)]);
        Some(rows.flatten().flat_map(u32::to_le_bytes).collect())
    }

    /// Where mouse, touch and drag went, three little-endian u32 a position: event, position in its list,
    /// milliseconds since the chunk's start. `None` also if an event holds more than is looked at.
    pub fn moves(&self, chunk: usize) -> Option<Vec<u8>> {
        Some(self.chunks.get(chunk)?.moves()?.into_iter().flatten().flat_map(u32::to_le_bytes).collect())
    }

    /// The elements that the chunk's events name, and all those around them at the time: one little-endian
    /// u32 each, ascending. `None` also if an event holds more than is looked at: some of them are not all.
    pub fn nodes(&self, chunk: usize) -> Option<Vec<u8>> {
        let state = self.chunks.get(chunk)?;
        let nodes = nodes(&state.scan, &state.gaps, &state.removed, &state.before, &self.elements)?;
        Some(nodes.into_iter().flat_map(u32::to_le_bytes).collect())
    }

    /// What is known of an element of the chunk's page.
    pub fn element(&self, chunk: usize, node: u32) -> Option<Element> {
        self.elements.element(self.chunks.get(chunk)?.scan.page, node)
    }

    /// The events as the plugins before left them.
    pub fn events(&self, chunk: usize) -> Option<Vec<u8>> {
        let state = self.chunks.get(chunk)?;
        Some(if state.is_as_scanned() { state.scan.json.clone() } else { state.spliced().json })
    }

    /// Takes the answer of the plugin at position `plugin` of the chain, which was shown fields of
    /// `kinds`: one verdict for each chunk that was not dropped before, in order. A fault leaves the
    /// batch as it was.
    pub fn apply(
        &mut self,
        plugin: usize,
        kinds: Kinds,
        verdicts: Vec<Verdict>,
        rules: &EditRules,
    ) -> Result<Applied, EditFault> {
        let shown: Vec<usize> = (0..self.chunks.len()).filter(|&chunk| !self.is_dropped(chunk)).collect();
        let mut call = Call::new(self, kinds, *rules, &shown, verdicts.len())?;
        let mut plans = Vec::with_capacity(shown.len());
        for (&chunk, verdict) in shown.iter().zip(verdicts) {
            let plan = call.plan(chunk, verdict).map_err(|kind| EditFault { chunk, kind })?;
            plans.push(plan);
        }
        let mut applied = Applied::default();
        for (chunk, plan) in shown.into_iter().zip(plans) {
            self.carry_out(plugin, chunk, plan, &mut applied);
        }
        Ok(applied)
    }

    /// What was changed in each chunk so far, for a comparison.
    pub fn traces(&self) -> Vec<ChunkTrace> {
        self.chunks.iter().map(ChunkTrace::of).collect()
    }

    /// What the chain made of each chunk, and what is known of the session's elements now.
    ///
    /// Later chunks of a page begin with its address as the plugins left it.
    pub fn finish(mut self) -> (Vec<Finished>, Elements) {
        for chunk in &self.chunks {
            if let Some(url) = chunk.last_url() {
                self.elements.set_page_url(chunk.scan.page, Some(url.to_owned()));
            }
        }
        (self.chunks.into_iter().map(ChunkState::finish).collect(), self.elements)
    }

    fn carry_out(&mut self, plugin: usize, chunk: usize, plan: Plan, applied: &mut Applied) {
        let Some(state) = self.chunks.get_mut(chunk) else { return };
        match plan {
            Plan::Keep => applied.kept += 1,
            Plan::Drop(reason) => {
                applied.dropped += 1;
                state.dropped = Some(Dropped { reason, plugin });
            }
            Plan::Change { edited, removed, gaps } => {
                applied.count_changes(state, &edited, &removed, gaps.as_ref());
                state.edited.extend(edited);
                if !removed.is_empty() {
                    state.removed.extend(removed);
                    state.removed_by = plugin;
                }
                if let Some(gaps) = gaps {
                    state.gaps = gaps;
                }
            }
            Plan::Replace { scan, replaced } => {
                applied.replaced += 1;
                state.scan = *scan;
                state.replaced = Some(replaced);
                state.edited.clear();
                state.removed.clear();
                state.gaps = Gaps::default();
                state.removed_by = plugin;
            }
        }
    }

    /// The page open at a chunk's start: the chunk says, or one of its page before it, or it was known
    /// before the batch.
    fn page_url(&self, chunk: usize) -> Option<String> {
        let state = self.chunks.get(chunk)?;
        let before = self.chunks.get(..chunk)?.iter().rev();
        let mut before = before.filter(|before| before.scan.page == state.scan.page);
        let own = state.own_page_url();
        let url = own.or_else(|| before.find_map(ChunkState::last_url)).or(state.scan.page_url.as_deref());
        url.map(str::to_owned)
    }
}

impl Applied {
    /// Counts the changes of a chunk; a field that goes as a whole is not stored, so not counted.
    fn count_changes(
        &mut self,
        state: &ChunkState,
        edited: &[(u32, Edited)],
        removed: &BTreeSet<u32>,
        gaps: Option<&Gaps>,
    ) {
        if edited.is_empty() && removed.is_empty() && gaps.is_none() {
            self.kept += 1;
            return;
        }
        self.changed += 1;
        self.events_removed += u32::try_from(removed.len()).unwrap_or(u32::MAX);
        let fields = edited.iter().filter_map(|(row, _)| state.scan.fields.get(*row as usize));
        let stays = |field: &&Field| {
            !removed.contains(&field.event) && gaps.is_none_or(|gaps| !gaps.hides(field.raw_start))
        };
        for field in fields.filter(stays) {
            if let Some(count) = self.fields.get_mut(field.kind as usize) {
                *count += 1;
            }
        }
    }
}
