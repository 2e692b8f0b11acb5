//! Opening: which segments there are, where the last one ends, and what of its tail is cut.
//!
//! What was never answered may be torn: cut off pages, garbage, later pages without earlier ones.
//! What was answered can only be damaged by the disk. `since_sync` of the frames behind a bad place
//! tells the two apart: it says how far the file was durable when the frame was written.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use replay_ports::{PortError, Result};
use uuid::Uuid;

use super::disk::{Disk, DiskFile, read_full, write_full};
use super::format::{self, Claim, FORMAT_VERSION, HEADER_BYTES, Header, MIN_FRAME_BYTES};
use super::scan::{Found, Scanner};
use super::segments::{Counters, Segment, Segments, file_name, parse_file_name};

const WINDOW_BYTES: usize = 4 << 20;

/// What open found; the last segment is ready to be written.
pub(crate) struct Recovered {
    pub(crate) segments: Segments,
    pub(crate) active: Active,
    pub(crate) counters: Counters,
}

/// The file that is written, and its salt.
pub(crate) struct Active {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) salt: u32,
}

/// Brings the directory into a state from which the log goes on. `committed` is the next offset
/// that the consumer wants.
pub(crate) fn recover(disk: &dyn Disk, committed: u64) -> Result<Recovered> {
    let counters = Counters::default();
    let (mut segments, fallback_end) = list_segments(disk, committed)?;
    let mut active = None;
    let mut end = fallback_end;
    if let Some(last) = segments.last_mut() {
        (active, end) =
            open_last(disk, last, committed, &counters).map_err(|error| cannot("read", last.base, &error))?;
    }
    if committed > end {
        let what = "the log ends before the committed offset: records were lost or the log was replaced";
        tracing::error!(end_offset = end, committed, "{what}; it goes on at the committed offset");
        counters.gaps.fetch_add(1, Relaxed);
        (active, end) = (None, committed);
    }
    let active = match active {
        Some(active) => active,
        None => {
            let active = create_segment(disk, end).map_err(|error| error.at_open(end))?;
            segments.push(Segment::new(end, Some(active.salt), HEADER_BYTES));
            active
        }
    };
    disk.sync_dir().map_err(|error| cannot("sync the directory of", end, &error))?;
    Ok(Recovered { segments: Segments { list: segments, end }, active, counters })
}

/// Reads all headers. Also says where a log without segments begins.
fn list_segments(disk: &dyn Disk, committed: u64) -> Result<(Vec<Segment>, u64)> {
    let names = disk.list().map_err(|error| cannot("list the directory of", committed, &error))?;
    let mut bases: Vec<u64> = names.iter().filter_map(|name| parse_file_name(name)).collect();
    bases.sort_unstable();
    let mut segments = Vec::new();
    let mut begin = committed;
    for base in bases {
        let (header, bytes) = read_header(disk, base).map_err(|error| cannot("read", base, &error))?;
        match header {
            Header::Good { salt } => segments.push(Segment::new(base, Some(salt), bytes)),
            Header::Newer { version } => {
                return Err(PortError::refused(format!(
                    "log segment {} has format {version}; this release reads up to {FORMAT_VERSION}: \
                     run the newer release, or move the segment away",
                    file_name(base)
                )));
            }
            // Records are written only after the header is durable: there were none.
            Header::Bad if bytes <= HEADER_BYTES => {
                disk.remove(&file_name(base)).map_err(|error| cannot("remove", base, &error))?;
                begin = begin.max(base);
            }
            Header::Bad => {
                tracing::error!(
                    segment = file_name(base),
                    bytes,
                    "the header is damaged; nothing in it can be read"
                );
                segments.push(Segment::new(base, None, bytes));
            }
        }
    }
    Ok((segments, begin))
}

fn read_header(disk: &dyn Disk, base: u64) -> io::Result<(Header, u64)> {
    let file = disk.open(&file_name(base))?;
    let bytes = file.size()?;
    let mut header = [0; HEADER_BYTES as usize];
    let present = &mut header[..bytes.min(HEADER_BYTES) as usize];
    read_full(file.as_ref(), 0, present)?;
    Ok((format::decode_header(present, base), bytes))
}

/// Scans the last segment, cuts its torn tail and makes it durable. Answers with no file when the
/// log has to go on in another one.
fn open_last(
    disk: &dyn Disk,
    last: &mut Segment,
    committed: u64,
    counters: &Counters,
) -> io::Result<(Option<Active>, u64)> {
    let Some(salt) = last.salt else {
        // How many records it holds is unknown. No offset is ever used twice, so begin behind any.
        let most = (last.bytes - HEADER_BYTES) / MIN_FRAME_BYTES + 1;
        return Ok((None, last.base.saturating_add(most)));
    };
    let file = disk.open(&file_name(last.base))?;
    let mut scanner = Scanner::new(file.as_ref(), salt, (last.base, HEADER_BYTES), last.bytes, WINDOW_BYTES);
    let mut tail = Tail::default();
    while let Some(found) = scanner.step()? {
        match found {
            Found::Damage { from, .. } => tail.damage(from, last.base, committed),
            Found::Frame { position, claim } => {
                tail.frame(position, &claim);
                last.note(claim.offset, position);
            }
        }
    }
    let end = tail.cut.as_ref().map_or(scanner.place().0, |cut| cut.next_offset);
    last.newest_ms = tail.cut.as_ref().map_or(tail.newest_ms, |cut| cut.newest_ms);
    if let Some(cut) = tail.cut {
        counters.cut_bytes.fetch_add(last.bytes - cut.from, Relaxed);
        tracing::warn!(
            segment = file_name(last.base),
            bytes = last.bytes - cut.from,
            whole_records = cut.whole_records,
            end_offset = end,
            "cut the torn end of the log: a write that was never answered"
        );
        file.truncate(cut.from)?;
        last.forget_from(cut.from);
    }
    // What a killed process wrote may be in the page cache only.
    file.sync_data()?;
    Ok((Some(Active { file, salt }), end))
}

/// Where the torn end begins, as far as the scan has come.
#[derive(Default)]
struct Tail {
    cut: Option<Cut>,
    next_offset: u64,
    newest_ms: Option<u64>,
}

struct Cut {
    from: u64,
    whole_records: u64,
    next_offset: u64,
    newest_ms: Option<u64>,
}

impl Tail {
    fn damage(&mut self, from: u64, base: u64, committed: u64) {
        let (next_offset, newest_ms) = (self.next_offset.max(base), self.newest_ms);
        if next_offset < committed {
            // It was delivered once, so its write was durable, with all that belonged to it.
            return;
        }
        self.cut.get_or_insert(Cut { from, whole_records: 0, next_offset, newest_ms });
    }

    fn frame(&mut self, position: u64, claim: &Claim) {
        self.next_offset = claim.offset + 1;
        self.newest_ms = self.newest_ms.max(Some(claim.received_at_ms));
        let Some(cut) = &mut self.cut else { return };
        if position.saturating_sub(claim.since_sync) > cut.from {
            // The bad place was durable when this frame was written: damage, not a torn write. It
            // stays as it is; readers skip it and say so.
            self.cut = None;
        } else {
            cut.whole_records += 1;
        }
    }
}

/// Why a segment was not created.
#[derive(Debug)]
pub(crate) enum CreateError {
    /// Nothing happened; it may work later.
    Write(io::Error),
    /// What is durable is unknown now.
    Sync(io::Error),
}

impl CreateError {
    fn at_open(self, base: u64) -> PortError {
        match self {
            Self::Write(error) => cannot("create", base, &error),
            Self::Sync(error) => cannot("sync", base, &error),
        }
    }
}

/// Creates a segment and makes it durable with its name, before any record goes into it.
pub(crate) fn create_segment(disk: &dyn Disk, base: u64) -> std::result::Result<Active, CreateError> {
    let name = file_name(base);
    let salt = Uuid::new_v4().as_fields().0;
    let file = disk.create(&name).map_err(CreateError::Write)?;
    if let Err(error) = write_full(file.as_ref(), 0, &format::encode_header(salt, base)) {
        // A file without a whole header is removed at the next open, if not here.
        drop(disk.remove(&name));
        return Err(CreateError::Write(error));
    }
    file.sync_data().map_err(CreateError::Sync)?;
    disk.sync_dir().map_err(CreateError::Sync)?;
    Ok(Active { file, salt })
}

/// An error of open, for the operator.
fn cannot(verb: &str, base: u64, error: &io::Error) -> PortError {
    port_error(format!("cannot {verb} log segment {}: {error}", file_name(base)), error)
}

/// Tells what may work later from what needs a person.
pub(crate) fn port_error(what: String, error: &io::Error) -> PortError {
    let kind = error.kind();
    if kind == io::ErrorKind::PermissionDenied || kind == io::ErrorKind::ReadOnlyFilesystem {
        return PortError::refused(what);
    }
    PortError::unavailable(what)
}
