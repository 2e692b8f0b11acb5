//! A topic of Kafka as a [`Source`].

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use replay_core::pipeline::{At, ReplayOf};
use replay_ports::{CommitTo, PortError, Result, Source, SourceEvent, SourceRecord};
use tokio::sync::oneshot;

use super::ends::Ends;
use super::failure::Names;
use super::inbox::Inbox;
use super::member::{Command, Handle};
use super::producer::Producer;
use super::reader::{Range, Reader};
use super::{KafkaSettings, properties, record};

/// The topic of the records. It joins the group at the first `next`, so that who only appends or
/// fetches never takes partitions away from those who read.
///
/// [`KafkaSource::close`] leaves the group; so does dropping it, which blocks for at most `shutdown`.
pub struct KafkaSource {
    settings: Arc<KafkaSettings>,
    inbox: Arc<Inbox>,
    member: OnceLock<Arc<Member>>,
    joining: Mutex<()>,
    producer: Producer,
    reader: Arc<Reader>,
}

struct Member {
    handle: Handle,
    ends: Arc<Ends>,
}

impl Member {
    /// Leaves the group, once. Blocks.
    fn close(&self, settings: &KafkaSettings) {
        self.ends.stop();
        if !self.handle.close(settings.shutdown) {
            tracing::warn!(group = settings.group, "the group could not be left in time");
        }
    }
}

impl KafkaSource {
    /// Checks the properties, and asks no broker: one that is away is no reason not to start.
    /// `Refused` if a property would break the contract, or librdkafka does not take it.
    pub fn open(settings: &KafkaSettings) -> Result<Self> {
        properties::check(settings).map_err(PortError::refused)?;
        let settings = Arc::new(settings.clone());
        Ok(Self {
            inbox: Arc::new(Inbox::new(
                settings.inbox_bytes,
                settings.inbox_bytes.saturating_add(settings.read_ahead_bytes),
            )),
            member: OnceLock::new(),
            joining: Mutex::new(()),
            producer: Producer::new(Arc::clone(&settings)),
            reader: Reader::new(Arc::clone(&settings)),
            settings,
        })
    }

    /// Asks whether the topic is there: `Refused` when it is not, or may not be read; `Unavailable`
    /// when no broker answers.
    pub async fn prepare(&self) -> Result<()> {
        let topic = self.settings.topic.clone();
        self.reader.run(move |open| open.partitions(&topic).map(|_| ())).await
    }

    fn member(&self) -> Result<&Member> {
        if let Some(member) = self.member.get() {
            return Ok(member);
        }
        let _one_at_a_time = self.joining.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(member) = self.member.get() {
            return Ok(member);
        }
        let settings = Arc::clone(&self.settings);
        let started =
            Ends::spawn(settings.topic.clone(), settings.end_offsets_interval, settings.request_timeout)
                .and_then(|ends| {
                    let handle = Handle::spawn(settings, Arc::clone(&self.inbox), Arc::clone(&ends))?;
                    Ok(Member { handle, ends })
                });
        let member = started
            .map_err(|error| PortError::unavailable(format!("no thread to read from Kafka: {error}")))?;
        Ok(self.member.get_or_init(|| Arc::new(member)))
    }

    fn look(&self) {
        if let Some(member) = self.member.get() {
            member.handle.send(Command::Look);
        }
    }

    fn names(&self) -> Names<'_> {
        Names { topic: &self.settings.topic, group: &self.settings.group }
    }
}

#[async_trait]
impl Source for KafkaSource {
    fn topic(&self) -> &str {
        &self.settings.topic
    }

    async fn next(&self) -> Result<SourceEvent> {
        self.member()?;
        loop {
            // Created before looking, it hears what is put in from here on.
            let filled = self.inbox.filled();
            let taken = self.inbox.take();
            if taken.is_news {
                self.look();
            }
            if let Some(event) = taken.event {
                return event;
            }
            filled.await;
        }
    }

    fn pause(&self, partition: u32) {
        self.inbox.pause(partition);
        self.look();
    }

    fn resume(&self, partition: u32) {
        self.inbox.resume(partition);
        self.look();
    }

    fn release(&self, partitions: &[u32]) {
        if let Some(member) = self.member.get() {
            member.handle.send(Command::Release(partitions.to_vec()));
        }
    }

    async fn commit(&self, next: &[CommitTo]) -> Result<()> {
        if next.is_empty() {
            return Ok(());
        }
        let stale = || PortError::Stale { what: "the group was left: no partition is ours".into() };
        let member = self.member.get().ok_or_else(stale)?;
        let (answer, answered) = oneshot::channel();
        member.handle.send(Command::Commit { next: next.to_vec(), answer });
        match tokio::time::timeout(self.settings.request_timeout, answered).await {
            Ok(Ok(committed)) => committed,
            Ok(Err(_)) => Err(stale()),
            Err(_) => Err(PortError::unavailable(format!(
                "no broker has confirmed the offsets of group {} within {:?}",
                self.settings.group, self.settings.request_timeout
            ))),
        }
    }

    async fn fetch(&self, partition: u32, offset: u64) -> Result<Option<SourceRecord>> {
        let topic = self.settings.topic.clone();
        let at = At { partition, epoch: 0, offset };
        self.reader
            .run(move |open| {
                let Some((low, high)) = open.watermarks(&topic, partition)? else { return Ok(None) };
                if !(low..high).contains(&offset) {
                    return Ok(None);
                }
                let mut found = None;
                open.scan(
                    &topic,
                    &[Range { partition, from: offset, to: offset + 1 }],
                    &mut |_, at_offset, message| {
                        // Where a record was compacted away, the one behind it comes.
                        if at_offset == offset {
                            found = Some(record::record(message, at));
                        }
                        Ok(())
                    },
                )?;
                Ok(found)
            })
            .await
    }

    async fn append(
        &self,
        payload: Bytes,
        received_at_ms: u64,
        replay_of: Option<ReplayOf>,
    ) -> Result<(u32, u64)> {
        let key = record::key(&payload);
        let headers = record::headers(received_at_ms, replay_of.as_ref());
        self.producer.send(self.names(), key.as_deref(), Some(&payload), headers).await
    }

    fn end_offsets(&self) -> Vec<(u32, u64)> {
        self.member.get().map_or_else(Vec::new, |member| member.ends.all())
    }

    /// Leaves the group; waits for that for at most `shutdown`. What was not committed comes again, elsewhere.
    async fn close(&self) {
        let Some(member) = self.member.get().cloned() else { return };
        let settings = Arc::clone(&self.settings);
        let _ = tokio::task::spawn_blocking(move || member.close(&settings)).await;
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        if let Some(member) = self.member.get() {
            member.close(&self.settings);
        }
    }
}

impl std::fmt::Debug for KafkaSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaSource").field("settings", &self.settings).finish_non_exhaustive()
    }
}
