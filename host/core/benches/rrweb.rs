//! What it costs to find the fields of recorded chunks, and to put edits into them, beside a walk over
//! their quotes that nobody can avoid.
//!
//! `cargo bench -p replay-core --bench rrweb`; the last lines are medians of interleaved runs, and the
//! ratio that must not fall below 0.4. `-- --ratio` measures nothing else.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]
// A bench is about the clock.
#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use criterion::{Criterion, Throughput};
use replay_core::codec::{Codec as Compression, Encoding, Recompress, Scratch, decompress};
use replay_core::decode::{DecodeLimits, decode};
use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::pipeline::ChunkHead;
use replay_core::row::Codec;
use replay_core::rrweb::{
    Batch, Changes, ChunkPlace, Edit, EditRules, ElementLimits, Elements, Kind, Kinds, Replacement, Scan,
    ScanLimits, Verdict, scan,
};

const LIMITS: ScanLimits =
    ScanLimits { max_raw_chunk_bytes: 64 << 20, max_ratio: 1000, max_depth: 512, max_fields: 1 << 22 };
const RULES: EditRules =
    EditRules { allow_replace: false, mask_only: true, extra_edits: 0, max_text_bytes: 0, drop_reasons: 0 };
const PLACE: ChunkPlace = ChunkPlace { chunk_index: 0, timestamp_start_ms: 1 };

/// A chunk, and what a plugin answers that masks every 16th field.
struct Sample {
    json: Vec<u8>,
    changes: Changes,
}

impl Sample {
    fn new(json: Vec<u8>) -> Self {
        let scan = scanned(json.clone());
        let edits = (0u32..).zip(&scan.fields).step_by(16).filter(|(_, field)| field.start < field.end);
        let edits = edits.map(|(row, field)| Edit {
            field: row,
            start: 0,
            end: field.end - field.start,
            replacement: if field.kind == Kind::Pixels { Replacement::Blank } else { Replacement::Mask('*') },
        });
        Self { changes: Changes { edits: edits.collect(), ..Changes::default() }, json }
    }

    fn walk(&self) -> usize {
        memchr::memchr_iter(b'"', &self.json).map(|at| at & 1).sum()
    }

    fn head(&self) -> ChunkHead {
        ChunkHead {
            session: SessionKey {
                project_id: ProjectId::new("shop").unwrap(),
                session_id: SessionId::parse("0191f0c4-7e1a-7c3b-9d55-0123456789ab").unwrap(),
            },
            key: ChunkKey { timestamp_start_ms: 1, chunk_index: 0 },
            timestamp_end_ms: 3,
            event_count: 50,
            has_full_snapshot: false,
            data_size: self.json.len() as u64,
            codec: Codec::Gzip,
        }
    }
}

fn elements() -> Elements {
    Elements::new(ElementLimits { max_bytes: 64 << 20 })
}

fn scanned(json: Vec<u8>) -> Scan {
    scan(json, PLACE, Kinds::ALL, &mut elements(), &LIMITS).unwrap()
}

/// What a plugin that masks costs but for the plugin itself.
fn masked(head: &ChunkHead, json: Vec<u8>, changes: Changes) -> usize {
    let mut batch = Batch::new(Kinds::ALL, elements());
    batch.add(head, json, &LIMITS).unwrap();
    black_box(batch.view(0, Kinds::ALL));
    batch.apply(0, Kinds::ALL, vec![Verdict::Change(changes)], &RULES).unwrap();
    batch.finish().0.len()
}

fn main() {
    let samples: Vec<Sample> = recorded().into_iter().map(Sample::new).collect();
    if !std::env::args().any(|argument| argument == "--ratio") {
        criterion_groups(&samples);
    }
    if let Some(largest) = samples.last() {
        report_ratio("largest", std::slice::from_ref(largest));
        report_ratio("all recorded", &samples);
    }
}

fn criterion_groups(samples: &[Sample]) {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("recorded");
    group.throughput(Throughput::Bytes(samples.iter().map(|sample| sample.json.len() as u64).sum()));
    group.bench_function("walk", |b| b.iter(|| samples.iter().map(Sample::walk).sum::<usize>()));
    group.bench_function("scan", |b| {
        b.iter(|| samples.iter().map(|sample| scanned(sample.json.clone()).fields.len()).sum::<usize>())
    });
    group.bench_function("scan_splice", |b| {
        let one = |sample: &Sample| masked(&sample.head(), sample.json.clone(), sample.changes.clone());
        b.iter(|| samples.iter().map(one).sum::<usize>())
    });
    group.finish();
    criterion.final_summary();
}

/// Interleaved, so that a noisy neighbour hits all three alike.
fn report_ratio(name: &str, samples: &[Sample]) {
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let raw_bytes: usize = samples.iter().map(|sample| sample.json.len()).sum();
    let fields: usize = samples.iter().map(|sample| scanned(sample.json.clone()).fields.len()).sum();
    for _ in 0..(300_000_000 / raw_bytes).clamp(20, 500) {
        let mut round = [0.0; 3];
        for sample in samples {
            let (head, json, changes) = (sample.head(), sample.json.clone(), sample.changes.clone());
            let again = sample.json.clone();
            round[0] += seconds(|| sample.walk());
            round[1] += seconds(|| scanned(again));
            round[2] += seconds(|| masked(&head, json, changes));
        }
        times.iter_mut().zip(round).for_each(|(times, time)| times.push(time));
    }
    let [walk, scan, splice] = times.map(|times| raw_bytes as f64 / median(times) / 1e6);
    println!(
        "{name:12} {:3} of {:6} bytes, {:3} a field: walk {walk:5.0} MB/s, scan {scan:5.0} = {:.2} of it, with view and splice {splice:5.0} = {:.2} of it",
        samples.len(),
        raw_bytes / samples.len(),
        raw_bytes / fields.max(1),
        scan / walk,
        splice / walk,
    );
}

fn seconds<T>(work: impl FnOnce() -> T) -> f64 {
    let begin = Instant::now();
    black_box(work());
    begin.elapsed().as_secs_f64()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Events of the recorded chunks, by size.
fn recorded() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/recordings");
    let root = std::env::var_os("RECORDINGS").map_or(root, Into::into);
    let keep = Encoding { codec: Compression::Gzip, level: 6, recompress: Recompress::ChangedOnly };
    let mut scratch = Scratch::new();
    let mut payloads = Vec::new();
    for folder in std::fs::read_dir(root).into_iter().flatten().flatten() {
        for file in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            for line in std::fs::read_to_string(file.path()).unwrap_or_default().lines() {
                let Ok(decoded) = decode(line.as_bytes(), &DecodeLimits::default(), &keep, &mut scratch)
                else {
                    continue;
                };
                let raw = decompress(&mut scratch, decoded.codec, &decoded.data, 64 << 20).unwrap();
                payloads.push(raw.to_vec());
            }
        }
    }
    payloads.sort_by_key(Vec::len);
    payloads
}
