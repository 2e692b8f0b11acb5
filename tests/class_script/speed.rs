//! What a script costs beside a compiled plugin that does the same, in one run. A measurement, not a test:
//! `cargo test -p replay-tests --test class_script speed -- --ignored --nocapture`; `SPEED_ROUNDS` for more rounds.
//!
//! CPU time of the calling thread, the host's part included, a fresh instance each time; each round calls all of them
//! on all chunks, in turns.

use std::sync::Arc;
use std::time::Duration;

use replay_core::codec::{Codec as Compression, Encoding, Recompress, Scratch, decompress};
use replay_core::decode::{DecodeLimits, decode};
use replay_core::pipeline::ChunkHead;
use replay_core::rrweb::{Batch, ElementLimits, Elements, Kinds, ScanLimits};
use replay_sandbox::{ChunkSource, Class, Plugin, Sandbox};
use replay_tests::records::{recorded, visits};

use crate::guests::{Language, hostile, load, mask_basics, sandbox, target};

#[test]
#[ignore = "a measurement"]
fn speed() {
    let rounds = std::env::var("SPEED_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20);
    let long = Duration::from_secs(60);
    let sandbox = sandbox(|settings| {
        for limits in [&mut settings.limits, &mut settings.script_limits] {
            limits.time_per_batch = long;
            limits.compile_time = 10 * long;
        }
    });
    let plugins = plugins(&sandbox);
    println!(
        "| | chunks | ms a chunk, median | p99 | MB/s of events | memory, MiB |\n|---|---|---|---|---|---|"
    );
    for (what, chunk_bytes, most) in [("100 KB", 100_000, 12), ("2 MB", 2_000_000, 1)] {
        let chunks = chunks(chunk_bytes, most);
        let bytes: usize = chunks.iter().map(|chunk| chunk.events(0).unwrap().len()).sum();
        let mut times = vec![Vec::new(); plugins.len()];
        let mut memory = vec![0; plugins.len()];
        for _ in 0..rounds {
            for chunk in &chunks {
                for (at, (_, plugin)) in plugins.iter().enumerate() {
                    let usage = plugin.process_chunks(chunk).unwrap().usage;
                    times[at].push(usage.cpu.as_secs_f64() * 1e3);
                    memory[at] = memory[at].max(usage.memory_bytes >> 20);
                }
            }
        }
        for (((name, _), times), memory) in plugins.iter().zip(&mut times).zip(memory) {
            times.sort_by(f64::total_cmp);
            let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
            let speed = bytes as f64 / chunks.len() as f64 / median / 1e3;
            println!(
                "| {name} | {} × {what} | {median:.2} | {p99:.2} | {speed:.1} | {memory} |",
                chunks.len()
            );
        }
    }
}

/// Who does nothing, and who masks addresses and cards.
fn plugins(sandbox: &Sandbox) -> Vec<(String, Plugin)> {
    let mask_pii = target().join("plugins/mask-pii.wasm");
    let digest = replay_tests::plugins::sha256_of(&mask_pii);
    let config = r#"{"kinds":["email","card"]}"#;
    let compiled = sandbox.of_class(Class::Compiled).load(&mask_pii, &digest, config).unwrap();
    let mut plugins = vec![("Rust, masks".to_owned(), compiled)];
    for language in Language::ALL.into_iter().filter(|language| language.is_here()) {
        plugins.push((format!("{language:?}, does nothing"), load(sandbox, &hostile(language), "null")));
        plugins.push((format!("{language:?}, masks"), load(sandbox, &mask_basics(language), "{}")));
    }
    plugins
}

/// Recorded events in up to `most` chunks of about that size, over and over until there are enough.
fn chunks(chunk_bytes: usize, most: usize) -> Vec<Arc<dyn ChunkSource>> {
    let recorded = events();
    let (mut chunks, mut joined): (Vec<Arc<dyn ChunkSource>>, Vec<u8>) = (Vec::new(), Vec::new());
    for (head, events) in recorded.iter().filter(|(_, events)| events.len() < chunk_bytes).cycle() {
        joined.push(if joined.is_empty() { b'[' } else { b',' });
        joined.extend_from_slice(&events[1..events.len() - 1]);
        if joined.len() >= chunk_bytes {
            joined.push(b']');
            chunks.push(Arc::new(scanned(head, std::mem::take(&mut joined))));
        }
        if chunks.len() == most {
            break;
        }
    }
    chunks
}

fn scanned(head: &ChunkHead, json: Vec<u8>) -> Batch {
    let limits =
        ScanLimits { max_raw_chunk_bytes: 64 << 20, max_ratio: 1000, max_depth: 512, max_fields: 1 << 22 };
    let mut batch = Batch::new(Kinds::ALL, Elements::new(ElementLimits { max_bytes: 64 << 20 }));
    batch.add(&ChunkHead { data_size: json.len() as u64, ..head.clone() }, json, &limits).unwrap();
    batch
}

/// The recorded chunks, unpacked.
fn events() -> Vec<(ChunkHead, Vec<u8>)> {
    let keep = Encoding { codec: Compression::Gzip, level: 6, recompress: Recompress::ChangedOnly };
    let mut scratch = Scratch::new();
    let lines = visits().into_iter().flat_map(|(project, visit, ..)| recorded(&project, &visit));
    lines
        .map(|line| {
            let decoded =
                decode(line.as_bytes(), &DecodeLimits::default(), &keep, &mut scratch).ok().unwrap();
            let (head, data) = decoded.into_head();
            let events = decompress(&mut scratch, head.codec, &data, 64 << 20).unwrap().to_vec();
            (head, events)
        })
        .collect()
}
