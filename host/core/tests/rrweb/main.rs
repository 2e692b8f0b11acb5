//! What the field scanner finds in a chunk, and what it makes of what is none.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod hostile;
mod kinds;
mod packed;
mod pages;
mod positions;
mod recorded;
mod reference;

use replay_core::rrweb::{
    ChunkPlace, ElementLimits, Elements, Field, Kind, Kinds, Scan, ScanError, ScanLimits, Shape, scan,
};

const LIMITS: ScanLimits =
    ScanLimits { max_raw_chunk_bytes: 8 << 20, max_ratio: 1000, max_depth: 512, max_fields: 1 << 20 };

fn elements() -> Elements {
    Elements::new(ElementLimits { max_bytes: 8 << 20 })
}

fn place(chunk_index: u32, timestamp_start_ms: u64) -> ChunkPlace {
    ChunkPlace { chunk_index, timestamp_start_ms }
}

/// Scans one chunk of which nothing was known.
fn run(json: &[u8]) -> Result<Scan, ScanError> {
    scan(json.to_vec(), place(0, 1), Kinds::ALL, &mut elements(), &LIMITS)
}

fn text<'a>(scan: &'a Scan, field: &Field) -> &'a str {
    std::str::from_utf8(&scan.text[field.start as usize..field.end as usize]).unwrap()
}

fn name<'a>(scan: &'a Scan, field: &Field) -> &'a str {
    &scan.names[field.name as usize]
}

/// Every field as kind, name, text.
fn found(scan: &Scan) -> Vec<(Kind, &str, &str)> {
    scan.fields.iter().map(|field| (field.kind, name(scan, field), text(scan, field))).collect()
}
