//! Reading records back, a bounded number of bytes at a time.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::LogSettings;
use super::disk::read_full;
use super::frame::{self, HEAD_BYTES, LogRecord, MAX_OVERHEAD_BYTES};
use super::segments::{HEADER_BYTES, Segment, Segments};

/// Where delivery stands.
pub(super) struct Reader {
    /// Whether the assignment was announced.
    pub(super) assigned: bool,
    /// Read ahead, not delivered yet.
    pub(super) waiting: VecDeque<(u64, LogRecord)>,
    pub(super) cursor: Cursor,
}

impl Reader {
    pub(super) fn new(next_offset: u64) -> Self {
        let cursor = Cursor { next_offset, place: None };
        Self { assigned: false, waiting: VecDeque::new(), cursor }
    }
}

/// Where the next record lies.
#[derive(Clone)]
pub(super) struct Cursor {
    pub(super) next_offset: u64,
    /// `None` until it was looked up.
    place: Option<(Arc<Segment>, u64)>,
}

/// Records with their offsets.
pub(super) type Batch = Vec<(u64, LogRecord)>;

/// Reads on from the cursor, below `durable_next`; returns the records and the cursor behind them. No
/// records: there are none, or damage was skipped and it is worth calling again.
pub(super) fn read_on(segments: &Segments, cursor: Cursor, durable_next: u64) -> io::Result<(Batch, Cursor)> {
    let Cursor { next_offset, place } = cursor;
    if next_offset >= durable_next {
        return Ok((Vec::new(), Cursor { next_offset, place }));
    }
    let Some((segment, position)) = (match place {
        Some(place) => Some(place),
        None => locate(segments, next_offset)?,
    }) else {
        // The segment was removed before it was read: cannot be, it was not committed.
        let next = segments.after(next_offset);
        let next_offset = next.map_or(durable_next, |segment| segment.base_offset);
        return Ok((Vec::new(), Cursor { next_offset, place: None }));
    };
    let end = segment.durable_len.load(Ordering::Acquire);
    let found = read_frames(&segment, position, end, &segments.settings)?;
    let count = found.records.len() as u64;
    let batch: Batch = (next_offset..).zip(found.records).collect();
    if count > 0 {
        let cursor = Cursor { next_offset: next_offset + count, place: Some((segment, found.end)) };
        return Ok((batch, cursor));
    }
    match segments.after(segment.base_offset) {
        Some(next) => {
            if found.damaged || next.base_offset > next_offset {
                tracing::error!(
                    segment = %segment.path.display(),
                    position = found.end,
                    from_offset = next_offset,
                    to_offset = next.base_offset,
                    "the log is damaged: these records cannot be read and are skipped; check the disk"
                );
            }
            let next_offset = next.base_offset;
            Ok((Vec::new(), Cursor { next_offset, place: Some((next, HEADER_BYTES)) }))
        }
        None => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} is damaged at byte {}", segment.path.display(), found.end),
        )),
    }
}

/// One record by its offset.
pub(super) fn read_one(segments: &Segments, offset: u64) -> io::Result<Option<LogRecord>> {
    let Some((segment, position)) = locate(segments, offset)? else { return Ok(None) };
    let end = segment.durable_len.load(Ordering::Acquire);
    let found = read_frames(&segment, position, end, &segments.settings)?;
    Ok(found.records.into_iter().next())
}

/// Steps over frames by their heads until the offset's.
fn locate(segments: &Segments, offset: u64) -> io::Result<Option<(Arc<Segment>, u64)>> {
    let Some(segment) = segments.holding(offset) else { return Ok(None) };
    let end = segment.durable_len.load(Ordering::Acquire);
    let mut position = HEADER_BYTES;
    for _ in segment.base_offset..offset {
        let mut head = [0; HEAD_BYTES];
        if position >= end || read_full(&*segment.file, &mut head, position)? < HEAD_BYTES {
            return Ok(None);
        }
        position += (HEAD_BYTES + frame::body_len(head)) as u64;
    }
    Ok((position < end).then_some((segment, position)))
}

/// Whole records from a position on.
pub(super) struct Found {
    pub(super) records: Vec<LogRecord>,
    /// Behind the last whole record.
    pub(super) end: u64,
    /// What follows `end` is not a whole record, though the segment does not end there.
    pub(super) damaged: bool,
}

/// Reads about `read_ahead_bytes`, or one longer record.
pub(super) fn read_frames(
    segment: &Segment,
    position: u64,
    end: u64,
    settings: &LogSettings,
) -> io::Result<Found> {
    let available = usize::try_from(end.saturating_sub(position)).unwrap_or(usize::MAX);
    let mut wanted = available.min(settings.read_ahead_bytes.max(HEAD_BYTES));
    loop {
        let mut bytes = vec![0; wanted];
        let read = read_full(&*segment.file, &mut bytes, position)?;
        bytes.truncate(read);
        let bytes = Bytes::from(bytes);
        let (records, used, needed) = split(&bytes);
        let end = position + used as u64;
        match needed {
            // The first record is longer than a batch: take exactly that one.
            Some(needed)
                if records.is_empty()
                    && needed > read
                    && needed <= available
                    && needed <= settings.max_record_bytes + MAX_OVERHEAD_BYTES =>
            {
                wanted = needed;
            }
            Some(needed) if needed <= available - used => {
                // Cut by the batch, or damaged.
                let damaged = needed <= read - used;
                return Ok(Found { records, end, damaged });
            }
            Some(_) => return Ok(Found { records, end, damaged: true }),
            None => return Ok(Found { records, end, damaged: used < read && read == available }),
        }
    }
}

/// Whether a whole record begins at any byte.
pub(super) fn holds_whole_frame(bytes: &[u8]) -> bool {
    let starts_frame = |start: usize| {
        let Some((head, rest)) = bytes[start..].split_first_chunk::<HEAD_BYTES>() else { return false };
        let length = frame::body_len(*head);
        // Nine bytes are the least that a body has; zeros are what an unwritten block reads as.
        (9..=rest.len()).contains(&length)
            && frame::decode(*head, &Bytes::copy_from_slice(&rest[..length])).is_some()
    };
    (0..bytes.len()).any(starts_frame)
}

/// The whole records at the start of `bytes`, the bytes they take, and what the next one would take
/// (`None`: not even its head is here).
fn split(bytes: &Bytes) -> (Vec<LogRecord>, usize, Option<usize>) {
    let (mut records, mut used) = (Vec::new(), 0);
    loop {
        let Some(head) = bytes[used..].first_chunk::<HEAD_BYTES>() else { return (records, used, None) };
        let needed = HEAD_BYTES + frame::body_len(*head);
        if needed > bytes.len() - used {
            return (records, used, Some(needed));
        }
        match frame::decode(*head, &bytes.slice(used + HEAD_BYTES..used + needed)) {
            Some(record) => records.push(record),
            None => return (records, used, Some(needed)),
        }
        used += needed;
    }
}
