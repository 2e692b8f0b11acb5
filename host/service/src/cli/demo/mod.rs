//! `demo`: recorded sessions of two tenants, each with a chain of its own, played through the intake of a
//! real `run` on embedded stores; then what came in, what was redacted and dropped, what was stored,
//! what could not be, and one session moved to cold.
//!
//! The demo does what a user would do: it starts this binary, posts over HTTP and calls the commands.

mod plugins;
mod say;
mod service;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{CliError, DemoArgs, Exit, output};
use plugins::Plugins;
use service::Service;

pub(super) fn demo(args: &DemoArgs) -> Result<Exit, CliError> {
    let recordings = read_recordings(&args.recordings)?;
    let dir = match &args.data {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("replay-demo-{}", uuid::Uuid::new_v4().simple())),
    };
    let plugins = Plugins::find(&args.plugins)?;
    output::say("Getting the plugins ready: each is configured, tried, warmed and compiled once …")?;
    let projects = recordings.projects();
    let mut service = Service::start(&dir, &plugins::demo_config(&dir, &projects, &plugins))?;
    output::say(&format!("A service is running on {}, with its data in {}.\n", service.api, dir.display()))?;
    let sent = send(&service, &recordings)?;
    service.wait_settled(sent.taken)?;
    say::what_came_in(&sent)?;
    say::what_was_redacted(&service, &projects)?;
    say::one_field(&plugins, &args.recordings)?;
    say::what_was_stored(&service, &sent)?;
    say::dead_letters(&service)?;
    say::a_move(&service)?;
    service.stop()?;
    let binary = std::env::current_exe().unwrap_or_else(|_| "replay-processor".into());
    output::say(&format!(
        "\nLook around (the service is stopped, its data stays):\n  \
         {binary} --config {config} session list\n  \
         {binary} --config {config} session export {session} | head -c 400\n  \
         {binary} --config {config} run",
        binary = binary.display(),
        config = dir.join("replay.yaml").display(),
        session = recordings.first_session().replace('/', " "),
    ))?;
    Ok(Exit::Done)
}

/// Records by project, and those that are broken on purpose.
struct Recordings {
    records: Vec<(String, Value)>,
    broken: Vec<String>,
}

impl Recordings {
    fn projects(&self) -> Vec<String> {
        let mut projects: Vec<String> = self.records.iter().map(|(project, _)| project.clone()).collect();
        projects.sort();
        projects.dedup();
        projects
    }

    /// `project/session`.
    fn first_session(&self) -> String {
        let (project, record) = &self.records[0];
        format!("{project}/{}", record["session_id"].as_str().unwrap_or_default())
    }
}

fn read_recordings(dir: &Path) -> Result<Recordings, CliError> {
    let unreadable = |path: &Path, error: &dyn std::fmt::Display| {
        CliError::usage(format!("cannot read recordings in {}: {error}; see --recordings", path.display()))
    };
    let mut recordings = Recordings { records: Vec::new(), broken: Vec::new() };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(|error| unreadable(dir, &error))? {
        let path = entry?.path();
        if path.is_dir() {
            let visits = std::fs::read_dir(&path)?.collect::<Result<Vec<_>, _>>()?;
            files.extend(visits.into_iter().map(|visit| visit.path()));
        } else if path.file_name().is_some_and(|name| name == "broken.ndjson") {
            let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
            recordings.broken = text.lines().map(str::to_owned).collect();
        }
    }
    files.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    files.sort();
    for path in files {
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        for line in text.lines() {
            let record: Value = serde_json::from_str(line).map_err(|error| unreadable(&path, &error))?;
            let project = record["project_id"].as_str().unwrap_or_default().to_owned();
            recordings.records.push((project, record));
        }
    }
    if recordings.records.is_empty() {
        return Err(CliError::usage(format!(
            "there are no recordings in {}; see --recordings",
            dir.display()
        )));
    }
    Ok(recordings)
}

/// What the intake said.
#[derive(Default)]
struct Sent {
    posted: u64,
    posted_bytes: u64,
    taken: u64,
    refused: BTreeMap<String, u64>,
}

fn send(service: &Service, recordings: &Recordings) -> Result<Sent, CliError> {
    let mut sent = Sent::default();
    let bar = progress((recordings.records.len() + recordings.broken.len()) as u64);
    for (project, record) in &recordings.records {
        let mut body = record.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.remove("project_id");
            fields.insert("project_key".to_owned(), json!(key_of(project)));
        }
        service.post(body.to_string().as_bytes(), &mut sent)?;
        bar.inc(1);
    }
    let some_key = key_of(&recordings.records[0].0);
    for line in &recordings.broken {
        // Broken records name no key; a broken SDK would.
        let body = line.replacen('{', &format!("{{\"project_key\":\"{some_key}\","), 1);
        service.post(body.as_bytes(), &mut sent)?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(sent)
}

fn key_of(project: &str) -> String {
    format!("pk_live_{project}")
}

fn progress(length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("playing {bar:40} {pos}/{len} requests") {
        bar.set_style(style);
    }
    bar
}
