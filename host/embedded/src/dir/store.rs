//! The port's promises, kept with files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use replay_ports::{ColdStore, ObjectHead, ObjectTag, PortError, Precondition, PutOutcome, Result};
use sha2::{Digest, Sha256};

use super::files::{classify, is_absent, make_dirs, remove, sync_dir};
use super::key::{metadata_path, object_path};
use super::listing::{Page, walk};
use super::lock::{LOCK_FILE, TreeLock};
use super::metadata;

/// Where unfinished writes lie, in the root.
const TEMPORARY: &str = ".tmp";

/// A cold store in a directory.
#[derive(Clone, Debug)]
pub struct DirCold {
    tree: Arc<Tree>,
}

impl DirCold {
    /// Opens the store in `root`, made if it is not there, and clears what crashed writers left.
    /// Blocks.
    pub fn open(root: &Path) -> Result<Self> {
        let tree = Tree { root: root.to_owned(), read_only: false };
        let failed = |error: io::Error| classify(&error, "open the cold store in", root);
        make_dirs(&root.join(TEMPORARY)).and_then(|()| TreeLock::make(root)).map_err(failed)?;
        let _lock = TreeLock::acquire(root).map_err(failed)?;
        tree.clear_temporary("").map_err(failed)?;
        Ok(Self { tree: Arc::new(tree) })
    }

    /// Opens the store in `root` for reading; writes and deletions are `Refused`. Makes no file.
    /// `Refused` if there is no store.
    pub fn open_read_only(root: &Path) -> Result<Self> {
        let tree = Tree { root: root.to_owned(), read_only: true };
        if tree.mounted().is_err() {
            let root = root.display();
            return Err(PortError::refused(format!(
                "there is no cold store in {root}; has the service run with this config yet?"
            )));
        }
        Ok(Self { tree: Arc::new(tree) })
    }

    /// Runs blocking work on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Tree) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let tree = Arc::clone(&self.tree);
        let done = tokio::task::spawn_blocking(move || work(&tree)).await;
        done.unwrap_or_else(|error| {
            Err(PortError::unavailable(format!("work on the cold store ended early: {error}")))
        })
    }
}

#[async_trait]
impl ColdStore for DirCold {
    async fn put(
        &self,
        key: &str,
        body: &[Bytes],
        metadata: &[(&str, String)],
        precondition: Precondition,
    ) -> Result<PutOutcome> {
        metadata::check(metadata)?;
        let (key, body) = (key.to_owned(), body.to_vec());
        let metadata = (!metadata.is_empty()).then(|| metadata::to_json(metadata));
        self.blocking(move |tree| tree.put(&key, &body, metadata.as_deref(), &precondition)).await
    }

    async fn head(&self, key: &str) -> Result<Option<ObjectHead>> {
        let key = key.to_owned();
        self.blocking(move |tree| tree.head(&key)).await
    }

    async fn get(&self, key: &str) -> Result<Option<(ObjectTag, Bytes)>> {
        let key = key.to_owned();
        self.blocking(move |tree| tree.get(&key)).await
    }

    async fn get_range(&self, key: &str, tag: &ObjectTag, range: Range<u64>) -> Result<Option<Bytes>> {
        let (key, tag) = (key.to_owned(), tag.clone());
        self.blocking(move |tree| tree.get_range(&key, &tag, &range)).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        let key = key.to_owned();
        self.blocking(move |tree| tree.delete(&key)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<ObjectHead>> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.blocking(move |tree| {
            let mut heads = Vec::new();
            let page = Page { prefix: &prefix, after: after.as_deref(), limit };
            let mut take = |key: &str| {
                let path = key.split('/').fold(tree.root.clone(), |path, segment| path.join(segment));
                let found = stat(&path)?;
                heads.extend(found.map(|found| found.head(key)));
                Ok(found.is_some())
            };
            walk(&tree.root, page, &mut take).map_err(|error| classify(&error, "list", &tree.root))?;
            tree.mounted()?;
            Ok(heads)
        })
        .await
    }
}

/// The store's blocking side.
#[derive(Debug)]
struct Tree {
    root: PathBuf,
    read_only: bool,
}

impl Tree {
    fn put(
        &self,
        key: &str,
        body: &[Bytes],
        metadata: Option<&str>,
        precondition: &Precondition,
    ) -> Result<PutOutcome> {
        let object = self.writable(key)?;
        let failed = |error: io::Error| classify(&error, "write", &object);
        // A look before the work; the one that counts is under the lock.
        if !permits(precondition, stat(&object).map_err(failed)?) {
            return Ok(PutOutcome::PreconditionFailed);
        }
        let pieces: Vec<&[u8]> = body.iter().map(Bytes::as_ref).collect();
        let new_object = self.temporary(key, &pieces).map_err(failed)?;
        let new_metadata =
            metadata.map(|text| self.temporary(key, &[text.as_bytes()])).transpose().map_err(failed)?;

        let mut lock = TreeLock::acquire(&self.root).map_err(failed)?;
        if !permits(precondition, stat(&object).map_err(failed)?) {
            return Ok(PutOutcome::PreconditionFailed);
        }
        let modified = lock.next_time(SystemTime::now()).map_err(failed)?;
        new_object.file.set_modified(modified).and_then(|()| new_object.file.sync_all()).map_err(failed)?;
        let found = Found::of(&new_object.file.metadata().map_err(failed)?).map_err(failed)?;
        if found.modified_us != micros(modified).map_err(failed)? {
            return Err(PortError::refused(format!(
                "the file system of {} keeps no times of a microsecond; put the cold store on another",
                self.root.display()
            )));
        }
        if object.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        let folder = object.parent().unwrap_or(&self.root);
        make_dirs(folder).map_err(failed)?;
        // The metadata first: without its object it is litter that the next write or deletion of
        // the key takes away.
        match new_metadata {
            Some(new_metadata) => new_metadata.become_file(&metadata_path(&object)).map_err(failed)?,
            None => drop(remove(&metadata_path(&object)).map_err(failed)?),
        }
        new_object.become_file(&object).map_err(failed)?;
        sync_dir(folder).map_err(failed)?;
        Ok(PutOutcome::Written(found.tag()))
    }

    fn head(&self, key: &str) -> Result<Option<ObjectHead>> {
        let object = object_path(&self.root, key)?;
        let found = stat(&object).map_err(|error| classify(&error, "look at", &object))?;
        self.really(found.map(|found| found.head(key)))
    }

    fn get(&self, key: &str) -> Result<Option<(ObjectTag, Bytes)>> {
        let object = object_path(&self.root, key)?;
        let read = || -> io::Result<_> {
            let Some((mut file, found)) = open(&object)? else { return Ok(None) };
            let mut bytes = Vec::with_capacity(usize::try_from(found.size).unwrap_or(0));
            file.read_to_end(&mut bytes)?;
            Ok(Some((found.tag(), Bytes::from(bytes))))
        };
        self.really(read().map_err(|error| classify(&error, "read", &object))?)
    }

    fn get_range(&self, key: &str, tag: &ObjectTag, range: &Range<u64>) -> Result<Option<Bytes>> {
        let object = object_path(&self.root, key)?;
        let read = || -> io::Result<_> {
            let Some((mut file, found)) = open(&object)? else { return Ok(None) };
            if found.tag() != *tag || range.end > found.size || range.start > range.end {
                return Ok(None);
            }
            let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
            let mut bytes = vec![0; length];
            file.seek(SeekFrom::Start(range.start))?;
            file.read_exact(&mut bytes)?;
            Ok(Some(Bytes::from(bytes)))
        };
        self.really(read().map_err(|error| classify(&error, "read", &object))?)
    }

    fn delete(&self, key: &str) -> Result<()> {
        let object = self.writable(key)?;
        let delete = || -> io::Result<()> {
            let _lock = TreeLock::acquire(&self.root)?;
            self.clear_temporary(&temporary_prefix(key))?;
            // A folder of other keys is no object.
            let there = stat(&object)?.is_some() && remove(&object)?;
            let described = remove(&metadata_path(&object))?;
            if !(there || described) {
                return Ok(());
            }
            let mut folder = object.parent();
            while let Some(path) = folder.filter(|path| *path != self.root) {
                sync_dir(path)?;
                match fs::remove_dir(path) {
                    Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => return Ok(()),
                    removed => removed?,
                }
                folder = path.parent();
            }
            sync_dir(&self.root)
        };
        delete().map_err(|error| classify(&error, "delete", &object))
    }

    /// Says that something is absent only if the store itself is there.
    fn really<T>(&self, found: Option<T>) -> Result<Option<T>> {
        if found.is_none() {
            self.mounted()?;
        }
        Ok(found)
    }

    /// Whether this is the store and not, say, the empty folder that its disk is mounted on.
    fn mounted(&self) -> Result<()> {
        if self.root.join(LOCK_FILE).is_file() {
            return Ok(());
        }
        let root = self.root.display();
        Err(PortError::unavailable(format!("the cold store in {root} is gone; is its disk mounted?")))
    }

    fn writable(&self, key: &str) -> Result<PathBuf> {
        if self.read_only {
            let root = self.root.display();
            return Err(PortError::refused(format!("the cold store in {root} is open for reading only")));
        }
        object_path(&self.root, key)
    }

    /// Writes a temporary file, synced. Its lock says that its writer lives.
    fn temporary(&self, key: &str, body: &[&[u8]]) -> io::Result<Temporary> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{}-{number}", temporary_prefix(key), std::process::id());
        let path = self.root.join(TEMPORARY).join(name);
        let mut temporary = {
            // Under the tree's lock, so that nobody takes it for a dead one's before it is locked.
            let _lock = TreeLock::acquire(&self.root)?;
            make_dirs(&self.root.join(TEMPORARY))?;
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(&path)?;
            file.lock()?;
            Temporary { path: Some(path), file }
        };
        for piece in body {
            temporary.file.write_all(piece)?;
        }
        temporary.file.sync_all()?;
        Ok(temporary)
    }

    /// Removes temporary files whose writer is dead. The caller holds the tree's lock.
    fn clear_temporary(&self, prefix: &str) -> io::Result<()> {
        let folder = self.root.join(TEMPORARY);
        let entries = match fs::read_dir(&folder) {
            Err(error) if is_absent(&error) => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            if !entry.file_name().to_string_lossy().starts_with(prefix) {
                continue;
            }
            let Ok(file) = File::open(entry.path()) else { continue };
            if file.try_lock().is_ok() {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// A file that is not an object yet. Dropped, it is removed.
struct Temporary {
    path: Option<PathBuf>,
    file: File,
}

impl Temporary {
    fn become_file(mut self, target: &Path) -> io::Result<()> {
        if let Some(path) = &self.path {
            fs::rename(path, target)?;
        }
        self.path = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // Should this fail, the next open clears it.
            drop(fs::remove_file(path));
        }
    }
}

/// What the names of a key's temporary files begin with: no part of the key itself, which is long.
fn temporary_prefix(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    let short: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    short + "-"
}

/// What the file system says of an object.
#[derive(Clone, Copy)]
struct Found {
    modified_us: u64,
    size: u64,
}

impl Found {
    fn of(metadata: &fs::Metadata) -> io::Result<Self> {
        Ok(Self { modified_us: micros(metadata.modified()?)?, size: metadata.len() })
    }

    fn tag(self) -> ObjectTag {
        ObjectTag(format!("{:x}-{:x}", self.modified_us, self.size))
    }

    fn head(self, key: &str) -> ObjectHead {
        let modified_at_ms = self.modified_us / 1000;
        ObjectHead { key: key.to_owned(), tag: self.tag(), size: self.size, modified_at_ms }
    }
}

/// Whether a write may take place over what was found.
fn permits(precondition: &Precondition, found: Option<Found>) -> bool {
    match precondition {
        Precondition::Absent => found.is_none(),
        Precondition::Matches(tag) => found.is_some_and(|found| found.tag() == *tag),
    }
}

fn micros(time: SystemTime) -> io::Result<u64> {
    let since = time.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    u64::try_from(since.as_micros()).map_err(io::Error::other)
}

/// The object at a path; a folder is none.
fn stat(path: &Path) -> io::Result<Option<Found>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => Found::of(&metadata).map(Some),
        Ok(_) => Ok(None),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The object at a path, opened: its bytes and its tag belong together whatever happens next.
fn open(path: &Path) -> io::Result<Option<(File, Found)>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let found = Found::of(&metadata)?;
    Ok(Some((file, found)))
}
