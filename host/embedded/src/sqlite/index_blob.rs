//! An object's chunk index as the bytes of one column.
//!
//! A version byte, then one record of fixed length a chunk, all numbers little-endian:
//! start, end, receipt, offset, length, data size, version, hash (8 bytes each), chunk index,
//! event count (4 bytes each), full snapshot (1 byte).

use replay_core::archive::IndexEntry;
use replay_core::identity::ChunkKey;
use replay_core::winner::{ContentHash, Version};

const FORMAT: u8 = 1;
const RECORD_BYTES: usize = 8 * 8 + 2 * 4 + 1;

/// The index as bytes.
pub(super) fn encode(index: &[IndexEntry]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(1 + index.len() * RECORD_BYTES);
    blob.push(FORMAT);
    for entry in index {
        for number in [
            entry.key.timestamp_start_ms,
            entry.timestamp_end_ms,
            entry.received_at_ms,
            entry.offset,
            entry.length,
            entry.data_size,
            entry.version.as_u64(),
            entry.content_hash.0,
        ] {
            blob.extend(number.to_le_bytes());
        }
        blob.extend(entry.key.chunk_index.to_le_bytes());
        blob.extend(entry.event_count.to_le_bytes());
        blob.push(u8::from(entry.has_full_snapshot));
    }
    blob
}

/// The index again, or `None` if these are no bytes of [`encode`].
pub(super) fn decode(blob: &[u8]) -> Option<Vec<IndexEntry>> {
    let (&FORMAT, records) = blob.split_first()? else { return None };
    let (records, rest) = records.as_chunks::<RECORD_BYTES>();
    if !rest.is_empty() {
        return None;
    }
    records.iter().map(entry).collect()
}

fn entry(record: &[u8; RECORD_BYTES]) -> Option<IndexEntry> {
    let (longs, rest) = record.as_chunks::<8>();
    let mut longs = longs.iter().map(|bytes| u64::from_le_bytes(*bytes));
    // 73 bytes are nine longs and one byte: the last long is the two shorter numbers.
    let mut long = || longs.next();
    let key_start = long()?;
    let (timestamp_end_ms, received_at_ms) = (long()?, long()?);
    let (offset, length, data_size) = (long()?, long()?, long()?);
    let (version, content_hash) = (Version::from_u64(long()?), ContentHash(long()?));
    let shorts = long()?;
    Some(IndexEntry {
        key: ChunkKey { timestamp_start_ms: key_start, chunk_index: (shorts & 0xffff_ffff) as u32 },
        timestamp_end_ms,
        received_at_ms,
        offset,
        length,
        data_size,
        event_count: (shorts >> 32) as u32,
        has_full_snapshot: *rest.first()? != 0,
        version,
        content_hash,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_index_reads_back(
            longs in prop::collection::vec(any::<[u64; 8]>(), 0..20),
            shorts in any::<(u32, u32, bool)>(),
        ) {
            let index: Vec<_> = longs
                .iter()
                .map(|n| IndexEntry {
                    key: ChunkKey { timestamp_start_ms: n[0], chunk_index: shorts.0 },
                    timestamp_end_ms: n[1],
                    received_at_ms: n[2],
                    offset: n[3],
                    length: n[4],
                    data_size: n[5],
                    event_count: shorts.1,
                    has_full_snapshot: shorts.2,
                    version: Version::from_u64(n[6]),
                    content_hash: ContentHash(n[7]),
                })
                .collect();
            let blob = encode(&index);
            prop_assert_eq!(decode(&blob), Some(index));
            let cut = &blob[..blob.len() - 1];
            prop_assert_eq!(decode(cut), None);
        }
    }
}
