//! `session reprocess`: stored sessions go through the tenant's present chain, as winners of its
//! revision. This is how an operator repairs a leak.
//!
//! New copies are written and read back before the older ones are deleted, and what lies in the cold
//! store is merged there anew, so that the older bytes are gone from both; a run that ended early is
//! finished by the next. A chunk that the chain drops
//! is replaced by one without events. A chunk on which a plugin fails stays as it is, and is reported.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use replay_core::codec::{self, Encoding, Scratch};
use replay_core::identity::{ChunkKey, ProjectId, SessionKey};
use replay_core::pipeline::ChunkHead;
use replay_core::row::{ChunkMeta, ChunkRow, CopyId};
use replay_core::tombstone::EraseScope;
use replay_ports::{PortError, Result, SessionFilter};
use serde::{Deserialize, Serialize};

use super::Ops;
use crate::chains::{Chains, Chunk, Treated};
use crate::replays::{ListFilter, PlayedChunk, ReadError, Replays, list_sessions};

/// Chunks that a chain sees at a time: what is typed spans chunks.
const PAGE: usize = 64;

/// Sessions listed at a time.
const SESSIONS_PAGE: usize = 200;

/// Which sessions to treat.
#[derive(Clone, Debug)]
pub enum ReprocessScope {
    /// One.
    Session(SessionKey),
    /// Those of a project that were active in between, Unix milliseconds.
    Project {
        /// Which.
        project_id: ProjectId,
        /// Still active at or after this.
        since_ms: Option<u64>,
        /// Begun before this.
        until_ms: Option<u64>,
    },
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReprocessReport {
    /// Sessions of which something is stored.
    pub sessions: u64,
    /// Chunks of them that an older chain had made.
    pub chunks: u64,
    /// Those that the chain changed.
    pub chunks_changed: u64,
    /// Those that it dropped: nothing of them is left.
    pub chunks_dropped: u64,
    /// Source bytes masked, replaced or removed.
    pub redacted_bytes: u64,
    /// Older copies deleted from the hot store.
    pub copies_deleted: u64,
    /// Sessions whose object in the cold store was written anew.
    pub objects_rewritten: u64,
    /// What failed, with why; it stays as it was.
    pub failures: Vec<(String, String)>,
}

impl Ops {
    /// Runs the present chain over stored sessions. With `dry_run` nothing is written.
    pub async fn reprocess(
        &self,
        chains: &Chains,
        replays: &Replays,
        scope: ReprocessScope,
        dry_run: bool,
    ) -> Result<ReprocessReport> {
        let _turn = self.turn.lock().await;
        // What is known of pages here must not meet what the running pipeline knows.
        let chains = Arc::new(chains.for_repair());
        let mut report = ReprocessReport::default();
        let wiped = match scope {
            ReprocessScope::Session(session) => {
                self.one(&chains, replays, &session, dry_run, &mut report).await?;
                EraseScope::Session(session)
            }
            ReprocessScope::Project { project_id, since_ms, until_ms } => {
                let sessions = SessionFilter { project_id: Some(project_id.clone()), since_ms, until_ms };
                let filter = ListFilter { sessions, ..ListFilter::default() };
                let mut after: Option<SessionKey> = None;
                loop {
                    let page = list_sessions(replays, &filter, after.clone(), SESSIONS_PAGE)
                        .await
                        .map_err(as_port_error)?;
                    let Some(last) = page.last() else { break };
                    after = last.session();
                    for session in page.iter().filter_map(|line| line.session()) {
                        self.one(&chains, replays, &session, dry_run, &mut report).await?;
                    }
                    if after.is_none() {
                        break;
                    }
                }
                // Once for all of them: a store that rewrites whole days would do so for each.
                EraseScope::Project(project_id)
            }
        };
        if !dry_run {
            // Also when nothing was deleted: an earlier run may have been stopped before this.
            self.stores.kept.hot.wipe(&wiped).await?;
        }
        Ok(report)
    }

    /// One session, a page of chunks at a time; what is wrong with it alone is reported, and the others
    /// go on.
    async fn one(
        &self,
        chains: &Arc<Chains>,
        replays: &Replays,
        session: &SessionKey,
        dry_run: bool,
        report: &mut ReprocessReport,
    ) -> Result<()> {
        let treated = self.pages(chains, replays, session, dry_run, report).await;
        let tidied = match dry_run {
            true => Ok(()),
            // Also after a failure, and after a run that ended early: what has a newer copy must go.
            false => {
                let revision = chains.of(&session.project_id).revision;
                self.tidy(replays, session, revision, report).await
            }
        };
        for outcome in [treated, tidied] {
            match outcome {
                Ok(()) => {}
                // The store is away: there is no use in going on.
                Err(ReadError::Store(error @ PortError::Unavailable { .. })) => return Err(error),
                Err(error) => report.failures.push((session.to_string(), error.to_string())),
            }
        }
        Ok(())
    }

    async fn pages(
        &self,
        chains: &Arc<Chains>,
        replays: &Replays,
        session: &SessionKey,
        dry_run: bool,
        report: &mut ReprocessReport,
    ) -> std::result::Result<(), ReadError> {
        let revision = chains.of(&session.project_id).revision;
        let is_older = |chunk: &PlayedChunk| chunk.meta.version.chain_revision() < revision;
        let playback = replays.open(session).await?;
        report.sessions += u64::from(!playback.chunks.is_empty());
        if !playback.chunks.iter().any(is_older) {
            return Ok(());
        }
        for page in playback.chunks.chunks(PAGE) {
            let treated = treat(chains, replays, session, page).await?;
            let mut rows = Vec::new();
            for (chunk, (treated, data)) in page.iter().zip(treated).filter(|(chunk, _)| is_older(chunk)) {
                report.chunks += 1;
                rows.extend(take(&chunk.meta, treated, data, revision, report));
            }
            if !dry_run && !rows.is_empty() {
                self.store(session, &rows).await?;
            }
        }
        Ok(())
    }

    /// Deletes what an older chain made of chunks that readers see as this revision made them: copies in
    /// the hot store, and by another move those in the cold store.
    async fn tidy(
        &self,
        replays: &Replays,
        session: &SessionKey,
        revision: u16,
        report: &mut ReprocessReport,
    ) -> std::result::Result<(), ReadError> {
        let playback = replays.open(session).await?;
        let is_present = |chunk: &&PlayedChunk| chunk.meta.version.chain_revision() >= revision;
        let present: BTreeSet<ChunkKey> =
            playback.chunks.iter().filter(is_present).map(|chunk| chunk.meta.key).collect();
        let is_older =
            |copy: &ChunkMeta| present.contains(&copy.key) && copy.version.chain_revision() < revision;
        let hot = &self.stores.kept.hot;
        let archived = hot.archive_rows(session).await?;
        let in_cold = archived
            .iter()
            .any(|row| row.index.iter().any(|entry| is_older(&entry.meta(session, row.header.codec))));
        let copies = hot.copies(session).await?;
        let older: Vec<CopyId> =
            copies.iter().filter(|copy| is_older(copy)).map(ChunkMeta::copy_id).collect();
        if !older.is_empty() {
            report.copies_deleted += hot.delete_copies(session, &older).await?;
        }
        if in_cold {
            let moved = self.lifecycle.move_session(session.clone()).await?;
            report.objects_rewritten += moved.sessions_moved;
            report.failures.extend(moved.failures);
        }
        Ok(())
    }

    /// Writes the rows a day at a time, and reads them back.
    async fn store(&self, session: &SessionKey, rows: &[ChunkRow]) -> Result<()> {
        let mut days: BTreeMap<_, Vec<ChunkRow>> = BTreeMap::new();
        for row in rows {
            days.entry(row.meta.chunk_date()).or_default().push(row.clone());
        }
        for rows in days.into_values() {
            let written = self.stores.kept.hot.insert(&rows).await?;
            if !written.tombstoned.is_empty() {
                // Erased meanwhile: there is nothing to repair any more.
                return Ok(());
            }
        }
        let wanted: Vec<CopyId> = rows.iter().map(|row| row.meta.copy_id()).collect();
        let there = self.stores.kept.hot.read(session, &wanted).await?;
        let whole: BTreeSet<CopyId> = there
            .iter()
            .filter(|row| replay_core::winner::ContentHash::of(&row.data) == row.meta.content_hash)
            .map(|row| row.meta.copy_id())
            .collect();
        if wanted.iter().all(|copy| whole.contains(copy)) {
            return Ok(());
        }
        Err(PortError::rejected(format!(
            "{session}: what was written does not read back; nothing was deleted"
        )))
    }
}

/// What the chain makes of a page, and what it was made of.
async fn treat(
    chains: &Arc<Chains>,
    replays: &Replays,
    session: &SessionKey,
    page: &[PlayedChunk],
) -> std::result::Result<Vec<(Treated, Bytes)>, ReadError> {
    let data = replays.fetch(session, page).await?;
    if page.iter().any(|chunk| !data.contains_key(&chunk.meta.key)) {
        return Err(ReadError::Unsteady);
    }
    let (chains, session, page) = (Arc::clone(chains), session.clone(), page.to_vec());
    tokio::task::spawn_blocking(move || run_chain(&chains, &session, &page, &data))
        .await
        .map_err(|error| PortError::unavailable(format!("the chain ended early: {error}")).into())
}

fn run_chain(
    chains: &Chains,
    session: &SessionKey,
    page: &[PlayedChunk],
    data: &BTreeMap<ChunkKey, Bytes>,
) -> Vec<(Treated, Bytes)> {
    let heads: Vec<ChunkHead> = page.iter().map(|chunk| head_of(&chunk.meta)).collect();
    let empty = Bytes::new();
    let bytes = |head: &ChunkHead| data.get(&head.key).unwrap_or(&empty);
    let chunks: Vec<Chunk<'_>> = heads.iter().map(|head| Chunk { head, data: bytes(head) }).collect();
    let chain = chains.of(&session.project_id);
    let treated = chains.transform(&chain, session, &chunks, &mut Scratch::new());
    treated.into_iter().zip(heads.iter().map(|head| bytes(head).clone())).collect()
}

/// The row to write, if there is one.
fn take(
    meta: &ChunkMeta,
    treated: Treated,
    data: Bytes,
    revision: u16,
    report: &mut ReprocessReport,
) -> Option<ChunkRow> {
    let treated = match treated {
        // The same bytes, as what this revision made: so that older losers go, and nobody asks again.
        Treated::AsItCame => treated,
        Treated::Changed { redactions, .. } => {
            report.chunks_changed += 1;
            report.redacted_bytes += redactions;
            treated
        }
        Treated::Dropped => {
            report.chunks_dropped += 1;
            report.redacted_bytes += meta.data_size;
            without_events(meta)
        }
        Treated::Rejected(reject) => {
            let name = format!("{} chunk {}", meta.session(), meta.key.chunk_index);
            report.failures.push((name, format!("{}: {}", reject.reason, reject.detail)));
            return None;
        }
    };
    treated.into_row(head_of(meta), data, meta.received_at_ms, revision)
}

/// A chunk of no events, in the place of one that the chain drops.
fn without_events(meta: &ChunkMeta) -> Treated {
    let encoding = Encoding { codec: meta.codec, level: 1, recompress: codec::Recompress::Always };
    match codec::compress(&mut Scratch::new(), &encoding, b"[]") {
        Ok(data) => Treated::Changed {
            data: Bytes::from(data),
            codec: meta.codec,
            data_size: 2,
            event_count: 0,
            has_full_snapshot: false,
            redactions: meta.data_size,
        },
        Err(_) => Treated::Dropped,
    }
}

fn head_of(meta: &ChunkMeta) -> ChunkHead {
    ChunkHead {
        session: meta.session(),
        key: meta.key,
        timestamp_end_ms: meta.timestamp_end_ms,
        event_count: meta.event_count,
        has_full_snapshot: meta.has_full_snapshot,
        data_size: meta.data_size,
        codec: meta.codec,
    }
}

fn as_port_error(error: ReadError) -> PortError {
    match error {
        ReadError::Store(error) => error,
        other @ (ReadError::Damaged { .. }
        | ReadError::Lost { .. }
        | ReadError::Unsteady
        | ReadError::NoColdStore) => PortError::unavailable(other.to_string()),
    }
}
