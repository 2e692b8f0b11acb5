//! What ClickHouse promises beyond the ports. Each test has a database of its own, gone when it ends.

mod adopt;
mod doctor;
mod failing;
mod letters;
mod merging;
mod parts;
mod proxy;
mod schema;

use std::sync::Arc;

use bytes::Bytes;
use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::row::{ChunkMeta, ChunkRow, Codec, CopyId};
use replay_core::winner::{ContentHash, Version};
use replay_ports::{DeadLetters, HotStore};
use replay_servers::clickhouse::{
    ClickHouseDeadLetters, ClickHouseHot, ClickHouseSettings, schema as tables,
};
use replay_tests::servers;
use uuid::Uuid;

/// 2026-01-05, Unix milliseconds.
const T0: u64 = 1_767_571_200_000;

/// A database that nobody else uses.
pub(crate) struct Database {
    pub(crate) settings: ClickHouseSettings,
}

impl Database {
    /// One that is not even made; `None` where there is no ClickHouse.
    pub(crate) fn new() -> Option<Self> {
        let url = servers::address(servers::CLICKHOUSE)?;
        let name = format!("replay_{}", Uuid::new_v4().simple());
        Some(Self { settings: ClickHouseSettings::new(url, name) })
    }

    /// One with our tables.
    pub(crate) async fn with_tables() -> Option<Self> {
        let database = Self::new()?;
        tables::apply(&database.settings, false).await.unwrap();
        Some(database)
    }

    pub(crate) async fn hot(&self) -> ClickHouseHot {
        ClickHouseHot::open(&self.settings).await.unwrap()
    }

    /// What plain SQL over HTTP answers, as a foreign client asks it; `{db}` is the database.
    pub(crate) fn ask(&self, sql: &str) -> String {
        self.try_ask(sql).unwrap()
    }

    fn try_ask(&self, sql: &str) -> Result<String, String> {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let sql = sql.replace("{db}", &self.settings.database);
        let mut answer = agent.post(&self.settings.url).send(sql.as_bytes()).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        if answer.status() == 200 { Ok(text.trim_end().to_owned()) } else { Err(text) }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let gone = self.try_ask("DROP DATABASE IF EXISTS {db} SYNC");
        assert!(std::thread::panicking() || gone.is_ok(), "left behind: {gone:?}");
    }
}

pub(crate) async fn open_hot() -> Option<(Arc<dyn HotStore>, Database)> {
    let database = Database::with_tables().await?;
    Some((Arc::new(database.hot().await), database))
}

pub(crate) async fn open_letters() -> Option<(Arc<dyn DeadLetters>, Database)> {
    let database = Database::with_tables().await?;
    Some((Arc::new(ClickHouseDeadLetters::open(&database.settings).await.unwrap()), database))
}

fn session(number: u128) -> SessionKey {
    let session_id = SessionId::new(Uuid::from_u128(number)).unwrap();
    SessionKey { project_id: ProjectId::new("shop").unwrap(), session_id }
}

/// A copy of chunk `index` that `revision` made, received at `received`.
fn row(session: &SessionKey, index: u32, revision: u16, received: u64, data: &[u8]) -> ChunkRow {
    let content_hash = ContentHash::of(data);
    ChunkRow {
        meta: ChunkMeta {
            project_id: session.project_id.clone(),
            session_id: session.session_id,
            key: ChunkKey { timestamp_start_ms: T0 + u64::from(index), chunk_index: index },
            timestamp_end_ms: T0 + u64::from(index) + 10,
            received_at_ms: received,
            codec: Codec::Gzip,
            data_size: data.len() as u64 * 7,
            compressed_size: data.len() as u64,
            event_count: 3,
            has_full_snapshot: index == 0,
            version: Version::new(revision, 0, content_hash),
            content_hash,
        },
        data: Bytes::copy_from_slice(data),
    }
}

fn names(rows: &[ChunkRow]) -> Vec<CopyId> {
    rows.iter().map(|row| row.meta.copy_id()).collect()
}

/// Every copy of a session with its bytes, in order of play.
async fn read_all(hot: &ClickHouseHot, session: &SessionKey) -> Vec<ChunkRow> {
    let copies: Vec<_> = hot.copies(session).await.unwrap().iter().map(ChunkMeta::copy_id).collect();
    let mut rows = hot.read(session, &copies).await.unwrap();
    rows.sort_by_key(|row| row.meta.copy_id());
    rows
}
