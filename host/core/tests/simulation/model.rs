//! The world outside: a topic of three partitions, its group, a hot store and dead letters.

use std::collections::{BTreeMap, BTreeSet};

use replay_core::archive::ArchiveRow;
use replay_core::dead_letter::LetterId;
use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::lifecycle::{Retention, RetentionPolicy};
use replay_core::pipeline::{Payload, ReplayOf};
use replay_core::reject::Skip;
use replay_core::row::{ChunkMeta, Codec, CopyId};
use replay_core::time::Now;
use replay_core::tombstone::Tombstone;
use replay_core::winner::{ContentHash, Version};

use crate::stores::ModelObject;

pub const PARTITIONS: u32 = 3;
pub const TOPIC: &str = "model";

/// What the pipeline carries here: the record's number in the world, and a size.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    pub partition: u32,
    pub offset: u64,
    pub bytes: usize,
}

impl Payload for Token {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What a record really is.
#[derive(Clone, Debug)]
pub enum Kind {
    Chunk {
        session: SessionKey,
        key: ChunkKey,
        content: u64,
        full_snapshot: bool,
    },
    Poison,
    Null,
    Expired,
    /// Makes the decoder panic.
    Panics,
    /// The chain drops it.
    Dropped {
        session: SessionKey,
        key: ChunkKey,
    },
    /// The chain fails on it.
    PluginFails {
        session: SessionKey,
        key: ChunkKey,
    },
    /// The hot store refuses the row.
    StoreRejects {
        session: SessionKey,
        key: ChunkKey,
    },
}

#[derive(Clone, Debug)]
pub struct ModelRecord {
    pub kind: Kind,
    pub received_at_ms: u64,
    pub bytes: usize,
    pub replay_of: Option<ReplayOf>,
}

/// Where a record has been seen to end; a record may have several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    Stored,
    Dead,
    Skipped(Skip),
    Dropped,
}

#[derive(Default)]
pub struct World {
    pub log: Vec<Vec<ModelRecord>>,
    pub committed: Vec<u64>,
    pub epochs: Vec<u32>,
    /// Who owns a partition.
    pub owner: Vec<Option<usize>>,
    pub hot: BTreeMap<(SessionKey, CopyId), ChunkMeta>,
    pub letters: BTreeMap<LetterId, u32>,
    pub tombstones: Vec<Tombstone>,
    pub fates: BTreeMap<(u32, u64), BTreeSet<Fate>>,
    /// Every chunk that was ever stored, whatever happened later.
    pub ever_stored: BTreeSet<(SessionKey, ChunkKey)>,
    pub chain_revision: u16,
    pub objects: BTreeMap<String, ModelObject>,
    pub archive: BTreeMap<(SessionKey, String), ArchiveRow>,
    /// What has happened in the stores, for the list of what must.
    pub seen: BTreeSet<&'static str>,
    /// The cold store writes whatever the condition says.
    pub ignores_conditions: bool,
    /// Objects written so far: the next tag.
    pub writes: u64,
    /// Steps of the history so far.
    pub steps: u64,
    /// When something of a session was last ended by retention or erasure.
    gone_at: BTreeMap<SessionKey, u64>,
}

impl World {
    pub fn new() -> Self {
        let partitions = PARTITIONS as usize;
        Self {
            log: vec![Vec::new(); partitions],
            committed: vec![0; partitions],
            epochs: vec![0; partitions],
            owner: vec![None; partitions],
            chain_revision: 1,
            ..Self::default()
        }
    }

    /// One whose cold store ignores the conditions of writes.
    pub fn without_conditions() -> Self {
        Self { ignores_conditions: true, ..Self::new() }
    }

    pub fn record(&self, token: Token) -> &ModelRecord {
        &self.log[token.partition as usize][token.offset as usize]
    }

    pub fn append(&mut self, partition: u32, record: ModelRecord) {
        self.log[partition as usize].push(record);
    }

    pub fn note(&mut self, partition: u32, offset: u64, fate: Fate) {
        self.fates.entry((partition, offset)).or_default().insert(fate);
    }

    pub fn gone(&mut self, session: &SessionKey) {
        self.gone_at.insert(session.clone(), self.steps);
    }

    /// Whether a chunk of the session may have been ended since then.
    pub fn may_be_gone(&self, session: &SessionKey, since_step: u64) -> bool {
        self.gone_at.get(session).is_some_and(|step| *step >= since_step)
            || self.tombstones.iter().any(|tombstone| tombstone.covers(session, 0))
    }

    pub fn is_erased(&self, session: &SessionKey, received_at_ms: u64) -> bool {
        self.tombstones.iter().any(|tombstone| tombstone.covers(session, received_at_ms))
    }

    /// The copy that the present chain makes of a chunk, when the values of `grouped` other chunks
    /// were judged with it: regrouping changes the bytes, as the winner's rule expects.
    pub fn copy(&self, record: &ModelRecord, grouped: u64) -> Option<ChunkMeta> {
        let (session, key, content, full_snapshot) = match &record.kind {
            Kind::Chunk { session, key, content, full_snapshot } => (session, key, *content, *full_snapshot),
            Kind::StoreRejects { session, key } => (session, key, 0, false),
            _ => return None,
        };
        let redactions = grouped.min(3);
        let bytes = format!("{session}{key:?}{content}{}{redactions}", self.chain_revision);
        let content_hash = ContentHash::of(bytes.as_bytes());
        Some(ChunkMeta {
            project_id: session.project_id.clone(),
            session_id: session.session_id,
            key: *key,
            timestamp_end_ms: key.timestamp_start_ms,
            received_at_ms: record.received_at_ms,
            codec: Codec::Gzip,
            data_size: 1,
            compressed_size: 1,
            event_count: 1,
            has_full_snapshot: full_snapshot,
            version: Version::new(self.chain_revision, redactions, content_hash),
            content_hash,
        })
    }
}

/// Short enough that sessions move and end within a history.
pub fn policy() -> RetentionPolicy {
    let mut policy = RetentionPolicy::new(Retention { hot_ms: 200, cold_ms: 900 });
    let loud = session(0, 0).project_id;
    policy.projects.insert(loud, Retention { hot_ms: 120, cold_ms: 500 });
    policy
}

pub fn session(project: u64, number: u64) -> SessionKey {
    SessionKey {
        project_id: ProjectId::new(["loud", "quiet"][project as usize % 2]).unwrap(),
        session_id: SessionId::new(uuid::Uuid::from_u128(u128::from(number) + 1)).unwrap(),
    }
}

pub fn later(now: Now, ms: u64) -> Now {
    Now { mono_ms: now.mono_ms + ms, unix_ms: now.unix_ms + ms }
}
