//! Deletes segments that nobody needs any more, oldest first.

use std::io;

use super::scan::{Found, Scanner};
use super::segments::{Shared, file_name};

const WINDOW_BYTES: usize = 1 << 20;

/// Removes segments from the front while they are wholly committed and their newest record is at
/// least `retention_ms` old. Never the active one. Answers with the bytes freed.
///
/// A segment whose header is damaged goes when its offsets are committed: what cannot be read has
/// no age, and it was reported at open.
pub(crate) fn prune(shared: &Shared, committed: u64, now_ms: u64, retention_ms: u64) -> io::Result<u64> {
    let mut freed = 0;
    while let Some((base, bytes)) = oldest_committed(shared, committed) {
        let newest_ms = newest_ms(shared, base)?;
        if newest_ms.is_some_and(|newest| newest.saturating_add(retention_ms) > now_ms) {
            break;
        }
        match shared.disk.remove(&file_name(base)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        shared.segments().list.retain(|segment| segment.base != base);
        tracing::info!(segment = file_name(base), bytes, "deleted a segment that is past its retention");
        freed += bytes;
    }
    if freed > 0 {
        shared.disk.sync_dir()?;
    }
    Ok(freed)
}

/// Base and size of the first segment, if it is closed and wholly committed.
fn oldest_committed(shared: &Shared, committed: u64) -> Option<(u64, u64)> {
    let segments = shared.segments();
    let [oldest, next, ..] = segments.list.as_slice() else { return None };
    (next.base <= committed).then_some((oldest.base, oldest.bytes))
}

/// The newest receipt in a closed segment; one of an earlier run is scanned once.
fn newest_ms(shared: &Shared, base: u64) -> io::Result<Option<u64>> {
    let (salt, bytes) = match shared.segments().get_mut(base) {
        Some(segment) if segment.newest_ms.is_none() => (segment.salt, segment.bytes),
        known => return Ok(known.and_then(|segment| segment.newest_ms)),
    };
    let Some(salt) = salt else { return Ok(None) };
    let file = shared.disk.open(&file_name(base))?;
    let start = (base, super::format::HEADER_BYTES);
    let mut scanner = Scanner::new(file.as_ref(), salt, start, bytes, WINDOW_BYTES);
    let mut newest = None;
    while let Some(found) = scanner.step()? {
        if let Found::Frame { claim, .. } = found {
            newest = newest.max(Some(claim.received_at_ms));
        }
    }
    if let Some(segment) = shared.segments().get_mut(base) {
        segment.newest_ms = newest;
    }
    Ok(newest)
}
