//! `bench`: what decoding, encoding and the whole path cost, on recorded chunks, one core.
//!
//! What is compared runs interleaved in one process: each round times every measure on the same
//! chunks, so that a busy machine slows both sides of a ratio. Ratios are medians over the rounds,
//! printed with the least and the greatest.

mod chains;
mod migration;
mod samples;
mod tenants;

use std::time::{Duration, Instant};

use replay_core::codec::{self, Encoding, Recompress, Scratch};
use replay_core::decode::{DecodeLimits, decode};
use replay_core::row::Codec;
use serde::Serialize;

use super::plugin::TempDir;
use super::{BenchArgs, CliError, Exit, OutputArgs, output};
use samples::{Sample, read_samples};

/// One measure; names are part of the contract.
#[derive(Debug, Serialize)]
struct Measure {
    name: &'static str,
    /// Megabytes (10⁶) of uncompressed events a second of CPU.
    raw_mb_per_cpu_s: f64,
    chunks_per_cpu_s: f64,
    /// Against the measure that it is compared with; `null` where there is none.
    ratio: Option<f64>,
    ratio_min: Option<f64>,
    ratio_max: Option<f64>,
    /// What `ratio` compares with.
    against: Option<&'static str>,
    p50_us: f64,
    p99_us: f64,
}

/// A measure: what runs on each chunk, and what it is compared with.
struct Subject {
    name: &'static str,
    against: Option<&'static str>,
    run: Box<dyn FnMut(&Sample) -> usize + Send>,
}

pub(super) fn bench(args: &BenchArgs) -> Result<Exit, CliError> {
    let BenchArgs { input, plugins, only, seconds, output: OutputArgs { output: format }, .. } = args;
    let samples = read_samples(input)?;
    // Compiles for minutes, and has columns of its own: only if it is asked for.
    if only == "tenants" {
        output::list(&tenants::measure(args, &samples)?, *format)?;
        return Ok(Exit::Done);
    }
    let raw_bytes: usize = samples.iter().map(|sample| sample.raw.len()).sum();
    output::complain(&format!(
        "{} chunks, {:.1} MB of events, {:.1} MB as gzip members",
        samples.len(),
        raw_bytes as f64 / 1e6,
        samples.iter().map(|sample| sample.member.len()).sum::<usize>() as f64 / 1e6
    ));
    let cache = TempDir::new()?;
    let mut subjects = subjects();
    subjects.extend(chains::subjects(plugins, cache.path(), only)?);
    let references: Vec<_> = subjects
        .iter()
        .filter(|one| one.name.contains(only.as_str()))
        .filter_map(|one| one.against)
        .collect();
    subjects.retain(|one| one.name.contains(only.as_str()) || references.contains(&one.name));
    let per_subject = Duration::from_secs_f64(seconds.clamp(0.1, 600.0));
    // On a thread of its own, as the service's workers are.
    let measured =
        std::thread::scope(|scope| scope.spawn(|| measure(&samples, &mut subjects, per_subject)).join());
    let rounds = measured.map_err(|_| CliError::failed("a measure panicked"))?;
    let mut measures: Vec<Measure> = (0..subjects.len())
        .map(|index| summarise(index, &subjects, &rounds, samples.len(), raw_bytes))
        .collect();
    if "migrate_session".contains(only.as_str()) {
        measures.extend(migration::measure(&samples)?);
    }
    output::list(&measures, *format)?;
    Ok(Exit::Done)
}

fn subjects() -> Vec<Subject> {
    let limits = DecodeLimits::default();
    let path = move |name, against, encoding: Encoding, inline: bool| {
        let mut scratch = Scratch::default();
        let run = move |sample: &Sample| {
            let record = if inline { &sample.inline_record } else { &sample.record };
            decode(record, &limits, &encoding, &mut scratch).map_or(0, |chunk| chunk.data.len())
        };
        Subject { name, against, run: Box::new(run) }
    };
    let keep = Encoding { codec: Codec::Gzip, level: 6, recompress: Recompress::ChangedOnly };
    let again = Encoding { recompress: Recompress::Always, ..keep };
    let encode = |name, codec, level| {
        let mut scratch = Scratch::default();
        let encoding = Encoding { codec, level, recompress: Recompress::Always };
        let run = move |sample: &Sample| {
            codec::compress(&mut scratch, &encoding, &sample.raw).map_or(0, |data| data.len())
        };
        Subject { name, against: None, run: Box::new(run) }
    };
    let mut gunzip = libdeflater::Decompressor::new();
    let mut raw = Vec::new();
    vec![
        Subject {
            name: "gunzip",
            against: None,
            run: Box::new(move |sample| {
                raw.resize(raw.len().max(sample.raw.len()), 0);
                gunzip.gzip_decompress(&sample.member, &mut raw).unwrap_or(0)
            }),
        },
        Subject {
            name: "validate",
            against: Some("gunzip"),
            run: Box::new(move |sample| {
                replay_core::json::scan_events(&sample.raw, limits.max_depth)
                    .map_or(0, |found| found.event_count as usize)
            }),
        },
        path("path_unchanged", Some("gunzip"), keep, false),
        path("path_inline_gzip6", Some("gunzip"), keep, true),
        path("path_recompress_gzip6", Some("gunzip"), again, false),
        path("path_recompress_gzip9", Some("gunzip"), Encoding { level: 9, ..again }, false),
        encode("encode_gzip1", Codec::Gzip, 1),
        encode("encode_gzip6", Codec::Gzip, 6),
        encode("encode_gzip9", Codec::Gzip, 9),
        encode("encode_zstd3", Codec::Zstd, 3),
    ]
}

fn rounded(value: f64, digits: f64) -> f64 {
    (value * digits).round() / digits
}

/// Nanoseconds by round, subject and chunk.
type Rounds = Vec<Vec<Vec<u64>>>;

fn measure(samples: &[Sample], subjects: &mut [Subject], per_subject: Duration) -> Rounds {
    let mut rounds = Vec::new();
    let budget = per_subject * u32::try_from(subjects.len()).unwrap_or(1);
    let start = Instant::now();
    // The first round warms caches and scratch buffers, and is thrown away.
    for round in 0.. {
        let mut times = vec![vec![0; samples.len()]; subjects.len()];
        for (position, sample) in samples.iter().enumerate() {
            for turn in 0..subjects.len() {
                // Pairs on the same chunk, and every other round backwards: whoever comes second finds
                // the chunk in the caches.
                let index = if round % 2 == 0 { turn } else { subjects.len() - 1 - turn };
                let start = cpu_nanos();
                std::hint::black_box((subjects[index].run)(std::hint::black_box(sample)));
                times[index][position] = cpu_nanos().saturating_sub(start);
            }
        }
        if round > 0 {
            rounds.push(times);
        }
        if round >= 5 && start.elapsed() > budget {
            break;
        }
    }
    rounds
}

/// What this thread has used of its processor: whoever else runs meanwhile does not count.
pub(super) fn cpu_nanos() -> u64 {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(used.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(used.tv_nsec).unwrap_or(0)
}

fn summarise(
    index: usize,
    subjects: &[Subject],
    rounds: &Rounds,
    chunks: usize,
    raw_bytes: usize,
) -> Measure {
    let total = |round: &Vec<Vec<u64>>, subject: usize| round[subject].iter().sum::<u64>() as f64;
    let subject = &subjects[index];
    let reference = subject.against.and_then(|name| subjects.iter().position(|other| other.name == name));
    let mut ratios: Vec<f64> = reference.map_or_else(Vec::new, |other| {
        rounds.iter().map(|round| total(round, other) / total(round, index)).collect()
    });
    ratios.sort_by(f64::total_cmp);
    let mut totals: Vec<f64> = rounds.iter().map(|round| total(round, index)).collect();
    totals.sort_by(f64::total_cmp);
    let seconds = totals[totals.len() / 2] / 1e9;
    let mut each: Vec<u64> = rounds.iter().flat_map(|round| round[index].iter().copied()).collect();
    each.sort_unstable();
    let percentile = |share: f64| each[((each.len() - 1) as f64 * share) as usize] as f64 / 1e3;
    Measure {
        name: subject.name,
        raw_mb_per_cpu_s: rounded(raw_bytes as f64 / 1e6 / seconds, 10.0),
        chunks_per_cpu_s: rounded(chunks as f64 / seconds, 1.0),
        ratio: ratios.get(ratios.len() / 2).map(|ratio| rounded(*ratio, 1e3)),
        ratio_min: ratios.first().map(|ratio| rounded(*ratio, 1e3)),
        ratio_max: ratios.last().map(|ratio| rounded(*ratio, 1e3)),
        against: subject.against,
        p50_us: rounded(percentile(0.50), 10.0),
        p99_us: rounded(percentile(0.99), 10.0),
    }
}
