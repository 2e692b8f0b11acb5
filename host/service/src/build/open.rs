//! Opens the stores that the config names, in any mix.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use replay_embedded::dir::DirCold;
use replay_embedded::log::{LocalLog, LogSettings};
use replay_embedded::sqlite::{SqliteDeadLetters, SqliteHot, SqliteSettings, replays_schema};
use replay_ports::{ColdStore, DeadLetters, HotStore, Result, Source};

use super::{Opener, bytes, servers};
use crate::config::{self, DeadLetterStore, Hot, Settings};
use crate::stores::{Kept, Stores};

/// The local log's topic and only partition, under which its offset is kept.
const LOCAL: (&str, u32) = ("local", 0);

/// The stores, and the local log by itself if there is one: somebody has to cut it.
pub(super) struct Opened {
    pub(super) stores: Stores,
    pub(super) log: Option<Arc<LocalLog>>,
}

/// Opens the stores as their owner: of the embedded ones there is one, behind the lock.
pub(super) async fn open(settings: &Settings, opener: Opener) -> Result<Opened> {
    let dir = &settings.embedded.dir;
    let is_new = !hot_path(dir).exists();
    let sqlite = match &settings.hot {
        Hot::Sqlite => Some(Arc::new(SqliteHot::open(&hot_path(dir), &sqlite_settings(settings))?)),
        Hot::ClickHouse(_) => None,
    };
    let (source, log): (Arc<dyn Source>, _) = match &settings.source {
        config::Source::Local => {
            let log = open_log(settings, sqlite.as_deref(), is_new)?;
            (log.clone(), Some(log))
        }
        config::Source::Kafka(kafka) => (servers::source(settings, kafka, opener).await?, None),
    };
    let hot: Arc<dyn HotStore> = match (sqlite, &settings.hot) {
        (_, Hot::ClickHouse(server)) => servers::hot(settings, server, opener).await?,
        (Some(sqlite), Hot::Sqlite) => sqlite,
        (None, Hot::Sqlite) => unreachable!("opened above"),
    };
    let cold: Option<Arc<dyn ColdStore>> = match &settings.cold.store {
        config::ColdStore::Dir(dir) => Some(Arc::new(DirCold::open(dir)?)),
        config::ColdStore::S3(s3) => Some(servers::cold(s3, opener).await?),
        config::ColdStore::None => None,
    };
    let letters = open_letters(settings, opener).await?;
    Ok(Opened { stores: Stores { source, kept: Kept { hot, cold, letters } }, log })
}

/// Opens the stores for looking, beside a running service or without one.
pub(crate) async fn open_for_reading(settings: &Settings) -> Result<Kept> {
    let dir = &settings.embedded.dir;
    let hot: Arc<dyn HotStore> = match &settings.hot {
        Hot::Sqlite => Arc::new(SqliteHot::open_read_only(&hot_path(dir))?),
        Hot::ClickHouse(server) => servers::hot(settings, server, Opener::Command).await?,
    };
    let cold: Option<Arc<dyn ColdStore>> = match &settings.cold.store {
        config::ColdStore::Dir(dir) => Some(Arc::new(DirCold::open_read_only(dir)?)),
        config::ColdStore::S3(s3) => Some(servers::cold_for_reading(s3).await?),
        config::ColdStore::None => None,
    };
    let letters: Arc<dyn DeadLetters> = match (&settings.dead_letters.store, &settings.hot) {
        (DeadLetterStore::Table, Hot::Sqlite) => {
            Arc::new(SqliteDeadLetters::open_read_only(&dead_path(dir))?)
        }
        _ => open_letters(settings, Opener::Command).await?,
    };
    Ok(Kept { hot, cold, letters })
}

async fn open_letters(settings: &Settings, opener: Opener) -> Result<Arc<dyn DeadLetters>> {
    Ok(match (&settings.dead_letters.store, &settings.hot) {
        (DeadLetterStore::Topic { kafka, topic, .. }, _) => {
            servers::letters_topic(settings, kafka, topic, opener).await?
        }
        (DeadLetterStore::Table, Hot::ClickHouse(server)) => {
            servers::letters_table(settings, server, opener).await?
        }
        (DeadLetterStore::Table, Hot::Sqlite) => {
            let path = dead_path(&settings.embedded.dir);
            Arc::new(SqliteDeadLetters::open(&path, &sqlite_settings(settings))?)
        }
    })
}

/// The statements that make the hot store's tables.
pub(crate) fn schema_text(settings: &Settings) -> Result<String> {
    match &settings.hot {
        Hot::ClickHouse(server) => servers::schema_text(settings, server),
        Hot::Sqlite => Ok(replays_schema()),
    }
}

/// Makes the hot store's tables or brings them up to date, and says what was done.
pub(crate) async fn apply_schema(settings: &Settings, adopt: bool) -> Result<String> {
    match &settings.hot {
        Hot::ClickHouse(server) => servers::apply_schema(settings, server, adopt).await,
        // Opening one makes its tables.
        Hot::Sqlite => {
            let path = hot_path(&settings.embedded.dir);
            SqliteHot::open(&path, &sqlite_settings(settings))?;
            Ok(format!("{} is up to date", path.display()))
        }
    }
}

/// The local log. Its offset lies beside the rows, and in a file of its own when those are elsewhere.
fn open_log(settings: &Settings, hot: Option<&SqliteHot>, is_new: bool) -> Result<Arc<LocalLog>> {
    let dir = &settings.embedded.dir;
    let offsets = match hot {
        Some(hot) => hot.offsets(LOCAL.0, LOCAL.1),
        None => {
            let path = dir.join("offsets.sqlite");
            SqliteHot::open(&path, &sqlite_settings(settings))?.offsets(LOCAL.0, LOCAL.1)
        }
    };
    let log = Arc::new(LocalLog::open(dir, log_settings(settings), Arc::new(offsets))?);
    let known = log.status();
    if hot.is_some() && is_new && known.end_offset > known.first_offset {
        // The marks of erasures were in the database that is gone: the log would bring back what they covered.
        tracing::error!(
            records = known.end_offset - known.first_offset,
            "a new database beside a log with records: they are read again, and erasures made before are not \
             known any more; repeat them, and run `migrate reconcile --repair` for what was moved"
        );
    }
    Ok(log)
}

fn log_settings(settings: &Settings) -> LogSettings {
    LogSettings {
        segment_bytes: settings.embedded.log.segment_bytes,
        max_record_bytes: settings.limits.max_record_bytes,
        queue_records: settings.embedded.log.queue_records as usize,
        queue_bytes: settings.embedded.log.queue_bytes,
        batch_bytes: settings.embedded.log.batch_bytes,
        read_ahead_bytes: bytes(settings.embedded.log.read_ahead_bytes),
    }
}

fn sqlite_settings(settings: &Settings) -> SqliteSettings {
    let sqlite = &settings.embedded.sqlite;
    SqliteSettings {
        readers: sqlite.readers as usize,
        queued_writes: sqlite.queued_writes as usize,
        busy_timeout: sqlite.busy_timeout,
        erase_wait: sqlite.erase_wait,
        deleted_bytes: sqlite.deleted_bytes,
        max_bytes: sqlite.max_bytes,
    }
}

fn hot_path(dir: &Path) -> PathBuf {
    dir.join("replays.sqlite")
}

fn dead_path(dir: &Path) -> PathBuf {
    dir.join("dead.sqlite")
}
