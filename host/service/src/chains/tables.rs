//! What is known of the pages of open sessions, bounded: those quiet the longest are forgotten.
//!
//! A batch takes its session's table out and puts it back when it ends; the batches of a session run
//! in turn, so nobody misses it meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use replay_core::identity::SessionKey;
use replay_core::rrweb::{ElementLimits, Elements};

pub(super) struct Tables {
    limits: ElementLimits,
    max_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    tables: HashMap<SessionKey, (u64, Elements)>,
    /// The same sessions, the one quiet the longest first.
    by_use: BTreeMap<u64, SessionKey>,
    bytes: usize,
    uses: u64,
}

impl Tables {
    pub(super) fn new(limits: ElementLimits, max_bytes: usize) -> Self {
        Self { limits, max_bytes, kept: Mutex::default() }
    }

    /// What is known of the session; nothing, if it is new or was forgotten.
    pub(super) fn take(&self, session: &SessionKey) -> Elements {
        let mut kept = self.lock();
        let Some((used, table)) = kept.tables.remove(session) else { return Elements::new(self.limits) };
        kept.by_use.remove(&used);
        kept.bytes -= cost(&table);
        table
    }

    pub(super) fn put(&self, session: SessionKey, mut table: Elements) {
        table.forget_old_pages();
        let mut kept = self.lock();
        kept.uses += 1;
        let used = kept.uses;
        kept.bytes += cost(&table);
        kept.by_use.insert(used, session.clone());
        if let Some((before, replaced)) = kept.tables.insert(session, (used, table)) {
            kept.by_use.remove(&before);
            kept.bytes -= cost(&replaced);
        }
        while kept.bytes > self.max_bytes
            && let Some((_, oldest)) = kept.by_use.pop_first()
            && let Some((_, table)) = kept.tables.remove(&oldest)
        {
            kept.bytes -= cost(&table);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's key, its places in the maps, and its table.
fn cost(table: &Elements) -> usize {
    256 + table.bytes()
}
