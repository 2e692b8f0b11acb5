//! Between the thread that polls and the pipeline: events in order, records a queue a partition.
//!
//! A paused partition keeps its records here, so that it goes on exactly where delivery stopped. An
//! event overtakes records: those of a partition that goes are taken out first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use replay_ports::{PortError, Result, SourceEvent, SourceRecord};
use tokio::sync::Notify;

/// What a record costs beside its payload, bytes.
const RECORD_BYTES: u64 = 160;

/// The queues, and who waits for them.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    filled: Notify,
    /// Beyond this, of records that can be taken, no more are put in.
    open_bytes: u64,
    /// Beyond this, of all records.
    total_bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<SourceEvent>,
    queues: BTreeMap<u32, Queue>,
    paused: BTreeSet<u32>,
    /// The partition whose turn was last.
    last: u32,
    /// At most one: only the newest is worth telling.
    trouble: Option<PortError>,
    /// Nothing will come any more.
    end: Option<PortError>,
    /// The polling thread waits for room.
    is_awaited: bool,
}

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<SourceRecord>,
    bytes: u64,
}

/// What became of a look into the inbox.
#[derive(Debug)]
pub(super) struct Taken {
    /// An event, if there is one.
    pub(super) event: Option<Result<SourceEvent>>,
    /// The polling thread is to look: it waits and there is room again, or a pause was lifted.
    pub(super) is_news: bool,
}

impl Inbox {
    /// With its bounds; see the fields.
    pub(super) fn new(open_bytes: u64, total_bytes: u64) -> Self {
        Self { state: Mutex::default(), filled: Notify::new(), open_bytes, total_bytes }
    }

    /// The next event or record, if one can be had at once.
    pub(super) fn take(&self) -> Taken {
        let mut state = self.lock();
        let paused = state.paused.len();
        let event = state.next();
        let made_room = state.is_awaited && self.has_room_in(&state);
        if made_room {
            state.is_awaited = false;
        }
        Taken { event, is_news: made_room || state.paused.len() != paused }
    }

    /// Waits until a look is worth while.
    pub(super) fn filled(&self) -> tokio::sync::futures::Notified<'_> {
        self.filled.notified()
    }

    /// Puts an event in.
    pub(super) fn tell(&self, event: SourceEvent) {
        self.lock().events.push_back(event);
        self.filled.notify_one();
    }

    /// Puts a record in.
    pub(super) fn put(&self, record: SourceRecord) {
        let mut state = self.lock();
        let queue = state.queues.entry(record.at.partition).or_default();
        queue.bytes += cost(&record);
        queue.records.push_back(record);
        drop(state);
        self.filled.notify_one();
    }

    /// Forgets the records of partitions that go.
    pub(super) fn purge(&self, partitions: &[u32]) {
        self.lock().queues.retain(|partition, _| !partitions.contains(partition));
    }

    /// Something is wrong, and goes on being tried.
    pub(super) fn complain(&self, error: PortError) {
        self.lock().trouble = Some(error);
        self.filled.notify_one();
    }

    /// Nothing will come any more; every later look says so.
    pub(super) fn end(&self, error: PortError) {
        self.lock().end = Some(error);
        self.filled.notify_one();
    }

    /// Holds a partition's records back.
    pub(super) fn pause(&self, partition: u32) {
        self.lock().paused.insert(partition);
    }

    /// Lets them go on.
    pub(super) fn resume(&self, partition: u32) {
        self.lock().paused.remove(&partition);
        self.filled.notify_one();
    }

    /// Which partitions the pipeline has paused.
    pub(super) fn paused(&self) -> BTreeSet<u32> {
        self.lock().paused.clone()
    }

    /// Whether a partition's records wait here, for the pipeline.
    pub(super) fn holds(&self, partition: u32) -> bool {
        self.lock().queues.get(&partition).is_some_and(|queue| !queue.records.is_empty())
    }

    /// Whether another record may be put in; if not, the next look that makes room says so.
    pub(super) fn has_room(&self) -> bool {
        let mut state = self.lock();
        let has_room = self.has_room_in(&state);
        state.is_awaited = !has_room;
        has_room
    }

    fn has_room_in(&self, state: &State) -> bool {
        let (mut open, mut total) = (0, 0);
        for (partition, queue) in &state.queues {
            total += queue.bytes;
            if !state.paused.contains(partition) {
                open += queue.bytes;
            }
        }
        open < self.open_bytes && total < self.total_bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> Option<Result<SourceEvent>> {
        if let Some(event) = self.events.pop_front() {
            // A pause belongs to an assignment. Lifted here and not when the event was put in: the
            // pipeline pauses what it knows, which until now was the assignment before.
            if let SourceEvent::Assigned { partition, .. } = event {
                self.paused.remove(&partition);
            }
            return Some(Ok(event));
        }
        if let Some(error) = self.end.clone().or_else(|| self.trouble.take()) {
            return Some(Err(error));
        }
        let is_open = |partition: &&u32| !self.paused.contains(*partition);
        let after = self.queues.range(self.last.saturating_add(1)..).map(|(partition, _)| partition);
        let partition = *after.chain(self.queues.keys()).find(is_open)?;
        let queue = self.queues.get_mut(&partition)?;
        let record = queue.records.pop_front()?;
        queue.bytes -= cost(&record);
        if queue.records.is_empty() {
            self.queues.remove(&partition);
        }
        self.last = partition;
        Some(Ok(SourceEvent::Record(record)))
    }
}

fn cost(record: &SourceRecord) -> u64 {
    RECORD_BYTES + record.payload.as_ref().map_or(0, |payload| payload.len() as u64)
}

#[cfg(test)]
mod tests {
    use replay_core::pipeline::At;

    use super::*;

    fn record(partition: u32, offset: u64) -> SourceRecord {
        let at = At { partition, epoch: 1, offset };
        SourceRecord { at, received_at_ms: 0, replay_of: None, payload: Some(vec![0; 840].into()) }
    }

    fn inbox() -> Inbox {
        Inbox::new(2_000, 4_000)
    }

    fn taken(inbox: &Inbox) -> Vec<(u32, u64)> {
        let mut seen = Vec::new();
        while let Some(event) = inbox.take().event {
            if let SourceEvent::Record(record) = event.unwrap() {
                seen.push((record.at.partition, record.at.offset));
            }
        }
        seen
    }

    #[test]
    fn partitions_take_turns_and_keep_their_order() {
        let inbox = inbox();
        for (partition, offset) in [(0, 1), (0, 2), (0, 3), (7, 1), (9, 5)] {
            inbox.put(record(partition, offset));
        }
        assert_eq!(taken(&inbox), [(7, 1), (9, 5), (0, 1), (0, 2), (0, 3)]);
    }

    #[test]
    fn what_is_paused_waits_and_makes_room_for_others() {
        let inbox = inbox();
        inbox.put(record(0, 1));
        inbox.put(record(0, 2));
        assert!(!inbox.has_room());
        inbox.pause(0);
        assert!(inbox.has_room());
        inbox.put(record(1, 1));
        assert_eq!(taken(&inbox), [(1, 1)]);
        inbox.put(record(1, 2));
        inbox.put(record(1, 3));
        assert!(!inbox.has_room());
        inbox.resume(0);
        assert_eq!(taken(&inbox), [(0, 1), (1, 2), (0, 2), (1, 3)]);
    }

    #[test]
    fn the_total_is_bounded_whatever_is_paused() {
        let inbox = inbox();
        for partition in 0..4 {
            assert!(inbox.has_room());
            inbox.put(record(partition, 1));
            inbox.pause(partition);
        }
        assert!(!inbox.has_room());
    }

    #[test]
    fn room_is_told_once() {
        let inbox = inbox();
        inbox.put(record(0, 1));
        inbox.put(record(0, 2));
        assert!(!inbox.take().is_news, "nobody waits");
        inbox.put(record(0, 3));
        assert!(!inbox.has_room());
        assert!(inbox.take().is_news);
        assert!(!inbox.take().is_news);
    }

    #[test]
    fn an_assignment_lifts_a_pause_when_it_is_seen_and_not_before() {
        let inbox = inbox();
        inbox.tell(SourceEvent::Assigned { partition: 0, epoch: 2, next_offset: 0 });
        inbox.put(record(0, 1));
        // Of the assignment before: the pipeline has not seen the new one.
        inbox.pause(0);
        assert!(inbox.take().is_news);
        assert_eq!(taken(&inbox), [(0, 1)]);
        inbox.pause(0);
        inbox.put(record(0, 2));
        assert_eq!(taken(&inbox), []);
    }

    #[test]
    fn events_go_first_then_errors_and_the_end_stays() {
        let inbox = inbox();
        inbox.put(record(0, 1));
        inbox.complain(PortError::unavailable("a"));
        inbox.complain(PortError::unavailable("b"));
        inbox.tell(SourceEvent::Lost { partitions: vec![3] });
        assert!(matches!(inbox.take().event, Some(Ok(SourceEvent::Lost { .. }))));
        assert_eq!(inbox.take().event, Some(Err(PortError::unavailable("b"))));
        assert!(matches!(inbox.take().event, Some(Ok(SourceEvent::Record(_)))));
        assert_eq!(inbox.take().event, None);
        inbox.end(PortError::refused("c"));
        for _ in 0..2 {
            assert_eq!(inbox.take().event, Some(Err(PortError::refused("c"))));
        }
    }

    #[test]
    fn what_goes_is_taken_out() {
        let inbox = inbox();
        inbox.put(record(0, 1));
        inbox.put(record(1, 1));
        inbox.purge(&[0]);
        assert!(!inbox.holds(0) && inbox.holds(1));
        assert_eq!(taken(&inbox), [(1, 1)]);
    }
}
