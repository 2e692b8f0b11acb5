//! The log as a [`Source`]: one partition that is assigned once and never revoked.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Release};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use replay_core::pipeline::ReplayOf;
use replay_ports::{CommitTo, PortError, Result, Source, SourceEvent, SourceRecord};
use tokio::task::JoinHandle;

use super::format::Entry;
use super::reader::{self, Chunk, Cursor};
use super::settings::OffsetStore;
use super::{LocalLog, stopped};

const PARTITION: u32 = 0;

/// What has been read and not yet delivered.
pub(super) struct Reader {
    is_announced: bool,
    cursor: Cursor,
    ready: VecDeque<SourceRecord>,
    /// Kept here, not in a future: a caller that gives up often must not begin anew each time.
    reading: Option<JoinHandle<io::Result<Chunk>>>,
}

impl Reader {
    /// Begins at an offset.
    pub(super) fn at(next_offset: u64) -> Self {
        Self { is_announced: false, cursor: Cursor::at(next_offset), ready: VecDeque::new(), reading: None }
    }
}

/// The committed offset: it only rises, in the store first.
pub(super) struct Committed {
    store: Arc<dyn OffsetStore>,
    next: AtomicU64,
    saving: Mutex<()>,
}

impl Committed {
    /// With what the store said at open.
    pub(super) fn new(store: Arc<dyn OffsetStore>, next: u64) -> Self {
        Self { store, next: AtomicU64::new(next), saving: Mutex::new(()) }
    }

    /// What is durably committed.
    pub(super) fn get(&self) -> u64 {
        self.next.load(Acquire)
    }

    /// Saves a greater offset; a lower one has no effect. Blocks.
    fn raise(&self, next: u64) -> Result<()> {
        let _saving = self.saving.lock().unwrap_or_else(PoisonError::into_inner);
        if next > self.get() {
            self.store.save(next)?;
            self.next.store(next, Release);
        }
        Ok(())
    }
}

impl LocalLog {
    /// Waits for the chunk that is being read; begins one if there is none.
    async fn fill(&self, reader: &mut Reader) -> Result<()> {
        let (cursor, epoch, window) = (reader.cursor, self.epoch, self.settings.read_ahead_bytes);
        let reading = reader.reading.get_or_insert_with(|| {
            let shared = Arc::clone(&self.shared);
            tokio::task::spawn_blocking(move || reader::read_chunk(&shared, cursor, epoch, window))
        });
        let read = reading.await;
        reader.reading = None;
        let chunk =
            read.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|error| unreadable(&error))?;
        reader.cursor = chunk.cursor;
        reader.ready.extend(chunk.records);
        Ok(())
    }

    fn check(&self, commit: &CommitTo) -> Result<()> {
        if (commit.partition, commit.epoch) != (PARTITION, self.epoch) {
            let what = format!("partition {} of epoch {} is not assigned", commit.partition, commit.epoch);
            return Err(PortError::Stale { what });
        }
        let end = self.shared.segments().end;
        if commit.next_offset > end {
            let next = commit.next_offset;
            return Err(PortError::refused(format!("offset {next} is beyond the end of the log, {end}")));
        }
        Ok(())
    }
}

#[async_trait]
impl Source for LocalLog {
    fn topic(&self) -> &str {
        "local"
    }

    async fn next(&self) -> Result<SourceEvent> {
        let mut reader = self.reader.lock().await;
        if !reader.is_announced {
            reader.is_announced = true;
            let next_offset = reader.cursor.next;
            return Ok(SourceEvent::Assigned { partition: PARTITION, epoch: self.epoch, next_offset });
        }
        loop {
            // Created before looking, it hears every wake from here on; later, one would be lost.
            let woken = self.shared.wake.notified();
            if self.is_paused.load(Acquire) {
                woken.await;
            } else if let Some(record) = reader.ready.pop_front() {
                return Ok(SourceEvent::Record(record));
            } else if reader.cursor.next < self.shared.segments().end {
                self.fill(&mut reader).await?;
            } else {
                woken.await;
            }
        }
    }

    fn pause(&self, partition: u32) {
        if partition == PARTITION {
            self.is_paused.store(true, Release);
        }
    }

    fn resume(&self, partition: u32) {
        if partition == PARTITION {
            self.is_paused.store(false, Release);
            self.shared.wake.notify_waiters();
        }
    }

    fn release(&self, _partitions: &[u32]) {}

    async fn commit(&self, next: &[CommitTo]) -> Result<()> {
        for commit in next {
            self.check(commit)?;
        }
        let Some(next_offset) = next.iter().map(|commit| commit.next_offset).max() else { return Ok(()) };
        let committed = Arc::clone(&self.committed);
        let saved = tokio::task::spawn_blocking(move || committed.raise(next_offset)).await;
        saved
            .unwrap_or_else(|error| Err(PortError::unavailable(format!("the offset was not saved: {error}"))))
    }

    async fn fetch(&self, partition: u32, offset: u64) -> Result<Option<SourceRecord>> {
        if partition != PARTITION {
            return Ok(None);
        }
        let (shared, epoch, window) = (Arc::clone(&self.shared), self.epoch, self.settings.read_ahead_bytes);
        let fetch = move || reader::fetch(&shared, offset, epoch, window);
        let fetched = tokio::task::spawn_blocking(fetch).await;
        fetched.unwrap_or_else(|error| Err(io::Error::other(error))).map_err(|error| unreadable(&error))
    }

    async fn append(
        &self,
        payload: Bytes,
        received_at_ms: u64,
        replay_of: Option<ReplayOf>,
    ) -> Result<(u32, u64)> {
        let answer = self.submit(Entry { payload, received_at_ms, replay_of })?;
        let offset = answer.await.map_err(|_| stopped())??;
        Ok((PARTITION, offset))
    }

    fn end_offsets(&self) -> Vec<(u32, u64)> {
        vec![(PARTITION, self.shared.segments().end)]
    }
}

fn unreadable(error: &io::Error) -> PortError {
    PortError::unavailable(format!("cannot read the local log: {error}"))
}
