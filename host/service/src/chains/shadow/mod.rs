//! Shadows: a tenant's next chain sees what the present one saw, on a share of the sessions, and its
//! answers are compared, counted and thrown away.
//!
//! A shadow runs after the answers of the chain that stores were handed on, in slots of its own (`queue`).
//! What it does not keep up with is not compared. Its failures are counted, and open breakers that are
//! nobody else's. Counts alone are kept (`totals`), never a word of what was recorded.

mod queue;
mod totals;

use std::sync::Arc;

use bytes::Bytes;
use replay_core::codec::Scratch;
use replay_core::identity::SessionKey;
use replay_core::pipeline::ChunkHead;
use replay_core::rrweb::{ChunkTrace, Elements, Finished};
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
    /// What it changed, in the order of `chunks`.
    traces: Vec<ChunkTrace>,
    /// What that came to.
    side: Side,
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
            traces: std::mem::take(&mut tried.traces),
            side: side_of(tried, chunks),
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
        let stored_bytes = chunks.iter().map(|(head, _)| head.data_size).sum();
        Self {
            shadow: Arc::clone(shadow),
            session: session.clone(),
            pages,
            traces: vec![ChunkTrace::default(); chunks.len()],
            side: Side { stored_bytes, ..Side::default() },
            chunks,
        }
    }

    /// About how many bytes it keeps.
    fn bytes(&self) -> usize {
        let chunks = self.chunks.iter().map(|(_, data)| data.len());
        let traces = self.traces.iter().map(ChunkTrace::bytes);
        chunks.chain(traces).sum::<usize>() + self.pages.bytes()
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
        let tried = match runner.attempt(task, scratch).0 {
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
        for ((at, _), trace) in tried.finished.iter().zip(&tried.traces) {
            if let Some(active) = self.traces.get(*at) {
                totals.comparison.add(active, trace);
            }
        }
        totals.compared = 1;
        totals.active = self.side;
        totals.shadow = side_of(&tried, &chunks);
        totals
    }
}

/// What a try came to.
fn side_of(tried: &Tried, chunks: &[Chunk<'_>]) -> Side {
    let mut side = Side { cpu: tried.cpu, ..Side::default() };
    for (at, finished) in &tried.finished {
        match finished {
            Finished::Unchanged => {
                side.stored_bytes += chunks.get(*at).map_or(0, |chunk| chunk.head.data_size);
            }
            Finished::Changed { json, redactions, .. } => {
                side.stored_bytes += json.len() as u64;
                side.redacted_bytes += redactions.bytes;
            }
            Finished::Dropped { .. } | Finished::Failed => {}
        }
    }
    side
}
