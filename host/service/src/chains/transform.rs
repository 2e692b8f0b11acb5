//! A tenant's chain over one session's chunks, and the tenant's policy for what failed.
//!
//! Nothing that a redacting chain has not treated leaves here as something to store: a failure is a
//! reject or a drop, and `pass` is refused for such a chain when it is loaded.

use bytes::Bytes;
use replay_core::codec::{self, Scratch};
use replay_core::identity::SessionKey;
use replay_core::pipeline::ChunkHead;
use replay_core::reject::{Reason, Reject};
use replay_core::row::{ChunkMeta, ChunkRow, Codec};
use replay_core::rrweb::{Finished, Redactions};
use replay_core::winner::{ContentHash, Version};

use super::attempt::{Failed, Tried};
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

impl Chains {
    /// Runs the tenant's chain over `chunks` of one session, in order of play; one answer each.
    pub fn transform(
        &self,
        chain: &Chain,
        session: &SessionKey,
        chunks: &[Chunk<'_>],
        scratch: &mut Scratch,
    ) -> Vec<Treated> {
        if chain.stages.is_empty() {
            return vec![Treated::AsItCame; chunks.len()];
        }
        let mut treated = vec![None; chunks.len()];
        for part in self.parts(chunks) {
            self.transform_part(chain, session, chunks, part, scratch, &mut treated);
        }
        let missed = || Treated::Rejected(Reject::new(Reason::InternalError, "the chain left it out"));
        treated.into_iter().map(|treated| treated.unwrap_or_else(missed)).collect()
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
        chain: &Chain,
        session: &SessionKey,
        chunks: &[Chunk<'_>],
        mut part: Vec<usize>,
        scratch: &mut Scratch,
        treated: &mut [Option<Treated>],
    ) {
        let mut tries_left = 2;
        while tries_left > 0 && !part.is_empty() {
            tries_left -= 1;
            let failed = match self.attempt(chain, session, chunks, &part, scratch) {
                Ok(tried) => return self.take(chain, tried, scratch, treated),
                Err(failed) => failed,
            };
            let Failed { reject, chunk, unopened, pages_before } = failed;
            part.retain(|position| unopened.iter().all(|(unopened, _)| unopened != position));
            set(treated, unopened.into_iter().map(|(at, reject)| (at, Treated::Rejected(reject))));
            let blamed: Vec<usize> = match chunk {
                Some(chunk) if tries_left > 0 && part.len() > 1 => vec![chunk],
                _ => part.clone(),
            };
            part.retain(|position| !blamed.contains(position));
            if !part.is_empty() {
                // The same chunks come again: they must meet the pages as they did the first time.
                self.tables.put(session.clone(), *pages_before);
            }
            set(treated, blamed.into_iter().map(|at| (at, by_policy(chain, &reject))));
        }
    }

    fn take(&self, chain: &Chain, tried: Tried, scratch: &mut Scratch, treated: &mut [Option<Treated>]) {
        set(treated, tried.unopened.into_iter().map(|(at, reject)| (at, Treated::Rejected(reject))));
        for (at, finished) in tried.finished {
            let outcome = match finished {
                Finished::Unchanged => Treated::AsItCame,
                Finished::Dropped { plugin, .. } => {
                    if let Some(stage) = chain.stages.get(plugin) {
                        self.counts.dropped(&stage.name);
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
