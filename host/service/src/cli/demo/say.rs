//! What the demo says, from what the service answers.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::Sent;
use super::plugins::{Plugins, chains};
use super::service::Service;
use crate::cli::{CliError, output};

pub(super) fn what_came_in(sent: &Sent) -> Result<(), CliError> {
    output::say(&format!("came in        {} chunks in {} requests", sent.taken, sent.posted))?;
    for (why, count) in &sent.refused {
        output::say(&format!("  refused at the door: {count} × {why}"))?;
    }
    Ok(())
}

pub(super) fn what_was_stored(service: &Service, sent: &Sent) -> Result<(), CliError> {
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

pub(super) fn dead_letters(service: &Service) -> Result<(), CliError> {
    let letters = service.json(&["dead-letter", "list"])?;
    output::say(&format!("dead letters   {}", letters.len()))?;
    for letter in &letters {
        let field = |name: &str| letter[name].as_str().unwrap_or_default();
        output::say(&format!("  {:<14} {:<20} {}", field("id"), field("reason"), field("detail")))?;
    }
    Ok(())
}

/// From the service's own metrics.
pub(super) fn what_was_redacted(service: &Service, projects: &[String]) -> Result<(), CliError> {
    for (project, chain) in projects.iter().zip(chains(projects)) {
        let names: Vec<&str> = chain.iter().map(|(name, _)| *name).collect();
        output::say(&format!("{:<14} {}", format!("chain {project}"), names.join(" → ")))?;
    }
    let metrics = service.get("/metrics")?;
    let by = |metric: &str, label: &str| -> Vec<(String, u64)> {
        let lines = metrics.lines().filter_map(|line| line.strip_prefix(metric)?.strip_prefix('{'));
        lines
            .filter_map(|line| {
                let (labels, value) = line.rsplit_once("} ")?;
                let (_, rest) = labels.split_once(&format!("{label}=\""))?;
                Some((rest.split('"').next()?.to_owned(), value.parse::<f64>().ok()? as u64))
            })
            .filter(|(_, count)| *count > 0)
            .collect()
    };
    let fields = by("replay_redacted_fields_total", "kind");
    let kinds: Vec<String> = fields.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let total: u64 = fields.iter().map(|(_, count)| count).sum();
    output::say(&format!("redacted       {total} fields: {}", kinds.join(", ")))?;
    for (plugin, count) in by("replay_plugin_dropped_chunks_total", "plugin") {
        output::say(&format!("dropped        {count} chunks by {plugin}"))?;
    }
    Ok(())
}

/// As `plugin test` shows it: the first short text with an address in it.
pub(super) fn one_field(plugins: &Plugins, recordings: &Path) -> Result<(), CliError> {
    let run = Command::new(std::env::current_exe()?)
        .args(["plugin", "test", "--output", "json", "--show", "1000"])
        .arg(plugins.path("mask-pii"))
        .arg("--input")
        .arg(recordings)
        .output()?;
    let text = String::from_utf8_lossy(&run.stdout);
    let changed = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let shows_well = |line: &Value| {
        let before = line["before"].as_str().unwrap_or_default();
        line["kind"] == "text" && before.contains('@') && before.len() < 100 && !before.contains('\n')
    };
    let Some(line) = changed.into_iter().find(shows_well) else {
        return Err(CliError::failed(format!(
            "`plugin test` changed nothing\n{}",
            String::from_utf8_lossy(&run.stderr)
        )));
    };
    let field = |name: &str| line[name].as_str().unwrap_or_default().trim().to_owned();
    output::say(&format!("  before       {}\n  after        {}", field("before"), field("after")))
}

/// The largest session: exported, moved, exported again.
pub(super) fn a_move(service: &Service) -> Result<(), CliError> {
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
