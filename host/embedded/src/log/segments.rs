//! The files of the log: opening them after whatever happened, rolling to a new one, letting go.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use replay_ports::{PortError, Result};

use super::LogSettings;
use super::disk::{Disk, DiskFile, read_full, write_all};
use super::reader::{holds_whole_frame, read_frames};

const MAGIC: [u8; 4] = *b"GSRL";
const FORMAT_VERSION: u32 = 1;

/// Bytes before the first record.
pub(super) const HEADER_BYTES: u64 = 16;

/// One file.
pub(super) struct Segment {
    pub(super) base_offset: u64,
    pub(super) path: PathBuf,
    pub(super) file: Box<dyn DiskFile>,
    /// Bytes that are on the disk for sure.
    pub(super) durable_len: AtomicU64,
}

/// The segment that is written to.
pub(super) struct Active {
    pub(super) segment: Arc<Segment>,
    pub(super) len: u64,
    pub(super) next_offset: u64,
}

pub(super) struct Segments {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    pub(super) settings: LogSettings,
    /// Ascending; the last is the active one.
    list: Mutex<Vec<Arc<Segment>>>,
}

impl Segments {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: PathBuf, settings: LogSettings) -> Self {
        Self { disk, dir, settings, list: Mutex::default() }
    }

    /// Opens every segment and cuts the torn end of the last. `committed`: no offset below it may be
    /// given again, also when the log's files are gone.
    pub(super) fn open(&self, committed: u64) -> Result<Active> {
        let failed = |error: io::Error| classify(&error, "open the log in", &self.dir);
        self.disk.make_dir(&self.dir).map_err(failed)?;
        let mut bases: Vec<u64> =
            self.disk.list(&self.dir).map_err(failed)?.iter().filter_map(|name| base_of(name)).collect();
        bases.sort_unstable();
        let mut segments = Vec::new();
        for (position, base_offset) in bases.iter().enumerate() {
            let is_last = position + 1 == bases.len();
            segments.extend(self.open_segment(*base_offset, is_last)?.map(Arc::new));
        }
        let active = match segments.last() {
            Some(last) => Some(self.cut_torn_end(last).map_err(failed)?),
            None => None,
        };
        self.with_list(|list| *list = segments);
        match active {
            Some(active) if active.next_offset >= committed => Ok(active),
            Some(active) => {
                let (end, committed) = (active.next_offset, committed);
                tracing::error!(end, committed, "the log ends before the committed offset: files were lost");
                self.create(committed)
            }
            None => self.create(committed),
        }
    }

    /// Starts a new segment, durably, and makes it the last.
    pub(super) fn create(&self, base_offset: u64) -> Result<Active> {
        let path = self.path_of(base_offset);
        let made = self.create_file(base_offset, &path);
        let file = made.map_err(|error| {
            // A segment without its header would be taken for a torn one.
            let _ = self.disk.remove(&path);
            classify(&error, "start a log segment at", &path)
        })?;
        let segment = Segment { base_offset, path, file, durable_len: AtomicU64::new(HEADER_BYTES) };
        let segment = Arc::new(segment);
        self.with_list(|list| list.push(Arc::clone(&segment)));
        Ok(Active { segment, len: HEADER_BYTES, next_offset: base_offset })
    }

    fn create_file(&self, base_offset: u64, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut header = Vec::with_capacity(HEADER_BYTES as usize);
        header.extend(MAGIC);
        header.extend(FORMAT_VERSION.to_le_bytes());
        header.extend(base_offset.to_le_bytes());
        let file = self.disk.create(path)?;
        write_all(&*file, &header, 0)?;
        file.sync_data()?;
        self.disk.sync_dir(&self.dir)?;
        Ok(file)
    }

    /// The segment that holds this offset, if it is still here.
    pub(super) fn holding(&self, offset: u64) -> Option<Arc<Segment>> {
        self.with_list(|list| list.iter().rfind(|segment| segment.base_offset <= offset).cloned())
    }

    /// The segment after this one.
    pub(super) fn after(&self, base_offset: u64) -> Option<Arc<Segment>> {
        self.with_list(|list| list.iter().find(|segment| segment.base_offset > base_offset).cloned())
    }

    /// Removes segments that are wholly committed and were last written before `before_ms` (Unix
    /// milliseconds), never the active one; returns their bytes.
    pub(super) fn prune(&self, committed: u64, before_ms: u64) -> io::Result<u64> {
        let gone: Vec<Arc<Segment>> = self.with_list(|list| {
            let is_over = |pair: &[Arc<Segment>]| {
                let old = pair[0].file.modified_ms().is_ok_and(|modified_ms| modified_ms < before_ms);
                pair[1].base_offset <= committed && old
            };
            let count = list.windows(2).take_while(|pair| is_over(pair)).count();
            list.drain(..count).collect()
        });
        let mut bytes = 0;
        for segment in &gone {
            self.disk.remove(&segment.path)?;
            bytes += segment.durable_len.load(Ordering::Acquire);
        }
        if !gone.is_empty() {
            self.disk.sync_dir(&self.dir)?;
        }
        Ok(bytes)
    }

    /// Whether the active segment holds records, all of them committed, and is as old as that.
    pub(super) fn active_is_over(&self, committed: u64, durable_next: u64, before_ms: u64) -> bool {
        self.with_list(|list| {
            list.last().is_some_and(|active| {
                active.base_offset < durable_next
                    && durable_next <= committed
                    && active.file.modified_ms().is_ok_and(|modified_ms| modified_ms < before_ms)
            })
        })
    }

    fn open_segment(&self, base_offset: u64, is_last: bool) -> Result<Option<Segment>> {
        let path = self.path_of(base_offset);
        let failed = |error: io::Error| classify(&error, "open the log segment", &path);
        let file = self.disk.open(&path).map_err(failed)?;
        let mut header = [0; HEADER_BYTES as usize];
        let read = read_full(&*file, &mut header, 0).map_err(failed)?;
        let (magic, rest) = header.split_at(4);
        let (version, base) = rest.split_at(4);
        if read < header.len() || (magic == [0; 4] && is_last) {
            if !is_last {
                return Err(PortError::refused(format!("{} is cut off; restore it", path.display())));
            }
            // Its making was interrupted; nothing can have been written to it.
            self.disk.remove(&path).map_err(failed)?;
            return Ok(None);
        }
        let version = u32::from_le_bytes(version.try_into().unwrap_or_default());
        if magic != MAGIC || base != base_offset.to_le_bytes() {
            return Err(PortError::refused(format!("{} is not a segment of this log", path.display())));
        }
        if version > FORMAT_VERSION {
            return Err(PortError::refused(format!(
                "{}: log format {version} is newer than this build's {FORMAT_VERSION}; use the build that wrote it",
                path.display()
            )));
        }
        let durable_len = AtomicU64::new(file.len().map_err(failed)?);
        Ok(Some(Segment { base_offset, path, file, durable_len }))
    }

    /// Finds the end of the last segment's whole records. What is behind was never answered, unless
    /// the disk damaged it: then it is kept beside the log for a person to look at.
    fn cut_torn_end(&self, last: &Arc<Segment>) -> io::Result<Active> {
        let file_len = last.file.len()?;
        let (mut position, mut next_offset) = (HEADER_BYTES, last.base_offset);
        loop {
            let found = read_frames(last, position, file_len, &self.settings)?;
            next_offset += found.records.len() as u64;
            position = found.end;
            if found.damaged || found.records.is_empty() {
                break;
            }
        }
        if position < file_len {
            self.keep_if_valid(last, position, file_len)?;
            tracing::warn!(
                segment = %last.path.display(),
                bytes = file_len - position,
                next_offset,
                "the log's torn end was cut; nobody had been told that it was there"
            );
            last.file.truncate(position)?;
        }
        // What survived a crash in the page cache alone must not be committed before it is durable.
        last.file.sync_data()?;
        last.durable_len.store(position, Ordering::Release);
        Ok(Active { segment: Arc::clone(last), len: position, next_offset })
    }

    /// Whole records behind damage were answered once. They cannot be read in place (their offsets
    /// are unknown), so they are kept aside.
    fn keep_if_valid(&self, last: &Segment, position: u64, file_len: u64) -> io::Result<()> {
        let mut tail = vec![0; usize::try_from(file_len - position).unwrap_or(usize::MAX)];
        let read = read_full(&*last.file, &mut tail, position)?;
        tail.truncate(read);
        if !holds_whole_frame(&tail[1.min(read)..]) {
            return Ok(());
        }
        let path = last.path.with_extension(format!("damaged-{position}"));
        tracing::error!(
            kept = %path.display(),
            bytes = read,
            "the log is damaged in its middle: what is behind the damage is kept aside; check the disk"
        );
        let _ = self.disk.remove(&path);
        let aside = self.disk.create(&path)?;
        write_all(&*aside, &tail, 0)?;
        aside.sync_data()?;
        self.disk.sync_dir(&self.dir)
    }

    fn path_of(&self, base_offset: u64) -> PathBuf {
        self.dir.join(format!("{base_offset:020}.log"))
    }

    fn with_list<T>(&self, work: impl FnOnce(&mut Vec<Arc<Segment>>) -> T) -> T {
        work(&mut self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn base_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 20)?;
    digits.parse().ok()
}

/// What an error of the disk means, with what to do about it.
pub(super) fn classify(error: &io::Error, doing: &str, path: &Path) -> PortError {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::WriteZero => {
            PortError::unavailable(format!("cannot {doing} {path}: the disk is full; make room"))
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => PortError::refused(format!(
            "cannot {doing} {path}: {error}; the service's user must be able to write there"
        )),
        _ => PortError::unavailable(format!("cannot {doing} {path}: {error}")),
    }
}
