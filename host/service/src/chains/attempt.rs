//! One try of a chain over some chunks: open them, show them to each plugin in turn, take the result.

use std::sync::Arc;
use std::time::{Duration, Instant};

use replay_core::codec::{self, Scratch};
use replay_core::identity::SessionKey;
use replay_core::reject::{Reason, Reject};
use replay_core::rrweb::{Applied, Batch, ChunkTrace, EditFault, EditRules, Elements, Finished, ScanError};
use replay_sandbox::{FailureKind, Usage};

use super::breakers::{Breakers, Watched};
use super::counts::ChainCounts;
use super::transform::Chunk;
use super::{Chain, ChainLimits, Stage};

/// What runs chains: the one that stores, or the one that only compares.
#[derive(Clone, Copy)]
pub(super) struct Runner<'a> {
    pub(super) limits: &'a ChainLimits,
    pub(super) breakers: &'a Breakers,
    /// For metrics; none for shadows, which have their own.
    pub(super) counts: Option<&'a ChainCounts>,
}

/// What a try is of.
pub(super) struct Task<'a> {
    pub(super) chain: &'a Chain,
    pub(super) session: &'a SessionKey,
    pub(super) chunks: &'a [Chunk<'a>],
    /// The chunks to try, as positions among all of the batch.
    pub(super) positions: &'a [usize],
    /// What is known of the session's pages before it.
    pub(super) pages: Elements,
    /// Whether what changed is to be told, for a comparison.
    pub(super) traced: bool,
}

/// How a try ended for each chunk that could be opened, and why the others could not.
pub(super) struct Tried {
    pub(super) finished: Vec<(usize, Finished)>,
    pub(super) unopened: Vec<(usize, Reject)>,
    /// What changed, in the order of `finished`; empty unless asked for.
    pub(super) traces: Vec<ChunkTrace>,
    /// CPU time in the plugins.
    pub(super) cpu: Duration,
}

/// A try that failed as a whole.
pub(super) struct Failed {
    pub(super) reject: Reject,
    /// The chunk to blame, as a position among all chunks of the batch, if that is known.
    pub(super) chunk: Option<usize>,
    pub(super) unopened: Vec<(usize, Reject)>,
}

/// A plugin's failure, and the chunk to blame as a position in the batch.
type StageFailure = (Reject, Option<usize>);

impl Runner<'_> {
    /// Tries the chunks; and what is known of the session's pages after it.
    pub(super) fn attempt(
        &self,
        task: Task<'_>,
        scratch: &mut Scratch,
    ) -> (Result<Tried, Failed>, Option<Elements>) {
        let mut batch = Batch::new(task.chain.kinds, task.pages);
        let (mut opened, mut unopened) = (Vec::new(), Vec::new());
        for &position in task.positions {
            let Some(chunk) = task.chunks.get(position) else { continue };
            match self.open(&mut batch, chunk, scratch) {
                Ok(()) => opened.push(position),
                Err(reject) => unopened.push((position, reject)),
            }
        }
        let mut batch = Arc::new(batch);
        let ran = self.run_stages(task.chain, task.session, &mut batch);
        // The sandbox has dropped its share when a call returns.
        let Some(batch) = Arc::into_inner(batch) else {
            let reject = Reject::new(Reason::InternalError, "a plugin's call kept the batch");
            return (Err(Failed { reject, chunk: None, unopened }), None);
        };
        let traces = if task.traced && ran.is_ok() { batch.traces() } else { Vec::new() };
        let (finished, elements) = batch.finish();
        let tried = match ran {
            Ok(cpu) => {
                let finished = opened.into_iter().zip(finished).collect();
                Ok(Tried { finished, unopened, traces, cpu })
            }
            Err((reject, chunk)) => {
                let chunk = chunk.and_then(|chunk| opened.get(chunk).copied());
                Err(Failed { reject, chunk, unopened })
            }
        };
        // What the recording says of its elements is so whatever plugins make of it.
        (tried, Some(elements))
    }

    fn open(&self, batch: &mut Batch, chunk: &Chunk<'_>, scratch: &mut Scratch) -> Result<(), Reject> {
        let (scan, head) = (&self.limits.scan, chunk.head);
        let json = codec::decompress(scratch, head.codec, chunk.data, scan.max_raw_chunk_bytes);
        let json = json.map_err(|error| Reject::new(Reason::InternalError, format!("chunk: {error}")))?;
        batch.add(head, json.to_vec(), scan).map_err(scan_fault)
    }

    /// Shows the batch to each plugin; answers the CPU time that they took.
    fn run_stages(
        &self,
        chain: &Chain,
        session: &SessionKey,
        batch: &mut Arc<Batch>,
    ) -> Result<Duration, StageFailure> {
        let mut cpu = Duration::ZERO;
        let mut done: Vec<(&Stage, Applied)> = Vec::with_capacity(chain.stages.len());
        for (position, stage) in chain.stages.iter().enumerate() {
            if (0..batch.len()).all(|chunk| batch.is_dropped(chunk)) {
                break;
            }
            let (project, sha256) = (session.project_id.clone(), stage.sha256.clone());
            let watched = Watched { project, position, sha256 };
            if !self.breakers.allows(&watched, Instant::now()) {
                stage.counts.failed(FailureKind::BreakerOpen.as_str());
                return Err((failure(stage, &FailureKind::BreakerOpen, None), None));
            }
            match self.call(position, stage, batch) {
                Ok((applied, took)) => {
                    self.breakers.succeeded(&watched);
                    cpu += took;
                    done.push((stage, applied));
                }
                Err(failed) => {
                    self.note_failure(&watched, stage, &failed.0);
                    return Err(failed);
                }
            }
        }
        // Of a chain that failed nothing is stored: what its first plugins did, they did for nothing.
        for (stage, applied) in &done {
            stage.counts.applied(applied);
            self.counts.inspect(|counts| counts.applied(&stage.name, applied));
        }
        Ok(cpu)
    }

    fn note_failure(&self, watched: &Watched, stage: &Stage, reject: &Reject) {
        let reason = reject.reason.as_str();
        let opened = self.breakers.failed(watched, Instant::now());
        // A shadow's breaker is its own affair.
        let Some(counts) = self.counts else { return };
        counts.failed(&stage.name, reason);
        if opened {
            counts.breaker_opened();
            tracing::warn!(
                project = %watched.project,
                plugin = stage.name,
                reason,
                "a plugin failed again and again: its breaker is open; its tenant's batches follow \
                 `on_plugin_failure` until it closes"
            );
        }
    }

    /// One plugin's call, and what came of it.
    fn call(
        &self,
        position: usize,
        stage: &Stage,
        batch: &mut Arc<Batch>,
    ) -> Result<(Applied, Duration), StageFailure> {
        let manifest = stage.guest.manifest();
        let answer = stage.guest.process(batch).map_err(|failed| {
            self.called(stage, &failed.usage);
            stage.counts.failed(&exact_code(&failed.kind));
            (failure(stage, &failed.kind, None), failed.chunk)
        })?;
        self.called(stage, &answer.usage);
        let rules = EditRules {
            allow_replace: stage.allow_replace,
            mask_only: stage.mask_only,
            extra_edits: self.limits.extra_edits,
            max_text_bytes: self.limits.max_text_bytes,
            drop_reasons: u32::try_from(manifest.drop_reasons.len()).unwrap_or(u32::MAX),
        };
        let Some(batch) = Arc::get_mut(batch) else {
            return Err((Reject::new(Reason::InternalError, "a plugin's call kept the batch"), None));
        };
        let applied = batch.apply(position, manifest.kinds, answer.verdicts, &rules).map_err(|fault| {
            stage.counts.failed(FailureKind::Invalid.as_str());
            (failure(stage, &FailureKind::Invalid, Some(fault)), Some(fault.chunk))
        })?;
        Ok((applied, answer.usage.cpu))
    }

    fn called(&self, stage: &Stage, usage: &Usage) {
        stage.counts.called(usage);
        self.counts.inspect(|counts| counts.called(&stage.name, usage));
    }
}

/// What `plugin status` counts a failure under: the code that the plugin's manifest declares is part of it.
fn exact_code(kind: &FailureKind) -> String {
    match kind {
        FailureKind::Error { code } => format!("{} {code}", kind.as_str()),
        FailureKind::Timeout
        | FailureKind::Memory
        | FailureKind::Output
        | FailureKind::Stack
        | FailureKind::Trap
        | FailureKind::Invalid
        | FailureKind::Load
        | FailureKind::Overloaded
        | FailureKind::BreakerOpen => kind.as_str().to_owned(),
    }
}

/// The reject of a failed call: our own words, and codes that the manifest declares.
fn failure(stage: &Stage, kind: &FailureKind, fault: Option<EditFault>) -> Reject {
    let reason = match kind {
        FailureKind::Timeout => Reason::PluginTimeout,
        FailureKind::Memory => Reason::PluginMemory,
        FailureKind::Output => Reason::PluginOutput,
        FailureKind::Stack => Reason::PluginStack,
        FailureKind::Trap => Reason::PluginTrap,
        FailureKind::Error { .. } => Reason::PluginError,
        FailureKind::Invalid => Reason::PluginInvalid,
        FailureKind::Load => Reason::PluginLoad,
        FailureKind::Overloaded => Reason::PluginOverloaded,
        FailureKind::BreakerOpen => Reason::PluginBreakerOpen,
    };
    let name = &stage.name;
    Reject::new(
        reason,
        match (kind, fault) {
            (FailureKind::Error { code }, _) => format!("plugin {name}: error {code}"),
            (_, Some(fault)) => format!("plugin {name}: {fault}"),
            (_, None) => format!("plugin {name}"),
        },
    )
}

fn scan_fault(error: ScanError) -> Reject {
    let reason = match error {
        ScanError::PackedUnreadable { .. } => Reason::PackedUnreadable,
        ScanError::Bomb { .. } => Reason::Bomb,
        ScanError::TooMuch => Reason::TooLarge,
        ScanError::NotEvents => Reason::NotEvents,
    };
    Reject::new(reason, error.to_string())
}
