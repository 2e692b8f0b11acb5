//! The one thread that writes: takes what is queued, writes it, syncs once, then answers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::AcqRel};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use replay_ports::{PortError, Result};
use tokio::sync::oneshot;

use super::disk::{Disk, write_full};
use super::format::{Entry, HEADER_BYTES};
use super::recover::{Active, CreateError, Recovered, create_segment};
use super::segments::{Segment, Shared, file_name};
use super::settings::{LogSettings, OnFatal};

const DISK_FULL_RETRY: Duration = Duration::from_secs(5);

/// What the thread is asked.
pub(crate) enum Request {
    /// Write this and answer with its offset.
    Append(Append),
    /// Close the segment and begin another; answers whether there was anything in it.
    Roll(oneshot::Sender<Result<bool>>),
}

/// A record that waits for its offset.
pub(crate) struct Append {
    pub(crate) entry: Entry,
    pub(crate) reply: oneshot::Sender<Result<u64>>,
    pub(crate) room: Room,
}

impl Append {
    fn answer(self, result: Result<u64>) {
        // First the room: whoever is answered may append at once.
        drop((self.entry, self.room));
        // Nobody may be waiting any more.
        drop(self.reply.send(result));
    }
}

/// Bytes of the queue that an append takes; given back when dropped.
pub(crate) struct Room {
    queued_bytes: Arc<AtomicU64>,
    bytes: u64,
}

impl Room {
    /// `None` if others wait and there is not so much room.
    pub(crate) fn take(queued_bytes: &Arc<AtomicU64>, bytes: u64, most: u64) -> Option<Self> {
        let queued = queued_bytes.fetch_add(bytes, AcqRel);
        let room = Self { queued_bytes: Arc::clone(queued_bytes), bytes };
        (queued == 0 || queued + bytes <= most).then_some(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.queued_bytes.fetch_sub(self.bytes, AcqRel);
    }
}

/// The log cannot know any more what is durable. Nobody who waits may be answered.
#[derive(Debug)]
pub(crate) struct Fatal(pub(crate) String);

type Outcome<T> = std::result::Result<T, Fatal>;

/// Serves requests until all senders are gone or the disk fails.
pub(crate) fn run(mut writer: Writer, requests: &Receiver<Request>, on_fatal: &OnFatal) {
    while let Ok(first) = requests.recv() {
        if let Err(Fatal(what)) = serve(&mut writer, first, requests) {
            tracing::error!("{what}; the process ends, because nobody can say what is stored");
            on_fatal(&what);
            return;
        }
    }
}

/// One round: the first request and, up to a bound, everything else that is queued.
fn serve(writer: &mut Writer, first: Request, requests: &Receiver<Request>) -> Outcome<()> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    let mut request = Some(first);
    let mut roll = None;
    while let Some(next) = request {
        match next {
            Request::Append(append) => {
                bytes += append.entry.frame_bytes();
                batch.push(append);
            }
            Request::Roll(reply) => roll = Some(reply),
        }
        let full = roll.is_some() || bytes >= writer.settings.batch_bytes;
        request = if full { None } else { requests.try_recv().ok() };
    }
    writer.write(batch)?;
    if let Some(reply) = roll {
        let rolled = writer.roll_if_used()?;
        drop(reply.send(rolled));
    }
    Ok(())
}

/// The active segment and what is durable of it.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    settings: LogSettings,
    active: Active,
    base: u64,
    durable_bytes: u64,
    next_offset: u64,
    /// The last write failed and was undone.
    is_refusing: bool,
    /// Frames that are not written yet, and who waits for them.
    buffer: Vec<u8>,
    waiting: Vec<Append>,
}

impl Writer {
    /// Goes on where recovery ended.
    pub(crate) fn new(recovered: Recovered, disk: Arc<dyn Disk>, settings: LogSettings) -> Self {
        let Recovered { segments, active, counters } = recovered;
        let (base, durable_bytes) = segments.list.last().map_or((0, 0), |last| (last.base, last.bytes));
        let next_offset = segments.end;
        Self {
            shared: Arc::new(Shared::new(disk, segments, counters)),
            settings,
            active,
            base,
            durable_bytes,
            next_offset,
            is_refusing: false,
            buffer: Vec::new(),
            waiting: Vec::new(),
        }
    }

    /// What readers and retention see.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Writes a batch; each is answered when it is durable, or cannot be.
    pub(crate) fn write(&mut self, batch: Vec<Append>) -> Outcome<()> {
        for append in batch {
            let frame_bytes = append.entry.frame_bytes();
            if self.is_full_for(frame_bytes) {
                self.flush()?;
            }
            // Also after a failed flush, which made room again.
            if self.is_full_for(frame_bytes)
                && let Err(error) = self.roll()?
            {
                append.answer(Err(error));
                continue;
            }
            let (offset, since_sync) =
                (self.next_offset + self.waiting.len() as u64, self.buffer.len() as u32);
            append.entry.encode(self.active.salt, offset, since_sync, &mut self.buffer);
            self.waiting.push(append);
        }
        self.flush()
    }

    /// Begins a new segment unless the active one is empty. Answers whether it did.
    pub(crate) fn roll_if_used(&mut self) -> Outcome<Result<bool>> {
        if self.durable_bytes == HEADER_BYTES {
            return Ok(Ok(false));
        }
        Ok(self.roll()?.map(|()| true))
    }

    /// A segment takes at least one record, however large.
    fn is_full_for(&self, frame_bytes: u64) -> bool {
        let used = self.durable_bytes + self.buffer.len() as u64;
        used > HEADER_BYTES && used + frame_bytes > self.settings.segment_bytes
    }

    /// Writes, syncs, shows and answers what is in the buffer.
    fn flush(&mut self) -> Outcome<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if let Err(error) = write_full(self.active.file.as_ref(), self.durable_bytes, &self.buffer) {
            return self.roll_back(&error);
        }
        if let Err(error) = self.active.file.sync_data() {
            // Some kernels forget the pages of a failed sync and let the next one succeed. What was
            // not answered must not look stored to the process that comes after this one.
            drop(self.active.file.truncate(self.durable_bytes));
            return Err(self.fatal("sync", &error));
        }
        if std::mem::take(&mut self.is_refusing) {
            tracing::info!("the log takes appends again");
        }
        self.publish();
        let first = self.next_offset - self.waiting.len() as u64;
        for (offset, append) in (first..).zip(self.waiting.drain(..)) {
            append.answer(Ok(offset));
        }
        self.forget_buffer();
        Ok(())
    }

    /// Undoes a partial write, so that the log can go on when there is room.
    fn roll_back(&mut self, cause: &io::Error) -> Outcome<()> {
        let undone =
            self.active.file.truncate(self.durable_bytes).and_then(|()| self.active.file.sync_data());
        undone.map_err(|error| self.fatal("roll back a failed write to", &error))?;
        let error = refusal("write to", self.base, cause);
        if !std::mem::replace(&mut self.is_refusing, true) {
            tracing::warn!("{error}; appends are refused until it works again");
        }
        for append in self.waiting.drain(..) {
            append.answer(Err(error.clone()));
        }
        self.forget_buffer();
        Ok(())
    }

    /// Lets readers see what is durable now.
    fn publish(&mut self) {
        let mut segments = self.shared.segments();
        if let Some(active) = segments.list.last_mut() {
            let mut position = self.durable_bytes;
            for (offset, append) in (self.next_offset..).zip(&self.waiting) {
                active.note(offset, position);
                active.newest_ms = active.newest_ms.max(Some(append.entry.received_at_ms));
                position += append.entry.frame_bytes();
            }
            active.bytes = position;
        }
        self.durable_bytes += self.buffer.len() as u64;
        self.next_offset += self.waiting.len() as u64;
        segments.end = self.next_offset;
        drop(segments);
        self.shared.wake.notify_waiters();
    }

    /// Begins a new segment. The inner error leaves the log as it was.
    fn roll(&mut self) -> Outcome<Result<()>> {
        match create_segment(self.shared.disk.as_ref(), self.next_offset) {
            Ok(active) => {
                self.shared.segments().list.push(Segment::new(
                    self.next_offset,
                    Some(active.salt),
                    HEADER_BYTES,
                ));
                self.active = active;
                (self.base, self.durable_bytes) = (self.next_offset, HEADER_BYTES);
                Ok(Ok(()))
            }
            Err(CreateError::Write(error)) => Ok(Err(refusal("create", self.next_offset, &error))),
            Err(CreateError::Sync(error)) => Err(self.fatal("sync a new segment after", &error)),
        }
    }

    fn forget_buffer(&mut self) {
        self.buffer.clear();
        self.buffer.shrink_to(2 * self.settings.batch_bytes as usize);
    }

    fn fatal(&self, verb: &str, error: &io::Error) -> Fatal {
        Fatal(format!("cannot {verb} log segment {}: {error}", file_name(self.base)))
    }
}

/// A write that did not happen and may work later.
fn refusal(verb: &str, base: u64, error: &io::Error) -> PortError {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let reason = if full { "disk full: " } else { "" };
    PortError::Unavailable {
        what: format!("{reason}cannot {verb} log segment {}: {error}", file_name(base)),
        retry_after: Some(DISK_FULL_RETRY),
    }
}
