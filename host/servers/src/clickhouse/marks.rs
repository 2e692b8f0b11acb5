//! `replay_tombstones` and `replay_audit`: what was erased, by whom.

use std::collections::{BTreeMap, BTreeSet};

use clickhouse::Row;
use replay_core::identity::{ProjectId, SessionId, SessionKey};
use replay_core::row::{ChunkMeta, ChunkRow};
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_ports::{AuditEntry, Result};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::rows::{millis, unmillis};
use super::server::{Server, Wait, stamp};
use super::sql::{self, NO_SESSION};

const TOMBSTONES: &str = "replay_tombstones";
const AUDIT: &str = "replay_audit";

/// Sessions that one question names.
const ASK_SESSIONS: usize = 2_000;

#[derive(Row, Serialize, Deserialize)]
struct Mark {
    project_id: String,
    #[serde(with = "clickhouse::serde::uuid")]
    session_id: Uuid,
    erased_at: i64,
}

impl Mark {
    fn read(self, server: &Server) -> Result<Tombstone> {
        let unreadable = || server.unreadable("tombstone");
        let project_id = ProjectId::new(&self.project_id).ok_or_else(unreadable)?;
        let scope = match SessionId::new(self.session_id) {
            Some(session_id) => EraseScope::Session(SessionKey { project_id, session_id }),
            None => EraseScope::Project(project_id),
        };
        Ok(Tombstone { scope, erased_at_ms: unmillis(self.erased_at, "erased_at", server)? })
    }
}

/// The tombstones that may cover some rows.
#[derive(Default)]
pub(super) struct Marks(BTreeMap<EraseScope, Tombstone>);

impl Marks {
    pub(super) async fn of_rows(server: &Server, rows: &[ChunkRow]) -> Result<Self> {
        let sessions: BTreeSet<SessionKey> = rows.iter().map(|row| row.meta.session()).collect();
        let sessions: Vec<_> = sessions.into_iter().collect();
        let mut marks = Self::default();
        for step in sessions.chunks(ASK_SESSIONS) {
            let marked = of_sessions(server, step).await?;
            marks.0.extend(marked.into_iter().map(|mark| (mark.scope.clone(), mark)));
        }
        Ok(marks)
    }

    /// A tombstone that covers the row.
    pub(super) fn covering(&self, meta: &ChunkMeta) -> Option<Tombstone> {
        if self.0.is_empty() {
            return None;
        }
        let session = meta.session();
        let scopes = [EraseScope::Session(session.clone()), EraseScope::Project(meta.project_id.clone())];
        let marks = scopes.iter().filter_map(|scope| self.0.get(scope));
        marks.into_iter().find(|mark| mark.covers(&session, meta.received_at_ms)).cloned()
    }
}

/// Writes a tombstone, on a quorum where there are replicas.
pub(super) async fn put(server: &Server, tombstone: &Tombstone) -> Result<()> {
    let mark = Mark {
        project_id: tombstone.scope.project_id().as_str().to_owned(),
        session_id: tombstone.scope.session_id().map_or(NO_SESSION, SessionId::uuid),
        erased_at: millis(tombstone.erased_at_ms, "erased_at")?,
    };
    server.insert::<Mark>(TOMBSTONES, vec![mark], Wait::Quorum).await
}

/// The sessions' tombstones and their projects'.
pub(super) async fn of_sessions(server: &Server, sessions: &[SessionKey]) -> Result<Vec<Tombstone>> {
    let projects: BTreeSet<_> = sessions.iter().map(|key| sql::text(key.project_id.as_str())).collect();
    let ids: BTreeSet<_> = sessions.iter().map(|key| key.session_id.uuid()).chain([NO_SESSION]).collect();
    let projects: Vec<_> = projects.into_iter().collect();
    let ids: Vec<_> = ids.into_iter().map(|id| format!("'{id}'")).collect();
    let condition = format!("project_id IN ({}) AND session_id IN ({})", projects.join(","), ids.join(","));
    select(server, &condition).await
}

/// Every tombstone, oldest first.
pub(super) async fn all(server: &Server) -> Result<Vec<Tombstone>> {
    select(server, "1").await
}

/// Forgets tombstones of erasures before `before_ms`.
pub(super) async fn forget(server: &Server, before_ms: u64) -> Result<u64> {
    let before = sql::moment(before_ms);
    let sql = format!(
        "SELECT count() FROM (SELECT max(erased_at) AS latest FROM {} GROUP BY project_id, session_id) \
         WHERE latest < {before}",
        server.names.table(TOMBSTONES)
    );
    let forgotten: u64 = server.row("count tombstones", &sql).await?;
    if forgotten > 0 {
        let everywhere = server.names.everywhere(TOMBSTONES);
        server
            .alter(
                "forget tombstones",
                &format!("ALTER TABLE {everywhere} DELETE WHERE erased_at < {before}"),
            )
            .await?;
    }
    Ok(forgotten)
}

async fn select(server: &Server, condition: &str) -> Result<Vec<Tombstone>> {
    let sql = format!(
        "SELECT project_id, session_id, max(erased_at) AS erased FROM {} WHERE {condition} \
         GROUP BY project_id, session_id ORDER BY erased, {}",
        server.names.table(TOMBSTONES),
        sql::SESSION_ORDER
    );
    let marks: Vec<Latest> = server.settled_rows("read tombstones", &sql).await?;
    let read = |mark: Latest| {
        let Latest { project_id, session_id, erased } = mark;
        Mark { project_id, session_id, erased_at: erased }.read(server)
    };
    marks.into_iter().map(read).collect()
}

#[derive(Row, Deserialize)]
struct Latest {
    project_id: String,
    #[serde(with = "clickhouse::serde::uuid")]
    session_id: Uuid,
    erased: i64,
}

#[derive(Row, Serialize, Deserialize)]
struct Entry {
    at: i64,
    actor: String,
    action: String,
    target: String,
    bytes: u64,
    written_at: u64,
}

/// Adds to the audit trail.
pub(super) async fn append_audit(server: &Server, entry: &AuditEntry) -> Result<()> {
    let row = Entry {
        at: millis(entry.at_ms, "at")?,
        actor: entry.actor.clone(),
        action: entry.action.clone(),
        target: entry.target.clone(),
        bytes: entry.bytes,
        written_at: stamp(),
    };
    server.insert::<Entry>(AUDIT, vec![row], Wait::Quorum).await
}

/// The newest entries, newest first.
pub(super) async fn list_audit(server: &Server, limit: usize) -> Result<Vec<AuditEntry>> {
    let sql = format!(
        "SELECT at, actor, action, target, bytes, written_at FROM {} \
         ORDER BY at DESC, written_at DESC LIMIT {limit}",
        server.names.table(AUDIT)
    );
    let entries: Vec<Entry> = server.rows("read the audit trail", &sql).await?;
    let read = |entry: Entry| {
        Ok(AuditEntry {
            at_ms: unmillis(entry.at, "at", server)?,
            actor: entry.actor,
            action: entry.action,
            target: entry.target,
            bytes: entry.bytes,
        })
    };
    entries.into_iter().map(read).collect()
}
