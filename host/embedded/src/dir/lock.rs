//! The root's lock: one change of the tree at a time, and the clock that makes tags unique.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The lock file's name in the root.
pub(super) const LOCK_FILE: &str = ".lock";

/// The lock, held until dropped (the system drops it too when the process dies).
pub(super) struct TreeLock {
    file: File,
}

impl TreeLock {
    /// Makes the lock file, which marks the folder as a store.
    pub(super) fn make(root: &Path) -> io::Result<()> {
        let path = root.join(LOCK_FILE);
        OpenOptions::new().write(true).create(true).truncate(false).open(path).map(drop)
    }

    /// Waits for the lock. Excludes threads as well as processes: each caller opens the file anew.
    /// It is not made here: where it is gone, so is the store (a disk that is not mounted).
    pub(super) fn acquire(root: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(root.join(LOCK_FILE))?;
        file.lock()?;
        Ok(Self { file })
    }

    /// A modification time for the next object: now, but later than any before it.
    ///
    /// It is not synced: should a power loss take the last few, then so much time has passed that
    /// `now` is later anyway.
    pub(super) fn next_time(&mut self, now: SystemTime) -> io::Result<SystemTime> {
        let mut text = String::new();
        self.file.seek(SeekFrom::Start(0))?;
        (&self.file).take(32).read_to_string(&mut text)?;
        let last: u64 = text.trim().parse().unwrap_or(0);
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let next = u64::try_from(now).unwrap_or(u64::MAX).max(last.saturating_add(1));
        self.file.seek(SeekFrom::Start(0))?;
        // Of fixed length, so that a rewrite never leaves digits of the one before.
        self.file.write_all(format!("{next:020}\n").as_bytes())?;
        Ok(UNIX_EPOCH + Duration::from_micros(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_rise_even_when_the_clock_stands_or_goes_back() {
        let root = tempfile::tempdir().unwrap();
        TreeLock::make(root.path()).unwrap();
        let at = |micros| UNIX_EPOCH + Duration::from_micros(micros);
        let next = |micros| TreeLock::acquire(root.path()).unwrap().next_time(at(micros)).unwrap();
        assert_eq!(next(1_000), at(1_000));
        assert_eq!(next(1_000), at(1_001));
        assert_eq!(next(5), at(1_002));
        assert_eq!(next(2_000), at(2_000));
    }
}
