//! The local log: an append-only file of records, the source when there is no Kafka.
//!
//! One partition (0) in `<dir>/log/`, cut into segments named by their first offset. One thread
//! writes: everything that is queued goes into one write and one `fdatasync`, and only then is it
//! answered. Readers see only what is durable. All numbers are little-endian.
//!
//! Segment `<base offset, 20 digits>.log`:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 8 | `rplylog\n` |
//! | 8 | 4 | format version, 1; a newer one is refused by name |
//! | 12 | 4 | salt, random |
//! | 16 | 8 | base offset, as in the name |
//! | 24 | 4 | CRC32C of the 24 bytes before (these 28 bytes keep their shape in every version) |
//! | 28 | … | frames |
//!
//! Frame:
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 4 | length of the body |
//! | 4 | 4 | CRC32C of salt, length, body |
//! | 8 | 8 | body: offset |
//! | 16 | 4 | how many bytes before this frame were not durable when it was written |
//! | 20 | 4 | CRC32C of salt, length and the two fields before |
//! | 24 | 8 | received at, Unix milliseconds |
//! | 32 | 1 | flags; bit 0: feeds back a letter |
//! | 33 | 2, n, 4, 8, 4 | if it does: length of the letter's topic, topic, partition, offset, attempts |
//! | … | … | payload, to the end of the body |
//!
//! **A bad end.** A segment is durable before the next one is begun, so only the last can be torn.
//! Open cuts it where the first write begins to be bad that was never answered, though later frames
//! of that same write may be whole: the disk may store pages in any order. The field at 16 tells
//! this from damage to what was answered, which is never cut: readers skip it up to the next whole
//! frame, log an error and count it. (Damage to the very last write looks like a torn one, unless the
//! committed offset says that it was read.) Offsets
//! are dense but for such gaps, and never used twice. The salt keeps a payload that imitates frames,
//! or a stale block of a deleted segment, from passing as a record behind damage.
//!
//! **A full disk.** The write that failed is undone and its callers told to come again.
//! **A failed sync** ends the process: the kernel may have dropped the pages, and say the next time
//! that all is well.

mod disk;
mod format;
mod reader;
mod recover;
mod retention;
mod scan;
mod segments;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use replay_ports::{PortError, Result};
use tokio::sync::oneshot;

use disk::{Directory, Disk};
use segments::Shared;
pub use settings::{LogSettings, OffsetStore, OnFatal, exit_on_fatal};
use writer::{Append, Request, Room, Writer};

/// Larger records would overflow the fields of a frame.
const MOST_RECORD_BYTES: u64 = 1 << 30;
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// Rises with every log that is opened in this process: results of one never pass for another's.
static EPOCHS: AtomicU32 = AtomicU32::new(0);

/// The log of one directory, which this process alone may change.
///
/// `append` needs no runtime and is the same for the service and for a command that runs without
/// one. Dropping it writes and answers what is queued, then frees the directory.
pub struct LocalLog {
    settings: LogSettings,
    shared: Arc<Shared>,
    committed: Arc<source::Committed>,
    reader: tokio::sync::Mutex<source::Reader>,
    is_paused: AtomicBool,
    epoch: u32,
    queue: Option<SyncSender<Request>>,
    queued_bytes: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
    _lock: Option<File>,
}

/// What a log holds, for metrics and the `status` command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// The first offset that is still there.
    pub first_offset: u64,
    /// One past the last durable record.
    pub end_offset: u64,
    /// The next offset to read after a restart.
    pub committed: u64,
    /// Files.
    pub segments: usize,
    /// Their size.
    pub bytes: u64,
    /// Damaged places met since open.
    pub gaps: u64,
    /// Records lost in them.
    pub lost_records: u64,
    /// Bytes cut from the end at open: writes that nobody was answered for.
    pub cut_bytes: u64,
}

impl LocalLog {
    /// Opens or creates the log in `<dir>/log`. Blocks: it scans the last segment.
    ///
    /// `Unavailable` if another process has it open, `Refused` if a segment is of a newer format.
    pub fn open(dir: &Path, settings: LogSettings, offsets: Arc<dyn OffsetStore>) -> Result<Self> {
        Self::open_with(dir, settings, offsets, exit_on_fatal())
    }

    /// [`LocalLog::open`] with another way to end the process after a failed sync.
    pub fn open_with(
        dir: &Path,
        settings: LogSettings,
        offsets: Arc<dyn OffsetStore>,
        on_fatal: OnFatal,
    ) -> Result<Self> {
        let path = dir.join("log");
        let cannot = |error: io::Error| {
            recover::port_error(format!("cannot open {}: {error}", path.display()), &error)
        };
        let directory = Directory::open(&path).map_err(cannot)?;
        let lock = directory.lock().map_err(|error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                return PortError::unavailable(format!("another process has {} open", path.display()));
            }
            cannot(error)
        })?;
        let mut log = Self::open_on(Arc::new(directory), settings, offsets, on_fatal)?;
        log._lock = Some(lock);
        Ok(log)
    }

    /// Opens the log on any disk.
    fn open_on(
        disk: Arc<dyn Disk>,
        settings: LogSettings,
        offsets: Arc<dyn OffsetStore>,
        on_fatal: OnFatal,
    ) -> Result<Self> {
        if settings.max_record_bytes > MOST_RECORD_BYTES || settings.batch_bytes > MOST_RECORD_BYTES {
            return Err(PortError::refused("the local log takes records and batches of at most 1 GiB"));
        }
        let committed = offsets.load()?;
        let writer = Writer::new(recover::recover(disk.as_ref(), committed)?, disk, settings.clone());
        let shared = writer.shared();
        let (queue, requests) = sync_channel(settings.queue_records.max(1));
        let thread = std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writer::run(writer, &requests, &on_fatal))
            .map_err(|error| PortError::unavailable(format!("cannot start the log's thread: {error}")))?;
        Ok(Self {
            settings,
            shared,
            committed: Arc::new(source::Committed::new(offsets, committed)),
            reader: tokio::sync::Mutex::new(source::Reader::at(committed)),
            is_paused: AtomicBool::new(false),
            epoch: EPOCHS.fetch_add(1, Relaxed) + 1,
            queue: Some(queue),
            queued_bytes: Arc::default(),
            thread: Some(thread),
            _lock: None,
        })
    }

    /// Closes the active segment and begins another, so that an idle one can age out. Answers
    /// `false` if it is empty and stays.
    pub async fn roll(&self) -> Result<bool> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Roll(reply))?;
        answer.await.map_err(|_| stopped())?
    }

    /// Deletes the segments, oldest first, that are wholly committed and whose newest record was
    /// received at least `retention_ms` ago. Never the active one. Answers with the bytes freed.
    pub async fn prune(&self, now_ms: u64, retention_ms: u64) -> Result<u64> {
        let (shared, committed) = (Arc::clone(&self.shared), self.committed.get());
        let prune = move || retention::prune(&shared, committed, now_ms, retention_ms);
        let pruned = tokio::task::spawn_blocking(prune).await;
        let pruned = pruned.unwrap_or_else(|error| Err(io::Error::other(error)));
        pruned
            .map_err(|error| recover::port_error(format!("cannot delete old log segments: {error}"), &error))
    }

    /// [`LocalLog::prune`], but an active segment that is due as well is closed first. To be called
    /// now and then: an idle log lets go of its last records too, and a busy one is not cut small.
    pub async fn age_out(&self, now_ms: u64, retention_ms: u64) -> Result<u64> {
        let is_due = {
            let segments = self.shared.segments();
            let newest_ms = segments.list.last().and_then(|active| active.newest_ms);
            let is_old = newest_ms.is_some_and(|newest| newest.saturating_add(retention_ms) <= now_ms);
            is_old && segments.end <= self.committed.get()
        };
        if is_due {
            self.roll().await?;
        }
        self.prune(now_ms, retention_ms).await
    }

    /// What it holds now.
    pub fn status(&self) -> LogStatus {
        let (segments, counters) = (self.shared.segments(), &self.shared.counters);
        LogStatus {
            first_offset: segments.list.first().map_or(segments.end, |first| first.base),
            end_offset: segments.end,
            committed: self.committed.get(),
            segments: segments.list.len(),
            bytes: segments.list.iter().map(|segment| segment.bytes).sum(),
            gaps: counters.gaps.load(Relaxed),
            lost_records: counters.lost_records.load(Relaxed),
            cut_bytes: counters.cut_bytes.load(Relaxed),
        }
    }

    /// Queues an append, or says at once that there is no room for it.
    fn submit(&self, entry: format::Entry) -> Result<oneshot::Receiver<Result<u64>>> {
        let payload_bytes = entry.payload.len() as u64;
        if payload_bytes > self.settings.max_record_bytes {
            let most = self.settings.max_record_bytes;
            return Err(PortError::rejected(format!(
                "a record of {payload_bytes} bytes; at most {most} are taken"
            )));
        }
        if entry.replay_of.as_ref().is_some_and(|of| of.letter.topic.len() > usize::from(u16::MAX)) {
            return Err(PortError::rejected("the letter's topic is longer than 65,535 bytes"));
        }
        let most = self.settings.queue_bytes;
        let room = Room::take(&self.queued_bytes, entry.frame_bytes(), most).ok_or_else(busy)?;
        let (reply, answer) = oneshot::channel();
        self.send(Request::Append(Append { entry, reply, room }))?;
        Ok(answer)
    }

    fn send(&self, request: Request) -> Result<()> {
        match self.queue.as_ref().map(|queue| queue.try_send(request)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(busy()),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(stopped()),
        }
    }
}

impl Drop for LocalLog {
    fn drop(&mut self) {
        // The thread serves what is queued, then ends: the directory is free only after that.
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn busy() -> PortError {
    PortError::Unavailable {
        what: "more appends are waiting for the disk than the log's queue holds".into(),
        retry_after: Some(BUSY_RETRY),
    }
}

fn stopped() -> PortError {
    PortError::refused("the log has stopped after a failed sync; restart the process")
}
