//! From settings to parts: the stores, and the parameters of everything that uses them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use replay_core::codec::{Encoding, Recompress};
use replay_core::decode::DecodeLimits;
use replay_core::pipeline::Limits;
use replay_embedded::dir::DirCold;
use replay_embedded::log::{LocalLog, LogSettings};
use replay_embedded::sqlite::{SqliteDeadLetters, SqliteHot, SqliteSettings};
use replay_ports::{ColdStore, DeadLetters, HotStore, PortError, Result};

use crate::config::Settings;
use crate::stores::Stores;
use crate::tenants::{Tenant, Tenants};

/// The local log's only partition.
const PARTITION: u32 = 0;

/// What embedded stores can be opened for.
pub struct Readable {
    /// Chunks, archive rows, tombstones.
    pub hot: Arc<dyn HotStore>,
    /// Objects, if any are kept.
    pub cold: Option<Arc<dyn ColdStore>>,
    /// Dead letters.
    pub letters: Arc<dyn DeadLetters>,
}

/// The stores of a process that owns the data directory. Blocks.
pub fn open_embedded(settings: &Settings) -> Result<(Stores, Arc<LocalLog>)> {
    let dir = &settings.embedded.dir;
    let sqlite = SqliteSettings::default();
    let hot = SqliteHot::open(&hot_path(dir), &sqlite)?;
    let offsets = hot.offsets(LOCAL_TOPIC, PARTITION);
    let log = LocalLog::open(&log_settings(settings), Arc::new(offsets))?;
    let log = Arc::new(log);
    let cold: Option<Arc<dyn ColdStore>> = match settings.cold.kind {
        crate::config::ColdKind::Dir => Some(Arc::new(DirCold::open(&cold_path(settings))?)),
        crate::config::ColdKind::None => None,
        crate::config::ColdKind::S3 => return Err(PortError::refused("this build has no S3 client")),
    };
    let letters = SqliteDeadLetters::open(&dead_path(dir), &sqlite)?;
    let source: Arc<dyn replay_ports::Source> = log.clone();
    Ok((Stores { source, hot: Arc::new(hot), cold, letters: Arc::new(letters) }, log))
}

/// The stores of a process that only looks, beside a running service or without one. Blocks.
pub fn open_for_reading(settings: &Settings) -> Result<Readable> {
    let dir = &settings.embedded.dir;
    let cold: Option<Arc<dyn ColdStore>> = match settings.cold.kind {
        crate::config::ColdKind::Dir => Some(Arc::new(DirCold::open_read_only(&cold_path(settings)))),
        crate::config::ColdKind::None | crate::config::ColdKind::S3 => None,
    };
    Ok(Readable {
        hot: Arc::new(SqliteHot::open_read_only(&hot_path(dir))?),
        cold,
        letters: Arc::new(SqliteDeadLetters::open_read_only(&dead_path(dir))?),
    })
}
