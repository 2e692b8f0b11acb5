//! `plugin bench`: a plugin's time and memory on recorded chunks, beside a plugin that does nothing.
//!
//! Both run interleaved, chunk by chunk, each call in a fresh instance as in the service, so that a busy
//! machine slows both. Times are CPU time of the calling thread.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use replay_core::codec::{self, Scratch};
use replay_core::rrweb::{Batch, Elements, Kinds};
use replay_sandbox::{Plugin, Sandbox, sha256_hex};
use serde::Serialize;

use super::{BenchArgs, TempDir, load, new, noop, production_sandbox, settings_arg};
use crate::build as service;
use crate::cli::bench::cpu_nanos;
use crate::cli::recorded::{RecordedChunk, read_sessions};
use crate::cli::{CliError, Exit, output};
use crate::config::Settings;

/// Rounds that are measured at least, after one that is not.
const MIN_ROUNDS: usize = 5;
/// Calls that are kept: some 100 MB.
const MAX_CALLS: usize = 4_000_000;

/// One plugin; names are part of the contract.
#[derive(Debug, Serialize)]
struct Measured {
    plugin: String,
    /// CPU microseconds of a chunk: a fresh instance, the fields handed over, its verdict.
    p50_us: f64,
    p99_us: f64,
    /// Megabytes (10⁶) of events, and of text of the kinds that it asks for, a CPU second.
    raw_mb_per_cpu_s: f64,
    text_mb_per_cpu_s: f64,
    /// All its time by that of the no-op: the median over the rounds.
    times_no_op: f64,
    /// Most memory that an instance held.
    memory_kib: usize,
    /// The most of its time that a chunk took, of what it may take.
    worst_of_deadline_percent: f64,
    chunks: usize,
    calls: usize,
    failed: usize,
}

/// One chunk, as the plugin sees it.
struct Sample {
    batch: Arc<Batch>,
    raw_bytes: u64,
    text_bytes: usize,
}

/// What the calls of one plugin came to.
#[derive(Default)]
struct Calls {
    nanos: Vec<u64>,
    round_nanos: Vec<u64>,
    memory_bytes: usize,
    worst_of_deadline: f64,
    failed: usize,
    first_failure: Option<&'static str>,
}

pub(super) fn bench(config: Option<&Path>, args: &BenchArgs) -> Result<Exit, CliError> {
    if !(args.seconds > 0.0 && args.seconds <= 3600.0) {
        return Err(CliError::usage(format!("--seconds {}: more than 0, at most 3600", args.seconds)));
    }
    let workshop = TempDir::new()?;
    let (settings, sandbox) = production_sandbox(config, &workshop.path().join("cache"))?;
    let own = settings_arg(&args.one.settings)?;
    let (plugin, _) = load(&sandbox, &args.one.component, &own)?;
    let kinds = plugin.manifest().kinds;
    let no_op = no_op(&sandbox, kinds, workshop.path())?;
    let samples = samples(&settings, args, kinds, workshop.path())?;
    let plugins = [no_op, plugin];
    let budget = Duration::from_secs_f64(args.seconds);
    // On a thread of its own, as the service's workers are.
    let measured = std::thread::scope(|scope| scope.spawn(|| measure(&plugins, &samples, budget)).join());
    let calls = measured.map_err(|_| CliError::failed("a measure panicked"))?;
    let lines: Vec<Measured> =
        plugins.iter().zip(&calls).map(|(plugin, one)| summarise(plugin, one, &calls[0], &samples)).collect();
    output::list(&lines, args.one.output.output)?;
    match calls[1].first_failure {
        None => Ok(Exit::Done),
        Some(code) => {
            output::complain(&format!(
                "{} of {} calls failed, the first with {code}; `plugin test` says where",
                calls[1].failed,
                calls[1].nanos.len()
            ));
            Ok(Exit::SomeFailed)
        }
    }
}

fn no_op(sandbox: &Sandbox, kinds: Kinds, workshop: &Path) -> Result<Plugin, CliError> {
    let (component, file) = (noop::component(kinds)?, workshop.join("no-op.wasm"));
    std::fs::write(&file, &component)?;
    sandbox
        .load(&file, &sha256_hex(&component), "null")
        .map_err(|error| CliError::failed(format!("the plugin to compare with: {error}")))
}

fn samples(
    settings: &Settings,
    args: &BenchArgs,
    kinds: Kinds,
    workshop: &Path,
) -> Result<Vec<Sample>, CliError> {
    let input = if args.input.is_empty() {
        output::complain("measured on the small visit that this program carries; --input takes your own");
        vec![new::visit_in(workshop)?]
    } else {
        args.input.clone()
    };
    let mut samples = Vec::new();
    for chunks in read_sessions(&input)?.sessions.values() {
        session_samples(settings, chunks, kinds, &mut samples)?;
    }
    Ok(samples)
}

/// Each chunk as a batch of its own that knows the elements of those before it.
fn session_samples(
    settings: &Settings,
    chunks: &[RecordedChunk],
    kinds: Kinds,
    samples: &mut Vec<Sample>,
) -> Result<(), CliError> {
    let limits = service::chain_limits(settings);
    let failed = |error: &dyn std::fmt::Display| CliError::failed(error.to_string());
    let (mut elements, mut scratch) = (Elements::new(limits.elements), Scratch::default());
    for chunk in chunks {
        let max_bytes = limits.scan.max_raw_chunk_bytes;
        let json = codec::decompress(&mut scratch, chunk.head.codec, &chunk.data, max_bytes)
            .map_err(|error| failed(&error))?
            .to_vec();
        let mut batch = Batch::new(kinds, elements.clone());
        batch.add(&chunk.head, json.clone(), &limits.scan).map_err(|error| failed(&error))?;
        let mut next = Batch::new(kinds, elements);
        next.add(&chunk.head, json, &limits.scan).map_err(|error| failed(&error))?;
        elements = next.finish().1;
        let text_bytes = batch.text_bytes();
        samples.push(Sample { batch: Arc::new(batch), raw_bytes: chunk.head.data_size, text_bytes });
    }
    Ok(())
}

/// The first round is not counted: pages are touched, caches filled.
fn measure(plugins: &[Plugin; 2], samples: &[Sample], budget: Duration) -> [Calls; 2] {
    let mut calls = <[Calls; 2]>::default();
    let (start, mut rounds) = (Instant::now(), 0);
    while rounds <= MIN_ROUNDS || start.elapsed() < budget {
        let mut round_nanos = [0; 2];
        for sample in samples {
            for ((plugin, calls), round_nanos) in plugins.iter().zip(&mut calls).zip(&mut round_nanos) {
                let nanos = calls.take(plugin, sample, rounds > 0);
                *round_nanos += nanos;
            }
        }
        if rounds > 0 {
            for (calls, nanos) in calls.iter_mut().zip(round_nanos) {
                calls.round_nanos.push(nanos);
            }
        }
        rounds += 1;
        if calls[0].nanos.len() + samples.len() > MAX_CALLS {
            break;
        }
    }
    calls
}

impl Calls {
    fn take(&mut self, plugin: &Plugin, sample: &Sample, counts: bool) -> u64 {
        let start = cpu_nanos();
        let answer = std::hint::black_box(plugin.process(&sample.batch));
        let nanos = cpu_nanos().saturating_sub(start);
        if !counts {
            return nanos;
        }
        let usage = match answer {
            Ok(answer) => answer.usage,
            Err(failure) => {
                self.failed += 1;
                self.first_failure.get_or_insert(failure.kind.as_str());
                failure.usage
            }
        };
        self.nanos.push(nanos);
        self.memory_bytes = self.memory_bytes.max(usage.memory_bytes);
        let allowed = plugin.time_allowed(sample.text_bytes).as_nanos().max(1) as f64;
        self.worst_of_deadline = self.worst_of_deadline.max(nanos as f64 / allowed);
        nanos
    }
}

fn summarise(plugin: &Plugin, calls: &Calls, no_op: &Calls, samples: &[Sample]) -> Measured {
    let mut nanos = calls.nanos.clone();
    nanos.sort_unstable();
    let percentile = |share: f64| {
        let at = (nanos.len().saturating_sub(1) as f64 * share) as usize;
        nanos.get(at).copied().unwrap_or(0) as f64 / 1e3
    };
    let ratios = calls.round_nanos.iter().zip(&no_op.round_nanos);
    let ratio = median(ratios.map(|(nanos, no_op)| *nanos as f64 / (*no_op).max(1) as f64).collect());
    let seconds = median(calls.round_nanos.iter().map(|nanos| *nanos as f64 / 1e9).collect()).max(1e-9);
    let raw_bytes: u64 = samples.iter().map(|sample| sample.raw_bytes).sum();
    let text_bytes: usize = samples.iter().map(|sample| sample.text_bytes).sum();
    Measured {
        plugin: plugin.manifest().name.clone(),
        p50_us: rounded(percentile(0.50), 10.0),
        p99_us: rounded(percentile(0.99), 10.0),
        raw_mb_per_cpu_s: rounded(raw_bytes as f64 / 1e6 / seconds, 10.0),
        text_mb_per_cpu_s: rounded(text_bytes as f64 / 1e6 / seconds, 10.0),
        times_no_op: rounded(ratio, 100.0),
        memory_kib: calls.memory_bytes >> 10,
        worst_of_deadline_percent: rounded(calls.worst_of_deadline * 100.0, 100.0),
        chunks: samples.len(),
        calls: calls.nanos.len(),
        failed: calls.failed,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn rounded(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}
