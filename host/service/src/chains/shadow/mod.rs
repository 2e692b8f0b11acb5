//! Shadows: a tenant's next chain sees what the present one saw, on a share of the sessions, and its
//! answers are compared, counted and thrown away.
//!
//! A shadow runs after the answers of the chain that stores were handed on, in slots of its own (`queue`).
//! What it does not keep up with is not compared. Its failures are counted, and open breakers that are
//! nobody else's. Counts alone are kept (`totals`), never a word of what was recorded.

mod queue;
mod totals;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use replay_core::codec::Scratch;
use replay_core::identity::SessionKey;
use replay_core::pipeline::ChunkHead;
use replay_core::reject::Reason;
use replay_core::rrweb::{ChunkTrace, Comparison, Elements, Finished};
use sha2::{Digest, Sha256};

use super::Chain;
use super::attempt::{Runner, Task, Tried};
use super::transform::Chunk;
pub use queue::ShadowBounds;
pub(super) use queue::Shadows;
pub(super) use totals::Side;
pub use totals::{ShadowCounts, ShadowTotals};

/// A chain that is compared with a tenant's own.
#[derive(Clone)]
pub struct Shadow {
    /// Percent of the sessions that it sees.
    pub share_percent: u8,
    /// What it is.
    pub chain: Chain,
    /// What came of it so far.
    pub counts: ShadowCounts,
}

impl Shadow {
    /// Whether it sees the session: the same answer in every process, before and after a restart.
    pub fn takes(&self, session: &SessionKey) -> bool {
        let digest = Sha256::digest(session.session_id.to_string().as_bytes());
        let [a, b, c, d] = digest.first_chunk().copied().unwrap_or_default();
        u32::from_be_bytes([a, b, c, d]) % 100 < u32::from(self.share_percent)
    }
}

/// What a shadow is to see, and what the tenant's own chain made of it.
pub struct ShadowJob {
    shadow: Arc<Shadow>,
    session: SessionKey,
    /// What the tenant's own chain could open; all, if it has no plugin and so opens nothing.
    chunks: Vec<(ChunkHead, Bytes)>,
    /// What that chain knew of the session's pages.
    pages: Elements,
    /// What it made of each, in the order of `chunks`.
    made: Vec<Made>,
    /// CPU time in its plugins.
    cpu: Duration,
}

/// What a chain made of a chunk.
struct Made {
    /// What it changed.
    trace: ChunkTrace,
    outcome: Outcome,
}

enum Outcome {
    /// There is something to store.
    Stored(Side),
    /// Nothing is, as the chain would have it.
    Dropped,
    /// Nothing can be.
    Failed,
}

impl ShadowJob {
    pub(super) fn new(
        shadow: &Arc<Shadow>,
        session: &SessionKey,
        chunks: &[Chunk<'_>],
        tried: &mut Tried,
        pages: Elements,
    ) -> Self {
        let opened = tried.finished.iter().filter_map(|(at, _)| chunks.get(*at));
        Self {
            shadow: Arc::clone(shadow),
            session: session.clone(),
            chunks: opened.map(|chunk| (chunk.head.clone(), chunk.data.clone())).collect(),
            pages,
            made: made_of(tried, chunks),
            cpu: tried.cpu,
        }
    }

    /// Beside a chain without a plugin, which keeps all as it came, whether it could be opened or not.
    pub(super) fn beside_plain<'a>(
        shadow: &Arc<Shadow>,
        session: &SessionKey,
        chunks: impl Iterator<Item = &'a Chunk<'a>>,
        pages: Elements,
    ) -> Self {
        let chunks: Vec<_> = chunks.map(|chunk| (chunk.head.clone(), chunk.data.clone())).collect();
        let as_it_came = |(head, _): &(ChunkHead, Bytes)| Made {
            trace: ChunkTrace::default(),
            outcome: Outcome::Stored(Side { stored_bytes: head.data_size, ..Side::default() }),
        };
        Self {
            shadow: Arc::clone(shadow),
            session: session.clone(),
            pages,
            made: chunks.iter().map(as_it_came).collect(),
            cpu: Duration::ZERO,
            chunks,
        }
    }

    /// About how many bytes it keeps.
    fn bytes(&self) -> usize {
        let chunks = self.chunks.iter().map(|(_, data)| data.len());
        let made = self.made.iter().map(|made| size_of::<Outcome>() + made.trace.bytes());
        chunks.chain(made).sum::<usize>() + self.pages.bytes()
    }

    /// Runs it to its end; what came of it, alone.
    fn run(&self, runner: &Runner<'_>, scratch: &mut Scratch) -> ShadowTotals {
        let chunks: Vec<Chunk<'_>> = self.chunks.iter().map(|(head, data)| Chunk { head, data }).collect();
        let positions: Vec<usize> = (0..chunks.len()).collect();
        let task = Task {
            chain: &self.shadow.chain,
            session: &self.session,
            chunks: &chunks,
            positions: &positions,
            pages: self.pages.clone(),
            traced: true,
        };
        let mut totals = ShadowTotals::default();
        let mut tried = match runner.attempt(task, scratch).0 {
            Ok(tried) => tried,
            Err(failed) => {
                totals.fail(failed.reject.reason.as_str());
                return totals;
            }
        };
        // A chunk that is too much for what the shadow asks for, or that nobody has opened before it.
        for (_, reject) in &tried.unopened {
            totals.fail(reject.reason.as_str());
        }
        let made = made_of(&mut tried, &chunks);
        for ((at, _), shadow) in tried.finished.iter().zip(&made) {
            if let Some(active) = self.made.get(*at) {
                compare(active, shadow, &mut totals);
            }
        }
        totals.compared = 1;
        totals.active.cpu = self.cpu;
        totals.shadow.cpu = tried.cpu;
        totals
    }
}

/// What a try made of each chunk that it could open; takes its traces.
fn made_of(tried: &mut Tried, chunks: &[Chunk<'_>]) -> Vec<Made> {
    let traces = std::mem::take(&mut tried.traces);
    let outcome = |(at, finished): &(usize, Finished)| match finished {
        Finished::Unchanged => {
            let stored_bytes = chunks.get(*at).map_or(0, |chunk| chunk.head.data_size);
            Outcome::Stored(Side { stored_bytes, ..Side::default() })
        }
        Finished::Changed { json, redactions, .. } => {
            let (stored_bytes, redacted_bytes) = (json.len() as u64, redactions.bytes);
            Outcome::Stored(Side { stored_bytes, redacted_bytes, ..Side::default() })
        }
        Finished::Dropped { .. } => Outcome::Dropped,
        Finished::Failed => Outcome::Failed,
    };
    let outcomes = tried.finished.iter().map(outcome);
    outcomes.zip(traces).map(|(outcome, trace)| Made { trace, outcome }).collect()
}

/// Counts a chunk that both saw. What only one of them stores has no part in the bytes: a chunk that the
/// other drops would make up for what is redacted less elsewhere.
fn compare(active: &Made, shadow: &Made, totals: &mut ShadowTotals) {
    match (&active.outcome, &shadow.outcome) {
        (_, Outcome::Failed) => return totals.fail(Reason::InternalError.as_str()),
        // It became a dead letter: there is nothing to compare with.
        (Outcome::Failed, _) => return,
        _ => {}
    }
    let mut chunk = Comparison::default();
    chunk.add(&active.trace, &shadow.trace);
    totals.comparison.merge(&chunk);
    let (Outcome::Stored(by_active), Outcome::Stored(by_shadow)) = (&active.outcome, &shadow.outcome) else {
        return;
    };
    totals.active.add(by_active);
    totals.shadow.add(by_shadow);
    let left_as_it_came =
        chunk.events.first_only + chunk.fields.iter().map(|sides| sides.first_only).sum::<u64>();
    if by_shadow.redacted_bytes < by_active.redacted_bytes || left_as_it_came > 0 {
        totals.redacted_less += 1;
    }
}
