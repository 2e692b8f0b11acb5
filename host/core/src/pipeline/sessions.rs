//! The session buffers: chunks wait here for the rest of their batch.
//!
//! A buffer is sealed when it is full, when its newest chunk has a full snapshot, when it was idle,
//! when it is old, or when memory is needed. Chunks of one session may arrive over several
//! partitions; nothing assumes that this process sees all of them.

use std::collections::{BTreeMap, BTreeSet};

use super::At;
use super::budget::RECORD_OVERHEAD_BYTES;
use super::io::{Chunk, Payload};
use super::limits::Limits;
use crate::identity::{ProjectId, SessionKey};

/// Why a buffer was sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SealReason {
    /// `max_chunks_per_session` chunks.
    Full,
    /// Its newest chunk has a full snapshot.
    FullSnapshot,
    /// No chunk for `idle_timeout`.
    Idle,
    /// `max_session_age` old.
    Age,
    /// The memory budget, or its project's share of it, is needed.
    Budget,
    /// A partition is revoked, or the service stops.
    Handover,
}

impl SealReason {
    /// The name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::FullSnapshot => "full_snapshot",
            Self::Idle => "idle",
            Self::Age => "age",
            Self::Budget => "budget",
            Self::Handover => "handover",
        }
    }
}

/// A sealed batch: the unit of work of a tenant's chain. In order of play.
#[derive(Debug)]
pub(super) struct Sealed<P> {
    pub(super) session: SessionKey,
    pub(super) chunks: Vec<Chunk<P>>,
    /// What the chunks hold.
    pub(super) bytes: usize,
    pub(super) why: SealReason,
}

#[derive(Debug)]
struct Buffer<P> {
    chunks: Vec<Chunk<P>>,
    bytes: usize,
    opened_ms: u64,
    deadline_ms: u64,
}

#[derive(Debug)]
pub(super) struct Sessions<P> {
    limits: Limits,
    buffers: BTreeMap<SessionKey, Buffer<P>>,
    /// The same buffers by the time at which each is due; the first is the oldest.
    due: BTreeSet<(u64, SessionKey)>,
    bytes: usize,
    project_bytes: BTreeMap<ProjectId, usize>,
}

impl<P: Payload> Sessions<P> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffers: BTreeMap::new(),
            due: BTreeSet::new(),
            bytes: 0,
            project_bytes: BTreeMap::new(),
        }
    }

    /// Adds a chunk; returns what this seals: its own buffer, or its project's oldest.
    pub(super) fn push(&mut self, now_ms: u64, chunk: Chunk<P>) -> Option<Sealed<P>> {
        let session = chunk.head.session.clone();
        let (bytes, has_full_snapshot) = (held_bytes(&chunk), chunk.head.has_full_snapshot);
        let buffer = self.buffers.entry(session.clone()).or_insert_with(|| Buffer {
            chunks: Vec::with_capacity(1),
            bytes: 0,
            opened_ms: now_ms,
            deadline_ms: u64::MAX,
        });
        buffer.chunks.push(chunk);
        buffer.bytes += bytes;
        self.bytes += bytes;
        let full = buffer.chunks.len() >= self.limits.max_chunks_per_session;
        let idle_at_ms = now_ms + self.limits.idle_timeout_ms;
        let deadline_ms = idle_at_ms.min(buffer.opened_ms + self.limits.max_session_age_ms);
        self.due.remove(&(buffer.deadline_ms, session.clone()));
        buffer.deadline_ms = deadline_ms;
        self.due.insert((deadline_ms, session.clone()));
        let project_bytes = self.project_bytes.entry(session.project_id.clone()).or_default();
        *project_bytes += bytes;
        let over_share = *project_bytes > self.limits.project_buffer_bytes && self.project_bytes.len() > 1;

        if full {
            self.seal(&session, SealReason::Full)
        } else if has_full_snapshot {
            self.seal(&session, SealReason::FullSnapshot)
        } else if over_share {
            let oldest = self.due.iter().find(|(_, key)| key.project_id == session.project_id)?.1.clone();
            self.seal(&oldest, SealReason::Budget)
        } else {
            None
        }
    }

    /// Seals one buffer whose time has come.
    pub(super) fn seal_due(&mut self, now_ms: u64) -> Option<Sealed<P>> {
        let (_, session) = self.due.first().filter(|(deadline_ms, _)| *deadline_ms <= now_ms)?.clone();
        let opened_ms = self.buffers.get(&session)?.opened_ms;
        let aged = now_ms >= opened_ms + self.limits.max_session_age_ms;
        self.seal(&session, if aged { SealReason::Age } else { SealReason::Idle })
    }

    /// Seals the buffer that is nearest to its time.
    pub(super) fn seal_oldest(&mut self, why: SealReason) -> Option<Sealed<P>> {
        let (_, session) = self.due.first()?.clone();
        self.seal(&session, why)
    }

    /// Seals one buffer that holds a chunk of these partitions.
    pub(super) fn seal_of(&mut self, partitions: &[u32]) -> Option<Sealed<P>> {
        let holds = |buffer: &Buffer<P>| {
            buffer.chunks.iter().any(|chunk| partitions.contains(&chunk.origin.at.partition))
        };
        let session = self.buffers.iter().find(|(_, buffer)| holds(buffer))?.0.clone();
        self.seal(&session, SealReason::Handover)
    }

    /// Takes out the chunks of assignments that are no longer ours.
    pub(super) fn purge(&mut self, is_current: impl Fn(At) -> bool) -> Vec<Chunk<P>> {
        let mut purged = Vec::new();
        for (session, buffer) in &mut self.buffers {
            let gone = buffer.chunks.extract_if(.., |chunk| !is_current(chunk.origin.at));
            for chunk in gone {
                let bytes = held_bytes(&chunk);
                buffer.bytes -= bytes;
                self.bytes -= bytes;
                if let Some(total) = self.project_bytes.get_mut(&session.project_id) {
                    *total -= bytes;
                }
                purged.push(chunk);
            }
            if buffer.chunks.is_empty() {
                self.due.remove(&(buffer.deadline_ms, session.clone()));
            }
        }
        self.buffers.retain(|_, buffer| !buffer.chunks.is_empty());
        self.project_bytes.retain(|_, bytes| *bytes > 0);
        purged
    }

    pub(super) fn next_due_ms(&self) -> Option<u64> {
        self.due.first().map(|(deadline_ms, _)| *deadline_ms)
    }

    pub(super) fn len(&self) -> usize {
        self.buffers.len()
    }

    /// Memory held by the chunks in all buffers.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn seal(&mut self, session: &SessionKey, why: SealReason) -> Option<Sealed<P>> {
        let buffer = self.buffers.remove(session)?;
        self.due.remove(&(buffer.deadline_ms, session.clone()));
        self.bytes -= buffer.bytes;
        if let Some(total) = self.project_bytes.get_mut(&session.project_id) {
            *total -= buffer.bytes;
            if *total == 0 {
                self.project_bytes.remove(&session.project_id);
            }
        }
        let mut chunks = buffer.chunks;
        chunks.sort_by_key(|chunk| (chunk.head.key, chunk.origin.at));
        Some(Sealed { session: session.clone(), chunks, bytes: buffer.bytes, why })
    }
}

fn held_bytes<P: Payload>(chunk: &Chunk<P>) -> usize {
    chunk.data.bytes() + RECORD_OVERHEAD_BYTES
}
