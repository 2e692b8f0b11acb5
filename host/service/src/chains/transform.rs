//! A tenant's chain over one session's chunks, and the tenant's policy for what failed.
//!
//! Nothing that a redacting chain has not treated leaves here as something to store: a failure is a
//! reject or a drop, and `pass` is refused for such a chain when it is loaded.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use replay_core::codec::{self, Scratch};
use replay_core::identity::SessionKey;
use replay_core::pipeline::ChunkHead;
use replay_core::reject::{Reason, Reject};
use replay_core::row::{ChunkMeta, ChunkRow, Codec};
use replay_core::rrweb::{Elements, Finished, Redactions};
use replay_core::winner::{ContentHash, Version};

use super::attempt::{Failed, Runner, Task, Tried};
use super::shadow::{Shadow, ShadowJob};
use super::{Chain, Chains};
use crate::config::OnPluginFailure;

/// A chunk before its tenant's chain.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// What is known of it.
    pub head: &'a ChunkHead,
    /// Its compressed form.
    pub data: &'a Bytes,
}

/// What became of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Treated {
    /// Store what came.
    AsItCame,
    /// Store this.
    Changed {
        /// The chunk encoded anew.
        data: Bytes,
        /// How.
        codec: Codec,
        /// Unpacked bytes.
        data_size: u64,
        /// Events that are left.
        event_count: u32,
        /// Whether one is a full snapshot.
        has_full_snapshot: bool,
        /// Source bytes masked, replaced or removed.
        redactions: u64,
    },
    /// Store nothing: the chain, or the policy, dropped it.
    Dropped,
    /// It cannot be stored.
    Rejected(Reject),
}

impl Treated {
    /// The row to store, made by a chain of `revision` of the chunk that came; `None` if there is none.
    pub fn into_row(
        self,
        head: ChunkHead,
        data: Bytes,
        received_at_ms: u64,
        revision: u16,
    ) -> Option<ChunkRow> {
        let (head, data, redactions) = match self {
            Self::AsItCame => (head, data, 0),
            Self::Changed { data, codec, data_size, event_count, has_full_snapshot, redactions } => {
                (ChunkHead { codec, data_size, event_count, has_full_snapshot, ..head }, data, redactions)
            }
            Self::Dropped | Self::Rejected(_) => return None,
        };
        let content_hash = ContentHash::of(&data);
        let meta = ChunkMeta {
            project_id: head.session.project_id,
            session_id: head.session.session_id,
            key: head.key,
            timestamp_end_ms: head.timestamp_end_ms,
            received_at_ms,
            codec: head.codec,
            data_size: head.data_size,
            compressed_size: data.len() as u64,
            event_count: head.event_count,
            has_full_snapshot: head.has_full_snapshot,
            version: Version::new(revision, redactions, content_hash),
            content_hash,
        };
        Some(ChunkRow { meta, data })
    }
}

/// One session's chunks under its tenant's chain.
struct Sealed<'a> {
    chain: &'a Chain,
    session: &'a SessionKey,
    chunks: &'a [Chunk<'a>],
    /// What is compared with the chain on this session, if anything is.
    shadow: Option<&'a Arc<Shadow>>,
}

/// What is known when a batch is through.
struct Through {
    treated: Vec<Option<Treated>>,
    /// What the shadow is to see.
    jobs: Vec<ShadowJob>,
}

impl Chains {
    /// Runs the tenant's chain over `chunks` of one session, in order of play; one answer each.
    pub fn transform(
        &self,
        chain: &Chain,
        session: &SessionKey,
        chunks: &[Chunk<'_>],
        scratch: &mut Scratch,
    ) -> Vec<Treated> {
        self.transform_watched(chain, session, chunks, scratch).0
    }

    /// As [`Self::transform`], with what the tenant's shadow is to see of it once the answers were handed
    /// on: for [`Self::watch`].
    pub fn transform_watched(
        &self,
        chain: &Chain,
        session: &SessionKey,
        chunks: &[Chunk<'_>],
        scratch: &mut Scratch,
    ) -> (Vec<Treated>, Vec<ShadowJob>) {
        let shadow = chain.shadow.as_ref().filter(|shadow| shadow.takes(session));
        let sealed = Sealed { chain, session, chunks, shadow };
        if chain.stages.is_empty() {
            return (vec![Treated::AsItCame; chunks.len()], self.seen_of_plain(&sealed, scratch));
        }
        let mut through = Through { treated: vec![None; chunks.len()], jobs: Vec::new() };
        for part in self.parts(chunks) {
            self.transform_part(&sealed, part, scratch, &mut through);
        }
        let missed = || Treated::Rejected(Reject::new(Reason::InternalError, "the chain left it out"));
        let Through { treated, jobs } = through;
        (treated.into_iter().map(|treated| treated.unwrap_or_else(missed)).collect(), jobs)
    }

    /// What the shadow of a chain without a plugin is to see. What such a chain stores was never opened,
    /// so nothing that goes wrong with opening it, not even a panic, is more than the shadow's failure.
    fn seen_of_plain(&self, sealed: &Sealed<'_>, scratch: &mut Scratch) -> Vec<ShadowJob> {
        let Some(shadow) = sealed.shadow else { return Vec::new() };
        let mut jobs = Vec::new();
        for part in self.parts(sealed.chunks) {
            let opened = std::panic::catch_unwind(AssertUnwindSafe(|| self.attempt(sealed, &part, scratch)));
            match opened {
                Ok((_, pages_before)) => {
                    let chunks = part.iter().filter_map(|at| sealed.chunks.get(*at));
                    jobs.push(ShadowJob::beside_plain(shadow, sealed.session, chunks, pages_before));
                }
                Err(_) => {
                    // What it left in there is not to be trusted.
                    *scratch = Scratch::default();
                    self.shadows.unopened(shadow, Reason::InternalError);
                }
            }
        }
        jobs
    }

    /// Neighbours that fit into memory together.
    fn parts(&self, chunks: &[Chunk<'_>]) -> Vec<Vec<usize>> {
        let mut parts: Vec<Vec<usize>> = Vec::new();
        let mut bytes = u64::MAX;
        for (position, chunk) in chunks.iter().enumerate() {
            bytes = bytes.saturating_add(chunk.head.data_size);
            match parts.last_mut() {
                Some(part) if bytes <= self.limits.batch_bytes => part.push(position),
                _ => {
                    parts.push(vec![position]);
                    bytes = chunk.head.data_size;
                }
            }
        }
        parts
    }

    /// A try; if it fails, one more without the chunk to blame; what fails then is the policy's.
    fn transform_part(
        &self,
        sealed: &Sealed<'_>,
        mut part: Vec<usize>,
        scratch: &mut Scratch,
        through: &mut Through,
    ) {
        let (chain, session) = (sealed.chain, sealed.session);
        let mut tries_left = 2;
        while tries_left > 0 && !part.is_empty() {
            tries_left -= 1;
            let (tried, pages_before) = self.attempt(sealed, &part, scratch);
            let Failed { reject, chunk, unopened } = match tried {
                Ok(mut tried) => {
                    if let Some(shadow) = sealed.shadow {
                        let job = ShadowJob::new(shadow, session, sealed.chunks, &mut tried, pages_before);
                        through.jobs.push(job);
                    }
                    return self.take(chain, tried, scratch, &mut through.treated);
                }
                Err(failed) => failed,
            };
            if let Some(shadow) = sealed.shadow {
                self.shadows.active_failed(shadow);
            }
            part.retain(|position| unopened.iter().all(|(unopened, _)| unopened != position));
            set(
                &mut through.treated,
                unopened.into_iter().map(|(at, reject)| (at, Treated::Rejected(reject))),
            );
            let blamed: Vec<usize> = match chunk {
                Some(chunk) if tries_left > 0 && part.len() > 1 => vec![chunk],
                _ => part.clone(),
            };
            part.retain(|position| !blamed.contains(position));
            if !part.is_empty() {
                // The same chunks come again: they must meet the pages as they did the first time.
                self.tables.put(session.clone(), pages_before);
            }
            set(&mut through.treated, blamed.into_iter().map(|at| (at, by_policy(chain, &reject))));
        }
    }

    /// A try of the chunks at `positions`, and what was known of the session's pages before it.
    fn attempt(
        &self,
        sealed: &Sealed<'_>,
        positions: &[usize],
        scratch: &mut Scratch,
    ) -> (Result<Tried, Failed>, Elements) {
        let Sealed { chain, session, chunks, shadow } = *sealed;
        let pages_before = self.tables.take(session);
        let runner = Runner { limits: &self.limits, breakers: &self.breakers, counts: Some(&self.counts) };
        let (pages, traced) = (pages_before.clone(), shadow.is_some());
        let (tried, pages_after) =
            runner.attempt(Task { chain, session, chunks, positions, pages, traced }, scratch);
        if let Some(pages) = pages_after {
            self.tables.put(session.clone(), pages);
        }
        (tried, pages_before)
    }

    fn take(&self, chain: &Chain, tried: Tried, scratch: &mut Scratch, treated: &mut [Option<Treated>]) {
        set(treated, tried.unopened.into_iter().map(|(at, reject)| (at, Treated::Rejected(reject))));
        for (at, finished) in tried.finished {
            let outcome = match finished {
                Finished::Unchanged => Treated::AsItCame,
                Finished::Dropped { reason, plugin } => {
                    if reason.is_none()
                        && let Some(stage) = chain.stages.get(plugin)
                    {
                        stage.counts.emptied();
                        self.counts.emptied(&stage.name);
                    }
                    Treated::Dropped
                }
                Finished::Failed => {
                    let detail = "the edits did not make a recording";
                    Treated::Rejected(Reject::new(Reason::InternalError, detail))
                }
                Finished::Changed { json, redactions, event_count, has_full_snapshot } => {
                    self.counts.changed(&redactions);
                    self.encode(&json, &redactions, event_count, has_full_snapshot, scratch)
                }
            };
            set(treated, [(at, outcome)]);
        }
    }

    fn encode(
        &self,
        json: &[u8],
        redactions: &Redactions,
        event_count: u32,
        has_full_snapshot: bool,
        scratch: &mut Scratch,
    ) -> Treated {
        let max_bytes = self.limits.max_stored_chunk_bytes;
        match codec::compress(scratch, &self.encoding, json) {
            Ok(data) if data.len() <= max_bytes => Treated::Changed {
                data: Bytes::from(data),
                codec: self.encoding.codec,
                data_size: json.len() as u64,
                event_count,
                has_full_snapshot,
                redactions: redactions.bytes,
            },
            Ok(data) => {
                let detail = format!("chunk as stored of {} bytes, over {max_bytes}", data.len());
                Treated::Rejected(Reject::new(Reason::TooLarge, detail))
            }
            Err(error) => Treated::Rejected(Reject::new(Reason::InternalError, format!("chunk: {error}"))),
        }
    }
}

fn set(treated: &mut [Option<Treated>], outcomes: impl IntoIterator<Item = (usize, Treated)>) {
    for (at, outcome) in outcomes {
        if let Some(place) = treated.get_mut(at) {
            *place = Some(outcome);
        }
    }
}

fn by_policy(chain: &Chain, reject: &Reject) -> Treated {
    match chain.on_failure {
        OnPluginFailure::Quarantine => Treated::Rejected(reject.clone()),
        OnPluginFailure::Drop => Treated::Dropped,
        // Refused at load; here it would be a leak.
        OnPluginFailure::Pass if chain.redacts => Treated::Rejected(reject.clone()),
        OnPluginFailure::Pass => Treated::AsItCame,
    }
}
