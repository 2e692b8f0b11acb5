//! The lock on an embedded data directory: one process owns the files, others ask it.
//!
//! The lock file names the owner's pid and its loopback admin endpoint with a token, and is readable
//! by its owner alone. The kernel releases the lock when the process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

const FILE_NAME: &str = "lock";

/// Who holds the lock.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Owner {
    /// Its process id.
    pub pid: u32,
    /// What it runs: `run`, or the command's name.
    pub command: String,
    /// Its admin endpoint, if it has one (`run` only).
    pub admin: Option<AdminEndpoint>,
}

/// Where and how to ask the owner.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct AdminEndpoint {
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// To be sent as bearer token.
    pub token: String,
}

/// The lock, held until dropped.
#[derive(Debug)]
pub struct DataLock {
    file: File,
}

/// Why the lock was not got.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("{} is in use by process {} (`{}`)", dir.display(), owner.pid, owner.command)]
    Held {
        /// The data directory.
        dir: PathBuf,
        /// Who has it.
        owner: Owner,
    },
    /// Another process has it, and has not said yet who it is.
    #[error("{} is in use by another process", dir.display())]
    HeldByUnknown {
        /// The data directory.
        dir: PathBuf,
    },
    /// The file system says no.
    #[error("cannot lock {}: {error}; check that the directory exists and is writable", dir.display())]
    Io {
        /// The data directory.
        dir: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
}

impl DataLock {
    /// Takes the lock of `dir`, which is made if it is not there.
    pub fn acquire(dir: &Path, command: &str) -> Result<Self, LockError> {
        let io = |error| LockError::Io { dir: dir.to_owned(), error };
        std::fs::create_dir_all(dir).map_err(io)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(dir.join(FILE_NAME)).map_err(io)?;
        match try_lock(&file) {
            Ok(()) => {
                let mut lock = Self { file };
                let owner = Owner { pid: std::process::id(), command: command.to_owned(), admin: None };
                lock.announce(&owner).map_err(io)?;
                Ok(lock)
            }
            Err(TryLockError::WouldBlock) => Err(match read_owner(file) {
                Some(owner) => LockError::Held { dir: dir.to_owned(), owner },
                None => LockError::HeldByUnknown { dir: dir.to_owned() },
            }),
            Err(TryLockError::Error(error)) => Err(io(error)),
        }
    }

    /// Says who holds the lock and where to ask.
    pub fn announce(&mut self, owner: &Owner) -> std::io::Result<()> {
        // Written over the old text before that is cut, so that no reader finds the file empty.
        let text = serde_json::to_vec(owner)?;
        self.file.write_all_at(&text, 0)?;
        self.file.set_len(text.len() as u64)
    }
}

/// A reader that asks who owns the directory holds the lock for a moment: that is no owner.
fn try_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 0..20 {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            other => return other,
        }
    }
    file.try_lock()
}

/// The running owner of `dir`, if there is one.
pub fn running_owner(dir: &Path) -> Option<Owner> {
    let file = OpenOptions::new().read(true).open(dir.join(FILE_NAME)).ok()?;
    match file.try_lock_shared() {
        // Nobody holds it: what the file says is history.
        Ok(()) | Err(TryLockError::Error(_)) => None,
        Err(TryLockError::WouldBlock) => read_owner(file),
    }
}

fn read_owner(mut file: File) -> Option<Owner> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_owns_the_directory_and_says_who_it_is() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(running_owner(dir.path()), None);
        let mut lock = DataLock::acquire(dir.path(), "run").unwrap();
        let endpoint = AdminEndpoint { url: "http://127.0.0.1:1".into(), token: "t".into() };
        let owner = Owner { pid: 7, command: "run".into(), admin: Some(endpoint) };
        lock.announce(&owner).unwrap();
        let refused = DataLock::acquire(dir.path(), "migrate").unwrap_err();
        assert!(refused.to_string().contains("process 7 (`run`)"), "{refused}");
        assert_eq!(running_owner(dir.path()), Some(owner));
        drop(lock);
        assert_eq!(running_owner(dir.path()), None);
        DataLock::acquire(dir.path(), "migrate").unwrap();
    }
}
