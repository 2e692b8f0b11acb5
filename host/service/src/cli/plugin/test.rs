//! `plugin test`: a chain on recorded chunks, under production limits, and each changed field before and
//! after. Nothing is stored.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use replay_core::identity::SessionKey;
use replay_core::rrweb::{Batch, EditRules, Finished, Kind, Kinds};
use replay_sandbox::{Plugin, Sandbox};
use serde::Serialize;

use super::canaries::{Canaries, CanaryReport};
use super::fields::{FieldLine, lines_of, open};
use super::{TestArgs, read_component, sha256_hex};
use crate::build;
use crate::cli::recorded::{RecordedChunk, read_sessions};
use crate::cli::{CliError, Exit, Format, output};
use crate::config::Settings;

/// One changed field.
#[derive(Clone, Debug, Serialize)]
struct ChangedLine {
    session: String,
    chunk: usize,
    event: u32,
    kind: &'static str,
    name: String,
    before: String,
    after: String,
}

/// What the chain did in all.
#[derive(Default, Serialize)]
struct TestReport {
    sessions: u64,
    chunks: u64,
    chunks_changed: u64,
    chunks_dropped: u64,
    chunks_failed: u64,
    events_removed: u64,
    fields: u64,
    fields_changed: BTreeMap<&'static str, u64>,
    redacted_bytes: u64,
    log_lines: u64,
    failures: Vec<String>,
    call_time_ms: f64,
    text_mb_per_s: f64,
    #[serde(flatten)]
    canaries: Option<CanaryReport>,
}

pub(super) fn test(config: Option<&Path>, args: &TestArgs) -> Result<Exit, CliError> {
    let (sessions, broken) = read_sessions(&args.input)?;
    let canaries = args.canaries.as_deref().map(Canaries::read).transpose()?;
    let cache = tempdir()?;
    let (settings, sandbox) = production_sandbox(config, &cache)?;
    let mut chain = Vec::new();
    for (position, path) in args.components.iter().enumerate() {
        let sha256 = sha256_hex(&read_component(path)?);
        let own = args.settings.get(position).map_or("null", String::as_str);
        let plugin = sandbox
            .load(path, &sha256, own)
            .map_err(|error| CliError::failed(format!("{}: {error}", path.display())))?;
        chain.push(plugin);
    }
    let (mut report, mut text_bytes, mut call_time) = (TestReport::default(), 0, Duration::ZERO);
    let mut shown = 0;
    for (session, chunks) in &sessions {
        let outcome = one_session(&settings, &chain, chunks)?;
        report.sessions += 1;
        text_bytes += outcome.text_bytes;
        call_time += outcome.call_time;
        report.take(session, &outcome);
        for line in report.changed_lines(session, &outcome, canaries.as_ref()) {
            if shown < args.show {
                shown += 1;
                say_change(&line, args.output.output)?;
            }
        }
        if let Some(dir) = &args.write {
            write_session(dir, session, chunks, &outcome)?;
        }
    }
    report.call_time_ms = call_time.as_secs_f64() * 1e3;
    report.text_mb_per_s = text_bytes as f64 / 1e6 / call_time.as_secs_f64().max(1e-9);
    output::report(&report, args.output.output)?;
    if broken > 0 {
        output::complain(&format!("{broken} broken records were left out"));
    }
    let _ = std::fs::remove_dir_all(&cache);
    let is_clean = report.canaries.as_ref().is_none_or(CanaryReport::is_clean);
    Ok(if report.failures.is_empty() && is_clean { Exit::Done } else { Exit::SomeFailed })
}

/// The sandbox of the config, or of the defaults, with a cache of its own.
pub(in crate::cli) fn production_sandbox(
    config: Option<&Path>,
    cache: &Path,
) -> Result<(Settings, Sandbox), CliError> {
    let env = |name: &str| std::env::var(name).ok();
    let settings = match config {
        Some(path) => Settings::load(path, &env),
        None => Settings::embedded_defaults(),
    };
    let mut settings = settings.map_err(|errors| CliError::new(Exit::Config, errors.render(false)))?;
    settings.plugins.cache_dir = cache.to_owned();
    let sandbox = build::sandbox(&settings)?;
    Ok((settings, sandbox))
}

pub(in crate::cli) fn tempdir() -> Result<std::path::PathBuf, CliError> {
    let dir = std::env::temp_dir().join(format!("replay-plugin-{}", uuid::Uuid::new_v4().simple()));
    // What is compiled there is run: nobody else may write it.
    std::fs::DirBuilder::new().mode(0o700).create(&dir)?;
    Ok(dir)
}

/// A session after the chain, or up to what failed.
struct Outcome {
    before: Vec<Vec<FieldLine>>,
    after: Vec<Vec<FieldLine>>,
    finished: Vec<Finished>,
    failure: Option<String>,
    text_bytes: usize,
    call_time: Duration,
    log_lines: u64,
}

fn one_session(settings: &Settings, chain: &[Plugin], chunks: &[RecordedChunk]) -> Result<Outcome, CliError> {
    let limits = build::chain_limits(settings);
    let lines = |batch: &Batch| -> Vec<Vec<FieldLine>> {
        (0..batch.len()).map(|chunk| lines_of(batch, chunk, Kinds::ALL)).collect()
    };
    let mut batch = open(chunks, Kinds::ALL)?;
    let before = lines(&batch);
    let (mut failure, mut call_time, mut log_lines) = (None, Duration::ZERO, 0);
    let text_bytes = batch.text_bytes();
    for (position, plugin) in chain.iter().enumerate() {
        let manifest = plugin.manifest();
        let shared = Arc::new(batch);
        let started = Instant::now();
        let answer = plugin.process(&shared);
        call_time += started.elapsed();
        batch = Arc::into_inner(shared).ok_or_else(|| CliError::failed("a call kept the batch"))?;
        let rules = EditRules {
            allow_replace: true,
            mask_only: false,
            extra_edits: limits.extra_edits,
            max_text_bytes: limits.max_text_bytes,
            drop_reasons: u32::try_from(manifest.drop_reasons.len()).unwrap_or(u32::MAX),
        };
        let name = &manifest.name;
        match answer {
            Ok(answer) => {
                log_lines += answer.usage.log_lines.iter().map(|lines| u64::from(*lines)).sum::<u64>();
                if let Err(fault) = batch.apply(position, manifest.kinds, answer.verdicts, &rules) {
                    failure = Some(format!("{name}: plugin_invalid: {fault}"));
                }
            }
            Err(failed) => {
                let place = failed.chunk.map(|chunk| format!(" (at chunk {chunk})")).unwrap_or_default();
                failure = Some(format!("{name}: {}{place}", failed.kind.as_str()));
            }
        }
        if failure.is_some() {
            break;
        }
    }
    let after = lines(&batch);
    let finished = batch.finish().0;
    Ok(Outcome { before, after, finished, failure, text_bytes, call_time, log_lines })
}

impl TestReport {
    fn take(&mut self, session: &SessionKey, outcome: &Outcome) {
        self.chunks += outcome.finished.len() as u64;
        self.fields += outcome.before.iter().map(|lines| lines.len() as u64).sum::<u64>();
        self.log_lines += outcome.log_lines;
        if let Some(failure) = &outcome.failure {
            self.chunks_failed += outcome.finished.len() as u64;
            self.failures.push(format!("{session}: {failure}"));
            return;
        }
        for finished in &outcome.finished {
            match finished {
                Finished::Unchanged => {}
                Finished::Dropped { .. } => self.chunks_dropped += 1,
                Finished::Failed => {
                    self.chunks_failed += 1;
                    self.failures.push(format!("{session}: the edits did not make a recording"));
                }
                Finished::Changed { redactions, .. } => {
                    self.chunks_changed += 1;
                    self.redacted_bytes += redactions.bytes;
                    self.events_removed += u64::from(redactions.events_removed);
                    for (kind, fields) in Kind::ALL.into_iter().zip(redactions.fields) {
                        if fields > 0 {
                            *self.fields_changed.entry(kind.as_str()).or_default() += u64::from(fields);
                        }
                    }
                }
            }
        }
    }

    /// The fields that differ; with canaries, only those that differ where nothing asked for it. Those
    /// of removed events and dropped chunks are counted, but there is nothing to show of them.
    fn changed_lines(
        &mut self,
        session: &SessionKey,
        outcome: &Outcome,
        canaries: Option<&Canaries>,
    ) -> Vec<ChangedLine> {
        if outcome.failure.is_some() {
            return Vec::new();
        }
        let pairs = pairs(outcome);
        let over_redacted =
            canaries.map(|canaries| self.canaries.get_or_insert_default().take(canaries, &pairs));
        let mut changed = Vec::new();
        for (position, (before, after)) in pairs.into_iter().enumerate() {
            let over_redacted = over_redacted.as_ref().map(|fields| fields.get(position) == Some(&true));
            let Some(after) = after.filter(|after| over_redacted.unwrap_or(before.text != after.text)) else {
                continue;
            };
            changed.push(ChangedLine {
                session: session.to_string(),
                chunk: after.chunk,
                event: after.event,
                kind: after.kind,
                name: after.name.clone(),
                before: before.text.clone(),
                after: after.text.clone(),
            });
        }
        changed
    }
}

/// Each field with what is left of it: `None` in removed events and dropped chunks.
fn pairs(outcome: &Outcome) -> Vec<(&FieldLine, Option<&FieldLine>)> {
    let place = |line: &FieldLine| (line.event, line.node, line.kind);
    let mut pairs = Vec::new();
    for (before, after) in outcome.before.iter().zip(&outcome.after) {
        let mut left = after.iter().peekable();
        for before in before {
            let same = |after: &&FieldLine| place(before) == place(after) && before.name == after.name;
            pairs.push((before, left.next_if(same)));
        }
    }
    pairs
}

fn say_change(line: &ChangedLine, format: Format) -> Result<(), CliError> {
    match format {
        Format::Json => {
            let text = serde_json::to_string(line).map_err(|error| CliError::failed(error.to_string()))?;
            output::say(&text)
        }
        Format::Table => {
            let name = if line.name.is_empty() { "-" } else { &line.name };
            output::say(&format!(
                "chunk {} event {} {} {name}\n  - {}\n  + {}",
                line.chunk,
                line.event,
                line.kind,
                shortened(&line.before),
                shortened(&line.after)
            ))
        }
    }
}

/// One line of at most 160 characters.
fn shortened(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(160).collect();
    if line.chars().count() < text.chars().count() { format!("{line}…") } else { line }
}

fn write_session(
    dir: &Path,
    session: &SessionKey,
    chunks: &[RecordedChunk],
    outcome: &Outcome,
) -> Result<(), CliError> {
    let dir = dir.join(session.project_id.as_str());
    std::fs::create_dir_all(&dir)?;
    let mut file = std::fs::File::create(dir.join(format!("{}.ndjson", session.session_id)))?;
    let mut scratch = replay_core::codec::Scratch::default();
    for (chunk, finished) in chunks.iter().zip(&outcome.finished) {
        match finished {
            Finished::Changed { json, .. } => file.write_all(json)?,
            Finished::Dropped { .. } | Finished::Failed => continue,
            Finished::Unchanged => {
                let events = replay_core::codec::decompress(
                    &mut scratch,
                    chunk.head.codec,
                    &chunk.data,
                    usize::try_from(chunk.head.data_size).unwrap_or(usize::MAX),
                );
                file.write_all(events.map_err(|error| CliError::failed(error.to_string()))?)?;
            }
        }
        file.write_all(b"\n")?;
    }
    Ok(())
}
