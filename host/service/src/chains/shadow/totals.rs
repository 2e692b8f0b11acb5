//! What comparing came to: numbers alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use replay_core::rrweb::Comparison;

/// What a chain made of what was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// Uncompressed bytes that it left to be stored of the chunks that both store.
    pub stored_bytes: u64,
    /// Source bytes that it masked, replaced or removed in them.
    pub redacted_bytes: u64,
    /// CPU time in its plugins.
    pub cpu: Duration,
}

/// A comparison so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShadowTotals {
    /// Batches of the shadow's sessions that the tenant's own chain could treat.
    pub batches: u64,
    /// Of them: those that both could treat.
    pub compared: u64,
    /// Of them: those that were let go because too many waited.
    pub fell_behind: u64,
    /// What the shadow failed on, by why.
    pub failures: BTreeMap<String, u64>,
    /// Tries on which the tenant's own chain failed: the shadow did not see them.
    pub active_failed: u64,
    /// What each changed; the tenant's own chain is the first.
    pub comparison: Comparison,
    /// Chunks that both store, and in which the shadow redacted fewer bytes, or left something as it came
    /// that the tenant's own chain changed: more in another chunk does not make up for it.
    pub redacted_less: u64,
    /// The tenant's own chain.
    pub active: Side,
    /// The shadow.
    pub shadow: Side,
}

impl ShadowTotals {
    pub(super) fn fail(&mut self, why: &str) {
        *self.failures.entry(why.to_owned()).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.batches += other.batches;
        self.compared += other.compared;
        self.fell_behind += other.fell_behind;
        self.active_failed += other.active_failed;
        for (why, count) in &other.failures {
            *self.failures.entry(why.clone()).or_default() += count;
        }
        self.comparison.merge(&other.comparison);
        self.redacted_less += other.redacted_less;
        self.active.add(&other.active);
        self.shadow.add(&other.shadow);
    }
}

impl Side {
    pub(super) fn add(&mut self, other: &Self) {
        self.stored_bytes += other.stored_bytes;
        self.redacted_bytes += other.redacted_bytes;
        self.cpu += other.cpu;
    }
}

/// The counters of one comparison, shared by all who count. They take room once something was compared.
#[derive(Clone, Debug, Default)]
pub struct ShadowCounts(Arc<Mutex<Option<Box<ShadowTotals>>>>);

impl ShadowCounts {
    pub(super) fn add(&self, totals: &ShadowTotals) {
        self.lock().get_or_insert_default().add(totals);
    }

    /// What was counted so far.
    pub fn totals(&self) -> ShadowTotals {
        self.lock().as_deref().cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<ShadowTotals>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
