//! Reading: the next records in order, and one record by its offset.

use std::io;

use replay_ports::SourceRecord;

use super::format;
use super::scan::{Found, Scanner};
use super::segments::{Shared, file_name};

/// Where reading goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The next offset to deliver.
    pub(crate) next: u64,
    /// Segment and position of the frame to look at next; `None`: look it up.
    place: Option<(u64, Place)>,
}

/// The offset and position of a frame.
type Place = (u64, u64);

impl Cursor {
    /// Begins at an offset.
    pub(crate) fn at(next: u64) -> Self {
        Self { next, place: None }
    }
}

/// Some records, and where to go on.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) records: Vec<SourceRecord>,
    pub(crate) cursor: Cursor,
}

/// A segment as it was at one moment; its durable bytes do not change any more.
struct View {
    base: u64,
    salt: Option<u32>,
    bytes: u64,
    /// One past the last offset in it.
    limit: u64,
    is_active: bool,
    start: Place,
}

/// Reads the next records: about `window` bytes of them, or one. Empty at the durable end.
///
/// What cannot be read is skipped, counted and reported; never anything that can.
pub(crate) fn read_chunk(shared: &Shared, cursor: Cursor, epoch: u32, window: usize) -> io::Result<Chunk> {
    let mut chunk = Chunk { records: Vec::new(), cursor };
    while let Some(view) = view(shared, &chunk.cursor) {
        if chunk.cursor.next < view.base {
            shared.report_gap(view.base, chunk.cursor.next, view.base);
            chunk.cursor = Cursor::at(view.base);
        }
        match read_segment(shared, &view, &mut chunk, epoch, window) {
            Ok(()) => {}
            // Retention was faster; the list knows.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_listed(shared, view.base) => {
                continue;
            }
            Err(error) => return Err(error),
        }
        if !chunk.records.is_empty() {
            break;
        }
        if chunk.cursor.next < view.limit {
            shared.report_gap(view.base, chunk.cursor.next, view.limit);
            chunk.cursor.next = view.limit;
        }
        chunk.cursor.place = view.is_active.then_some((view.base, (view.limit, view.bytes)));
    }
    Ok(chunk)
}

/// Reads one record. `None` if it was never there, is deleted, or cannot be read.
pub(crate) fn fetch(
    shared: &Shared,
    offset: u64,
    epoch: u32,
    window: usize,
) -> io::Result<Option<SourceRecord>> {
    let Some(view) = view(shared, &Cursor::at(offset)).filter(|view| view.base <= offset) else {
        return Ok(None);
    };
    let Some(salt) = view.salt else { return Ok(None) };
    let file = match shared.disk.open(&file_name(view.base)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut scanner = Scanner::new(file.as_ref(), salt, view.start, view.bytes, window);
    while scanner.place().0 <= offset {
        match scanner.step()? {
            None => break,
            Some(Found::Damage { .. }) => {}
            Some(Found::Frame { position, claim }) => {
                note(shared, view.base, claim.offset, position);
                if claim.offset == offset {
                    return Ok(format::decode(scanner.frame(position, &claim)?, &claim, epoch));
                }
            }
        }
    }
    Ok(None)
}

/// The segment to read next, or `None` at the end.
fn view(shared: &Shared, cursor: &Cursor) -> Option<View> {
    let segments = shared.segments();
    if cursor.next >= segments.end {
        return None;
    }
    let (segment, next_base) = segments.covering(cursor.next)?;
    let known = cursor.place.filter(|&(base, _)| base == segment.base).map(|(_, place)| place);
    Some(View {
        base: segment.base,
        salt: segment.salt,
        bytes: segment.bytes,
        limit: next_base.unwrap_or(segments.end),
        is_active: next_base.is_none(),
        start: known.unwrap_or_else(|| segment.place_before(cursor.next)),
    })
}

/// Adds records of one segment, until the window is used up or the segment ends.
fn read_segment(
    shared: &Shared,
    view: &View,
    chunk: &mut Chunk,
    epoch: u32,
    window: usize,
) -> io::Result<()> {
    let Some(salt) = view.salt else { return Ok(()) };
    let file = shared.disk.open(&file_name(view.base))?;
    let mut scanner = Scanner::new(file.as_ref(), salt, view.start, view.bytes, window);
    let mut bytes = 0;
    while let Some(found) = scanner.step()? {
        let cursor = &mut chunk.cursor;
        match found {
            Found::Damage { to, .. } => {
                let resumed = scanner.place().0;
                // At the segment's end, the caller knows how much is lost.
                if to < view.bytes && cursor.next < resumed {
                    shared.report_gap(view.base, cursor.next, resumed);
                    cursor.next = resumed;
                }
            }
            Found::Frame { position, claim } => {
                note(shared, view.base, claim.offset, position);
                if claim.offset < cursor.next {
                    continue;
                }
                cursor.next = claim.offset + 1;
                bytes += claim.frame_bytes;
                chunk.records.extend(format::decode(scanner.frame(position, &claim)?, &claim, epoch));
            }
        }
        chunk.cursor.place = Some((view.base, scanner.place()));
        if !chunk.records.is_empty() && (bytes >= window as u64 || !scanner.has_next_at_hand()) {
            break;
        }
    }
    Ok(())
}

fn is_listed(shared: &Shared, base: u64) -> bool {
    shared.segments().get_mut(base).is_some()
}

fn note(shared: &Shared, base: u64, offset: u64, position: u64) {
    if let Some(segment) = shared.segments().get_mut(base) {
        segment.note(offset, position);
    }
}
