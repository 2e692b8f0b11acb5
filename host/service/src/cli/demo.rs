//! `demo`: recorded sessions of two tenants, played through the intake of a real `run` on embedded
//! stores; then what came in, what was stored, what could not be, and one session moved to cold.
//!
//! The demo does what a user would do: it starts this binary, posts over HTTP and calls the commands.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{CliError, DemoArgs, Exit, output};

/// How long the service may take to settle what it was given.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn demo(args: &DemoArgs) -> Result<Exit, CliError> {
    let recordings = read_recordings(&args.recordings)?;
    let dir = match &args.data {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("replay-demo-{}", uuid::Uuid::new_v4().simple())),
    };
    let mut service = Service::start(&dir, &recordings.projects())?;
    output::say(&format!("A service is running on {}, with its data in {}.\n", service.api, dir.display()))?;
    let sent = send(&service, &recordings)?;
    service.wait_settled(sent.taken)?;
    say_what_came_in(&sent)?;
    say_what_was_stored(&service, &sent)?;
    say_dead_letters(&service)?;
    say_a_move(&service)?;
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

fn say_what_came_in(sent: &Sent) -> Result<(), CliError> {
    output::say(&format!("came in        {} chunks in {} requests", sent.taken, sent.posted))?;
    for (why, count) in &sent.refused {
        output::say(&format!("  refused at the door: {count} × {why}"))?;
    }
    Ok(())
}

fn say_what_was_stored(service: &Service, sent: &Sent) -> Result<(), CliError> {
    let rows = service.json(&["session", "list"])?;
    let sum = |field: &str| rows.iter().filter_map(|row| row[field].as_u64()).sum::<u64>();
    let (raw, stored) = (sum("data_size"), sum("compressed_size"));
    output::say(&format!(
        "stored         {} chunks, {} events, in {} sessions",
        sum("chunk_count"),
        sum("event_count"),
        rows.len()
    ))?;
    output::say(&format!(
        "compression    {:.1} MB of events in {:.1} MB: ratio {:.2} (the requests were {:.1} MB)",
        raw as f64 / 1e6,
        stored as f64 / 1e6,
        raw as f64 / stored.max(1) as f64,
        sent.posted_bytes as f64 / 1e6,
    ))
}

fn say_dead_letters(service: &Service) -> Result<(), CliError> {
    let letters = service.json(&["dead-letter", "list"])?;
    output::say(&format!("dead letters   {}", letters.len()))?;
    for letter in &letters {
        let field = |name: &str| letter[name].as_str().unwrap_or_default();
        output::say(&format!("  {:<14} {:<20} {}", field("id"), field("reason"), field("detail")))?;
    }
    Ok(())
}

/// The largest session: exported, moved, exported again.
fn say_a_move(service: &Service) -> Result<(), CliError> {
    let rows = service.json(&["session", "list"])?;
    let Some(row) = rows.iter().max_by_key(|row| row["data_size"].as_u64()) else { return Ok(()) };
    let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
    let (project, session) = (text("project_id"), text("session_id"));
    let export = || service.command(&["session", "export", &project, &session]);
    let hot = export()?;
    service.command(&["migrate", "run", "--session", &format!("{project}/{session}")])?;
    let cold = export()?;
    let chunks = service.json(&["session", "show", &project, &session])?;
    let all_cold = chunks.iter().all(|chunk| chunk["place"] == "cold");
    if !all_cold || hot != cold {
        return Err(CliError::failed(format!("{project}/{session} did not come back from cold as it was")));
    }
    let object = chunks.first().and_then(|chunk| chunk["object_key"].as_str()).unwrap_or_default();
    output::say(&format!(
        "moved to cold  {project}/{session}: {} chunks in {object},\n               \
         read back {} bytes of events, the same byte for byte",
        chunks.len(),
        cold.len()
    ))
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

/// This binary, running as a child.
struct Service {
    config: PathBuf,
    child: Child,
    api: String,
    agent: ureq::Agent,
}

impl Service {
    fn start(dir: &Path, projects: &[String]) -> Result<Self, CliError> {
        std::fs::create_dir_all(dir)?;
        let config = dir.join("replay.yaml");
        if config.exists() {
            let path = config.display();
            return Err(CliError::usage(format!(
                "{path} is there already; --data wants a directory of its own"
            )));
        }
        std::fs::write(&config, demo_config(dir, projects))?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--config")
            .arg(&config)
            .arg("run")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or_else(|| CliError::failed("the service has no stderr"))?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = String::new();
        let api = loop {
            match lines.next() {
                Some(Ok(line)) => match line.split_once("listening on ") {
                    Some((_, rest)) => break rest.split_whitespace().next().unwrap_or_default().to_owned(),
                    None => said += &(line + "\n"),
                },
                _ => return Err(CliError::failed(format!("the service did not start:\n{said}"))),
            }
        };
        // Its log is not the demo's; but a full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        Ok(Self { config, child, api, agent })
    }

    fn post(&self, body: &[u8], sent: &mut Sent) -> Result<(), CliError> {
        let answer =
            self.agent.post(format!("{}/v1/replay", self.api)).content_type("application/json").send(body);
        let mut answer =
            answer.map_err(|error| CliError::failed(format!("the service does not answer: {error}")))?;
        sent.posted += 1;
        sent.posted_bytes += body.len() as u64;
        if answer.status() == 200 {
            sent.taken += 1;
            return Ok(());
        }
        let mut text = String::new();
        let _ = answer.body_mut().as_reader().read_to_string(&mut text);
        let why = serde_json::from_str::<Value>(&text).ok();
        let why = why.and_then(|why| why["error"].as_str().map(str::to_owned)).unwrap_or(text);
        *sent.refused.entry(format!("{} {why}", answer.status().as_u16())).or_default() += 1;
        Ok(())
    }

    fn wait_settled(&self, count: u64) -> Result<(), CliError> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let status: Value = serde_json::from_slice(&self.command(&["status", "--output", "json"])?)
                .map_err(|error| CliError::failed(error.to_string()))?;
            if status["received"].as_u64() >= Some(count) && status["unsettled"] == 0 {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(CliError::failed(format!("{count} records were not settled within {} s", PATIENCE.as_secs())))
    }

    fn command(&self, args: &[&str]) -> Result<Vec<u8>, CliError> {
        let run =
            Command::new(std::env::current_exe()?).arg("--config").arg(&self.config).args(args).output()?;
        if run.status.success() {
            return Ok(run.stdout);
        }
        let complaint = String::from_utf8_lossy(&run.stderr).into_owned();
        Err(CliError::failed(format!("`{}` ended with {}\n{complaint}", args.join(" "), run.status)))
    }

    fn json(&self, args: &[&str]) -> Result<Vec<Value>, CliError> {
        let text = self.command(&[args, &["--output", "json"]].concat())?;
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let values = lines.map(serde_json::from_slice).collect::<Result<_, _>>();
        values.map_err(|error| CliError::failed(error.to_string()))
    }

    /// As an operator would: asks, and waits until it has drained.
    fn stop(&mut self) -> Result<(), CliError> {
        let config = self.config.parent().map(|dir| dir.join("data")).unwrap_or_default();
        if let Some(endpoint) = crate::lock::running_owner(&config).and_then(|owner| owner.admin) {
            let _: bool = super::client::Client::new(endpoint).post("/stop", &())?;
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Only after an error: otherwise it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn demo_config(dir: &Path, projects: &[String]) -> String {
    let data = dir.join("data");
    let tenants: String = projects
        .iter()
        .map(|project| format!("  {project}: {{ keys: [{}], plugins: [] }}\n", key_of(project)))
        .collect();
    format!(
        "# Written by `replay-processor demo`: the whole pipeline on embedded stores.\n\
         source: {{ kind: local }}\nhot: {{ kind: sqlite }}\ncold: {{ kind: dir }}\ndead_letters: {{ kind: table }}\n\
         embedded: {{ dir: {data:?} }}\n\
         api: {{ listen: \"127.0.0.1:0\" }}\n\
         replay: {{ idle_timeout: 200ms, flush_interval: 100ms }}\n\
         tenants:\n  unlisted: reject\n  defaults: {{ plugins: [] }}\n{tenants}"
    )
}
