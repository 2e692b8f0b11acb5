//! Tests of the log over a disk that loses power, runs full and fails to sync.

mod crash;
mod damage;
mod faults;
mod random;
mod reading;
mod retention;
mod sim;
mod throughput;

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use replay_core::dead_letter::LetterId;
use replay_core::pipeline::ReplayOf;
use replay_ports::{Result, Source, SourceEvent, SourceRecord};
use tokio::sync::oneshot;

use super::disk::Disk;
use super::format::Entry;
use super::segments::Shared;
use super::settings::{LogSettings, OffsetStore, OnFatal};
use super::writer::{Append, Room, Writer};
use super::{LocalLog, reader, recover};
use sim::SimDisk;

/// Offsets that survive what the log does not.
#[derive(Default)]
pub(super) struct MemoryOffsets(pub(super) AtomicU64);

impl OffsetStore for MemoryOffsets {
    fn load(&self) -> Result<u64> {
        Ok(self.0.load(SeqCst))
    }

    fn save(&self, next: u64) -> Result<()> {
        self.0.store(next, SeqCst);
        Ok(())
    }
}

pub(super) fn small() -> LogSettings {
    LogSettings { segment_bytes: 300, read_ahead_bytes: 100, ..LogSettings::default() }
}

/// A hook that remembers what it was told.
pub(super) fn remember() -> (OnFatal, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let inner = Arc::clone(&told);
    (Arc::new(move |what: &str| inner.lock().unwrap().push(what.to_owned())), told)
}

pub(super) fn open(disk: &SimDisk, settings: LogSettings, offsets: &Arc<MemoryOffsets>) -> Result<LocalLog> {
    LocalLog::open_on(Arc::new(disk.clone()), settings, offsets.clone(), remember().0)
}

/// The writer without its thread, so that a test decides what goes into one write.
pub(super) fn writer(disk: &SimDisk, settings: LogSettings) -> Result<Writer> {
    writer_from(disk, settings, 0)
}

pub(super) fn writer_from(disk: &SimDisk, settings: LogSettings, committed: u64) -> Result<Writer> {
    let recovered = recover::recover(disk, committed)?;
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Ok(Writer::new(recovered, disk, settings))
}

/// The `n`th record: different sizes, some that feed back a letter.
pub(super) fn entry(n: u64) -> Entry {
    let payload = Bytes::from(vec![b'a' + (n % 26) as u8; 1 + (n as usize * 7) % 40]);
    let replay_of = (n % 3 == 2).then(|| ReplayOf {
        letter: LetterId { topic: "local".into(), partition: 0, offset: n },
        attempts: n as u32,
    });
    Entry { payload, received_at_ms: 1_000 + n, replay_of }
}

pub(super) fn request(entry: Entry) -> (Append, oneshot::Receiver<Result<u64>>) {
    let (reply, answer) = oneshot::channel();
    let room = Room::take(&Arc::default(), entry.frame_bytes(), 0).unwrap();
    (Append { entry, reply, room }, answer)
}

/// Writes one batch; the offset of each entry that was answered Ok.
pub(super) fn write(writer: &mut Writer, entries: Vec<Entry>) -> (bool, Vec<Option<u64>>) {
    let (appends, answers): (Vec<_>, Vec<_>) = entries.into_iter().map(request).unzip();
    let went_on = writer.write(appends).is_ok();
    let offsets = answers.into_iter().map(|mut answer| answer.try_recv().ok().and_then(Result::ok));
    (went_on, offsets.collect())
}

/// Everything a reader is given from `from` on.
pub(super) fn read_all(shared: &Shared, from: u64, window: usize) -> Vec<SourceRecord> {
    let mut cursor = reader::Cursor::at(from);
    let mut records = Vec::new();
    loop {
        let chunk = reader::read_chunk(shared, cursor, 1, window).unwrap();
        if chunk.records.is_empty() {
            return records;
        }
        records.extend(chunk.records);
        cursor = chunk.cursor;
    }
}

pub(super) fn is(record: &SourceRecord, entry: &Entry) -> bool {
    record.payload.as_ref() == Some(&entry.payload)
        && record.received_at_ms == entry.received_at_ms
        && record.replay_of == entry.replay_of
}

pub(super) async fn next_record(log: &LocalLog) -> SourceRecord {
    loop {
        if let SourceEvent::Record(record) = log.next().await.unwrap() {
            return record;
        }
    }
}

pub(super) async fn append(log: &LocalLog, entry: Entry) -> Result<u64> {
    let appended = log.append(entry.payload, entry.received_at_ms, entry.replay_of).await;
    appended.map(|(_, offset)| offset)
}
