//! What the sandbox costs: `mask-pii` in it against the same code linked in, and a fresh instance
//! against one that lives for many calls, on recorded events in chunks of 100 KB.
//!
//! `cargo bench -p replay-sandbox --bench mask_pii`; the component is read from
//! `target/plugins` (`replay-processor plugin build plugins/mask-pii --out target/plugins`) or from the
//! directory in `PLUGINS`. CPU time of the one thread; medians of interleaved rounds, with the least and
//! the greatest.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a bench")]

mod recorded;

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mask_pii::MaskPii;
use recorded::{Linked, chunks, cpu_seconds, print_median};
use replay_core::rrweb::{Batch, Kind, Kinds};
use replay_plugin::{Plugin as _, Source};
use replay_sandbox::{ChunkSource, Limits, LongLived, Plugin, Sandbox, Settings, sha256_hex};

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
        print_median(&format!("{name}: {what}"), &rounds, value);
    };
    let speed = |which: usize| move |times: &[f64; 3]| raw_bytes as f64 / times[which] / 1e6;
    of("linked in, MB/s of events", &speed(0));
    of("sandboxed, MB/s of events", &speed(1));
    of("sandboxed / linked in, time", &|times| times[1] / times[0]);
    of("long-lived / linked in, time", &|times| times[2] / times[0]);
    of("fresh / long-lived, time", &|times| times[1] / times[2]);
}

fn components() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    std::env::var_os("PLUGINS").map_or(target, Into::into)
}
