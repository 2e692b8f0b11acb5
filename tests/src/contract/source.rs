//! What every source promises: order, no loss, no repeat within an assignment, durable offsets.
//!
//! A backend gives a [`Bench`] and calls [`source_contract!`](crate::source_contract), which makes
//! one test of each promise. Nothing here assumes how many partitions there are.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use replay_core::dead_letter::LetterId;
use replay_core::pipeline::ReplayOf;
use replay_ports::{CommitTo, PortError, Source, SourceEvent, SourceRecord};
use tokio::time::timeout;

/// An empty source of its own for one test, which can be closed and opened again.
pub trait Bench {
    /// Opens it as the same consumer each time. The one before was dropped.
    fn open(&self) -> impl Future<Output = Arc<dyn Source>> + Send;

    /// After so long without an event, none is to come.
    fn quiet(&self) -> Duration {
        Duration::from_millis(100)
    }

    /// An event that is due must come within this time.
    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    /// The largest payload that the source takes, bytes.
    fn largest_bytes(&self) -> usize {
        1 << 20
    }

    /// Puts a record with a null value in, and says so; `false` if the backend has none.
    fn put_null(&self) -> impl Future<Output = bool> + Send {
        async { false }
    }
}

/// Makes one test of each promise. The argument is an async function to `Option<impl Bench>`;
/// `None` skips, after the function has said why.
#[macro_export]
macro_rules! source_contract {
    ($make:path) => {
        $crate::source_contract!(@each $make:
            assignment_comes_before_records
            order_is_that_of_the_appends
            what_was_answered_is_there_after_a_reopen
            an_empty_source_waits
            a_paused_partition_is_silent_and_resumes_where_it_stopped
            a_dropped_next_loses_nothing
            the_epoch_rises_with_each_assignment
            a_commit_survives_a_reopen_and_never_falls
            a_commit_of_another_epoch_is_stale
            what_was_not_committed_comes_again_unchanged
            any_position_can_be_fetched
            payloads_of_every_size_pass
            null_values_pass_as_none
            end_offsets_are_one_past_the_last
        );
    };
    (@each $make:path: $($promise:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            if let Some(bench) = $make().await {
                $crate::contract::source::$promise(bench).await;
            }
        }
    )*};
}

/// A partition is announced before its first record, and its records carry that epoch and begin
/// no earlier than announced.
pub async fn assignment_comes_before_records<B: Bench>(bench: B) {
    let mut consumer = Consumer::open(bench).await;
    consumer.append_some(0..10).await;
    // `record` checks each against what was announced.
    consumer.records(10).await;
}

/// Within a partition, records come in the order and at the offsets of their appends.
pub async fn order_is_that_of_the_appends<B: Bench>(bench: B) {
    let mut consumer = Consumer::open(bench).await;
    let sent = consumer.append_some(0..100).await;
    let records = consumer.records(100).await;
    assert_same(&records, &sent);
    let mut last = BTreeMap::new();
    for record in &records {
        let before = last.insert(record.at.partition, record.at.offset);
        assert!(before.is_none_or(|before| before < record.at.offset), "{:?} after {before:?}", record.at);
    }
}

/// An append that was answered is durable.
pub async fn what_was_answered_is_there_after_a_reopen<B: Bench>(bench: B) {
    let mut consumer = Consumer::open(bench).await;
    let sent = consumer.append_some(0..10).await;
    consumer = consumer.reopen().await;
    assert_same(&consumer.records(10).await, &sent);
}

/// `next` pends while there is nothing, and wakes for what is appended meanwhile.
pub async fn an_empty_source_waits<B: Bench>(bench: B) {
    let mut consumer = Consumer::open(bench).await;
    consumer.assert_quiet().await;
    let source = Arc::clone(&consumer.source);
    let later = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        source.append(Bytes::from_static(b"late"), 7, None).await.expect("an append")
    });
    let record = consumer.record().await;
    assert_eq!((record.at.partition, record.at.offset), later.await.expect("a task"));
}

/// Between pause and resume nothing of the partition comes; then each record comes once, in order.
pub async fn a_paused_partition_is_silent_and_resumes_where_it_stopped<B: Bench>(bench: B) {
    let mut consumer = Consumer::open(bench).await;
    let mut sent = consumer.append_some(0..20).await;
    let mut records = consumer.records(5).await;
    consumer.pause_all();
    consumer.pause_all();
    consumer.assert_quiet().await;
    sent.extend(consumer.append_some(20..30).await);
    consumer.assert_quiet().await;
    consumer.resume_all();
    consumer.resume_all();
    records.extend(consumer.records(25).await);
    assert_same(&records, &sent);
    consumer.assert_quiet().await;
}

/// A `next` that is given up, at any moment, swallows no event.
pub async fn a_dropped_next_loses_nothing<B: Bench>(bench: B) {
    let mut consumer = Consumer::open(bench).await;
    let sent = consumer.append_some(0..50).await;
    let mut records = Vec::new();
    while records.len() < 50 {
        for micros in [0, 1, 20, 100, 1_000] {
            if let Ok(event) = timeout(Duration::from_micros(micros), consumer.source.next()).await {
                records.extend(consumer.take(event.expect("an event")));
            }
        }
        // A source that begins anew each time would never finish; let it once a round.
        if records.len() < 50 {
            records.push(consumer.record().await);
        }
    }
    assert_same(&records, &sent);
}

/// A partition that is assigned again has a greater epoch.
pub async fn the_epoch_rises_with_each_assignment<B: Bench>(bench: B) {
    let mut consumer = Consumer::open(bench).await;
    consumer.append_some(0..5).await;
    let mut before = BTreeMap::<u32, u32>::new();
    for _ in 0..3 {
        consumer.records(5).await;
        for (&partition, assigned) in &consumer.assigned {
            let earlier = before.insert(partition, assigned.epoch);
            assert!(earlier.is_none_or(|earlier| earlier < assigned.epoch));
        }
        consumer = consumer.reopen().await;
    }
}

/// Reading goes on at the committed offset; a lower commit changes nothing.
pub async fn a_commit_survives_a_reopen_and_never_falls<B: Bench>(bench: B) {
    let mut consumer = Consumer::open(bench).await;
    let sent = consumer.append_some(0..20).await;
    let records = consumer.records(20).await;
    let (settled, rest) = records.split_at(12);
    consumer.commit_through(settled).await.expect("a commit");
    consumer.commit_through(&settled[..3]).await.expect("a lower commit is no error");
    consumer.source.commit(&[]).await.expect("an empty commit");
    consumer = consumer.reopen().await;
    let again = consumer.records(rest.len()).await;
    assert_same(
        &again,
        &sent.iter().filter(|sent| rest.iter().any(|r| sent.is_at(r))).cloned().collect::<Vec<_>>(),
    );
    consumer.assert_quiet().await;
}

/// A commit that carries a passed epoch has no effect and says so.
pub async fn a_commit_of_another_epoch_is_stale<B: Bench>(bench: B) {
    let mut consumer = Consumer::open(bench).await;
    consumer.append_some(0..3).await;
    let old = consumer.records(3).await;
    consumer = consumer.reopen().await;
    consumer.records(3).await;
    let outcome = consumer.commit_through(&old).await;
    assert!(matches!(outcome, Err(PortError::Stale { .. })), "{outcome:?}");
    consumer = consumer.reopen().await;
    consumer.records(3).await;
}

/// Redelivery changes nothing about a record: payload, receipt and the letter it feeds back.
pub async fn what_was_not_committed_comes_again_unchanged<B: Bench>(bench: B) {
    let mut consumer = Consumer::open(bench).await;
    let sent = consumer.append_some(0..10).await;
    for _ in 0..3 {
        assert_same(&consumer.records(10).await, &sent);
        consumer = consumer.reopen().await;
    }
}

/// A record is found again by its position, committed or not; no other position has one.
pub async fn any_position_can_be_fetched<B: Bench>(bench: B) {
    let mut consumer = Consumer::open(bench).await;
    let sent = consumer.append_some(0..10).await;
    let records = consumer.records(10).await;
    consumer.commit_through(&records[..5]).await.expect("a commit");
    for expected in sent.iter().rev() {
        let fetched = consumer.source.fetch(expected.partition, expected.offset).await.expect("a fetch");
        assert_same(&[fetched.expect("the record")], std::slice::from_ref(expected));
    }
    let last = sent.iter().max_by_key(|sent| (sent.partition, sent.offset)).expect("a record");
    assert_eq!(consumer.source.fetch(last.partition, last.offset + 1_000).await, Ok(None));
    consumer.assert_quiet().await;
}

/// From nothing to the largest; an empty payload is not a null one.
pub async fn payloads_of_every_size_pass<B: Bench>(bench: B) {
    let sizes = [0, 1, 1_000, bench.largest_bytes() / 3, bench.largest_bytes(), 0];
    let mut consumer = Consumer::open(bench).await;
    let mut sent = Vec::new();
    for (n, size) in sizes.into_iter().enumerate() {
        sent.push(consumer.append(Bytes::from(vec![b'a' + n as u8; size]), n as u64, None).await);
    }
    assert_same(&consumer.records(sizes.len()).await, &sent);
}

/// A null value is `None`, where a backend has such a thing.
pub async fn null_values_pass_as_none<B: Bench>(bench: B) {
    let mut consumer = Consumer::open(bench).await;
    if consumer.bench.put_null().await {
        assert_eq!(consumer.record().await.payload, None);
    }
}

/// The end is what the next append gets; it covers everything that was answered.
pub async fn end_offsets_are_one_past_the_last<B: Bench>(bench: B) {
    let mut consumer = Consumer::open(bench).await;
    let sent = consumer.append_some(0..10).await;
    consumer.records(10).await;
    let mut last = BTreeMap::new();
    for sent in &sent {
        last.insert(sent.partition, sent.offset + 1);
    }
    // A server's answer may be a moment old.
    let reached = async {
        loop {
            let ends: BTreeMap<u32, u64> = consumer.source.end_offsets().into_iter().collect();
            if last.iter().all(|(partition, end)| ends.get(partition) == Some(end)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(consumer.bench.patience(), reached).await.expect("the ends to be seen");
}

/// What was appended, and where.
#[derive(Clone, Debug)]
struct Sent {
    partition: u32,
    offset: u64,
    payload: Bytes,
    received_at_ms: u64,
    replay_of: Option<ReplayOf>,
}

impl Sent {
    fn is_at(&self, record: &SourceRecord) -> bool {
        (self.partition, self.offset) == (record.at.partition, record.at.offset)
    }
}

/// Each sent record was received exactly once, as it was sent.
fn assert_same(records: &[SourceRecord], sent: &[Sent]) {
    assert_eq!(records.len(), sent.len());
    for sent in sent {
        let mut found = records.iter().filter(|record| sent.is_at(record));
        let (record, again) = (found.next(), found.next());
        let record = record.unwrap_or_else(|| panic!("{}/{} is missing", sent.partition, sent.offset));
        assert!(again.is_none(), "{:?} came twice", record.at);
        assert!(record.payload.as_ref() == Some(&sent.payload), "{:?} has another payload", record.at);
        assert_eq!(record.received_at_ms, sent.received_at_ms);
        assert_eq!(record.replay_of, sent.replay_of);
    }
}

#[derive(Clone, Copy)]
struct Assigned {
    epoch: u32,
    next_offset: u64,
}

/// Reads a source as the pipeline does, and checks each event against the ones before.
struct Consumer<B> {
    bench: B,
    source: Arc<dyn Source>,
    assigned: BTreeMap<u32, Assigned>,
}

impl<B: Bench> Consumer<B> {
    async fn open(bench: B) -> Self {
        let source = bench.open().await;
        Self { bench, source, assigned: BTreeMap::new() }
    }

    async fn reopen(self) -> Self {
        let Self { bench, source, .. } = self;
        drop(source);
        Self::open(bench).await
    }

    /// Looks at an event; answers with its record.
    fn take(&mut self, event: SourceEvent) -> Option<SourceRecord> {
        match event {
            SourceEvent::Assigned { partition, epoch, next_offset } => {
                self.assigned.insert(partition, Assigned { epoch, next_offset });
                None
            }
            SourceEvent::Revoked { partitions, .. } => {
                self.source.release(&partitions);
                None
            }
            SourceEvent::Lost { .. } => None,
            SourceEvent::Record(record) => {
                let at = record.at;
                let assigned = self.assigned.get_mut(&at.partition).expect("an assignment before a record");
                assert_eq!(at.epoch, assigned.epoch);
                assert!(at.offset >= assigned.next_offset, "{at:?} came late or twice");
                assigned.next_offset = at.offset + 1;
                Some(record)
            }
        }
    }

    async fn record(&mut self) -> SourceRecord {
        loop {
            let event = timeout(self.bench.patience(), self.source.next()).await;
            let event = event.expect("an event in time").expect("an event");
            if let Some(record) = self.take(event) {
                return record;
            }
        }
    }

    async fn records(&mut self, count: usize) -> Vec<SourceRecord> {
        let mut records = Vec::new();
        while records.len() < count {
            records.push(self.record().await);
        }
        records
    }

    async fn assert_quiet(&mut self) {
        let quiet = self.bench.quiet();
        while let Ok(event) = timeout(quiet, self.source.next()).await {
            let record = self.take(event.expect("an event"));
            assert!(record.is_none(), "{:?} came unasked", record.map(|record| record.at));
        }
    }

    async fn append(&self, payload: Bytes, received_at_ms: u64, replay_of: Option<ReplayOf>) -> Sent {
        let appended = self.source.append(payload.clone(), received_at_ms, replay_of.clone()).await;
        let (partition, offset) = appended.expect("an append");
        Sent { partition, offset, payload, received_at_ms, replay_of }
    }

    /// Appends one record for each number; some feed back a letter, and were received long ago.
    async fn append_some(&self, numbers: std::ops::Range<u64>) -> Vec<Sent> {
        let mut sent = Vec::new();
        for n in numbers {
            let letter = LetterId { topic: "gosight.replay.chunks".into(), partition: 3, offset: n };
            let replay_of = (n % 4 == 1).then(|| ReplayOf { letter, attempts: 1 + n as u32 });
            let received_at_ms = 1_700_000_000_000 - n * 1_000;
            sent.push(self.append(format!("{{\"n\":{n}}}").into(), received_at_ms, replay_of).await);
        }
        sent
    }

    /// Commits up to and with these records, under the epochs that they carry.
    async fn commit_through(&self, records: &[SourceRecord]) -> replay_ports::Result<()> {
        let mut next = BTreeMap::new();
        for SourceRecord { at, .. } in records {
            let to = CommitTo { partition: at.partition, epoch: at.epoch, next_offset: at.offset + 1 };
            next.insert(at.partition, to);
        }
        self.source.commit(&next.into_values().collect::<Vec<_>>()).await
    }

    fn pause_all(&self) {
        self.assigned.keys().for_each(|&partition| self.source.pause(partition));
    }

    fn resume_all(&self) {
        self.assigned.keys().for_each(|&partition| self.source.resume(partition));
    }
}
