//! What the jobs do: the pure ones on the CPU threads, the others against the stores.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use replay_core::codec::Encoding;
use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::decode::{DecodeLimits, decode};
use replay_core::identity::SessionKey;
use replay_core::lifecycle::RetentionPolicy;
use replay_core::pipeline::{Chunk, Decoded, Letter, Outcome, Row, Verdict, Work};
use replay_core::reject::{Reason, Reject, Skip};
use replay_core::row::ChunkRow;
use replay_ports::{PortError, Source};

use crate::chains::{self, Chains, ShadowJob, Treated};
use crate::clock::unix_ms;
use crate::config::Tenants;
use crate::observe::LetterLog;
use crate::stores::Stores;
use crate::swap::Swap;

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
    pub tenants: Arc<Swap<Tenants>>,
    /// How long what stays where.
    pub policy: Arc<Swap<RetentionPolicy>>,
    /// The tenants' chains.
    pub chains: Arc<Chains>,
    /// A store that does not answer for this long counts as away.
    pub edge_timeout: Duration,
    /// Longest original that a dead letter holds, bytes.
    pub max_letter_payload_bytes: u64,
    /// Says what became a dead letter, without flooding the log.
    pub letter_log: Arc<LetterLog>,
}

/// A job that costs CPU and touches nothing outside; and what the tenant's shadow is to see, once the
/// outcome was handed on.
pub(crate) fn cpu(
    context: &JobContext,
    scratch: &mut Scratch,
    work: Work<Bytes>,
) -> (Outcome<Bytes>, Vec<ShadowJob>) {
    match work {
        Work::Decode { received_at_ms, raw } => {
            (Outcome::Decoded(decode_job(context, scratch, received_at_ms, &raw)), Vec::new())
        }
        Work::Transform { session, chunks } => {
            let (verdicts, seen) = transform_job(context, scratch, &session, chunks);
            (Outcome::Transformed(verdicts), seen)
        }
        // The workers send the rest elsewhere; the pipeline takes this for a failed job.
        Work::Insert { .. } | Work::DeadLetter { .. } | Work::CloseLetter { .. } | Work::Commit { .. } => {
            (Outcome::Written, Vec::new())
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
    if context.tenants.get().of(&chunk.project_id).is_none() {
        return Decoded::Reject {
            reject: unknown_tenant(),
            project_id: Some(chunk.project_id),
            session_id: Some(chunk.session_id),
        };
    }
    let kept_ms = context.policy.get().of(&chunk.project_id).total_ms();
    if received_at_ms.saturating_add(kept_ms) < unix_ms() {
        return Decoded::Skip(Skip::Expired);
    }
    let (head, data) = chunk.into_head();
    Decoded::Chunk { head, data }
}

fn transform_job(
    context: &JobContext,
    scratch: &mut Scratch,
    session: &SessionKey,
    chunks: Vec<Chunk<Bytes>>,
) -> (Vec<Verdict<Bytes>>, Vec<ShadowJob>) {
    if context.tenants.get().of(&session.project_id).is_none() {
        // It was admitted, and left the list while its chunks waited here.
        let verdicts = chunks.iter().map(|_| Verdict::Reject(unknown_tenant())).collect();
        return (verdicts, Vec::new());
    }
    // One chain for all of the batch, whatever is reloaded meanwhile.
    let chain = context.chains.of(&session.project_id);
    let shown: Vec<_> =
        chunks.iter().map(|chunk| chains::Chunk { head: &chunk.head, data: &chunk.data }).collect();
    let (treated, seen) = context.chains.transform_watched(&chain, session, &shown, scratch);
    let verdict = |(chunk, treated): (Chunk<Bytes>, Treated)| match treated {
        Treated::AsItCame | Treated::Changed { .. } => {
            let Chunk { origin, head, data } = chunk;
            let row = treated.into_row(head, data, origin.received_at_ms, chain.revision);
            row.map_or(Verdict::Drop, |ChunkRow { meta, data }| Verdict::Store { meta, data })
        }
        Treated::Dropped => Verdict::Drop,
        Treated::Rejected(reject) => Verdict::Reject(reject),
    };
    (chunks.into_iter().zip(treated).map(verdict).collect(), seen)
}

fn unknown_tenant() -> Reject {
    Reject::new(Reason::UnknownTenant, "the project is not listed under `tenants`")
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
    let mut keeps = context.chains.letter_may_hold_payload(letter.project_id.as_ref())
        && !oversized
        && payload_size <= context.max_letter_payload_bytes;
    if let Some(replay) = replay_of
        && !keeps
    {
        // The source may not have the first position any more: what the letter holds is not given up.
        let known = stores.kept.letters.get(&replay.letter).await?;
        keeps = known.is_some_and(|known| known.payload.is_some());
    }
    // Who meets an open breaker was not tried: starts would use up its attempts.
    let was_tried = u32::from(letter.reject.reason != Reason::PluginBreakerOpen);
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
        attempts: replay_of.map_or(1, |replay| replay.attempts.saturating_add(was_tried)),
        payload_size,
        payload: original.filter(|_| keeps),
    };
    let written = match stores.kept.letters.put(&letter).await {
        // Too large for where it should go: the position is enough to find it.
        Err(PortError::Rejected { .. }) if letter.payload.is_some() => {
            stores.kept.letters.put(&DeadLetter { payload: None, ..letter.clone() }).await
        }
        written => written,
    };
    // Once it is one: while the store is away it is tried again and again.
    if written.is_ok() {
        context.letter_log.note(&letter);
    }
    written
}

async fn fetch(source: &dyn Source, partition: u32, offset: u64) -> Result<Option<Bytes>, PortError> {
    Ok(source.fetch(partition, offset).await?.and_then(|record| record.payload))
}
