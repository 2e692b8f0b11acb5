//! What an SQLite error means to the pipeline, and what the operator can do about it.

use std::path::Path;

use replay_ports::PortError;
use rusqlite::ffi;

/// An error inside the database's threads, before the path is named.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite said so.
    Sql(rusqlite::Error),
    /// We said so, already classified.
    Port(PortError),
}

/// The result of work on a connection.
pub(super) type SqlResult<T> = Result<T, Failure>;

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

impl Failure {
    /// The classified error, with the database's path in its message.
    pub(super) fn into_port(self, path: &Path) -> PortError {
        match self {
            Self::Port(error) => error,
            Self::Sql(error) => classify(&error, path),
        }
    }
}

fn classify(error: &rusqlite::Error, path: &Path) -> PortError {
    let path = path.display();
    let Some(code) = error.sqlite_error().map(|error| error.extended_code) else {
        // Not from SQLite but from the binding: a value of a type that our schema never holds.
        return PortError::refused(format!(
            "{path} does not hold what this build expects ({error}); was it changed by another program?"
        ));
    };
    match code & 0xff {
        ffi::SQLITE_FULL => PortError::unavailable(format!(
            "{path}: the disk (or the size limit set for this database) is full; free space, the write is repeated"
        )),
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED | ffi::SQLITE_PROTOCOL => {
            PortError::unavailable(format!("{path} is locked by another process; end it, or wait"))
        }
        ffi::SQLITE_IOERR | ffi::SQLITE_NOMEM | ffi::SQLITE_INTERRUPT | ffi::SQLITE_CANTOPEN => {
            PortError::unavailable(format!(
                "{path}: {error} (SQLite code {code}); look at the disk, the open-file limit and the system log"
            ))
        }
        ffi::SQLITE_CONSTRAINT | ffi::SQLITE_TOOBIG | ffi::SQLITE_MISMATCH => {
            PortError::rejected(format!("{path} refuses this row: {error}"))
        }
        ffi::SQLITE_READONLY | ffi::SQLITE_PERM | ffi::SQLITE_AUTH => PortError::refused(format!(
            "{path} cannot be written; give this user the right to write the file and its folder"
        )),
        ffi::SQLITE_NOTADB => PortError::refused(format!(
            "{path} is not an SQLite database; move the file away, or point the config elsewhere"
        )),
        ffi::SQLITE_CORRUPT => PortError::refused(format!(
            "{path} is damaged ({error}); stop the service, copy the file, and restore a backup or run `sqlite3 … .recover`"
        )),
        _ => PortError::refused(format!("{path}: {error} (SQLite code {code})")),
    }
}

#[cfg(test)]
mod tests {
    use replay_ports::Disposition;

    use super::*;

    #[test]
    fn each_kind_of_error_has_its_disposition() {
        let of = |code| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            classify(&error, Path::new("/data/replays.sqlite"))
        };
        for (code, disposition) in [
            (ffi::SQLITE_FULL, Disposition::Retry),
            (ffi::SQLITE_IOERR_FSYNC, Disposition::Retry),
            (ffi::SQLITE_BUSY_SNAPSHOT, Disposition::Retry),
            (ffi::SQLITE_TOOBIG, Disposition::DeadLetter),
            (ffi::SQLITE_CONSTRAINT_NOTNULL, Disposition::DeadLetter),
            (ffi::SQLITE_READONLY_DIRECTORY, Disposition::Stop),
            (ffi::SQLITE_CORRUPT_VTAB, Disposition::Stop),
            (ffi::SQLITE_NOTADB, Disposition::Stop),
            (ffi::SQLITE_ERROR, Disposition::Stop),
        ] {
            let error = of(code);
            assert_eq!(error.disposition(), disposition, "{code}");
            assert!(error.to_string().contains("/data/replays.sqlite"), "{error}");
        }
    }
}
