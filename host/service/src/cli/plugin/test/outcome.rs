//! One session through a chain, as in production: what it was before, what is left, what was said.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use replay_core::rrweb::{Batch, EditFault, EditFaultKind, EditRules, Finished, Kinds, Verdict};
use replay_sandbox::{ChunkSource, FailureKind, LogLine, Plugin, PluginFailure};

use super::super::fields::{lines_of, open};
use super::pairs::{Gone, Sides};
use crate::chains::ChainLimits;
use crate::cli::CliError;
use crate::cli::recorded::RecordedChunk;

/// A plugin of the chain, and what it may do.
pub(super) struct Link {
    pub(super) plugin: Plugin,
    pub(super) allow_replace: bool,
    pub(super) mask_only: bool,
}

/// A session after the chain, or up to what failed.
pub(super) struct Outcome {
    pub(super) chunks: Vec<Sides>,
    pub(super) finished: Vec<Finished>,
    pub(super) failure: Option<Failure>,
    pub(super) text_bytes: usize,
    pub(super) call_time: Duration,
    /// Lines that were logged, and those that were kept, each with the plugin's name.
    pub(super) log_lines: u64,
    pub(super) logged: Vec<(String, LogLine)>,
}

/// What failed, and at which chunk.
pub(super) struct Failure {
    pub(super) what: String,
    pub(super) chunk: Option<usize>,
}

/// What an answer takes out of a chunk beside text.
struct Taken {
    events: BTreeSet<u32>,
    nodes: usize,
    has_items: bool,
}

impl Outcome {
    pub(super) fn of(
        limits: &ChainLimits,
        chain: &[Link],
        recorded: &[RecordedChunk],
    ) -> Result<Self, CliError> {
        let mut batch = open(recorded, Kinds::ALL)?;
        let chunks = (0..batch.len())
            .map(|chunk| Sides { before: lines_of(&batch, chunk, Kinds::ALL), ..Sides::default() })
            .collect();
        let mut outcome = Self {
            chunks,
            finished: Vec::new(),
            failure: None,
            text_bytes: batch.text_bytes(),
            call_time: Duration::ZERO,
            log_lines: 0,
            logged: Vec::new(),
        };
        let events = |batch: &Batch, chunk| batch.info(chunk).map(|info| info.event_count);
        let events_before: Vec<_> = (0..batch.len()).map(|chunk| events(&batch, chunk)).collect();
        for (position, link) in chain.iter().enumerate() {
            batch = outcome.call(limits, position, link, batch)?;
            if outcome.failure.is_some() {
                break;
            }
        }
        for ((chunk, sides), events_before) in outcome.chunks.iter_mut().enumerate().zip(events_before) {
            sides.has_all_events = events(&batch, chunk) == events_before;
            sides.numbers = batch.numbers(chunk, Kinds::ALL);
            if !batch.is_dropped(chunk) {
                sides.after = lines_of(&batch, chunk, Kinds::ALL);
            }
        }
        outcome.finished = batch.finish().0;
        Ok(outcome)
    }

    /// Calls one plugin, and gives back the batch as it left it.
    fn call(
        &mut self,
        limits: &ChainLimits,
        position: usize,
        link: &Link,
        batch: Batch,
    ) -> Result<Batch, CliError> {
        let manifest = link.plugin.manifest();
        let (name, text_bytes) = (&manifest.name, batch.text_bytes());
        let shared = Arc::new(batch);
        let source: Arc<dyn ChunkSource> = Arc::<Batch>::clone(&shared);
        let started = Instant::now();
        let (answer, logged) = link.plugin.process_with_logs(&source);
        self.call_time += started.elapsed();
        drop(source);
        let mut batch = Arc::into_inner(shared).ok_or_else(|| CliError::failed("a call kept the batch"))?;
        self.logged.extend(logged.into_iter().map(|line| (name.clone(), line)));
        let usage = answer.as_ref().map_or_else(|failed| failed.usage, |answer| answer.usage);
        self.log_lines += usage.log_lines.iter().map(|lines| u64::from(*lines)).sum::<u64>();
        let rules = EditRules {
            allow_replace: link.allow_replace,
            mask_only: link.mask_only,
            extra_edits: limits.extra_edits,
            max_text_bytes: limits.max_text_bytes,
            drop_reasons: u32::try_from(manifest.drop_reasons.len()).unwrap_or(u32::MAX),
        };
        match answer {
            Ok(answer) => {
                let taken = taken(&batch, &answer.verdicts);
                let before = numbers(&batch, &taken);
                match batch.apply(position, manifest.kinds, answer.verdicts, &rules) {
                    Ok(_) => self.note_what_went(&batch, taken, before),
                    Err(fault) => {
                        let what = format!("{name}: plugin_invalid: {}", fault_text(fault));
                        self.failure = Some(Failure { what, chunk: None });
                    }
                }
            }
            Err(failed) => {
                let what = format!("{name}: {}", failure_text(&failed, &link.plugin, text_bytes));
                self.failure = Some(Failure { what, chunk: failed.chunk });
            }
        }
        Ok(batch)
    }

    fn note_what_went(
        &mut self,
        batch: &Batch,
        taken: BTreeMap<usize, Taken>,
        before: BTreeMap<usize, Vec<u32>>,
    ) {
        for (chunk, taken) in taken {
            let Some(sides) = self.chunks.get_mut(chunk) else { continue };
            sides.nodes_blocked += taken.nodes;
            let Some((before, after)) = before.get(&chunk).zip(batch.numbers(chunk, Kinds::ALL)) else {
                continue;
            };
            let after: BTreeSet<u32> = after.into_iter().collect();
            for number in before.iter().filter(|number| !after.contains(number)) {
                let Some(field) = sides.before.get(*number as usize) else { continue };
                let gone = match field {
                    field if taken.events.contains(&field.event) => Gone::Removed,
                    // What is in a request is no node's.
                    field if taken.has_items && (field.node == 0 || taken.nodes == 0) => Gone::Dropped,
                    _ => Gone::Blocked,
                };
                sides.gone.insert(*number, gone);
            }
        }
    }
}

/// What the answer to the chunks that were shown takes out of each.
fn taken(batch: &Batch, verdicts: &[Verdict]) -> BTreeMap<usize, Taken> {
    let shown = (0..batch.len()).filter(|chunk| !batch.is_dropped(*chunk));
    let taken = shown.zip(verdicts).filter_map(|(chunk, verdict)| match verdict {
        Verdict::Change(changes) => {
            let nodes: BTreeSet<u32> = changes.block_nodes.iter().copied().collect();
            let events = changes.remove_events.iter().copied().collect();
            let taken = Taken { events, nodes: nodes.len(), has_items: !changes.drop_items.is_empty() };
            Some((chunk, taken))
        }
        Verdict::Keep | Verdict::Drop(_) | Verdict::Replace(_) => None,
    });
    taken.filter(|(_, taken)| taken.nodes > 0 || taken.has_items || !taken.events.is_empty()).collect()
}

/// The numbers of the fields that are there; chunks that a plugin replaced have none.
fn numbers(batch: &Batch, chunks: &BTreeMap<usize, Taken>) -> BTreeMap<usize, Vec<u32>> {
    chunks.keys().filter_map(|chunk| Some((*chunk, batch.numbers(*chunk, Kinds::ALL)?))).collect()
}

fn fault_text(fault: EditFault) -> String {
    if fault.kind != EditFaultKind::ReplaceNotAllowed {
        return fault.to_string();
    }
    format!(
        "{fault}; the service takes it from a plugin with `allow_replace: true`, and --allow-replace does so here"
    )
}

fn failure_text(failed: &PluginFailure, plugin: &Plugin, text_bytes: usize) -> String {
    let kind = failed.kind.as_str();
    if failed.kind == FailureKind::Timeout {
        let allowed = plugin.time_allowed(text_bytes).as_millis();
        return format!("{kind}: {allowed} ms are its limit on so much text");
    }
    let FailureKind::Error { code } = &failed.kind else { return kind.to_owned() };
    if plugin.manifest().error_codes.contains(code) {
        format!("{kind}: it answered `{code}`")
    } else {
        format!("{kind}: it answered a code that its manifest does not declare")
    }
}
