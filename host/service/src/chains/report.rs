//! What `plugin status` and the admin endpoint say of a tenant's plugins and of its shadow: exact, numbers
//! and declared names alone.

use std::collections::BTreeMap;
use std::time::Instant;

use replay_core::identity::ProjectId;
use replay_core::rrweb::{Fate, Kind, Sides};
use serde::{Deserialize, Serialize};

use super::breakers::{Breakers, Watched};
use super::shadow::{Shadow, Side};
use super::{Chain, ChainSet, Chains, DEFAULTS, Stage};

/// One tenant's plugins since they are what they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantReport {
    /// The project, or `defaults` for all that are not listed.
    pub tenant: String,
    /// The number of its chain.
    pub chain_revision: u16,
    /// SHA-256 of what decides what the chain does.
    pub chain_digest: String,
    /// Whether the chain is there to redact.
    pub redacts: bool,
    /// Its plugins, in order.
    pub plugins: Vec<PluginReport>,
    /// What is compared with it.
    pub shadow: Option<ShadowReport>,
}

/// One plugin of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginReport {
    /// Its name in the config.
    pub name: String,
    /// SHA-256 of the component that runs.
    pub sha256: String,
    /// `closed`, `half open` or `open`.
    pub breaker: String,
    /// Calls, one a batch and try.
    pub calls: u64,
    /// Chunks left as they were, of batches that the whole chain could treat.
    pub kept: u64,
    /// Chunks changed.
    pub changed: u64,
    /// Of them: left without any event.
    pub emptied: u64,
    /// Chunks dropped.
    pub dropped: u64,
    /// Chunks whose events were replaced.
    pub replaced: u64,
    /// Fields changed, by kind; kinds without any are left out.
    pub fields: BTreeMap<String, u64>,
    /// Events removed.
    pub events_removed: u64,
    /// Batches failed on, by reason, with the plugin's own code for a `plugin_error`.
    pub failures: BTreeMap<String, u64>,
    /// CPU time in all, microseconds.
    pub cpu_us: u64,
    /// Of a call: the median, microseconds.
    pub p50_us: Option<u64>,
    /// And what one in a hundred exceeds.
    pub p99_us: Option<u64>,
    /// The most memory that a call took, bytes.
    pub memory_bytes: u64,
    /// Lines logged: debug, info, warn, error.
    pub log_lines: [u64; 4],
}

/// A shadow, and how it compares with the tenant's chain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowReport {
    /// Percent of the sessions.
    pub share_percent: u8,
    /// SHA-256 of what decides what it does.
    pub chain_digest: String,
    /// Its plugins, in order.
    pub plugins: Vec<PluginReport>,
    /// Batches of its sessions that the tenant's chain could treat.
    pub batches: u64,
    /// Of them: compared.
    pub compared: u64,
    /// Of them: let go, because too many waited.
    pub fell_behind: u64,
    /// What it failed on, by reason.
    pub failures: BTreeMap<String, u64>,
    /// Tries on which the tenant's chain failed: they are not compared.
    pub active_failed: u64,
    /// Chunks by `active/shadow`, each `kept`, `changed` or `dropped`.
    pub chunks: BTreeMap<String, u64>,
    /// Chunks of which fields are not compared: either replaced the events.
    pub replaced: u64,
    /// Fields changed in chunks that both store, by kind.
    pub fields: BTreeMap<String, SidesReport>,
    /// Events removed from them.
    pub events: SidesReport,
    /// Chunks that both store, and in which it redacted fewer bytes, or left something as it came that the
    /// tenant's chain changed.
    pub redacted_less: u64,
    /// What the tenant's chain made of what was compared.
    pub active: SideReport,
    /// What the shadow did.
    pub shadow: SideReport,
}

/// Who changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SidesReport {
    /// The tenant's chain alone.
    pub active_only: u64,
    /// The shadow alone.
    pub shadow_only: u64,
    /// Both, to the same.
    pub alike: u64,
    /// Both, each in its own way.
    pub differing: u64,
}

/// One of the two that are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideReport {
    /// Uncompressed bytes left to be stored, of the chunks that both store.
    pub stored_bytes: u64,
    /// Source bytes masked, replaced or removed in them.
    pub redacted_bytes: u64,
    /// CPU time in its plugins, microseconds.
    pub cpu_us: u64,
}

impl Chains {
    /// Of all tenants that have a chain or a shadow, in the order of their names.
    pub fn reports(&self) -> Vec<TenantReport> {
        let set = self.set();
        let listed = set.listed.iter().chain(&set.departed).map(|(id, chain)| (Some(id), chain));
        let all = std::iter::once((None, &set.defaults)).chain(listed);
        let has_any =
            |(_, chain): &(_, &std::sync::Arc<Chain>)| !chain.stages.is_empty() || chain.shadow.is_some();
        all.filter(has_any).map(|(id, chain)| self.report(&set, id, chain)).collect()
    }

    /// Of one tenant; a project that is not listed is one of the `defaults`.
    pub fn report_of(&self, project: &ProjectId) -> TenantReport {
        let set = self.set();
        let own = set.listed.get_key_value(project).or_else(|| set.departed.get_key_value(project));
        match own {
            Some((id, chain)) => self.report(&set, Some(id), chain),
            None => self.report(&set, None, &set.defaults),
        }
    }

    fn report(&self, set: &ChainSet, id: Option<&ProjectId>, chain: &Chain) -> TenantReport {
        let concerned = |project: &ProjectId| match id {
            Some(id) => project == id,
            None => !set.listed.contains_key(project) && !set.departed.contains_key(project),
        };
        let plugins = |breakers: &Breakers, stages: &[Stage]| -> Vec<PluginReport> {
            let now = Instant::now();
            let breaker = |position: usize, stage: &Stage| {
                let is_it = |watched: &Watched| {
                    watched.position == position
                        && watched.sha256 == stage.sha256
                        && concerned(&watched.project)
                };
                breakers.state(is_it, now).to_string()
            };
            let report =
                |(position, stage)| PluginReport { breaker: breaker(position, stage), ..plugin(stage) };
            stages.iter().enumerate().map(report).collect()
        };
        let compared = |shadow: &std::sync::Arc<Shadow>| ShadowReport {
            plugins: plugins(self.shadows.breakers(), &shadow.chain.stages),
            ..shadow_report(shadow)
        };
        TenantReport {
            tenant: id.map_or(DEFAULTS, ProjectId::as_str).to_owned(),
            chain_revision: chain.revision,
            chain_digest: chain.digest.clone(),
            redacts: chain.redacts,
            plugins: plugins(&self.breakers, &chain.stages),
            shadow: chain.shadow.as_ref().map(compared),
        }
    }
}

fn plugin(stage: &Stage) -> PluginReport {
    let counts = stage.counts.totals();
    PluginReport {
        name: stage.name.clone(),
        sha256: stage.sha256.clone(),
        breaker: String::new(),
        calls: counts.calls,
        kept: counts.verdicts.kept,
        changed: counts.verdicts.changed,
        emptied: counts.verdicts.emptied,
        dropped: counts.verdicts.dropped,
        replaced: counts.verdicts.replaced,
        fields: by_kind(counts.fields, |count| *count > 0),
        events_removed: counts.events_removed,
        failures: counts.failures,
        cpu_us: micros(counts.cpu),
        p50_us: counts.times.percentile_us(0.50),
        p99_us: counts.times.percentile_us(0.99),
        memory_bytes: counts.memory_bytes as u64,
        log_lines: counts.log_lines,
    }
}

fn shadow_report(shadow: &Shadow) -> ShadowReport {
    let totals = shadow.counts.totals();
    let fates = [(Fate::Kept, "kept"), (Fate::Changed, "changed"), (Fate::Dropped, "dropped")];
    let mut chunks = BTreeMap::new();
    for (row, (_, active)) in totals.comparison.fates.iter().zip(fates) {
        for (count, (_, shadow)) in row.iter().zip(fates).filter(|(count, _)| **count > 0) {
            chunks.insert(format!("{active}/{shadow}"), *count);
        }
    }
    let fields = totals.comparison.fields.map(sides);
    ShadowReport {
        share_percent: shadow.share_percent,
        chain_digest: shadow.chain.digest.clone(),
        plugins: Vec::new(),
        batches: totals.batches,
        compared: totals.compared,
        fell_behind: totals.fell_behind,
        failures: totals.failures,
        active_failed: totals.active_failed,
        chunks,
        replaced: totals.comparison.replaced,
        fields: by_kind(fields, |sides| *sides != SidesReport::default()),
        events: sides(totals.comparison.events),
        redacted_less: totals.redacted_less,
        active: side(totals.active),
        shadow: side(totals.shadow),
    }
}

fn by_kind<T>(counts: [T; Kind::ALL.len()], wanted: impl Fn(&T) -> bool) -> BTreeMap<String, T> {
    let named = Kind::ALL.into_iter().zip(counts).filter(|(_, count)| wanted(count));
    named.map(|(kind, count)| (kind.as_str().to_owned(), count)).collect()
}

fn sides(sides: Sides) -> SidesReport {
    let Sides { first_only, second_only, alike, differing } = sides;
    SidesReport { active_only: first_only, shadow_only: second_only, alike, differing }
}

fn side(side: Side) -> SideReport {
    SideReport {
        stored_bytes: side.stored_bytes,
        redacted_bytes: side.redacted_bytes,
        cpu_us: micros(side.cpu),
    }
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
