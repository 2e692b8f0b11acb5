//! One try of a chain over some chunks: open them, show them to each plugin in turn, take the result.

use std::sync::Arc;
use std::time::Instant;

use replay_core::codec::{self, Scratch};
use replay_core::identity::SessionKey;
use replay_core::reject::{Reason, Reject};
use replay_core::rrweb::{Batch, EditFault, EditRules, Elements, Finished, ScanError};
use replay_sandbox::FailureKind;

use super::transform::Chunk;
use super::{Chain, Chains, Stage};

/// How a try ended for each chunk that could be opened, and why the others could not.
pub(super) struct Tried {
    pub(super) finished: Vec<(usize, Finished)>,
    pub(super) unopened: Vec<(usize, Reject)>,
}

/// A try that failed as a whole.
pub(super) struct Failed {
    pub(super) reject: Reject,
    /// The chunk to blame, as a position among all chunks of the batch, if that is known.
    pub(super) chunk: Option<usize>,
    pub(super) unopened: Vec<(usize, Reject)>,
    /// What was known of the session's pages before the try, for another.
    pub(super) pages_before: Box<Elements>,
}

impl Chains {
    /// Tries the chunks at `positions`.
    pub(super) fn attempt(
        &self,
        chain: &Chain,
        session: &SessionKey,
        chunks: &[Chunk<'_>],
        positions: &[usize],
        scratch: &mut Scratch,
    ) -> Result<Tried, Failed> {
        let pages_before = Box::new(self.tables.take(session));
        let mut batch = Batch::new(chain.kinds, Elements::clone(&pages_before));
        let (mut opened, mut unopened) = (Vec::new(), Vec::new());
        for &position in positions {
            let Some(chunk) = chunks.get(position) else { continue };
            match self.open(&mut batch, chunk, scratch) {
                Ok(()) => opened.push(position),
                Err(reject) => unopened.push((position, reject)),
            }
        }
        let mut batch = Arc::new(batch);
        let ran = self.run_stages(chain, session, &mut batch);
        // The sandbox has dropped its share when a call returns.
        let Some(batch) = Arc::into_inner(batch) else {
            let reject = Reject::new(Reason::InternalError, "a plugin's call kept the batch");
            return Err(Failed { reject, chunk: None, unopened, pages_before });
        };
        let (finished, elements) = batch.finish();
        // What the recording says of its elements is so whatever plugins make of it.
        self.tables.put(session.clone(), elements);
        match ran {
            Ok(()) => Ok(Tried { finished: opened.into_iter().zip(finished).collect(), unopened }),
            Err((reject, chunk)) => {
                let chunk = chunk.and_then(|chunk| opened.get(chunk).copied());
                Err(Failed { reject, chunk, unopened, pages_before })
            }
        }
    }

    fn open(&self, batch: &mut Batch, chunk: &Chunk<'_>, scratch: &mut Scratch) -> Result<(), Reject> {
        let (scan, head) = (&self.limits.scan, chunk.head);
        let json = codec::decompress(scratch, head.codec, chunk.data, scan.max_raw_chunk_bytes);
        let json = json.map_err(|error| Reject::new(Reason::InternalError, format!("chunk: {error}")))?;
        batch.add(head, json.to_vec(), scan).map_err(scan_fault)
    }

    /// Shows the batch to each plugin; an error names the chunk to blame by its position in the batch.
    fn run_stages(
        &self,
        chain: &Chain,
        session: &SessionKey,
        batch: &mut Arc<Batch>,
    ) -> Result<(), (Reject, Option<usize>)> {
        for (position, stage) in chain.stages.iter().enumerate() {
            if (0..batch.len()).all(|chunk| batch.is_dropped(chunk)) {
                return Ok(());
            }
            let project = &session.project_id;
            if !self.breakers.allows(project, &stage.sha256, Instant::now()) {
                return Err((failure(stage, &FailureKind::BreakerOpen, None), None));
            }
            match self.call(position, stage, batch) {
                Ok(()) => self.breakers.succeeded(project, &stage.sha256),
                Err((reject, chunk)) => {
                    self.counts.failed(&stage.name, reject.reason.as_str());
                    if self.breakers.failed(project, &stage.sha256, Instant::now()) {
                        self.counts.breaker_opened();
                        tracing::warn!(
                            project = %project,
                            plugin = stage.name,
                            reason = reject.reason.as_str(),
                            "a plugin failed again and again: its breaker is open; its tenant's batches follow \
                             `on_plugin_failure` until it closes"
                        );
                    }
                    return Err((reject, chunk));
                }
            }
        }
        Ok(())
    }

    fn call(
        &self,
        position: usize,
        stage: &Stage,
        batch: &mut Arc<Batch>,
    ) -> Result<(), (Reject, Option<usize>)> {
        let manifest = stage.guest.manifest();
        let answer = stage.guest.process(batch).map_err(|failed| {
            self.counts.called(&stage.name, &failed.usage);
            (failure(stage, &failed.kind, None), failed.chunk)
        })?;
        self.counts.called(&stage.name, &answer.usage);
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
        batch
            .apply(position, manifest.kinds, answer.verdicts, &rules)
            .map_err(|fault| (failure(stage, &FailureKind::Invalid, Some(fault)), Some(fault.chunk)))
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
