//! The local log: an append-only, segmented, crash-safe source with one partition.
//!
//! An append is answered once it is on the disk; appends that queue up share one `fdatasync`. What a
//! crash leaves half written at the end is cut at the next open: nobody was told that it is there. A
//! failed `fdatasync` ends the process, because the kernel may have dropped what it could not write.
//! A full disk refuses the append, rolls its part back, and the log goes on when there is room.
//!
//! Segments are files named by their first offset (`00000000000000000042.log`). One starts with
//!
//! | bytes | what, little-endian |
//! |---|---|
//! | 4 | magic `GSRL` |
//! | 4 | format version, 1 |
//! | 8 | offset of its first record |
//!
//! and goes on with records, one offset each ([`frame`]). Damage in the middle of an older segment is
//! the disk's doing: what follows it in that segment is skipped, loudly and counted.

mod disk;
mod frame;
mod reader;
mod segments;
mod source;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use replay_ports::Result;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use disk::{Disk, RealDisk};
use reader::Reader;
use segments::Segments;
use writer::{Request, Writer};

/// Bounds of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A segment that has reached this size is followed by a new one. Default 64 MiB.
    pub segment_bytes: u64,
    /// Longer records are refused. Default 64 MiB.
    pub max_record_bytes: usize,
    /// Appends that may wait for the writer before callers do. Default 1024.
    pub queue_records: usize,
    /// Bytes of them; a longer record waits alone. Default 128 MiB.
    pub queue_bytes: usize,
    /// Bytes that share one flush; a longer record goes alone. Default 8 MiB.
    pub batch_bytes: usize,
    /// Bytes read ahead of delivery; a longer record comes alone. Default 4 MiB.
    pub read_ahead_bytes: usize,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            max_record_bytes: 64 << 20,
            queue_records: 1024,
            queue_bytes: 128 << 20,
            batch_bytes: 8 << 20,
            read_ahead_bytes: 4 << 20,
        }
    }
}

/// Where the committed offset is kept: beside the rows, so that it is never there before them.
pub trait OffsetStore: Send + Sync {
    /// The offset to go on from, 0 at first. Blocks.
    fn load(&self) -> Result<u64>;
    /// Makes the offset durable, after every row written before. Blocks.
    fn save(&self, next_offset: u64) -> Result<()>;
}

impl OffsetStore for crate::sqlite::SqliteOffsets {
    fn load(&self) -> Result<u64> {
        Self::load(self)
    }

    fn save(&self, next_offset: u64) -> Result<()> {
        Self::save(self, next_offset)
    }
}

/// What to do when the disk says that written data may be lost. Never returns in the service.
type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// The log, open for appending and reading. Cheap to share; the last handle ends the writer thread.
pub struct LocalLog {
    settings: LogSettings,
    epoch: u32,
    segments: Arc<Segments>,
    requests: mpsc::Sender<Request>,
    /// Room in the queue, in KiB.
    queue_room: Arc<Semaphore>,
    queue_kib: u32,
    /// One past the last durable offset.
    durable: watch::Receiver<u64>,
    offsets: Arc<dyn OffsetStore>,
    committed: AtomicU64,
    paused: AtomicBool,
    /// Told when `paused` changes.
    resumed: Notify,
    reader: tokio::sync::Mutex<Reader>,
}

impl LocalLog {
    /// Opens the log in `dir`, made if it is not there, and cuts a torn end. Blocks.
    pub fn open(dir: &Path, settings: &LogSettings, offsets: Arc<dyn OffsetStore>) -> Result<Self> {
        let on_fatal: OnFatal = Arc::new(|why| {
            tracing::error!(
                why,
                "the log's disk may have lost written data; ending at once, records are kept"
            );
            std::process::exit(1);
        });
        Self::open_on(Arc::new(RealDisk), dir.to_owned(), settings, offsets, on_fatal)
    }

    fn open_on(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        settings: &LogSettings,
        offsets: Arc<dyn OffsetStore>,
        on_fatal: OnFatal,
    ) -> Result<Self> {
        let committed = offsets.load()?;
        let segments = Arc::new(Segments::new(disk, dir, settings.clone()));
        let active = segments.open(committed)?;
        let (durable_sender, durable) = watch::channel(active.next_offset);
        let (requests, queue) = mpsc::channel(settings.queue_records.max(1));
        let queue_kib = u32::try_from(settings.queue_bytes >> 10).unwrap_or(u32::MAX).max(1);
        Writer::spawn(Arc::clone(&segments), active, queue, durable_sender, on_fatal)?;
        let unix_s = std::time::UNIX_EPOCH.elapsed().map_or(1, |elapsed| elapsed.as_secs());
        Ok(Self {
            settings: settings.clone(),
            // Rises with every opening, as an assignment's does.
            epoch: u32::try_from(unix_s).unwrap_or(u32::MAX),
            reader: tokio::sync::Mutex::new(Reader::new(committed)),
            segments,
            requests,
            queue_room: Arc::new(Semaphore::new(queue_kib as usize)),
            queue_kib,
            durable,
            offsets,
            committed: AtomicU64::new(committed),
            paused: AtomicBool::new(false),
            resumed: Notify::new(),
        })
    }
}
