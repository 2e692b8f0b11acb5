//! A queue in front of an edge that may fail: back-off, and a circuit that opens while it is down.

use std::collections::VecDeque;

use super::io::Failure;
use super::limits::Limits;
use crate::chance::Chance;
use crate::time::Now;

/// What an edge last complained about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// For the operator; never payload text.
    pub what: String,
    /// When, Unix milliseconds.
    pub at_ms: u64,
}

/// An edge as the status shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EdgeStatus {
    /// Jobs waiting.
    pub waiting: usize,
    /// Jobs running.
    pub running: usize,
    /// Since when it fails, Unix milliseconds; `None` while it works.
    pub failing_since_ms: Option<u64>,
    /// Whether it needs a person: schema, credentials, rights.
    pub refused: bool,
    /// The last error, also after it went away.
    pub last_error: Option<LastError>,
}

/// Counts failures in a row and says when the next try may start.
#[derive(Debug)]
pub(super) struct Circuit {
    limits: Limits,
    failures: u32,
    failing_since_ms: Option<u64>,
    refused: bool,
    next_try_ms: u64,
    last_error: Option<LastError>,
    chance: Chance,
}

impl Circuit {
    pub(super) fn new(limits: Limits, jitter_seed: u64) -> Self {
        Self {
            limits,
            failures: 0,
            failing_since_ms: None,
            refused: false,
            next_try_ms: 0,
            last_error: None,
            chance: Chance::new(jitter_seed),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.failures > 0
    }

    /// While open, one try at a time, and not before its time.
    pub(super) fn allows(&self, now: Now, running: usize) -> bool {
        !self.is_open() || (running == 0 && now.mono_ms >= self.next_try_ms)
    }

    pub(super) fn next_try_ms(&self) -> Option<u64> {
        self.is_open().then_some(self.next_try_ms)
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.failing_since_ms = None;
        self.refused = false;
    }

    pub(super) fn failed(&mut self, now: Now, failure: &Failure) {
        let (what, at_least_ms, refused) = match failure {
            Failure::Retry { what, retry_after_ms } => (what.clone(), retry_after_ms.unwrap_or(0), false),
            // No retry storm against what only a person can mend.
            Failure::Refused { what } => (what.clone(), self.limits.retry_max_ms, true),
            Failure::Reject { what } => (what.clone(), 0, false),
            Failure::Stale => ("the partition is no longer ours".to_owned(), 0, false),
            Failure::Panicked => ("the job panicked; see the log".to_owned(), 0, false),
        };
        let doubled_ms = self.limits.retry_min_ms.saturating_mul(1 << self.failures.min(20));
        let wait_ms = doubled_ms.min(self.limits.retry_max_ms).max(at_least_ms);
        self.failures = self.failures.saturating_add(1);
        self.failing_since_ms.get_or_insert(now.unix_ms);
        self.refused = refused;
        self.next_try_ms = now.mono_ms + wait_ms / 2 + self.chance.below(wait_ms / 2 + 1);
        self.last_error = Some(LastError { what, at_ms: now.unix_ms });
    }

    pub(super) fn status(&self, waiting: usize, running: usize) -> EdgeStatus {
        EdgeStatus {
            waiting,
            running,
            failing_since_ms: self.failing_since_ms,
            refused: self.refused,
            last_error: self.last_error.clone(),
        }
    }
}

/// Jobs for one edge, a bounded number at a time.
#[derive(Debug)]
pub(super) struct EdgeQueue<T> {
    waiting: VecDeque<T>,
    running: usize,
    max_running: usize,
    circuit: Circuit,
}

impl<T> EdgeQueue<T> {
    pub(super) fn new(limits: Limits, max_running: usize, jitter_seed: u64) -> Self {
        Self { waiting: VecDeque::new(), running: 0, max_running, circuit: Circuit::new(limits, jitter_seed) }
    }

    pub(super) fn push(&mut self, item: T) {
        self.waiting.push_back(item);
    }

    /// Before all others: what was tried already, or its parts.
    pub(super) fn push_first(&mut self, item: T) {
        self.waiting.push_front(item);
    }

    pub(super) fn start(&mut self, now: Now) -> Option<T> {
        if self.running >= self.max_running || !self.circuit.allows(now, self.running) {
            return None;
        }
        let item = self.waiting.pop_front()?;
        self.running += 1;
        Some(item)
    }

    pub(super) fn succeeded(&mut self) {
        self.running -= 1;
        self.circuit.succeeded();
    }

    /// The edge works, this input does not.
    pub(super) fn rejected(&mut self) {
        self.succeeded();
    }

    pub(super) fn failed(&mut self, now: Now, item: T, failure: &Failure) {
        self.running -= 1;
        self.waiting.push_front(item);
        self.circuit.failed(now, failure);
    }

    /// Nothing waits, and another job could start.
    pub(super) fn has_free_slot(&self) -> bool {
        self.waiting.is_empty() && self.running < self.max_running
    }

    pub(super) fn is_down(&self) -> bool {
        self.circuit.is_open()
    }

    /// When a waiting job may be tried again, if the circuit is what it waits for.
    pub(super) fn next_try_ms(&self) -> Option<u64> {
        if self.waiting.is_empty() || self.running > 0 { None } else { self.circuit.next_try_ms() }
    }

    pub(super) fn status(&self) -> EdgeStatus {
        self.circuit.status(self.waiting.len(), self.running)
    }
}
