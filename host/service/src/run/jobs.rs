//! What the jobs do: the pure ones on the CPU threads, the others against the stores.

use std::sync::Arc;

use bytes::Bytes;
use replay_core::codec::Encoding;
use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::decode::{DecodeLimits, decode};
use replay_core::lifecycle::RetentionPolicy;
use replay_core::pipeline::{Chunk, ChunkHead, Decoded, Letter, Outcome, Row, Verdict, Work};
use replay_core::reject::{Reason, Reject, Skip};
use replay_core::row::{ChunkMeta, ChunkRow};
use replay_core::winner::{ContentHash, Version};
use replay_ports::{PortError, Source};

use crate::clock::unix_ms;
use crate::config::Tenants;
use crate::observe::LetterLog;
use crate::stores::Stores;

pub(super) use replay_core::codec::Scratch;

/// What the jobs need to know of the config.
#[derive(Clone)]
pub struct JobContext {
    /// Threads for what costs CPU.
    pub threads: usize,
    /// Bounds on one record.
    pub limits: DecodeLimits,
    /// How chunks are stored.
    pub encoding: Encoding,
    /// The tenants.
    pub tenants: Arc<Tenants>,
    /// How long what stays where.
    pub policy: Arc<RetentionPolicy>,
    /// When a dead letter holds the original record.
    pub letters: LetterPolicy,
    /// Says what became a dead letter, without flooding the log.
    pub letter_log: Arc<LetterLog>,
}

/// When a dead letter holds the original record, and when only its position.
#[derive(Clone, Copy, Debug)]
pub struct LetterPolicy {
    /// `dead_letters.payload: include`.
    pub include: bool,
    /// `dead_letters.max_payload_bytes`.
    pub max_payload_bytes: u64,
}

/// A job that costs CPU and touches nothing outside.
pub(super) fn cpu(context: &JobContext, scratch: &mut Scratch, work: Work<Bytes>) -> Outcome<Bytes> {
    match work {
        Work::Decode { received_at_ms, raw } => {
            Outcome::Decoded(decode_job(context, scratch, received_at_ms, &raw))
        }
        Work::Transform { chunks, .. } => {
            Outcome::Transformed(chunks.into_iter().map(|chunk| store_as_is(context, chunk)).collect())
        }
        // The workers send the rest elsewhere; the pipeline takes this for a failed job.
        Work::Insert { .. } | Work::DeadLetter { .. } | Work::CloseLetter { .. } | Work::Commit { .. } => {
            Outcome::Written
        }
    }
}

/// A job that asks a store.
pub(super) async fn edge(
    stores: &Stores,
    context: &JobContext,
    work: Work<Bytes>,
) -> Result<Outcome<Bytes>, PortError> {
    match work {
        Work::Insert { rows } => {
            let row = |row: &Row<Bytes>| ChunkRow { meta: row.meta.clone(), data: row.data.clone() };
            let rows: Vec<ChunkRow> = rows.iter().map(row).collect();
            let report = stores.kept.hot.insert(&rows).await?;
            Ok(Outcome::Inserted { tombstoned: report.tombstoned })
        }
        Work::DeadLetter { letter } => {
            write_letter(stores, context, letter).await?;
            Ok(Outcome::Written)
        }
        Work::CloseLetter { letter } => {
            stores.kept.letters.close(&letter).await?;
            Ok(Outcome::Written)
        }
        Work::Commit { next } => {
            stores.source.commit(&next).await?;
            Ok(Outcome::Written)
        }
        Work::Decode { .. } | Work::Transform { .. } => Ok(Outcome::Written),
    }
}

fn decode_job(
    context: &JobContext,
    scratch: &mut Scratch,
    received_at_ms: u64,
    raw: &Bytes,
) -> Decoded<Bytes> {
    let chunk = match decode(raw, &context.limits, &context.encoding, scratch) {
        Ok(chunk) => chunk,
        Err(rejected) => {
            return Decoded::Reject {
                reject: rejected.reject,
                project_id: rejected.project_id,
                session_id: rejected.session_id,
            };
        }
    };
    if context.tenants.of(&chunk.project_id).is_none() {
        return Decoded::Reject {
            reject: Reject::new(Reason::UnknownTenant, "the project is not listed under `tenants`"),
            project_id: Some(chunk.project_id),
            session_id: Some(chunk.session_id),
        };
    }
    let kept_ms = context.policy.of(&chunk.project_id).total_ms();
    if received_at_ms.saturating_add(kept_ms) < unix_ms() {
        return Decoded::Skip(Skip::Expired);
    }
    let session =
        replay_core::identity::SessionKey { project_id: chunk.project_id, session_id: chunk.session_id };
    Decoded::Chunk {
        head: ChunkHead {
            session,
            key: chunk.key,
            timestamp_end_ms: chunk.timestamp_end_ms,
            event_count: chunk.event_count,
            has_full_snapshot: chunk.has_full_snapshot,
            data_size: chunk.data_size,
            codec: chunk.codec,
        },
        data: chunk.data,
    }
}

/// What a chain without plugins makes of a chunk.
fn store_as_is(context: &JobContext, chunk: Chunk<Bytes>) -> Verdict<Bytes> {
    let Chunk { origin, head, data } = chunk;
    let chain_revision =
        context.tenants.of(&head.session.project_id).map_or(0, |tenant| tenant.chain_revision);
    let content_hash = ContentHash::of(&data);
    let meta = ChunkMeta {
        project_id: head.session.project_id,
        session_id: head.session.session_id,
        key: head.key,
        timestamp_end_ms: head.timestamp_end_ms,
        received_at_ms: origin.received_at_ms,
        codec: head.codec,
        data_size: head.data_size,
        compressed_size: data.len() as u64,
        event_count: head.event_count,
        has_full_snapshot: head.has_full_snapshot,
        version: Version::new(chain_revision, 0, content_hash),
        content_hash,
    };
    Verdict::Store { meta, data }
}

async fn write_letter(stores: &Stores, context: &JobContext, letter: Letter<Bytes>) -> Result<(), PortError> {
    let at = letter.origin.at;
    let replay_of = letter.origin.replay_of.as_deref();
    let original = match letter.payload {
        Some(payload) => Some(payload),
        // Only the compressed form was kept while the record was on its way.
        None => fetch(&*stores.source, at.partition, at.offset).await?,
    };
    let payload_size = original.as_ref().map_or(0, |payload| payload.len() as u64);
    let oversized = matches!(letter.reject.reason, Reason::TooLarge | Reason::Bomb);
    // A record that was fed back lies in the source under another position than its letter's name,
    // so the payload stays in the letter.
    let mut keeps =
        context.letters.include && !oversized && payload_size <= context.letters.max_payload_bytes;
    if let Some(replay) = replay_of
        && !keeps
    {
        // The source may not have the first position any more: what the letter holds is not given up.
        let known = stores.kept.letters.get(&replay.letter).await?;
        keeps = known.is_some_and(|known| known.payload.is_some());
    }
    let letter = DeadLetter {
        id: replay_of.map_or_else(
            || LetterId {
                topic: stores.source.topic().to_owned(),
                partition: at.partition,
                offset: at.offset,
            },
            |replay| replay.letter.clone(),
        ),
        reason: letter.reject.reason,
        detail: letter.reject.detail.into_owned(),
        project_id: letter.project_id,
        session_id: letter.session_id,
        received_at_ms: letter.origin.received_at_ms,
        dead_at_ms: unix_ms(),
        attempts: replay_of.map_or(1, |replay| replay.attempts.saturating_add(1)),
        payload_size,
        payload: original.filter(|_| keeps),
    };
    context.letter_log.note(&letter);
    match stores.kept.letters.put(&letter).await {
        // Too large for where it should go: the position is enough to find it.
        Err(PortError::Rejected { .. }) if letter.payload.is_some() => {
            stores.kept.letters.put(&DeadLetter { payload: None, ..letter }).await
        }
        written => written,
    }
}

async fn fetch(source: &dyn Source, partition: u32, offset: u64) -> Result<Option<Bytes>, PortError> {
    Ok(source.fetch(partition, offset).await?.and_then(|record| record.payload))
}
