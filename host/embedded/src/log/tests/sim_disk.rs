//! A disk that forgets: what was not flushed is lost at a crash, or torn at any byte; it may be full,
//! and a flush may fail.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::super::disk::{Disk, DiskFile};

#[derive(Clone, Default)]
struct FileState {
    /// What programs see.
    seen: Vec<u8>,
    /// What is on the disk for sure.
    synced: Vec<u8>,
    /// Whether its name is.
    entry_synced: bool,
}

#[derive(Clone, Default)]
struct State {
    files: BTreeMap<PathBuf, FileState>,
    /// Bytes that may still be written.
    room: Option<usize>,
    sync_fails: bool,
    /// The most bytes that one write takes.
    short_writes: Option<usize>,
}

/// Shared by all its handles.
#[derive(Clone, Default)]
pub(super) struct SimDisk(Arc<Mutex<State>>);

/// What a crash leaves of what was not flushed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tear {
    /// So many bytes of each file's unflushed end.
    Prefix(usize),
    /// All of it, but for one flipped bit in this byte of the unflushed end.
    Flipped(usize),
    /// Its length, with zeros for content.
    Zeros,
}

impl SimDisk {
    pub(super) fn with_room(bytes: usize) -> Self {
        let disk = Self::default();
        disk.set_room(Some(bytes));
        disk
    }

    pub(super) fn set_room(&self, bytes: Option<usize>) {
        self.state(|state| state.room = bytes);
    }

    pub(super) fn fail_syncs(&self) {
        self.state(|state| state.sync_fails = true);
    }

    pub(super) fn write_at_most(&self, bytes: usize) {
        self.state(|state| state.short_writes = Some(bytes));
    }

    /// Unflushed bytes of all files together, the most that a tear can choose from.
    pub(super) fn unsynced_bytes(&self) -> usize {
        self.state(|state| {
            let unsynced = |file: &FileState| file.seen.len().saturating_sub(file.synced.len());
            state.files.values().map(unsynced).max().unwrap_or(0)
        })
    }

    /// The disk as the next process finds it. The old handles keep writing to the old one.
    pub(super) fn crash(&self, tear: Tear) -> Self {
        let mut state = self.state(|state| state.clone());
        state.files.retain(|_, file| file.entry_synced);
        for file in state.files.values_mut() {
            let kept = file.synced.len().min(file.seen.len());
            let mut tail = file.seen[kept..].to_vec();
            match tear {
                Tear::Prefix(bytes) => tail.truncate(bytes),
                Tear::Flipped(byte) => {
                    if let Some(byte) = tail.get_mut(byte) {
                        *byte ^= 0x10;
                    }
                }
                Tear::Zeros => tail.fill(0),
            }
            file.seen = [&file.synced[..kept], &tail].concat();
            file.synced = file.seen.clone();
        }
        state.room = None;
        state.sync_fails = false;
        Self(Arc::new(Mutex::new(state)))
    }

    /// Changes a byte that was flushed long ago.
    pub(super) fn rot(&self, name: &str, position: usize) {
        self.state(|state| {
            let (_, file) = state.files.iter_mut().find(|(path, _)| path.ends_with(name)).unwrap();
            file.seen[position] ^= 1;
            file.synced[position] ^= 1;
        });
    }

    pub(super) fn write_raw(&self, path: &Path, bytes: &[u8]) {
        let file = FileState { seen: bytes.to_vec(), synced: bytes.to_vec(), entry_synced: true };
        self.state(|state| state.files.insert(path.to_owned(), file));
    }

    pub(super) fn names(&self) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        self.state(|state| state.files.keys().map(name).collect())
    }

    fn state<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.0.lock().unwrap())
    }
}

impl Disk for SimDisk {
    fn make_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, _dir: &Path) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        if self.state(|state| state.files.contains_key(path)) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.state(|state| state.files.insert(path.to_owned(), FileState::default()));
        self.open(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let there = self.state(|state| state.files.contains_key(path));
        if !there {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Box::new(SimFile { disk: self.clone(), path: path.to_owned() }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = self.state(|state| state.files.remove(path));
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        self.state(|state| state.files.values_mut().for_each(|file| file.entry_synced = true));
        Ok(())
    }
}

struct SimFile {
    disk: SimDisk,
    path: PathBuf,
}

impl SimFile {
    fn with<T>(&self, work: impl FnOnce(&mut State, &PathBuf) -> T) -> T {
        self.disk.state(|state| work(state, &self.path))
    }
}

impl DiskFile for SimFile {
    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<usize> {
        self.with(|state, path| {
            let most = state.short_writes.unwrap_or(usize::MAX).min(state.room.unwrap_or(usize::MAX));
            let count = bytes.len().min(most);
            if count == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            if let Some(room) = &mut state.room {
                *room -= count;
            }
            let file = state.files.get_mut(path).unwrap();
            let position = position as usize;
            file.seen.resize(file.seen.len().max(position + count), 0);
            file.seen[position..position + count].copy_from_slice(&bytes[..count]);
            Ok(count)
        })
    }

    fn read_at(&self, bytes: &mut [u8], position: u64) -> io::Result<usize> {
        self.with(|state, path| {
            let seen = &state.files[path].seen;
            let rest = seen.get(position as usize..).unwrap_or_default();
            let count = rest.len().min(bytes.len());
            bytes[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.with(|state, path| Ok(state.files[path].seen.len() as u64))
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.with(|state, path| {
            let file = state.files.get_mut(path).unwrap();
            let freed = file.seen.len().saturating_sub(len as usize);
            file.seen.truncate(len as usize);
            if let Some(room) = &mut state.room {
                *room += freed;
            }
        });
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.with(|state, path| {
            if state.sync_fails {
                return Err(io::Error::other("the disk lost something"));
            }
            let file = state.files.get_mut(path).unwrap();
            file.synced = file.seen.clone();
            Ok(())
        })
    }

    fn modified_ms(&self) -> io::Result<u64> {
        Ok(1_000)
    }
}
