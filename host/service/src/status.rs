//! What `status` shows: the pipeline's books, readiness and the lifecycle's counters in one report.

use std::fmt::Write as _;

use replay_core::pipeline::{EdgeStatus, Ending, Status};
use serde::{Deserialize, Serialize};

use crate::observe::{Check, LifecycleCounts, Readiness, edges};

/// The report; `status --output json` prints it as it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// `ready`, `degraded` or `unready`.
    pub status: String,
    /// What is not well, and why.
    pub troubles: Vec<String>,
    /// Why the config on disk is refused, if it is.
    #[serde(default)]
    pub config_refused: Option<String>,
    /// The source's partitions.
    pub partitions: Vec<Partition>,
    /// Records since the start.
    pub received: u64,
    /// Records settled since the start, by how.
    pub settled: Vec<(String, u64)>,
    /// Records here now.
    pub unsettled: u64,
    /// Records given up with their partitions.
    pub released: u64,
    /// Open session buffers.
    pub open_sessions: u64,
    /// Memory held, bytes.
    pub budget_used_bytes: u64,
    /// Memory allowed, bytes.
    pub budget_bytes: u64,
    /// Each edge: name, waiting jobs, last error.
    pub edges: Vec<Edge>,
    /// Sessions moved since the start.
    pub sessions_moved: u64,
    /// The last lifecycle run, Unix milliseconds.
    pub last_lifecycle_run_at: Option<u64>,
    /// The last error of a lifecycle run, also after it went away.
    pub last_lifecycle_error: Option<String>,
}

/// One partition.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Partition {
    /// Which.
    pub partition: u32,
    /// Records between the commit and the end.
    pub lag: u64,
    /// One past the last committed offset.
    pub committed: u64,
    /// The lowest unsettled offset.
    pub lowest_unsettled: Option<u64>,
    /// How long it has been here, milliseconds.
    pub age_ms: Option<u64>,
    /// Where it is.
    pub stage: Option<String>,
}

/// One edge.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Edge {
    /// `hot_store`, `dead_letters` or `commits`.
    pub name: String,
    /// Jobs that wait for it.
    pub waiting: u64,
    /// Since when it fails, Unix milliseconds.
    pub failing_since: Option<u64>,
    /// The last error, also after it went away.
    pub last_error: Option<String>,
}

/// Puts the report together.
pub fn report(
    status: Option<&Status>,
    readiness: Readiness,
    end_offsets: &[(u32, u64)],
    lifecycle: &LifecycleCounts,
) -> Report {
    let empty = Status::default();
    let books = status.unwrap_or(&empty);
    let trouble =
        |check: Check| (!check.ok).then(|| format!("{}: {}", check.name, check.reason.unwrap_or_default()));
    Report {
        status: readiness.status.to_owned(),
        troubles: readiness.checks.into_iter().filter_map(trouble).collect(),
        config_refused: None,
        partitions: partitions(books, end_offsets),
        received: books.counts.received,
        settled: books.counts.settled.iter().map(|(ending, count)| (ending_name(*ending), *count)).collect(),
        unsettled: books.unsettled(),
        released: books.counts.released,
        open_sessions: books.open_sessions as u64,
        budget_used_bytes: books.budget_used_bytes as u64,
        budget_bytes: books.budget_bytes as u64,
        edges: edges(books).map(|(name, state)| edge(name, state)).into(),
        sessions_moved: lifecycle.sessions_moved,
        last_lifecycle_run_at: lifecycle.last_run_at_ms,
        last_lifecycle_error: lifecycle.last_error.clone(),
    }
}

/// `stored`, `skipped tombstoned`, `dead_lettered not_events`…
pub fn ending_name(ending: Ending) -> String {
    match ending {
        Ending::Stored => "stored".to_owned(),
        Ending::DroppedByPlugin => "dropped_by_plugin".to_owned(),
        Ending::Skipped(skip) => format!("skipped {skip}"),
        Ending::DeadLettered(reason) => format!("dead_lettered {reason}"),
    }
}

/// How far behind each partition is. `end_offsets`: one past the last offset of each.
pub fn partitions(status: &Status, end_offsets: &[(u32, u64)]) -> Vec<Partition> {
    status.partitions.iter().map(|books| partition(books, end_offsets)).collect()
}

fn partition(books: &replay_core::pipeline::PartitionStatus, end_offsets: &[(u32, u64)]) -> Partition {
    let end = end_offsets.iter().find(|(number, _)| *number == books.partition).map_or(0, |(_, end)| *end);
    Partition {
        partition: books.partition,
        lag: end.saturating_sub(books.committed),
        committed: books.committed,
        lowest_unsettled: books.pinned_by.map(|(offset, ..)| offset),
        age_ms: books.pinned_by.map(|(_, age_ms, _)| age_ms),
        stage: books.pinned_by.map(|(.., stage)| stage.as_str().to_owned()),
    }
}

fn edge(name: &str, state: &EdgeStatus) -> Edge {
    Edge {
        name: name.to_owned(),
        waiting: state.waiting as u64,
        failing_since: state.failing_since_ms,
        last_error: state.last_error.as_ref().map(|error| error.what.clone()),
    }
}

/// The report for people.
pub fn to_text(report: &Report) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "status         {}", report.status);
    for trouble in &report.troubles {
        let _ = writeln!(text, "               {trouble}");
    }
    for line in report.config_refused.iter().flat_map(|why| why.lines()) {
        let _ = writeln!(text, "               {line}");
    }
    for books in &report.partitions {
        let pinned = match (books.lowest_unsettled, books.age_ms, &books.stage) {
            (Some(offset), Some(age_ms), Some(stage)) => {
                format!(", waits for {offset} (in {stage}, {:.1} s)", age_ms as f64 / 1_000.0)
            }
            _ => String::new(),
        };
        let _ = writeln!(
            text,
            "partition {}    lag {}, committed {}{pinned}",
            books.partition, books.lag, books.committed
        );
    }
    let _ = writeln!(text, "received       {}", report.received);
    for (ending, count) in &report.settled {
        let _ = writeln!(text, "  {ending:<28} {count}");
    }
    let _ = writeln!(text, "unsettled      {} in {} open sessions", report.unsettled, report.open_sessions);
    let _ = writeln!(
        text,
        "memory         {} of {} MiB",
        report.budget_used_bytes >> 20,
        report.budget_bytes >> 20
    );
    for edge in report.edges.iter().filter(|edge| edge.failing_since.is_some()) {
        let error = edge.last_error.as_deref().unwrap_or("");
        let _ = writeln!(text, "{:<14} failing, {} jobs wait: {error}", edge.name, edge.waiting);
    }
    let _ = writeln!(text, "moved          {} sessions to the cold store", report.sessions_moved);
    if let Some(error) = &report.last_lifecycle_error {
        let _ = writeln!(text, "lifecycle      last error: {error}");
    }
    text
}
