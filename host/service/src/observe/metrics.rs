//! Metrics in the Prometheus text format, computed from the pipeline's status when they are asked for.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use metrics::{Label, with_local_recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use replay_core::pipeline::{EdgeStatus, Ending, Status};
use replay_core::rrweb::Kind;

use crate::chains::{ChainTotals, PluginCounts, ShadowTotals};
use crate::clock::unix_ms;
use crate::observe::ReloadStatus;

/// What the lifecycle has done since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LifecycleCounts {
    /// Sessions moved to the cold store.
    pub sessions_moved: u64,
    /// Chunks moved.
    pub chunks_moved: u64,
    /// Bytes of objects written.
    pub bytes_moved: u64,
    /// Sessions whose move failed and is tried again.
    pub move_failures: u64,
    /// Hot copies deleted because their time was over.
    pub copies_expired: u64,
    /// Cold objects deleted because their time was over.
    pub objects_expired: u64,
    /// Dead letters deleted because their time was over.
    pub letters_expired: u64,
    /// Bytes erased on request.
    pub bytes_erased: u64,
    /// Runs that ended with an error.
    pub failed_runs: u64,
    /// The last run's end, Unix milliseconds.
    pub last_run_at_ms: Option<u64>,
    /// When each part of a run last ended with nothing that failed, Unix milliseconds.
    pub complete_at_ms: BTreeMap<Part, u64>,
    /// Whether the cold store answered when it was last asked.
    pub cold_up: Option<bool>,
    /// The last error.
    pub last_error: Option<String>,
}

/// A part of a lifecycle run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Moving what is due.
    Migration,
    /// Deleting what is over.
    Retention,
    /// Going over erasures again.
    Erasures,
}

impl Part {
    const ALL: [(Self, &str); 3] =
        [(Self::Migration, "migration"), (Self::Retention, "retention"), (Self::Erasures, "erasures")];
}

/// The process's metrics.
pub struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// Answers of the intake by status code.
    intake: Mutex<BTreeMap<u16, u64>>,
    lifecycle: Mutex<LifecycleCounts>,
    started_at_ms: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        Self {
            recorder,
            handle,
            intake: Mutex::default(),
            lifecycle: Mutex::default(),
            started_at_ms: unix_ms(),
        }
    }
}

impl Metrics {
    /// Counts an answer of the intake.
    pub fn intake_answered(&self, code: u16) {
        *self.intake.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    /// Changes the lifecycle's counters.
    pub fn update_lifecycle(&self, update: impl FnOnce(&mut LifecycleCounts)) {
        update(&mut self.lifecycle.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The lifecycle's counters.
    pub fn lifecycle(&self) -> LifecycleCounts {
        self.lifecycle.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything as text. `end_offsets`: one past the last offset of each partition of the source.
    pub fn render(
        &self,
        status: Option<&Status>,
        end_offsets: &[(u32, u64)],
        chains: &ChainTotals,
        reloads: &ReloadStatus,
        shadows: &ShadowTotals,
    ) -> String {
        with_local_recorder(&self.recorder, || {
            if let Some(status) = status {
                record_pipeline(status);
                record_lag(status, end_offsets);
            }
            for (code, count) in &*self.intake.lock().unwrap_or_else(PoisonError::into_inner) {
                metrics::counter!("replay_intake_requests_total", "code" => code.to_string())
                    .absolute(*count);
            }
            record_lifecycle(&self.lifecycle(), self.started_at_ms);
            record_chains(chains);
            record_reloads(reloads);
            record_shadows(shadows);
        });
        self.handle.render()
    }
}

fn record_pipeline(status: &Status) {
    let counts = &status.counts;
    metrics::counter!("replay_records_received_total").absolute(counts.received);
    for (ending, count) in &counts.settled {
        metrics::counter!("replay_records_settled_total", labels(*ending)).absolute(*count);
    }
    metrics::counter!("replay_records_released_total").absolute(counts.released);
    metrics::counter!("replay_records_redelivered_total").absolute(counts.redelivered);
    metrics::counter!("replay_stale_results_total").absolute(counts.stale_results);
    metrics::counter!("replay_stored_bytes_total").absolute(counts.stored_bytes);
    metrics::counter!("replay_stored_raw_bytes_total").absolute(counts.stored_raw_bytes);
    for (why, count) in &counts.sealed {
        metrics::counter!("replay_buffers_sealed_total", "reason" => why.as_str()).absolute(*count);
    }
    for (why, count) in &counts.pauses {
        metrics::counter!("replay_pauses_total", "reason" => why.as_str()).absolute(*count);
    }
    metrics::gauge!("replay_records_unsettled").set(status.unsettled() as f64);
    metrics::gauge!("replay_open_sessions").set(status.open_sessions as f64);
    metrics::gauge!("replay_memory_budget_used_bytes").set(status.budget_used_bytes as f64);
    metrics::gauge!("replay_memory_budget_bytes").set(status.budget_bytes as f64);
    metrics::gauge!("replay_paused").set(f64::from(u8::from(status.paused.is_some())));
    for (edge, state) in edges(status) {
        let up = f64::from(u8::from(state.failing_since_ms.is_none()));
        metrics::gauge!("replay_edge_up", "edge" => edge).set(up);
        metrics::gauge!("replay_edge_waiting_jobs", "edge" => edge).set(state.waiting as f64);
    }
}

fn record_lag(status: &Status, end_offsets: &[(u32, u64)]) {
    for books in &status.partitions {
        let partition = books.partition.to_string();
        let end =
            end_offsets.iter().find(|(number, _)| *number == books.partition).map_or(0, |(_, end)| *end);
        let lag = end.saturating_sub(books.committed) as f64;
        metrics::gauge!("replay_partition_lag_records", "partition" => partition.clone()).set(lag);
        let age_s = books.pinned_by.map_or(0.0, |(_, age_ms, _)| age_ms as f64 / 1_000.0);
        metrics::gauge!("replay_oldest_unsettled_age_seconds", "partition" => partition).set(age_s);
    }
}

fn record_lifecycle(counts: &LifecycleCounts, started_at_ms: u64) {
    metrics::counter!("replay_sessions_moved_total").absolute(counts.sessions_moved);
    metrics::counter!("replay_chunks_moved_total").absolute(counts.chunks_moved);
    metrics::counter!("replay_moved_bytes_total").absolute(counts.bytes_moved);
    metrics::counter!("replay_move_failures_total").absolute(counts.move_failures);
    metrics::counter!("replay_copies_expired_total").absolute(counts.copies_expired);
    metrics::counter!("replay_objects_expired_total").absolute(counts.objects_expired);
    metrics::counter!("replay_letters_expired_total").absolute(counts.letters_expired);
    metrics::counter!("replay_erased_bytes_total").absolute(counts.bytes_erased);
    metrics::counter!("replay_lifecycle_failed_runs_total").absolute(counts.failed_runs);
    // Before the first run the start: an alert on its age must fire when none ever ends.
    let at_ms = counts.last_run_at_ms.unwrap_or(started_at_ms);
    metrics::gauge!("replay_lifecycle_last_run_timestamp_seconds").set(at_ms as f64 / 1_000.0);
    for (part, name) in Part::ALL {
        let at_ms = counts.complete_at_ms.get(&part).copied().unwrap_or(started_at_ms);
        metrics::gauge!("replay_lifecycle_complete_timestamp_seconds", "part" => name)
            .set(at_ms as f64 / 1_000.0);
    }
    if let Some(up) = counts.cold_up {
        metrics::gauge!("replay_edge_up", "edge" => "cold").set(f64::from(u8::from(up)));
    }
}

/// Whether the config on disk is the one in force.
fn record_reloads(status: &ReloadStatus) {
    metrics::counter!("replay_reloads_total").absolute(status.done);
    metrics::counter!("replay_reload_failed_total").absolute(status.failed);
    let stale = f64::from(u8::from(status.stale.is_some()));
    metrics::gauge!("replay_config_stale").set(stale);
    metrics::gauge!("replay_components_away").set(status.away as f64);
}

/// What chains did. Plugins by their names in the config; no project, and no word of a plugin's own.
fn record_chains(totals: &ChainTotals) {
    for (plugin, counts) in &totals.plugins {
        record_plugin(plugin, counts);
    }
    for (kind, count) in Kind::ALL.into_iter().zip(totals.fields) {
        metrics::counter!("replay_redacted_fields_total", "kind" => kind.as_str()).absolute(count);
    }
    metrics::counter!("replay_redacted_bytes_total").absolute(totals.redacted_bytes);
    metrics::counter!("replay_removed_events_total").absolute(totals.events_removed);
    metrics::counter!("replay_changed_chunks_total").absolute(totals.chunks_changed);
    metrics::counter!("replay_plugin_breakers_opened_total").absolute(totals.breakers_opened);
    metrics::gauge!("replay_plugin_breakers_open").set(totals.breakers_open as f64);
}

fn record_plugin(name: &str, counts: &PluginCounts) {
    let plugin = || Label::new("plugin", name.to_owned());
    let with = |key: &'static str, value: &str| vec![plugin(), Label::new(key, value.to_owned())];
    metrics::counter!("replay_plugin_calls_total", vec![plugin()]).absolute(counts.calls);
    metrics::counter!("replay_plugin_cpu_microseconds_total", vec![plugin()]).absolute(micros(counts.cpu));
    for (quantile, share) in [("0.5", 0.50), ("0.99", 0.99)] {
        let time_us = counts.times.percentile_us(share).unwrap_or(0);
        metrics::gauge!("replay_plugin_call_microseconds", with("quantile", quantile)).set(time_us as f64);
    }
    let verdicts = counts.verdicts;
    for (verdict, chunks) in [
        ("kept", verdicts.kept),
        ("changed", verdicts.changed),
        ("dropped", verdicts.dropped),
        ("replaced", verdicts.replaced),
    ] {
        metrics::counter!("replay_plugin_chunks_total", with("verdict", verdict)).absolute(chunks);
    }
    metrics::counter!("replay_plugin_dropped_chunks_total", vec![plugin()])
        .absolute(verdicts.dropped + verdicts.emptied);
    metrics::gauge!("replay_plugin_memory_high_water_bytes", vec![plugin()]).set(counts.memory_bytes as f64);
    for (reason, count) in &counts.failures {
        metrics::counter!("replay_plugin_failures_total", with("reason", reason)).absolute(*count);
    }
    for (level, lines) in ["debug", "info", "warn", "error"].into_iter().zip(counts.log_lines) {
        metrics::counter!("replay_plugin_log_lines_total", with("level", level)).absolute(lines);
    }
}

/// What was compared, of all tenants together: `plugin status` has each one's.
fn record_shadows(totals: &ShadowTotals) {
    if totals.batches + totals.active_failed == 0 {
        return;
    }
    let batches = [("compared", totals.compared), ("fell_behind", totals.fell_behind)];
    for (outcome, count) in batches.into_iter().chain([("active_failed", totals.active_failed)]) {
        metrics::counter!("replay_shadow_batches_total", "outcome" => outcome).absolute(count);
    }
    for (reason, count) in &totals.failures {
        metrics::counter!("replay_shadow_failures_total", "reason" => reason.clone()).absolute(*count);
    }
    let fates = ["kept", "changed", "dropped"];
    for (row, active) in totals.comparison.fates.iter().zip(fates) {
        for (count, shadow) in row.iter().zip(fates) {
            let labels = [("active", active), ("shadow", shadow)];
            metrics::counter!("replay_shadow_chunks_total", &labels).absolute(*count);
        }
    }
    for (kind, sides) in Kind::ALL.into_iter().zip(&totals.comparison.fields) {
        let by = [
            ("active", sides.first_only),
            ("shadow", sides.second_only),
            ("both", sides.alike),
            ("both_differently", sides.differing),
        ];
        for (changed_by, count) in by.into_iter().filter(|(_, count)| *count > 0) {
            let labels = [("kind", kind.as_str()), ("changed_by", changed_by)];
            metrics::counter!("replay_shadow_fields_total", &labels).absolute(count);
        }
    }
    for (chain, side) in [("active", totals.active), ("shadow", totals.shadow)] {
        metrics::counter!("replay_shadow_cpu_microseconds_total", "chain" => chain)
            .absolute(micros(side.cpu));
    }
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// The edges by the names that metrics and readiness share.
pub fn edges(status: &Status) -> [(&'static str, &EdgeStatus); 3] {
    [("hot_store", &status.hot_store), ("dead_letters", &status.dead_letters), ("commits", &status.commits)]
}

/// `outcome` and, where there are several, `reason`.
fn labels(ending: Ending) -> Vec<Label> {
    let (outcome, reason) = match ending {
        Ending::Stored => ("stored", ""),
        Ending::DroppedByPlugin => ("dropped_by_plugin", ""),
        Ending::Skipped(skip) => ("skipped", skip.as_str()),
        Ending::DeadLettered(reason) => ("dead_lettered", reason.as_str()),
    };
    vec![Label::new("outcome", outcome), Label::new("reason", reason)]
}
