//! A disk in memory that remembers what is durable, and can lose or mangle the rest.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::log::disk::{Disk, DiskFile};

/// What becomes of the bytes that were not synced when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tear {
    /// The first `n` survive, the file ends there.
    Cut(usize),
    /// The first `n` survive, zeros follow.
    Zeros(usize),
    /// The first `n` survive, garbage follows.
    Garbage(usize),
    /// The first `n` are garbage, the rest survives: later pages were stored first.
    Late(usize),
}

/// Which names survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// As of the last directory sync.
    Synced,
    /// As they were, synced or not.
    All,
}

#[derive(Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
}

type File = Arc<Mutex<Content>>;

#[derive(Default)]
struct State {
    names: BTreeMap<String, File>,
    durable_names: BTreeMap<String, File>,
    /// Changes that may still happen before the power goes.
    power_left: Option<usize>,
    /// Bytes that may still be written before the disk is full.
    room: Option<usize>,
    /// Syncs of files until one fails.
    syncs_left: Option<usize>,
    fails_truncate: bool,
    most_per_write: Option<usize>,
    changes: usize,
    syncs: usize,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

struct SimFile {
    disk: SimDisk,
    content: File,
}

impl SimDisk {
    /// The power goes after so many changes; everything fails from then on.
    pub(crate) fn power_fails_after(&self, changes: usize) {
        self.state().power_left = Some(changes);
    }

    /// It was only the process that died: nothing is lost, nothing more is synced.
    pub(crate) fn power_is_back(&self) {
        self.state().power_left = None;
    }

    pub(crate) fn set_room(&self, bytes: Option<usize>) {
        self.state().room = bytes;
    }

    pub(crate) fn sync_fails_after(&self, syncs: usize) {
        self.state().syncs_left = Some(syncs);
    }

    pub(crate) fn truncate_fails(&self) {
        self.state().fails_truncate = true;
    }

    pub(crate) fn write_at_most(&self, bytes: usize) {
        self.state().most_per_write = Some(bytes);
    }

    /// Changes so far.
    pub(crate) fn changes(&self) -> usize {
        self.state().changes
    }

    /// Syncs of files so far.
    pub(crate) fn syncs(&self) -> usize {
        self.state().syncs
    }

    /// As long as the answer is alive, whoever changes the disk waits.
    pub(crate) fn hold(&self) -> impl Drop + '_ {
        self.state()
    }

    /// How many bytes of the file with the most are not synced.
    pub(crate) fn unsynced_bytes(&self) -> usize {
        let unsynced = |file: &File| {
            let content = file.lock().unwrap();
            content.now.len().saturating_sub(first_difference(&content))
        };
        self.state().names.values().map(unsynced).max().unwrap_or(0)
    }

    /// The disk as it is found when the power is back.
    pub(crate) fn after_crash(&self, tear: Tear, names: Names) -> Self {
        let state = self.state();
        let survivors = match names {
            Names::Synced => &state.durable_names,
            Names::All => &state.names,
        };
        let after = Self::default();
        for (name, file) in survivors {
            let content = torn(&file.lock().unwrap(), tear);
            after.put(name, content);
        }
        after
    }

    /// Replaces a file, durably.
    pub(crate) fn put(&self, name: &str, content: Vec<u8>) {
        let file = Arc::new(Mutex::new(Content { durable: content.clone(), now: content }));
        let mut state = self.state();
        state.names.insert(name.to_owned(), file.clone());
        state.durable_names.insert(name.to_owned(), file);
    }

    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        self.state().names[name].lock().unwrap().now.clone()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Counts a change, or says that the power is gone.
    fn change(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        if let Some(left) = &mut state.power_left {
            *left = left.checked_sub(1).ok_or_else(|| io::Error::other("no power"))?;
        }
        state.changes += 1;
        Ok(state)
    }
}

fn first_difference(content: &Content) -> usize {
    content.now.iter().zip(&content.durable).take_while(|(now, durable)| now == durable).count()
}

fn torn(content: &Content, tear: Tear) -> Vec<u8> {
    let from = first_difference(content);
    let (kept, unsynced) = content.now.split_at(from);
    let mut after = kept.to_vec();
    let garbage = |position: usize| (position as u8).wrapping_mul(167) ^ 0x5a;
    match tear {
        Tear::Cut(n) => after.extend(unsynced.iter().take(n)),
        Tear::Zeros(n) => {
            after.extend(unsynced.iter().enumerate().map(|(at, &b)| if at < n { b } else { 0 }))
        }
        Tear::Garbage(n) => {
            after.extend(unsynced.iter().enumerate().map(|(at, &b)| if at < n { b } else { garbage(at) }));
        }
        Tear::Late(n) => {
            after.extend(unsynced.iter().enumerate().map(|(at, &b)| if at < n { garbage(at) } else { b }));
        }
    }
    // A cut that was not synced may not have happened.
    if content.now.len() < content.durable.len() && !matches!(tear, Tear::Cut(_)) {
        after.extend(&content.durable[after.len()..]);
    }
    after
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.names())
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.change()?;
        if state.room == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let content = state.names.entry(name.to_owned()).or_default().clone();
        content.lock().unwrap().now.clear();
        Ok(Arc::new(SimFile { disk: self.clone(), content }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let content = self.state().names.get(name).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile { disk: self.clone(), content }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.change()?.names.remove(name).map(|_| ()).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.change()?;
        state.durable_names = state.names.clone();
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.content.lock().unwrap().now.len() as u64)
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let content = self.content.lock().unwrap();
        let rest = content.now.get(position as usize..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, position: u64, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.change()?;
        let mut count = bytes.len().min(state.most_per_write.unwrap_or(usize::MAX));
        if let Some(room) = &mut state.room {
            count = count.min(*room);
            *room -= count;
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let mut content = self.content.lock().unwrap();
        let end = position as usize + count;
        if content.now.len() < end {
            content.now.resize(end, 0);
        }
        content.now[position as usize..end].copy_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn truncate(&self, size: u64) -> io::Result<()> {
        let state = self.disk.change()?;
        if state.fails_truncate {
            return Err(io::Error::other("cannot cut"));
        }
        self.content.lock().unwrap().now.truncate(size as usize);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.change()?;
        state.syncs += 1;
        if let Some(left) = &mut state.syncs_left {
            *left = left.checked_sub(1).ok_or_else(|| io::Error::other("the disk did not take it"))?;
        }
        let mut content = self.content.lock().unwrap();
        content.durable = content.now.clone();
        Ok(())
    }
}
