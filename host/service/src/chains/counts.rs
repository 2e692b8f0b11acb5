//! What chains did, counted: exactly for each tenant's plugin, for `plugin status`; and by plugin name, so
//! many at most, for metrics. No word of a plugin's is in it but the codes that its manifest declares.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use replay_core::rrweb::{Applied, Kind, Redactions};
use replay_sandbox::Usage;

use super::times::Times;

/// What plugins beyond those that metrics name are called together.
pub(super) const OTHER: &str = "other";

/// What one plugin did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginCounts {
    /// Calls.
    pub calls: u64,
    /// CPU time in it.
    pub cpu: Duration,
    /// The same by call.
    pub times: Times,
    /// Calls that failed, by why: the reason of a dead letter, and for an error the plugin's own code.
    pub failures: BTreeMap<String, u64>,
    /// Chunks that it kept, changed, dropped, replaced, of batches that the whole chain could treat.
    pub verdicts: Verdicts,
    /// Fields that it changed in them, by kind.
    pub fields: [u64; Kind::ALL.len()],
    /// Events that it removed from them.
    pub events_removed: u64,
    /// Lines that it logged: debug, info, warn, error.
    pub log_lines: [u64; 4],
    /// The most memory that a call took, bytes.
    pub memory_bytes: usize,
}

/// Chunks by what a plugin answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// As they were.
    pub kept: u64,
    /// With changes.
    pub changed: u64,
    /// Not to be stored.
    pub dropped: u64,
    /// With whole new events.
    pub replaced: u64,
    /// Of the changed ones: without any event that was left, so not stored either.
    pub emptied: u64,
}

impl PluginCounts {
    fn call(&mut self, usage: &Usage) {
        self.calls += 1;
        self.cpu += usage.cpu;
        self.times.add(usage.cpu);
        self.memory_bytes = self.memory_bytes.max(usage.memory_bytes);
        for (total, lines) in self.log_lines.iter_mut().zip(usage.log_lines) {
            *total += u64::from(lines);
        }
    }

    fn fail(&mut self, why: &str) {
        match self.failures.get_mut(why) {
            Some(count) => *count += 1,
            None => {
                self.failures.insert(why.to_owned(), 1);
            }
        }
    }

    fn apply(&mut self, applied: &Applied) {
        self.verdicts.kept += u64::from(applied.kept);
        self.verdicts.changed += u64::from(applied.changed);
        self.verdicts.dropped += u64::from(applied.dropped);
        self.verdicts.replaced += u64::from(applied.replaced);
        self.events_removed += u64::from(applied.events_removed);
        for (total, fields) in self.fields.iter_mut().zip(applied.fields) {
            *total += u64::from(fields);
        }
    }
}

/// The counters of one plugin in one tenant's chain. They take room once it was called.
#[derive(Clone, Debug, Default)]
pub struct StageCounts(Arc<Mutex<Option<Box<PluginCounts>>>>);

impl StageCounts {
    pub(super) fn called(&self, usage: &Usage) {
        self.lock().get_or_insert_default().call(usage);
    }

    pub(super) fn failed(&self, why: &str) {
        self.lock().get_or_insert_default().fail(why);
    }

    pub(super) fn applied(&self, applied: &Applied) {
        self.lock().get_or_insert_default().apply(applied);
    }

    pub(super) fn emptied(&self) {
        self.lock().get_or_insert_default().verdicts.emptied += 1;
    }

    /// What was counted so far.
    pub fn totals(&self) -> PluginCounts {
        self.lock().as_deref().cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<PluginCounts>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The counters for metrics, shared by all who run chains.
#[derive(Debug)]
pub(super) struct ChainCounts {
    max_labels: usize,
    all: Mutex<ChainTotals>,
}

/// Counters of all chains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainTotals {
    /// Plugins by name, and those beyond the bound as `other`.
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
    /// Counters that tell at most so many plugins apart.
    pub(super) fn new(max_labels: usize) -> Self {
        Self { max_labels, all: Mutex::default() }
    }

    pub(super) fn called(&self, plugin: &str, usage: &Usage) {
        self.plugin(plugin, |counts| counts.call(usage));
    }

    /// `why` is the reason of a dead letter: codes of plugins' own would be series without end.
    pub(super) fn failed(&self, plugin: &str, why: &'static str) {
        self.plugin(plugin, |counts| counts.fail(why));
    }

    pub(super) fn applied(&self, plugin: &str, applied: &Applied) {
        self.plugin(plugin, |counts| counts.apply(applied));
    }

    pub(super) fn emptied(&self, plugin: &str) {
        self.plugin(plugin, |counts| counts.verdicts.emptied += 1);
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

    /// Whoever comes first keeps a name of its own, so that no counter ever falls.
    fn plugin(&self, name: &str, update: impl FnOnce(&mut PluginCounts)) {
        let mut all = self.lock();
        if let Some(counts) = all.plugins.get_mut(name) {
            return update(counts);
        }
        let named = all.plugins.len() - usize::from(all.plugins.contains_key(OTHER));
        let label = if named < self.max_labels { name } else { OTHER };
        update(all.plugins.entry(label.to_owned()).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, ChainTotals> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_name_so_many_plugins_and_lose_no_count() {
        let counts = ChainCounts::new(2);
        for plugin in ["a", "b", "c", "d", "a", "c"] {
            counts.called(plugin, &Usage::default());
        }
        let calls = counts.totals().plugins.into_iter().map(|(name, counts)| (name, counts.calls));
        let wanted = [("a", 2), ("b", 1), (OTHER, 3)].map(|(name, calls)| (name.to_owned(), calls));
        assert_eq!(calls.collect::<Vec<_>>(), wanted);
    }
}
