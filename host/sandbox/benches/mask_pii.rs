//! What the sandbox costs: `mask-pii` in it against the same code linked in, and a fresh instance
//! against one that lives for many calls, on recorded events in chunks of 100 KB.
//!
//! `cargo bench -p replay-sandbox --bench mask_pii`; the component is read from
//! `target/plugins` (`replay-processor plugin build plugins/mask-pii --out target/plugins`) or from the
//! directory in `PLUGINS`. CPU time of the one thread; medians of interleaved rounds, with the least and
//! the greatest.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mask_pii::MaskPii;
use replay_core::codec::{Codec as Compression, Encoding, Recompress, Scratch, decompress};
use replay_core::decode::{DecodeLimits, decode};
use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::pipeline::ChunkHead;
use replay_core::row::Codec;
use replay_core::rrweb::{Batch, ElementLimits, Elements, Kind, Kinds, ScanLimits};
use replay_plugin::{ChunkInfo, Element, FieldsView, Plugin as _, Source};
use replay_sandbox::{ChunkSource, Limits, LongLived, Plugin, Sandbox, Settings, sha256_hex};
use rustix::time::{ClockId, clock_gettime};

const CHUNK_BYTES: usize = 100_000;
const ROUNDS: usize = 200;

/// Twenty own patterns, as a tenant may have them beside the rules.
const PATTERNS: [&str; 20] = [
    "CUST-[0-9]{6}",
    "ORD-[0-9]{4}-[0-9]{4}",
    "INV[0-9]{8}",
    "[A-Z]{2}[0-9]{2}[A-Z]{3}",
    "(?i)passport:? ?[a-z0-9]{6,9}",
    "patient [0-9]{5,9}",
    "MRN-?[0-9]{7}",
    "acct_[a-zA-Z0-9]{16}",
    "cus_[a-zA-Z0-9]{14}",
    "sub_[a-zA-Z0-9]{14}",
    "pi_[a-zA-Z0-9]{24}",
    "(?i)driver'?s licen[cs]e [a-z0-9]{5,12}",
    "#[0-9]{5,7}-[A-Z]",
    "[0-9]{3}/[0-9]{4}/[0-9]{4}",
    "EMP[0-9]{5}",
    "claim [A-Z][0-9]{6}",
    "policy-[0-9a-f]{8}",
    "SKU[0-9]{4}X[0-9]{2}",
    "vat:? ?[A-Z]{2}[0-9]{9}",
    "tckn [0-9]{11}",
];

/// A chunk natively: what the component gets through the boundary.
struct Linked<'a>(&'a Batch, Kinds);

impl Source for Linked<'_> {
    fn info(&self) -> ChunkInfo {
        ChunkInfo::default()
    }

    fn fields(&self) -> FieldsView {
        let view = self.0.view(0, self.1).unwrap();
        FieldsView { text: view.text, index: view.index, names: view.names }
    }

    fn element(&self, _: u32) -> Option<Element> {
        None
    }

    fn focus(&self) -> Vec<u8> {
        self.0.focus(0).unwrap()
    }

    fn moves(&self) -> Vec<u8> {
        Vec::new()
    }

    fn nodes(&self) -> Vec<u8> {
        Vec::new()
    }

    fn events(&self) -> Vec<u8> {
        Vec::new()
    }
}

fn main() {
    let chunks = chunks();
    let text_bytes: usize = chunks.iter().map(|chunk| chunk.text_bytes()).sum();
    let raw_bytes: usize = chunks.iter().map(|chunk| chunk.events(0).unwrap().len()).sum();
    println!("{} chunks, {raw_bytes} bytes of events, {text_bytes} of text", chunks.len());
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        cache_dir: dir.path().join("cache"),
        // The long-lived instance beside a fresh one.
        concurrency: 2,
        limits: Limits { compile_time: Duration::from_secs(600), ..Limits::default() },
        script_limits: Limits::of_scripts(),
        max_loaded_bytes: 256 << 20,
        compiler: PathBuf::new(),
    };
    let sandbox = Sandbox::new(settings).unwrap();
    let path = components().join("mask-pii.wasm");
    let component = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let patterns: Vec<_> = (1..)
        .zip(PATTERNS)
        .map(|(number, regex)| serde_json::json!({ "name": format!("own-{number}"), "regex": regex }))
        .collect();
    for (name, config) in [
        ("rules", "{}".to_owned()),
        ("rules and 20 patterns", serde_json::json!({ "patterns": patterns }).to_string()),
    ] {
        let plugin = sandbox.load_in_process(&path, &sha256_hex(&component), &config).unwrap();
        compare(name, raw_bytes, &chunks, &config, &plugin);
    }
}

fn compare(name: &str, raw_bytes: usize, chunks: &[Arc<Batch>], config: &str, plugin: &Plugin) {
    let linked = MaskPii::configure(replay_plugin::parse_config(config).unwrap()).unwrap();
    let manifest = linked.manifest();
    let kinds = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Pixels).collect::<Kinds>();
    let sources: Vec<Arc<dyn ChunkSource>> =
        chunks.iter().map(|chunk| Arc::clone(chunk) as Arc<dyn ChunkSource>).collect();
    let mut long_lived = LongLived::new(plugin).unwrap();
    let mut rounds = Vec::new();
    for round in 0..=ROUNDS {
        let mut times = [0.0; 3];
        for (chunk, source) in chunks.iter().zip(&sources) {
            for turn in 0..3 {
                let which = if round % 2 == 0 { turn } else { 2 - turn };
                let begin = cpu_seconds();
                match which {
                    0 => {
                        let source = Linked(chunk, kinds);
                        let batch = replay_plugin::Batch::new([&source as &dyn Source]).ok().unwrap();
                        black_box(replay_plugin::run(&linked, &manifest, batch).unwrap());
                    }
                    1 => drop(black_box(plugin.process_chunks(source).unwrap())),
                    _ => drop(black_box(long_lived.process_chunks(source).unwrap())),
                }
                times[which] += cpu_seconds() - begin;
            }
        }
        // The first warms up.
        if round > 0 {
            rounds.push(times);
        }
    }
    let of = |what: &str, value: &dyn Fn(&[f64; 3]) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        let (least, median, most) = (values[0], values[values.len() / 2], values[values.len() - 1]);
        println!("{name}: {what} {median:.3} ({least:.3} to {most:.3})");
    };
    let speed = |which: usize| move |times: &[f64; 3]| raw_bytes as f64 / times[which] / 1e6;
    of("linked in, MB/s of events", &speed(0));
    of("sandboxed, MB/s of events", &speed(1));
    of("sandboxed / linked in, time", &|times| times[1] / times[0]);
    of("long-lived / linked in, time", &|times| times[2] / times[0]);
    of("fresh / long-lived, time", &|times| times[1] / times[2]);
}

fn cpu_seconds() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

fn components() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    std::env::var_os("PLUGINS").map_or(target, Into::into)
}

/// Recorded events, in chunks of about 100 KB; what is larger by itself is left out.
fn chunks() -> Vec<Arc<Batch>> {
    let mut chunks = Vec::new();
    let mut events = Vec::new();
    for recorded in recorded().into_iter().filter(|recorded| recorded.len() < CHUNK_BYTES) {
        events.push(if events.is_empty() { b'[' } else { b',' });
        events.extend_from_slice(&recorded[1..recorded.len() - 1]);
        if events.len() >= CHUNK_BYTES {
            events.push(b']');
            chunks.push(Arc::new(scanned(std::mem::take(&mut events))));
        }
    }
    chunks
}

fn scanned(json: Vec<u8>) -> Batch {
    let limits =
        ScanLimits { max_raw_chunk_bytes: 64 << 20, max_ratio: 1000, max_depth: 512, max_fields: 1 << 22 };
    let head = ChunkHead {
        session: SessionKey {
            project_id: ProjectId::new("shop").unwrap(),
            session_id: SessionId::parse("0191f0c4-7e1a-7c3b-9d55-0123456789ab").unwrap(),
        },
        key: ChunkKey { timestamp_start_ms: 1, chunk_index: 0 },
        timestamp_end_ms: 3,
        event_count: 50,
        has_full_snapshot: false,
        data_size: json.len() as u64,
        codec: Codec::Gzip,
    };
    let mut batch = Batch::new(Kinds::ALL, Elements::new(ElementLimits { max_bytes: 64 << 20 }));
    batch.add(&head, json, &limits).unwrap();
    batch
}

/// The events of the recordings, in the order of their files.
fn recorded() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/recordings");
    let keep = Encoding { codec: Compression::Gzip, level: 6, recompress: Recompress::ChangedOnly };
    let mut scratch = Scratch::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .flatten()
        .flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten())
        .map(|file| file.path())
        .collect();
    files.sort();
    let mut payloads = Vec::new();
    for file in files {
        for line in std::fs::read_to_string(file).unwrap_or_default().lines() {
            let Ok(decoded) = decode(line.as_bytes(), &DecodeLimits::default(), &keep, &mut scratch) else {
                continue;
            };
            payloads.push(decompress(&mut scratch, decoded.codec, &decoded.data, 64 << 20).unwrap().to_vec());
        }
    }
    payloads
}
