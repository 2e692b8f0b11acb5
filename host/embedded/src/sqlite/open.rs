//! Opening a database file: pragmas, schema version, permissions.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use replay_ports::{PortError, Result};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::SqliteSettings;
use super::failure::{Failure, SqlResult};
use super::padding::PAGE_BYTES;
use super::schema::Schema;
use crate::dir::make_dirs;

/// A WAL longer than this is cut back when it is reset.
const WAL_KEPT_BYTES: u64 = 64 << 20;

/// How a reading connection is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Beside a writer, of this process or another.
    Shared,
    /// Nobody has the file open, so there is no WAL and nothing is locked or made.
    Alone,
}

/// Opens the database for writing, made and brought to this build's schema if needed.
pub(super) fn open_writer(path: &Path, schema: &Schema, settings: &SqliteSettings) -> Result<Connection> {
    make_file(path)?;
    let open = || -> SqlResult<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut conn = Connection::open_with_flags(path, flags)?;
        conn.busy_timeout(settings.busy_timeout)?;
        // What a file is comes first: a foreign file is left exactly as it is.
        let found = check(&conn, path, schema)?;
        conn.pragma_update(None, "page_size", PAGE_BYTES as i64)?;
        conn.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        conn.pragma_update(None, "secure_delete", "ON")?;
        conn.pragma_update(None, "temp_store", "MEMORY")?;
        let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if !mode.eq_ignore_ascii_case("wal") {
            return Err(PortError::refused(format!(
                "{} cannot use a write-ahead log here (journal mode {mode}); put it on a local file system",
                path.display()
            ))
            .into());
        }
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "journal_size_limit", WAL_KEPT_BYTES as i64)?;
        if let Some(bytes) = settings.max_bytes {
            let pages = i64::try_from(bytes / PAGE_BYTES as u64).unwrap_or(i64::MAX).max(1);
            conn.pragma_update(None, "max_page_count", pages)?;
        }
        migrate(&mut conn, schema, found)?;
        conn.set_prepared_statement_cache_capacity(64);
        Ok(conn)
    };
    open().map_err(|failure| failure.into_port(path))
}

/// Opens the database for reading; it must be there.
pub(super) fn open_reader(
    path: &Path,
    schema: &Schema,
    reading: Reading,
    busy_timeout: Duration,
) -> SqlResult<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = match reading {
        Reading::Shared => Connection::open_with_flags(path, flags)?,
        Reading::Alone => {
            let uri = format!("file:{}?immutable=1", uri_path(path)?);
            Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)?
        }
    };
    conn.busy_timeout(busy_timeout)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    // A reader that happens to be the last to leave has no business tidying up.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    match check(&conn, path, schema)? {
        0 => Err(missing(path, schema).into()),
        version if version < schema.version() => Err(PortError::refused(format!(
            "{} has schema {version}, this build reads {}; `run` brings it up to date",
            path.display(),
            schema.version()
        ))
        .into()),
        _ => Ok(conn),
    }
}

/// What to say when there is nothing to read.
pub(super) fn missing(path: &Path, schema: &Schema) -> PortError {
    PortError::refused(format!(
        "there is no {} at {}; has the service run with this config yet?",
        schema.name,
        path.display()
    ))
}

/// The schema version of the file, 0 for a new one; refuses what is not ours to touch.
fn check(conn: &Connection, path: &Path, schema: &Schema) -> SqlResult<i64> {
    let number = |pragma: &str| conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (application_id, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application_id == 0 && version == 0 && tables == 0 {
        return Ok(0);
    }
    let path = path.display();
    let refusal = if application_id != i64::from(schema.application_id) {
        format!("{path} is not a {}; point the config elsewhere", schema.name)
    } else if version > schema.version() {
        format!(
            "{path}: schema {version} is newer than this build's {}; use the build that wrote it, or a later one",
            schema.version()
        )
    } else if version < 1 || number("page_size")? != PAGE_BYTES as i64 {
        format!(
            "{path} was changed by another program (schema {version}, or its page size); restore a backup"
        )
    } else {
        return Ok(version);
    };
    Err(PortError::refused(refusal).into())
}

/// Brings the schema from version `found` to this build's, in one step.
fn migrate(conn: &mut Connection, schema: &Schema, found: i64) -> SqlResult<()> {
    if found == schema.version() {
        return Ok(());
    }
    let step = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have done it while we waited for the lock.
    let found: i64 = step.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for script in schema.versions.iter().skip(usize::try_from(found).unwrap_or(0)) {
        step.execute_batch(script)?;
    }
    step.pragma_update(None, "application_id", schema.application_id)?;
    step.pragma_update(None, "user_version", schema.version())?;
    step.commit()?;
    Ok(())
}

/// Makes the empty file, readable by its owner alone: replays are nobody else's business. SQLite
/// gives the files beside it the same rights.
fn make_file(path: &Path) -> Result<()> {
    let failed = |what: &str, error: std::io::Error| {
        PortError::refused(format!("cannot {what} {}: {error}", path.display()))
    };
    if let Some(folder) = path.parent() {
        make_dirs(folder).map_err(|error| failed("make the folder of", error))?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed("make", error)),
    }
}

/// The path as part of a `file:` URI.
fn uri_path(path: &Path) -> SqlResult<String> {
    let absolute = std::path::absolute(path).ok();
    let text = absolute.as_deref().and_then(Path::to_str).ok_or_else(|| {
        Failure::Port(PortError::refused(format!("{} is not a path in UTF-8", path.display())))
    })?;
    Ok(text.replace('%', "%25").replace('?', "%3f").replace('#', "%23"))
}
