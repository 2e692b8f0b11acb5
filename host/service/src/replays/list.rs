//! Listing sessions over both stores, in key order, page by page.

use std::collections::{BTreeMap, VecDeque};

use replay_core::archive::ArchiveRow;
use replay_core::identity::SessionKey;
use replay_ports::{ArchiveFilter, HotStore, SessionFilter, SessionSummary};
use serde::Serialize;

use super::read::{Place, Playback, ReadError, Replays};

const PAGE: usize = 500;

/// Where a session's chunks lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// All in the hot store.
    Hot,
    /// All in the cold store.
    Cold,
    /// Some here, some there.
    Both,
}

/// One line of `session list`; names as the columns of `replay_chunks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionRow {
    /// The tenant.
    pub project_id: String,
    /// The visit.
    pub session_id: String,
    /// First event, Unix milliseconds.
    pub timestamp_start: u64,
    /// Last event, Unix milliseconds.
    pub timestamp_end: u64,
    /// Chunks that readers see.
    pub chunk_count: u64,
    /// Events in them.
    pub event_count: u64,
    /// Uncompressed bytes.
    pub data_size: u64,
    /// Stored bytes.
    pub compressed_size: u64,
    /// Whether any chunk has a full snapshot.
    pub has_full_snapshot: bool,
    /// Receipt of the newest chunk, Unix milliseconds.
    pub received_at: u64,
    /// Where the chunks lie.
    pub state: State,
}

impl SessionRow {
    /// Which session.
    pub fn session(&self) -> Option<SessionKey> {
        SessionKey::parse(&format!("{}/{}", self.project_id, self.session_id))
    }
}

/// Up to `limit` sessions that match, ascending by project and session, after `after`.
pub async fn list_sessions(
    replays: &Replays,
    filter: &SessionFilter,
    after: Option<SessionKey>,
    limit: usize,
) -> Result<Vec<SessionRow>, ReadError> {
    let mut hot =
        HotCursor { store: replays.hot(), filter, after: after.clone(), page: VecDeque::new(), ended: false };
    let mut cold = ColdCursor {
        store: replays.hot(),
        filter,
        after: after.map(|key| (key, MAX_KEY.to_owned())),
        page: VecDeque::new(),
        ended: false,
    };
    let mut rows = Vec::new();
    while rows.len() < limit {
        let hot_key = hot.peek().await?;
        let cold_key = cold.peek().await?;
        let session = match (hot_key, cold_key) {
            (None, None) => break,
            (Some(key), None) | (None, Some(key)) => key,
            (Some(hot_key), Some(cold_key)) => hot_key.min(cold_key),
        };
        let summary = hot.take(&session);
        let archived = cold.take(&session).await?;
        // Erased chunks, and chunks in both places, can only be told apart chunk by chunk.
        let simple = archived.is_empty() && replays.hot().tombstones(&session).await?.is_empty();
        let row = match summary {
            Some(summary) if simple => Some(of_summary(&summary)),
            _ => of_playback(&replays.open(&session).await?),
        };
        rows.extend(row.filter(|row| matches(filter, row)));
    }
    Ok(rows)
}

/// Greater than every object key.
const MAX_KEY: &str = "\u{10ffff}";

struct HotCursor<'a> {
    store: &'a dyn HotStore,
    filter: &'a SessionFilter,
    after: Option<SessionKey>,
    page: VecDeque<SessionSummary>,
    ended: bool,
}

impl HotCursor<'_> {
    async fn peek(&mut self) -> Result<Option<SessionKey>, ReadError> {
        if self.page.is_empty() && !self.ended {
            let page = self.store.list_sessions(self.filter, self.after.as_ref(), PAGE).await?;
            self.ended = page.len() < PAGE;
            self.after = page.last().map(|summary| summary.session.clone()).or(self.after.take());
            self.page = page.into();
        }
        Ok(self.page.front().map(|summary| summary.session.clone()))
    }

    fn take(&mut self, session: &SessionKey) -> Option<SessionSummary> {
        self.page.pop_front_if(|summary| summary.session == *session)
    }
}

struct ColdCursor<'a> {
    store: &'a dyn HotStore,
    filter: &'a SessionFilter,
    after: Option<(SessionKey, String)>,
    page: VecDeque<ArchiveRow>,
    ended: bool,
}

impl ColdCursor<'_> {
    async fn peek(&mut self) -> Result<Option<SessionKey>, ReadError> {
        if self.page.is_empty() && !self.ended {
            let filter = ArchiveFilter { project_id: self.filter.project_id.clone(), expires_until_ms: None };
            let after = self.after.as_ref().map(|(session, key)| (session, key.as_str()));
            let page = self.store.list_archive(&filter, after, PAGE).await?;
            self.ended = page.len() < PAGE;
            if let Some(row) = page.last() {
                self.after = Some((row.header.session.clone(), row.object_key.clone()));
            }
            self.page = page.into();
        }
        Ok(self.page.front().map(|row| row.header.session.clone()))
    }

    async fn take(&mut self, session: &SessionKey) -> Result<Vec<ArchiveRow>, ReadError> {
        let mut rows = Vec::new();
        while self.peek().await?.as_ref() == Some(session) {
            rows.extend(self.page.pop_front());
        }
        Ok(rows)
    }
}

fn of_summary(summary: &SessionSummary) -> SessionRow {
    SessionRow {
        project_id: summary.session.project_id.to_string(),
        session_id: summary.session.session_id.to_string(),
        timestamp_start: summary.timestamp_start_ms,
        timestamp_end: summary.timestamp_end_ms,
        chunk_count: summary.chunk_count,
        event_count: summary.event_count,
        data_size: summary.data_size,
        compressed_size: summary.compressed_size,
        has_full_snapshot: summary.has_full_snapshot,
        received_at: summary.received_at_ms,
        state: State::Hot,
    }
}

/// `None` when readers see nothing of the session.
pub(super) fn of_playback(playback: &Playback) -> Option<SessionRow> {
    let metas = || playback.chunks.iter().map(|chunk| &chunk.meta);
    let places: BTreeMap<bool, ()> =
        playback.chunks.iter().map(|chunk| (matches!(chunk.place, Place::Hot(_)), ())).collect();
    let state = match (places.contains_key(&true), places.contains_key(&false)) {
        (true, true) => State::Both,
        (true, false) => State::Hot,
        (false, true) => State::Cold,
        (false, false) => return None,
    };
    Some(SessionRow {
        project_id: playback.session.project_id.to_string(),
        session_id: playback.session.session_id.to_string(),
        timestamp_start: metas().map(|meta| meta.key.timestamp_start_ms).min()?,
        timestamp_end: metas().map(|meta| meta.timestamp_end_ms).max()?,
        chunk_count: playback.chunks.len() as u64,
        event_count: metas().map(|meta| u64::from(meta.event_count)).sum(),
        data_size: metas().map(|meta| meta.data_size).sum(),
        compressed_size: metas().map(|meta| meta.compressed_size).sum(),
        has_full_snapshot: metas().any(|meta| meta.has_full_snapshot),
        received_at: metas().map(|meta| meta.received_at_ms).max()?,
        state,
    })
}

fn matches(filter: &SessionFilter, row: &SessionRow) -> bool {
    filter.since_ms.is_none_or(|since_ms| row.timestamp_end >= since_ms)
        && filter.until_ms.is_none_or(|until_ms| row.timestamp_start < until_ms)
}
