//! Row batches: rows of one day wait for each other, then go to the hot store together.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::edge::{EdgeQueue, EdgeStatus};
use super::io::{Failure, Payload, Row};
use super::limits::Limits;
use crate::time::{Day, Now};

/// Rows of one day, sorted by session and order of play.
pub(super) type RowBatch<P> = Arc<[Row<P>]>;

#[derive(Debug)]
struct Open<P> {
    rows: Vec<Row<P>>,
    bytes: usize,
    opened_ms: u64,
}

#[derive(Debug)]
pub(super) struct Inserts<P> {
    limits: Limits,
    open: BTreeMap<Day, Open<P>>,
    ready: EdgeQueue<RowBatch<P>>,
}

impl<P: Payload> Inserts<P> {
    pub(super) fn new(limits: Limits, jitter_seed: u64) -> Self {
        Self { limits, open: BTreeMap::new(), ready: EdgeQueue::new(limits, limits.insert_jobs, jitter_seed) }
    }

    pub(super) fn push(&mut self, now: Now, row: Row<P>) {
        let day = row.meta.chunk_date();
        let bytes = row.data.bytes();
        // A row that would take the batch over its bound starts the next one.
        if self.open.get(&day).is_some_and(|open| open.bytes + bytes > self.limits.insert_max_bytes) {
            self.close(day);
        }
        let open = self.open.entry(day).or_insert_with(|| Open {
            rows: Vec::new(),
            bytes: 0,
            opened_ms: now.mono_ms,
        });
        open.rows.push(row);
        open.bytes += bytes;
        if open.rows.len() >= self.limits.insert_max_rows {
            self.close(day);
        }
    }

    /// Ends the waiting of batches that are old enough, or of all.
    pub(super) fn flush(&mut self, now: Now, all: bool) {
        let due = |open: &Open<P>| all || now.mono_ms >= open.opened_ms + self.limits.flush_interval_ms;
        let days: Vec<Day> = self.open.iter().filter(|(_, open)| due(open)).map(|(&day, _)| day).collect();
        for day in days {
            self.close(day);
        }
    }

    pub(super) fn start(&mut self, now: Now) -> Option<RowBatch<P>> {
        self.ready.start(now)
    }

    pub(super) fn succeeded(&mut self) {
        self.ready.succeeded();
    }

    pub(super) fn failed(&mut self, now: Now, rows: RowBatch<P>, failure: &Failure) {
        self.ready.failed(now, rows, failure);
    }

    /// The store refuses something in these rows: halves them until the very row is found, which is
    /// returned for the dead letters.
    pub(super) fn rejected(&mut self, rows: &RowBatch<P>) -> Option<Row<P>> {
        self.ready.rejected();
        if let [row] = &**rows {
            return Some(row.clone());
        }
        let (first, second) = rows.split_at(rows.len() / 2);
        for half in [second, first] {
            if !half.is_empty() {
                self.ready.push_first(half.to_vec().into());
            }
        }
        None
    }

    /// Whether a batch would be inserted at once.
    pub(super) fn has_free_slot(&self) -> bool {
        self.ready.has_free_slot()
    }

    pub(super) fn is_down(&self) -> bool {
        self.ready.is_down()
    }

    pub(super) fn next_due_ms(&self) -> Option<u64> {
        let flush_ms = self.open.values().map(|open| open.opened_ms + self.limits.flush_interval_ms).min();
        flush_ms.into_iter().chain(self.ready.next_try_ms()).min()
    }

    pub(super) fn status(&self) -> EdgeStatus {
        self.ready.status()
    }

    fn close(&mut self, day: Day) {
        let Some(mut open) = self.open.remove(&day) else { return };
        open.rows.sort_by(|a, b| order(a).cmp(&order(b)));
        self.ready.push(open.rows.into());
    }
}

fn order<P>(row: &Row<P>) -> impl Ord + '_ {
    (&row.meta.project_id, row.meta.session_id, row.meta.key, row.origin.at)
}
