//! What chains did, counted. No project and no word of a plugin's is in it: names are the config's.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use replay_core::rrweb::{Kind, Redactions};
use replay_sandbox::Usage;

/// Counters of one plugin, by its name in the config.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginCounts {
    /// Calls.
    pub calls: u64,
    /// CPU time in it.
    pub cpu: Duration,
    /// Calls that failed, by why.
    pub failures: BTreeMap<&'static str, u64>,
    /// Chunks that it dropped.
    pub dropped_chunks: u64,
    /// Lines that it logged: debug, info, warn, error.
    pub log_lines: [u64; 4],
    /// The most memory that a call took, bytes.
    pub memory_bytes: usize,
}

/// The counters, shared by all who run chains.
#[derive(Debug, Default)]
pub(super) struct ChainCounts {
    all: Mutex<ChainTotals>,
}

/// Counters of all chains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainTotals {
    /// Plugins by name.
    pub plugins: BTreeMap<String, PluginCounts>,
    /// Fields changed, by kind.
    pub fields: [u64; Kind::ALL.len()],
    /// Events removed.
    pub events_removed: u64,
    /// Source bytes masked, replaced or removed.
    pub redacted_bytes: u64,
    /// Chunks changed.
    pub chunks_changed: u64,
    /// Breakers that opened.
    pub breakers_opened: u64,
    /// Breakers that are open now.
    pub breakers_open: usize,
}

impl ChainCounts {
    pub(super) fn called(&self, plugin: &str, usage: &Usage) {
        self.plugin(plugin, |counts| {
            counts.calls += 1;
            counts.cpu += usage.cpu;
            counts.memory_bytes = counts.memory_bytes.max(usage.memory_bytes);
            for (total, lines) in counts.log_lines.iter_mut().zip(usage.log_lines) {
                *total += u64::from(lines);
            }
        });
    }

    pub(super) fn failed(&self, plugin: &str, why: &'static str) {
        self.plugin(plugin, |counts| *counts.failures.entry(why).or_default() += 1);
    }

    pub(super) fn dropped(&self, plugin: &str) {
        self.plugin(plugin, |counts| counts.dropped_chunks += 1);
    }

    pub(super) fn changed(&self, redactions: &Redactions) {
        let mut all = self.lock();
        all.chunks_changed += 1;
        all.events_removed += u64::from(redactions.events_removed);
        all.redacted_bytes += redactions.bytes;
        for (total, fields) in all.fields.iter_mut().zip(redactions.fields) {
            *total += u64::from(fields);
        }
    }

    pub(super) fn breaker_opened(&self) {
        self.lock().breakers_opened += 1;
    }

    pub(super) fn totals(&self) -> ChainTotals {
        self.lock().clone()
    }

    fn plugin(&self, name: &str, update: impl FnOnce(&mut PluginCounts)) {
        let mut all = self.lock();
        if let Some(counts) = all.plugins.get_mut(name) {
            return update(counts);
        }
        update(all.plugins.entry(name.to_owned()).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, ChainTotals> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
