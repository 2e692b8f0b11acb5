//! From settings to parts: the stores, and the parameters of everything that uses them.

mod examine;
mod open;
#[cfg(feature = "servers")]
mod remote;
#[cfg_attr(not(feature = "servers"), path = "no_servers.rs")]
mod servers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use replay_core::codec::{self, Encoding};
use replay_core::decode::DecodeLimits;
use replay_core::lifecycle::{Retention, RetentionPolicy};
use replay_core::pipeline::Limits;
use replay_core::rrweb::{ElementLimits, ScanLimits};
use replay_core::time::DAY_MS;
use replay_embedded::log::LocalLog;
use replay_ports::Result;
use replay_sandbox::Sandbox;

use crate::chains::{
    ChainLimits, ChainProblems, ChainSet, Chains, Loaded, Loading, Revisions, ShadowBounds, any_chain,
};
use crate::clock::{Clock, millis, unix_ms};
use crate::config::{
    DeadLetterStore, Hot, Kafka, PluginLimits, Recompress, ScriptLimits, Settings, Source, Tenant, Tenants,
};
use crate::http::IntakeLimits;
use crate::lifecycle::{Lifecycle, LifecycleSettings};
use crate::observe::{LetterLog, Metrics};
use crate::registry::{Registry, Remote, Wanted};
use crate::replays::Replays;
use crate::run::JobContext;
use crate::stores::{Kept, Stores};
use crate::swap::Swap;

pub(crate) use examine::{examine, worst};
use open::Opened;
pub(crate) use open::{apply_schema, open_for_reading, schema_text};

/// A store without times of its own that does not answer for this long counts as away.
const EDGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Who opens a store: a service that is to run for long, or a command that answers now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opener {
    /// A service.
    Service,
    /// A command.
    Command,
}

/// What a process that owns the data is made of.
pub(crate) struct Parts {
    pub(crate) stores: Stores,
    pub(crate) tenants: Arc<Swap<Tenants>>,
    pub(crate) policy: Arc<Swap<RetentionPolicy>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) limits: Limits,
    pub(crate) intake_limits: IntakeLimits,
    pub(crate) lifecycle: Arc<Lifecycle>,
    log: Option<Arc<LocalLog>>,
    log_retention: Duration,
}

impl Parts {
    /// Removes segments of the local log, if there is one, that are settled and old, the active one too once all of it is.
    pub(crate) async fn prune_log(&self) {
        let Some(log) = &self.log else { return };
        match log.age_out(unix_ms(), millis(self.log_retention)).await {
            Ok(0) => {}
            Ok(bytes) => tracing::info!(bytes, "removed old segments of the log"),
            Err(error) => tracing::warn!(%error, "cannot remove old segments of the log"),
        }
    }
}

/// Loads the tenants' chains. Blocks: a component that is not in the cache is compiled. `sandbox` is made
/// when a first plugin needs it, and kept for a reload: one engine and one pool serve a process. Beside the
/// chains: components of which only the copy was there.
pub(crate) fn chains(
    settings: &Settings,
    sandbox: &mut Option<Sandbox>,
) -> std::result::Result<(Arc<Chains>, Vec<Wanted>), ChainProblems> {
    let registry = registry(settings);
    let Loaded { set, away } = chain_set(settings, &registry, sandbox)?;
    let chains = Arc::new(Chains::new(set, chain_limits(settings), encoding(settings)));
    chains.clean(&registry);
    Ok((chains, away))
}

/// The same without what runs them, for a reload.
pub(crate) fn chain_set(
    settings: &Settings,
    registry: &Registry,
    kept: &mut Option<Sandbox>,
) -> std::result::Result<Loaded, ChainProblems> {
    if kept.is_none() && any_chain(&settings.tenants) {
        *kept = Some(sandbox(settings)?);
    }
    if kept.is_none() {
        // Nobody has a plugin any more: what is left of them holds settings.
        replay_sandbox::sweep_unused(&settings.plugins.cache_dir);
    }
    let revisions = revisions_file(settings);
    ChainSet::load(&settings.tenants, kept.as_ref(), &loading(settings, registry, &revisions))
}

/// Whether [`chains`] would do, with these revisions; nothing is remembered or removed. Unless it `loads`, only
/// what needs no component is looked at. Answers which places cannot be asked, where copies would serve.
pub(crate) fn try_chains(
    settings: &Settings,
    revisions: Revisions,
    loads: bool,
) -> std::result::Result<Vec<String>, ChainProblems> {
    let (registry, file) = (registry(settings), revisions_file(settings));
    let wants_sandbox = loads && any_chain(&settings.tenants);
    let (sandbox, problems) = match wants_sandbox.then(|| sandbox(settings)).transpose() {
        Ok(sandbox) => (sandbox, ChainProblems::default()),
        Err(problems) => (None, problems),
    };
    let loading = loading(settings, &registry, &file);
    match ChainSet::try_out(&settings.tenants, sandbox.as_ref(), &loading, revisions) {
        Ok(away) if problems.is_empty() => Ok(away),
        Ok(_) => Err(problems),
        Err(others) => Err(problems.and(others)),
    }
}

fn loading<'a>(settings: &Settings, registry: &'a Registry, revisions: &'a Path) -> Loading<'a> {
    let (letters, threads) = (settings.dead_letters.payload, settings.limits.workers);
    Loading { registry, revisions, letters, threads }
}

/// Where the config's components are found. Inside a runtime, for places in buckets.
pub(crate) fn registry(settings: &Settings) -> Registry {
    let remote = settings.registry_s3.as_ref().filter(|_| settings.has_remote_plugins());
    let remote = remote.and_then(|s3| -> Option<Arc<dyn Remote>> {
        let runtime = tokio::runtime::Handle::try_current().ok()?;
        servers::registry(s3, runtime)
    });
    Registry::new(settings, remote)
}

/// Where it is remembered which chain had which revision.
pub(crate) fn revisions_file(settings: &Settings) -> PathBuf {
    settings.embedded.dir.join("chains.json")
}

/// The sandbox of this process.
pub(crate) fn sandbox(settings: &Settings) -> std::result::Result<Sandbox, ChainProblems> {
    let plugins = &settings.plugins;
    let compiler = std::env::current_exe()
        .map_err(|error| ChainProblems::one(format!("cannot find this program's own file: {error}")))?;
    let settings = replay_sandbox::Settings {
        cache_dir: plugins.cache_dir.clone(),
        // A shadow's calls have places of their own: no chain that stores waits for one.
        concurrency: settings.limits.workers + plugins.shadow.slots as usize,
        limits: plugin_limits(&plugins.limits),
        script_limits: script_limits(&plugins.limits, &plugins.script_limits),
        max_loaded_bytes: bytes(plugins.loaded_bytes),
        compiler,
    };
    Sandbox::new(settings).map_err(|error| ChainProblems::one(format!("the sandbox: {error}")))
}

fn plugin_limits(limits: &PluginLimits) -> replay_sandbox::Limits {
    replay_sandbox::Limits {
        time_per_batch: limits.time_per_batch,
        time_per_mib: limits.time_per_mib,
        memory_bytes: bytes(limits.memory_bytes),
        getter_calls: limits.getter_calls,
        stack_bytes: bytes(limits.stack_bytes),
        log_lines: limits.log_lines,
        component_bytes: bytes(limits.component_bytes),
        configure_time: limits.configure_time,
        compile_time: limits.compile_time,
        compile_memory_bytes: limits.compile_memory_bytes,
        output_bytes: bytes(limits.output_bytes),
    }
}

/// Those of all plugins, with what scripts have of their own.
fn script_limits(limits: &PluginLimits, own: &ScriptLimits) -> replay_sandbox::Limits {
    replay_sandbox::Limits {
        time_per_batch: own.time_per_batch,
        time_per_mib: own.time_per_mib,
        memory_bytes: bytes(own.memory_bytes),
        component_bytes: bytes(own.component_bytes),
        configure_time: own.configure_time,
        compile_time: own.compile_time,
        compile_memory_bytes: own.compile_memory_bytes,
        ..plugin_limits(limits)
    }
}

/// Opens the stores as their owner, and builds what uses them.
pub(crate) async fn parts(settings: &Settings, clock: Clock, opener: Opener) -> Result<Parts> {
    let Opened { stores, log } = open::open(settings, opener).await?;
    let metrics = Arc::new(Metrics::default());
    let lifecycle =
        Lifecycle::new(stores.kept.clone(), lifecycle_settings(settings), clock, Arc::clone(&metrics));
    Ok(Parts {
        tenants: Arc::new(Swap::new(settings.tenants.clone())),
        policy: Arc::new(Swap::new(retention_policy(settings))),
        limits: limits(settings),
        intake_limits: intake_limits(settings),
        lifecycle: Arc::new(lifecycle),
        log_retention: settings.embedded.log_retention,
        stores,
        metrics,
        log,
    })
}

/// The reader of what is kept.
pub(crate) fn replays(settings: &Settings, kept: &Kept) -> Replays {
    Replays::new(Arc::clone(&kept.hot), kept.cold.clone(), decode_limits(settings).max_raw_chunk_bytes)
}

/// Bounds of one record.
pub(crate) fn decode_limits(settings: &Settings) -> DecodeLimits {
    let limits = &settings.limits;
    DecodeLimits {
        max_record_bytes: bytes(limits.max_record_bytes),
        max_raw_chunk_bytes: bytes(limits.max_raw_chunk_bytes),
        max_stored_chunk_bytes: bytes(limits.max_stored_chunk_bytes),
        max_ratio: limits.max_ratio,
        max_depth: limits.max_depth as usize,
    }
}

/// What chains may cost outside the sandbox.
pub(crate) fn chain_limits(settings: &Settings) -> ChainLimits {
    let (plugins, limits) = (&settings.plugins, &settings.limits);
    ChainLimits {
        scan: ScanLimits {
            max_raw_chunk_bytes: bytes(limits.max_raw_chunk_bytes),
            max_ratio: limits.max_ratio,
            max_depth: limits.max_depth as usize,
            max_fields: plugins.max_fields as usize,
        },
        elements: ElementLimits { max_bytes: bytes(plugins.elements_bytes) },
        all_elements_bytes: bytes(plugins.all_elements_bytes),
        batch_bytes: plugins.batch_bytes,
        extra_edits: plugins.limits.extra_edits as usize,
        max_text_bytes: bytes(plugins.limits.output_bytes),
        max_stored_chunk_bytes: bytes(limits.max_stored_chunk_bytes),
        breaker_failures: plugins.breaker_failures,
        breaker_wait: plugins.breaker_wait,
        plugin_labels: settings.telemetry.plugin_labels as usize,
        shadow: ShadowBounds {
            slots: plugins.shadow.slots as usize,
            cpu_percent: plugins.shadow.cpu_percent,
            queue_batches: plugins.shadow.queue_batches as usize,
            queue_bytes: bytes(plugins.shadow.queue_bytes),
        },
    }
}

/// How chunks are stored.
pub(crate) fn encoding(settings: &Settings) -> Encoding {
    Encoding {
        codec: settings.replay.compression,
        level: level(settings),
        recompress: match settings.replay.recompress {
            Recompress::Changed => codec::Recompress::ChangedOnly,
            Recompress::Always => codec::Recompress::Always,
        },
    }
}

/// How long what stays where, by project.
pub(crate) fn retention_policy(settings: &Settings) -> RetentionPolicy {
    let day_ms = u64::try_from(settings.replay.migration.day_length.as_millis()).unwrap_or(DAY_MS);
    let of = |tenant: &Tenant| Retention {
        hot_ms: u64::from(tenant.hot_retention_days) * day_ms,
        cold_ms: u64::from(tenant.cold_retention_days) * day_ms,
    };
    let tenants = &settings.tenants;
    RetentionPolicy {
        default: of(&tenants.defaults),
        projects: tenants
            .listed
            .iter()
            .map(|(project_id, tenant)| (project_id.clone(), of(tenant)))
            .collect(),
    }
}

/// The pipeline's bounds.
pub(crate) fn limits(settings: &Settings) -> Limits {
    let (replay, limits) = (&settings.replay, &settings.limits);
    Limits {
        max_chunks_per_session: replay.max_chunks_per_session as usize,
        idle_timeout_ms: millis(replay.idle_timeout),
        max_session_age_ms: millis(limits.max_session_age),
        flush_interval_ms: millis(replay.flush_interval),
        insert_max_rows: limits.insert_max_rows as usize,
        insert_max_bytes: bytes(limits.insert_max_bytes),
        insert_jobs: 2,
        decode_jobs: limits.max_decode_jobs,
        transform_jobs: limits.workers,
        project_slots: limits.project_slots,
        project_buffer_bytes: bytes(limits.project_buffer_bytes),
        project_waiting_bytes: bytes(limits.project_waiting_bytes),
        slow_chain_ms_per_mib: millis(limits.slow_chain),
        letter_jobs: 4,
        memory_budget_bytes: bytes(limits.memory_budget),
        retry_min_ms: millis(limits.back_off),
        retry_max_ms: millis(limits.max_back_off),
    }
}

/// What the jobs need to know of the config.
pub(crate) fn job_context(settings: &Settings, parts: &Parts, chains: Arc<Chains>) -> JobContext {
    JobContext {
        threads: settings.limits.workers,
        limits: decode_limits(settings),
        encoding: encoding(settings),
        chains,
        tenants: Arc::clone(&parts.tenants),
        policy: Arc::clone(&parts.policy),
        edge_timeout: edge_timeout(settings),
        max_letter_payload_bytes: settings.dead_letters.max_payload_bytes,
        letter_log: Arc::new(LetterLog::default()),
    }
}

/// Longer than any store's own times let a job take: those are what the config names, and they say what it was
/// that did not answer. A job is a few questions and one write, which may have to wait for room first.
fn edge_timeout(settings: &Settings) -> Duration {
    let of_kafka = |kafka: &Kafka| 4 * kafka.request_timeout + 2 * kafka.append_timeout;
    let source = if let Source::Kafka(kafka) = &settings.source { of_kafka(kafka) } else { Duration::ZERO };
    let letters = if let DeadLetterStore::Topic { kafka, .. } = &settings.dead_letters.store {
        of_kafka(kafka)
    } else {
        Duration::ZERO
    };
    let hot = if let Hot::ClickHouse(server) = &settings.hot {
        4 * server.file.request_timeout + server.file.insert_timeout
    } else {
        Duration::ZERO
    };
    EDGE_TIMEOUT.max(source.max(letters).max(hot))
}

fn lifecycle_settings(settings: &Settings) -> LifecycleSettings {
    let migration = &settings.replay.migration;
    LifecycleSettings {
        policy: retention_policy(settings),
        migration_enabled: migration.enabled,
        cold_codec: settings.cold.codec,
        level: level(settings),
        batch_size: migration.batch_size as usize,
        letter_retention: settings.dead_letters.retention,
        tombstone_retention: settings.erasure.tombstone_retention,
        max_raw_bytes: bytes(settings.limits.max_raw_chunk_bytes),
        max_session_bytes: migration.max_session_bytes,
    }
}

fn intake_limits(settings: &Settings) -> IntakeLimits {
    let limits = &settings.limits;
    IntakeLimits {
        max_record_bytes: bytes(limits.max_record_bytes),
        max_depth: limits.max_depth as usize,
        in_flight_bytes: bytes(limits.memory_budget),
        project_bytes: bytes(limits.project_buffer_bytes),
    }
}

fn level(settings: &Settings) -> u8 {
    u8::try_from(settings.replay.compression_level).unwrap_or(u8::MAX)
}

fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_store_is_given_up_before_its_own_time_is_over() {
        let edge_timeout_s = |text: &str| {
            let cold = "cold: {kind: none}\nreplay: {migration: {enabled: false}}\n";
            let settings = Settings::parse("replay.yaml", format!("{text}{cold}").as_bytes(), &|_| None);
            edge_timeout(&settings.unwrap_or_else(|errors| panic!("{errors}"))).as_secs()
        };
        assert_eq!(edge_timeout_s("source: {kind: local}\nhot: {kind: sqlite}\n"), 60);
        let slow = "source: {kind: local}\nhot: {kind: clickhouse}\n\
                    clickhouse: {url: \"http://ch:8123\", insert_timeout: 10m}\n";
        assert_eq!(edge_timeout_s(slow), 4 * 30 + 600);
        let slow = "source: {kind: kafka}\nkafka: {append_timeout: 5m}\nhot: {kind: sqlite}\n";
        assert_eq!(edge_timeout_s(slow), 4 * 10 + 600);
    }
}
