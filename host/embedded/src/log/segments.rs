//! What is known of the segments: which there are, how much of each is durable, where to look.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::disk::Disk;
use super::format::HEADER_BYTES;

/// At most one remembered position in so many bytes.
const INDEX_EVERY_BYTES: u64 = 1 << 20;

/// One file of the log.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    /// The first offset it may hold; its name.
    pub(crate) base: u64,
    /// Of its header; `None` when the header is damaged, and nothing in it can be read.
    pub(crate) salt: Option<u32>,
    /// Durable bytes. Nobody reads beyond.
    pub(crate) bytes: u64,
    /// The newest receipt in it, once that is known: never for a segment of an earlier run that
    /// nobody has scanned yet.
    pub(crate) newest_ms: Option<u64>,
    /// `(offset, position)` of some frames, rising.
    index: Vec<(u64, u64)>,
}

impl Segment {
    /// A segment of which only the header is known.
    pub(crate) fn new(base: u64, salt: Option<u32>, bytes: u64) -> Self {
        Self { base, salt, bytes, newest_ms: None, index: Vec::new() }
    }

    /// Remembers where a frame lies, if no neighbour is remembered.
    pub(crate) fn note(&mut self, offset: u64, position: u64) {
        let last = self.index.last().map_or(HEADER_BYTES, |&(_, position)| position);
        if position >= last + INDEX_EVERY_BYTES {
            self.index.push((offset, position));
        }
    }

    /// Forgets what was cut off.
    pub(crate) fn forget_from(&mut self, position: u64) {
        self.index.retain(|&(_, known)| known < position);
        self.bytes = position;
    }

    /// The nearest remembered frame at or before `offset`.
    pub(crate) fn place_before(&self, offset: u64) -> (u64, u64) {
        let after = self.index.partition_point(|&(known, _)| known <= offset);
        after.checked_sub(1).map_or((self.base, HEADER_BYTES), |at| self.index[at])
    }
}

/// The name of the segment that begins at `base`.
pub(crate) fn file_name(base: u64) -> String {
    format!("{base:020}.log")
}

/// The base of a segment's name, or `None` for any other file.
pub(crate) fn parse_file_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 20)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// All segments in order; the last is the one that is written.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    /// Rising by base, never empty after open.
    pub(crate) list: Vec<Segment>,
    /// One past the last durable record.
    pub(crate) end: u64,
}

impl Segments {
    /// The segment in which `offset` lies or, if it was deleted, the next one; with the base of the
    /// one behind it. `None` for an offset that nothing has yet.
    pub(crate) fn covering(&self, offset: u64) -> Option<(&Segment, Option<u64>)> {
        let after = self.list.partition_point(|segment| segment.base <= offset);
        let at = after.saturating_sub(1);
        Some((self.list.get(at)?, self.list.get(at + 1).map(|next| next.base)))
    }

    /// The segment of this base, if it is still there.
    pub(crate) fn get_mut(&mut self, base: u64) -> Option<&mut Segment> {
        let at = self.list.binary_search_by_key(&base, |segment| segment.base).ok()?;
        self.list.get_mut(at)
    }
}

/// What was lost or cut since the log was opened.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Damaged places that were skipped.
    pub(crate) gaps: AtomicU64,
    /// Offsets in them.
    pub(crate) lost_records: AtomicU64,
    /// Bytes of writes that nobody was answered for, cut at open.
    pub(crate) cut_bytes: AtomicU64,
}

/// What the writer, the readers and retention share.
pub(crate) struct Shared {
    /// Where the files are.
    pub(crate) disk: Arc<dyn Disk>,
    /// Rung after every durable append, and on resume.
    pub(crate) wake: Notify,
    /// See there.
    pub(crate) counters: Counters,
    segments: Mutex<Segments>,
}

impl Shared {
    /// With what was found at open.
    pub(crate) fn new(disk: Arc<dyn Disk>, segments: Segments, counters: Counters) -> Self {
        Self { disk, wake: Notify::new(), counters, segments: Mutex::new(segments) }
    }

    /// The segments. Held for moments, never across I/O.
    pub(crate) fn segments(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says loudly that records between `from` and `to` are gone.
    pub(crate) fn report_gap(&self, base: u64, from: u64, to: u64) {
        let lost = to.saturating_sub(from);
        self.counters.gaps.fetch_add(1, Relaxed);
        self.counters.lost_records.fetch_add(lost, Relaxed);
        tracing::error!(
            segment = file_name(base),
            from_offset = from,
            to_offset = to,
            lost,
            "the local log is damaged here: these records cannot be read and are skipped"
        );
    }
}
