//! Listing sessions over both stores, in key order, page by page.

use std::collections::{BTreeMap, VecDeque};

use clap::ValueEnum;
use replay_core::archive::ArchiveRow;
use replay_core::identity::SessionKey;
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_ports::{ArchiveFilter, HotStore, SessionFilter, SessionSummary};
use serde::Serialize;

use super::errors;
use super::read::{Place, Playback, ReadError, Replays};

const PAGE: usize = 500;

/// Where a session's chunks lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
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

/// Which sessions to list.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// By project and time.
    pub sessions: SessionFilter,
    /// Only sessions that lasted at least this long, milliseconds.
    pub min_duration_ms: Option<u64>,
    /// Only sessions whose chunks lie there.
    pub state: Option<State>,
    /// Only sessions with a console message of level `error`. No table knows that: the chunks of each session
    /// that matches otherwise are read until one is found.
    pub has_error: bool,
}

impl ListFilter {
    fn matches(&self, row: &SessionRow) -> bool {
        let SessionFilter { since_ms, until_ms, .. } = self.sessions;
        since_ms.is_none_or(|since_ms| row.timestamp_end >= since_ms)
            && until_ms.is_none_or(|until_ms| row.timestamp_start < until_ms)
            && self
                .min_duration_ms
                .is_none_or(|least_ms| row.timestamp_end.saturating_sub(row.timestamp_start) >= least_ms)
            && self.state.is_none_or(|state| row.state == state)
    }
}

/// Up to `limit` sessions that match, ascending by project and session, after `after`.
pub async fn list_sessions(
    replays: &Replays,
    filter: &ListFilter,
    after: Option<SessionKey>,
    limit: usize,
) -> Result<Vec<SessionRow>, ReadError> {
    let mut hot = HotCursor {
        store: replays.hot(),
        filter: &filter.sessions,
        after: after.clone(),
        page: VecDeque::new(),
        marks: Vec::new(),
        ended: false,
    };
    let mut cold = ColdCursor {
        store: replays.hot(),
        filter: &filter.sessions,
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
        let simple = archived.is_empty() && !hot.is_marked(&session);
        let row = match summary {
            Some(summary) if simple => Some(of_summary(&summary)),
            _ => of_playback(&replays.open(&session).await?),
        };
        let Some(row) = row.filter(|row| filter.matches(row)) else { continue };
        if !filter.has_error || has_error(replays, &session).await? {
            rows.push(row);
        }
    }
    Ok(rows)
}

async fn has_error(replays: &Replays, session: &SessionKey) -> Result<bool, ReadError> {
    let mut found = false;
    replays
        .read(session, |meta, data| {
            found = found || errors::has_error(&replays.events(meta, &data)?);
            Ok(())
        })
        .await?;
    Ok(found)
}

/// Greater than every object key.
const MAX_KEY: &str = "\u{10ffff}";

struct HotCursor<'a> {
    store: &'a dyn HotStore,
    filter: &'a SessionFilter,
    after: Option<SessionKey>,
    page: VecDeque<SessionSummary>,
    /// Every tombstone, read after the page.
    marks: Vec<Tombstone>,
    ended: bool,
}

impl HotCursor<'_> {
    async fn peek(&mut self) -> Result<Option<SessionKey>, ReadError> {
        if self.page.is_empty() && !self.ended {
            let page = self.store.list_sessions(self.filter, self.after.as_ref(), PAGE).await?;
            self.ended = page.len() < PAGE;
            self.after = page.last().map(|summary| summary.session.clone()).or(self.after.take());
            self.page = page.into();
            if !self.page.is_empty() {
                self.marks = self.store.list_tombstones().await?;
            }
        }
        Ok(self.page.front().map(|summary| summary.session.clone()))
    }

    /// Whether some of the session's chunks may be erased.
    fn is_marked(&self, session: &SessionKey) -> bool {
        self.marks.iter().any(|mark| match &mark.scope {
            EraseScope::Session(erased) => erased == session,
            EraseScope::Project(erased) => *erased == session.project_id,
        })
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
