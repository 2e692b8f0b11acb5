//! The log as the pipeline's source.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use replay_core::pipeline::{At, Commit, ReplayOf};
use replay_ports::{PortError, Result, Source, SourceEvent, SourceRecord};
use tokio::sync::oneshot;

use super::LocalLog;
use super::frame::LogRecord;
use super::reader::{read_on, read_one};
use super::writer::Request;

const PARTITION: u32 = 0;

impl LocalLog {
    /// Removes segments that are wholly committed and were last written more than `retention_ms`
    /// before `now_ms` (Unix milliseconds); returns their bytes.
    pub async fn prune(&self, now_ms: u64, retention_ms: u64) -> Result<u64> {
        let before_ms = now_ms.saturating_sub(retention_ms);
        let committed = self.committed.load(Ordering::Acquire);
        if self.segments.active_is_over(committed, *self.durable.borrow(), before_ms) {
            let (answer, rolled) = oneshot::channel();
            self.requests.send(Request::Roll { answer }).await.map_err(|_| ended())?;
            rolled.await.map_err(|_| ended())??;
        }
        let segments = Arc::clone(&self.segments);
        let pruned = tokio::task::spawn_blocking(move || segments.prune(committed, before_ms)).await;
        pruned.map_err(|_| ended())?.map_err(|error| PortError::unavailable(format!("the log: {error}")))
    }

    fn record(&self, offset: u64, record: LogRecord) -> SourceRecord {
        SourceRecord {
            at: At { partition: PARTITION, epoch: self.epoch, offset },
            received_at_ms: record.received_at_ms,
            replay_of: record.replay_of,
            payload: Some(record.payload),
        }
    }

    async fn wait_while_paused(&self) {
        loop {
            let resumed = self.resumed.notified();
            if !self.paused.load(Ordering::Acquire) {
                return;
            }
            resumed.await;
        }
    }
}

#[async_trait]
impl Source for LocalLog {
    fn topic(&self) -> &str {
        "local"
    }

    async fn next(&self) -> Result<SourceEvent> {
        let mut reader = self.reader.lock().await;
        if !reader.assigned {
            reader.assigned = true;
            let next_offset = reader.cursor.next_offset;
            return Ok(SourceEvent::Assigned { partition: PARTITION, epoch: self.epoch, next_offset });
        }
        let mut durable = self.durable.clone();
        loop {
            self.wait_while_paused().await;
            if let Some((offset, record)) = reader.waiting.pop_front() {
                return Ok(SourceEvent::Record(self.record(offset, record)));
            }
            let durable_next = *durable.borrow_and_update();
            if reader.cursor.next_offset >= durable_next {
                if durable.changed().await.is_err() {
                    return Err(ended());
                }
                continue;
            }
            // Dropped here, the read is done again: the cursor moves only with its records.
            let (segments, cursor) = (Arc::clone(&self.segments), reader.cursor.clone());
            let read = tokio::task::spawn_blocking(move || read_on(&segments, cursor, durable_next)).await;
            let (batch, cursor) = read
                .map_err(|_| ended())?
                .map_err(|error| PortError::refused(format!("the log cannot be read: {error}")))?;
            reader.waiting.extend(batch);
            reader.cursor = cursor;
        }
    }

    fn pause(&self, partition: u32) {
        if partition == PARTITION {
            self.paused.store(true, Ordering::Release);
        }
    }

    fn resume(&self, partition: u32) {
        if partition == PARTITION {
            self.paused.store(false, Ordering::Release);
            self.resumed.notify_waiters();
        }
    }

    fn release(&self, _partitions: &[u32]) {}

    async fn commit(&self, next: &[Commit]) -> Result<()> {
        for commit in next {
            if commit.partition != PARTITION || commit.epoch != self.epoch {
                return Err(PortError::Stale { what: "not the log's present assignment".to_owned() });
            }
            if commit.next_offset <= self.committed.load(Ordering::Acquire) {
                continue;
            }
            let (offsets, next_offset) = (Arc::clone(&self.offsets), commit.next_offset);
            let saved = tokio::task::spawn_blocking(move || offsets.save(next_offset)).await;
            saved.map_err(|_| ended())??;
            self.committed.fetch_max(next_offset, Ordering::AcqRel);
        }
        Ok(())
    }

    async fn fetch(&self, partition: u32, offset: u64) -> Result<Option<SourceRecord>> {
        if partition != PARTITION || offset >= *self.durable.borrow() {
            return Ok(None);
        }
        let segments = Arc::clone(&self.segments);
        let read = tokio::task::spawn_blocking(move || read_one(&segments, offset)).await;
        let record = read.map_err(|_| ended())?;
        let record = record.map_err(|error| PortError::unavailable(format!("the log: {error}")))?;
        Ok(record.map(|record| self.record(offset, record)))
    }

    async fn append(
        &self,
        payload: Bytes,
        received_at_ms: u64,
        replay_of: Option<ReplayOf>,
    ) -> Result<(u32, u64)> {
        let cap = self.settings.max_record_bytes;
        if payload.len() > cap {
            return Err(PortError::rejected(format!("a record of {} bytes is over {cap}", payload.len())));
        }
        let kib =
            u32::try_from(payload.len() >> 10).unwrap_or(u32::MAX).saturating_add(1).min(self.queue_kib);
        let _room = self.queue_room.acquire_many(kib).await.map_err(|_| ended())?;
        let (answer, appended) = oneshot::channel();
        let record = LogRecord { received_at_ms, replay_of, payload };
        self.requests.send(Request::Append { record, answer }).await.map_err(|_| ended())?;
        let offset = appended.await.map_err(|_| ended())??;
        Ok((PARTITION, offset))
    }

    fn end_offsets(&self) -> Vec<(u32, u64)> {
        vec![(PARTITION, *self.durable.borrow())]
    }
}

fn ended() -> PortError {
    PortError::unavailable("the log's thread has ended")
}
