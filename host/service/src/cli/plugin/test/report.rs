//! What a chain did in all.

use std::collections::BTreeMap;

use replay_core::identity::SessionKey;
use replay_core::rrweb::{Finished, Kind};
use serde::Serialize;

use super::super::canaries::{Canaries, CanaryReport};
use super::super::dead_letter::LetterFound;
use super::Tried;
use super::pairs::{Pair, Sides};
use super::show::ChangedLine;

/// Chunks that are named of those with blocked elements.
const MAX_NAMED: usize = 100;

/// What the chain did in all.
#[derive(Default, Serialize)]
pub(in super::super) struct TestReport {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    letter: Option<LetterFound>,
    sessions: u64,
    chunks: u64,
    chunks_changed: u64,
    chunks_dropped: u64,
    chunks_failed: u64,
    /// Records that could not be read, and so were not tried.
    records_broken: usize,
    events_removed: u64,
    nodes_blocked: usize,
    /// So many in each chunk that had some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blocked: Vec<String>,
    fields: u64,
    fields_changed: BTreeMap<&'static str, u64>,
    redacted_bytes: u64,
    log_lines: u64,
    failures: Vec<String>,
    pub(super) call_time_ms: f64,
    pub(super) text_mb_per_s: f64,
    #[serde(flatten)]
    canaries: Option<CanaryReport>,
}

impl TestReport {
    /// Of nothing yet, but for what could not even be tried.
    pub(super) fn new(letter: Option<LetterFound>, records_broken: usize) -> Self {
        Self { letter, records_broken, ..Self::default() }
    }

    /// Nothing failed, and no canary is left.
    pub(super) fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.canaries.as_ref().is_none_or(CanaryReport::is_clean)
    }

    /// What failed, by session, as codes.
    pub(in super::super) fn failures(&self) -> &[String] {
        &self.failures
    }

    pub(super) fn take(&mut self, tried: &Tried<'_>) {
        let Tried { session, outcome, .. } = tried;
        self.sessions += 1;
        self.chunks += outcome.finished.len() as u64;
        self.fields += outcome.chunks.iter().map(|sides| sides.before.len() as u64).sum::<u64>();
        self.log_lines += outcome.log_lines;
        if let Some(failure) = &outcome.failure {
            self.chunks_failed += outcome.finished.len() as u64;
            let place = failure.chunk.map(|chunk| {
                let file = match tried.whose.are_several {
                    true => format!(", of {}", tried.file(chunk)),
                    false => String::new(),
                };
                format!(" (at chunk {chunk}{file})")
            });
            self.failures.push(format!("{session}: {}{}", failure.what, place.unwrap_or_default()));
            return;
        }
        for (chunk, sides) in outcome.chunks.iter().enumerate().filter(|(_, sides)| sides.nodes_blocked > 0) {
            self.nodes_blocked += sides.nodes_blocked;
            if self.blocked.len() < MAX_NAMED {
                let place = tried.place(chunk);
                self.blocked.push(format!("{place}: blocked nodes {}", sides.nodes_blocked));
            }
        }
        outcome.finished.iter().for_each(|finished| self.take_chunk(session, finished));
    }

    fn take_chunk(&mut self, session: &SessionKey, finished: &Finished) {
        match finished {
            Finished::Unchanged => {}
            Finished::Dropped { .. } => self.chunks_dropped += 1,
            Finished::Failed => {
                self.chunks_failed += 1;
                self.failures.push(format!("{session}: the edits did not make a recording"));
            }
            Finished::Changed { redactions, .. } => {
                self.chunks_changed += 1;
                self.redacted_bytes += redactions.bytes;
                self.events_removed += u64::from(redactions.events_removed);
                for (kind, fields) in Kind::ALL.into_iter().zip(redactions.fields) {
                    if fields > 0 {
                        *self.fields_changed.entry(kind.as_str()).or_default() += u64::from(fields);
                    }
                }
            }
        }
    }

    /// The fields that differ, or left; with canaries, only those where nothing asked for it. Those of
    /// dropped chunks are counted, but there is nothing to show of them.
    pub(super) fn changed_lines(
        &mut self,
        tried: &Tried<'_>,
        canaries: Option<&Canaries>,
    ) -> Vec<ChangedLine> {
        let Tried { session, outcome, .. } = tried;
        if outcome.failure.is_some() {
            return Vec::new();
        }
        let pairs: Vec<Pair<'_>> = outcome.chunks.iter().flat_map(Sides::pairs).collect();
        let over_redacted = canaries.map(|canaries| {
            let fields: Vec<_> = pairs.iter().map(|pair| (pair.before, pair.after)).collect();
            // What is left is looked for in all that is left, whatever it was before.
            let left = outcome.chunks.iter().flat_map(|sides| &sides.after).map(|after| &*after.text);
            self.canaries.get_or_insert_default().take(canaries, &fields, left)
        });
        let is_shown = |(position, pair): &(usize, Pair<'_>)| match &over_redacted {
            Some(over_redacted) => over_redacted.get(*position) == Some(&true),
            None => pair.after.is_none_or(|after| after.text != pair.before.text),
        };
        let line = |(_, Pair { before, after, gone }): (usize, Pair<'_>)| {
            if after.is_none() && gone.is_none() {
                return None;
            }
            Some(ChangedLine {
                file: tried.file(before.chunk).to_owned(),
                session: session.to_string(),
                chunk: before.chunk,
                event: before.event,
                kind: before.kind,
                name: before.name.clone(),
                before: before.text.clone(),
                after: after.map(|after| after.text.clone()).unwrap_or_default(),
                gone: gone.filter(|_| after.is_none()).map(|gone| gone.as_str()),
            })
        };
        pairs.into_iter().enumerate().filter(is_shown).filter_map(line).collect()
    }
}
