//! What the decode path costs beside the gunzip that nobody can avoid.
//!
//! `cargo bench -p replay-core --bench decode`; the last lines are medians of interleaved runs, and
//! the ratio that must not fall below 0.4.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]
// A bench is about the clock.
#![allow(clippy::disallowed_methods)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput};
use replay_core::codec::{Codec, Encoding, Recompress, Scratch, compress, decompress};
use replay_core::decode::{DecodeLimits, decode};
use replay_core::json::scan_events;

const KEEP: Encoding = Encoding { codec: Codec::Gzip, level: 9, recompress: Recompress::ChangedOnly };
const MAX_RAW: usize = 128 << 20;

/// One payload in the forms that are measured.
struct Sample {
    name: &'static str,
    raw: Vec<u8>,
    gzip: Vec<u8>,
    record: Vec<u8>,
}

impl Sample {
    fn new(name: &'static str, raw: Vec<u8>) -> Self {
        let encoding = Encoding { codec: Codec::Gzip, level: 6, recompress: Recompress::Always };
        let gzip = compress(&mut Scratch::new(), &encoding, &raw).unwrap();
        let data = base64_simd::STANDARD.encode_to_string(&gzip);
        let record = format!(
            r#"{{"project_id":"shop","session_id":"0191f0c4-7e1a-7c3b-9d55-0123456789ab","chunk_index":3,"timestamp_start":1700000000000,"timestamp_end":1700000005000,"has_full_snapshot":true,"data":"{data}"}}"#
        );
        Self { name, raw, gzip, record: record.into_bytes() }
    }
}

fn main() {
    let samples = samples();
    let mut criterion = Criterion::default().configure_from_args();
    for sample in &samples {
        let mut group = criterion.benchmark_group(sample.name);
        group.throughput(Throughput::Bytes(sample.raw.len() as u64));
        let mut scratch = Scratch::new();
        group.bench_function("gunzip", |b| {
            b.iter(|| decompress(&mut scratch, Codec::Gzip, &sample.gzip, MAX_RAW).unwrap().len())
        });
        group.bench_function("scan_events", |b| b.iter(|| scan_events(&sample.raw, 512).unwrap()));
        let limits = DecodeLimits::default();
        group.bench_function("path_unchanged", |b| {
            b.iter(|| decode(&sample.record, &limits, &KEEP, &mut scratch).unwrap().data.len())
        });
        for (codec, level) in
            [(Codec::Gzip, 1), (Codec::Gzip, 6), (Codec::Gzip, 9), (Codec::Zstd, 3), (Codec::Zstd, 9)]
        {
            let encoding = Encoding { codec, level, recompress: Recompress::Always };
            group.bench_function(BenchmarkId::new(codec.as_str(), level), |b| {
                b.iter(|| compress(&mut scratch, &encoding, &sample.raw).unwrap().len())
            });
        }
        group.finish();
    }
    criterion.final_summary();
    for sample in &samples {
        report_ratio(sample.name, std::slice::from_ref(sample));
    }
    let recorded: Vec<Sample> = recorded().into_iter().map(|raw| Sample::new("recorded", raw)).collect();
    if !recorded.is_empty() {
        report_ratio("all recorded", &recorded);
    }
}

/// Interleaved, so that a noisy neighbour hits all three alike.
fn report_ratio(name: &str, samples: &[Sample]) {
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    let mut scratch = Scratch::new();
    let limits = DecodeLimits::default();
    let raw_bytes: usize = samples.iter().map(|sample| sample.raw.len()).sum();
    for _ in 0..(200_000_000 / raw_bytes).clamp(20, 2000) {
        let mut round = [0.0; 3];
        for sample in samples {
            round[0] +=
                seconds(|| decompress(&mut scratch, Codec::Gzip, &sample.gzip, MAX_RAW).unwrap().len());
            round[1] += seconds(|| scan_events(&sample.raw, 512).unwrap());
            round[2] += seconds(|| decode(&sample.record, &limits, &KEEP, &mut scratch).unwrap());
        }
        times.iter_mut().zip(round).for_each(|(times, time)| times.push(time));
    }
    let [gunzip, scan, path] = times.map(|times| raw_bytes as f64 / median(times) / 1e6);
    let packed_bytes: usize = samples.iter().map(|sample| sample.gzip.len()).sum();
    println!(
        "{name:12} {:3} of {:6} bytes, ratio {:5.2}: gunzip {gunzip:5.0} MB/s, scan_events {scan:5.0}, path_unchanged {path:5.0} = {:.2} of gunzip",
        samples.len(),
        raw_bytes / samples.len(),
        raw_bytes as f64 / packed_bytes as f64,
        path / gunzip,
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

fn samples() -> Vec<Sample> {
    let mut random = Random(7);
    let mut samples = vec![
        Sample::new("snapshot", snapshot(&mut random, 900)),
        Sample::new("mutations", mutations(&mut random, 50)),
        Sample::new("moves", moves(&mut random, 50)),
    ];
    let recorded = recorded();
    if let Some(largest) = recorded.last() {
        samples.push(Sample::new("recorded", largest.clone()));
    }
    samples
}

/// Payloads of the recorded visits, if they are there, by size.
fn recorded() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/recordings");
    let root = std::env::var_os("RECORDINGS").map_or(root, Into::into);
    let mut scratch = Scratch::new();
    let mut payloads = Vec::new();
    for folder in std::fs::read_dir(root).into_iter().flatten().flatten() {
        for file in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            for line in std::fs::read_to_string(file.path()).unwrap_or_default().lines() {
                let Ok(decoded) = decode(line.as_bytes(), &DecodeLimits::default(), &KEEP, &mut scratch)
                else {
                    continue;
                };
                let raw = decompress(&mut scratch, decoded.codec, &decoded.data, MAX_RAW).unwrap();
                payloads.push(raw.to_vec());
            }
        }
    }
    payloads.sort_by_key(Vec::len);
    payloads
}

/// A full snapshot: a page of `nodes` elements with classes, texts and a stylesheet.
fn snapshot(random: &mut Random, nodes: usize) -> Vec<u8> {
    let mut json = String::from(
        r#"[{"type":4,"data":{"href":"https://shop.example/products/list?page=2","width":1440,"height":900},"timestamp":1700000000000},{"type":2,"data":{"node":{"type":0,"childNodes":[{"type":2,"tagName":"html","attributes":{"lang":"en"},"childNodes":[{"type":2,"tagName":"head","attributes":{},"childNodes":[{"type":2,"tagName":"style","attributes":{"_cssText":""#,
    );
    for rule in 0..nodes / 4 {
        let (a, b) = (random.below(400), random.below(0xffffff));
        let _ = write!(
            json,
            ".{}-{rule} {{ margin: {a}px 0px; color: #{b:06x}; display: flex; font-family: \\\"Inter\\\", sans-serif; }}",
            random.word()
        );
    }
    json.push_str(r#""},"childNodes":[],"id":5}],"id":4},{"type":2,"tagName":"body","attributes":{"class":"page"},"childNodes":["#);
    for id in 6..nodes + 6 {
        if id > 6 {
            json.push(',');
        }
        let (a, b, c) = (random.word(), random.word(), random.word());
        let _ = write!(
            json,
            r#"{{"type":2,"tagName":"div","attributes":{{"class":"{a} {b}-{c}","data-id":"{}","style":"width: {}px;"}},"childNodes":[{{"type":3,"textContent":"{} {a} {c}, {} {b}","id":{}}}],"id":{id}}}"#,
            random.below(100_000),
            random.below(900),
            random.word(),
            random.word(),
            id + 100_000,
        );
    }
    json.push_str(
        r#"],"id":3}],"id":2}],"id":1},"initialOffset":{"left":0,"top":0}},"timestamp":1700000000020}]"#,
    );
    json.into_bytes()
}

fn mutations(random: &mut Random, events: usize) -> Vec<u8> {
    let mut json = String::from("[");
    for event in 0..events {
        let _ = write!(
            json,
            r#"{}{{"type":3,"data":{{"source":0,"texts":[{{"id":{},"value":"{} {} {}"}}],"attributes":[{{"id":{},"attributes":{{"class":"{} active","aria-expanded":"true"}}}}],"removes":[],"adds":["#,
            if event == 0 { "" } else { "," },
            random.below(5000),
            random.word(),
            random.word(),
            random.word(),
            random.below(5000),
            random.word(),
        );
        for add in 0..12 {
            let _ = write!(
                json,
                r#"{}{{"parentId":{},"nextId":null,"node":{{"type":2,"tagName":"li","attributes":{{"class":"{}"}},"childNodes":[],"id":{}}}}}"#,
                if add == 0 { "" } else { "," },
                random.below(5000),
                random.word(),
                random.below(90_000),
            );
        }
        let _ = write!(json, r#"]}},"timestamp":{}}}"#, 1_700_000_000_000 + event * 40);
    }
    json.push(']');
    json.into_bytes()
}

fn moves(random: &mut Random, events: usize) -> Vec<u8> {
    let mut json = String::from("[");
    for event in 0..events {
        let _ = write!(
            json,
            r#"{}{{"type":3,"data":{{"source":1,"positions":["#,
            if event == 0 { "" } else { "," }
        );
        for at in 0..12 {
            let comma = if at == 0 { "" } else { "," };
            let (x, y, id) = (random.below(1440), random.below(900), random.below(3000));
            let _ = write!(json, r#"{comma}{{"x":{x},"y":{y}.5,"id":{id},"timeOffset":-{}}}"#, 480 - at * 40);
        }
        let _ = write!(json, r#"]}},"timestamp":{}}}"#, 1_700_000_000_000 + event * 500);
    }
    json.push(']');
    json.into_bytes()
}

/// A small deterministic generator (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn word(&mut self) -> &'static str {
        const WORDS: [&str; 32] = [
            "header",
            "button",
            "card",
            "grid",
            "price",
            "title",
            "avatar",
            "sidebar",
            "content",
            "product",
            "image",
            "label",
            "checkout",
            "shipping",
            "address",
            "total",
            "quantity",
            "summary",
            "navigation",
            "footer",
            "primary",
            "secondary",
            "disabled",
            "selected",
            "container",
            "wrapper",
            "column",
            "row",
            "field",
            "input",
            "message",
            "icon",
        ];
        WORDS[self.below(WORDS.len())]
    }
}
