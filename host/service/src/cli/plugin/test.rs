//! `plugin test`: a chain on recorded chunks, under production limits, and each changed field before and
//! after. Nothing is stored.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use replay_core::identity::SessionKey;
use replay_core::rrweb::{Batch, EditRules, Finished, Kind, Kinds};
use replay_sandbox::{Plugin, Sandbox};
use serde::Serialize;

use super::canaries::{Canaries, CanaryReport};
use super::dead_letter::{self, LetterFound};
use super::fields::{FieldLine, lines_of, open};
use super::{TempDir, TestArgs, build, load, production_sandbox, settings_arg, watch};
use crate::build as service;
use crate::cli::recorded::{RecordedChunk, read_sessions};
use crate::cli::{CliError, Exit, Format, output};
use crate::config::Settings;

/// Changed fields that are kept of a run.
const MAX_KEPT: usize = 100_000;

/// One changed field.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ChangedLine {
    pub(super) session: String,
    pub(super) chunk: usize,
    pub(super) event: u32,
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) before: String,
    pub(super) after: String,
}

/// What is run, on what.
pub(super) struct Trial {
    settings: Settings,
    pub(super) sandbox: Sandbox,
    sessions: BTreeMap<SessionKey, Vec<RecordedChunk>>,
    letter: Option<LetterFound>,
    own: Vec<String>,
    canaries: Option<Canaries>,
}

/// What came of it: at most [`MAX_KEPT`] changed fields.
pub(super) struct Run {
    pub(super) changed: Vec<ChangedLine>,
    pub(super) report: TestReport,
    /// Pin and settings of each plugin.
    pub(super) used: Vec<(String, String)>,
}

/// What the chain did in all.
#[derive(Default, Serialize)]
pub(super) struct TestReport {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    letter: Option<LetterFound>,
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
    if args.settings.len() > args.components.len() {
        return Err(CliError::usage(format!(
            "{} plugins and {} settings; give each plugin's in the order of the plugins",
            args.components.len(),
            args.settings.len()
        )));
    }
    let workshop = TempDir::new()?;
    let (letter, (sessions, broken)) = match &args.dead_letter {
        Some(id) => dead_letter::fetch(config, id)?,
        None => (None, read_sessions(&args.input)?),
    };
    let (settings, sandbox) = production_sandbox(config, &workshop.path().join("cache"))?;
    let trial = Trial {
        settings,
        sandbox,
        sessions,
        letter,
        own: args.settings.iter().map(|given| settings_arg(given)).collect::<Result<_, _>>()?,
        canaries: args.canaries.as_deref().map(Canaries::read).transpose()?,
    };
    if broken > 0 {
        output::complain(&format!("{broken} broken records were left out"));
    }
    if args.watch {
        return watch::watch(&trial, args, workshop.path());
    }
    let run = trial.run(&components(args, workshop.path())?, args.write.as_deref())?;
    run.changed.iter().take(args.show).try_for_each(|line| say_change(line, args.output.output))?;
    output::report(&run.report, args.output.output)?;
    Ok(if run.report.is_clean() { Exit::Done } else { Exit::SomeFailed })
}

/// The components, those of directories built anew.
pub(super) fn components(args: &TestArgs, workshop: &Path) -> Result<Vec<PathBuf>, CliError> {
    let component = |(position, path): (usize, &PathBuf)| {
        if !path.is_dir() {
            return Ok(path.clone());
        }
        Ok(build::component(path, &workshop.join(position.to_string()))?.file)
    };
    args.components.iter().enumerate().map(component).collect()
}

impl Trial {
    /// Runs the chain of these components on every session.
    pub(super) fn run(&self, components: &[PathBuf], write: Option<&Path>) -> Result<Run, CliError> {
        let (mut chain, mut used) = (Vec::new(), Vec::new());
        for (position, path) in components.iter().enumerate() {
            let own = self.own.get(position).map_or("null", String::as_str);
            let (plugin, inspection) = load(&self.sandbox, path, own)?;
            used.push((inspection.sha256, own.to_owned()));
            chain.push(plugin);
        }
        let (mut text_bytes, mut call_time, mut kept) = (0, Duration::ZERO, Vec::new());
        let mut report = TestReport { letter: self.letter.clone(), ..TestReport::default() };
        for (session, chunks) in &self.sessions {
            let outcome = one_session(&self.settings, &chain, chunks)?;
            report.sessions += 1;
            text_bytes += outcome.text_bytes;
            call_time += outcome.call_time;
            report.take(session, &outcome);
            let changed = report.changed_lines(session, &outcome, self.canaries.as_ref());
            kept.extend(changed.into_iter().take(MAX_KEPT - kept.len()));
            if let Some(dir) = write {
                write_session(dir, session, chunks, &outcome)?;
            }
        }
        report.call_time_ms = call_time.as_secs_f64() * 1e3;
        report.text_mb_per_s = text_bytes as f64 / 1e6 / call_time.as_secs_f64().max(1e-9);
        Ok(Run { changed: kept, report, used })
    }
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
    let limits = service::chain_limits(settings);
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
    /// Nothing failed, and no canary is left.
    pub(super) fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.canaries.as_ref().is_none_or(CanaryReport::is_clean)
    }

    /// What failed, by session, as codes.
    pub(super) fn failures(&self) -> &[String] {
        &self.failures
    }

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

pub(super) fn say_change(line: &ChangedLine, format: Format) -> Result<(), CliError> {
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
