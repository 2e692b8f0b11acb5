//! Dead letters on a compacted topic of their own.
//!
//! A letter is written under its source position, so that it replaces itself; a null value ends it,
//! and compaction takes its bytes off the brokers' disks. Listing goes by an index of heads that is
//! built by one reading of the topic and then follows it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::tombstone::Tombstone;
use replay_ports::{DeadLetters, LetterFilter, PortError, Result};
use tokio::sync::OnceCell;
use tokio::task::JoinSet;

use super::admin::Admin;
use super::failure::Names;
use super::letter_index::Index;
use super::letter_look::{Doomed, Look, before};
use super::letter_record;
use super::producer::Producer;
use super::reader::Reader;
use super::{KafkaSettings, properties};

/// Deletions under way at a time.
const CLOSING: usize = 256;

/// A null value is kept for a day by default. An index that has not followed for half of that may have
/// missed some, and is built anew.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(12 * 3600);

/// A letter that is replaced while it is looked up is looked up again, so often.
const LOOK_UPS: usize = 5;

/// The topic of the dead letters.
pub struct KafkaDeadLetters {
    settings: Arc<KafkaSettings>,
    topic: String,
    producer: Arc<Producer>,
    reader: Arc<Reader>,
    followed: Arc<Mutex<Followed>>,
    is_there: OnceCell<()>,
}

struct Followed {
    index: Index,
    at: Instant,
}

impl KafkaDeadLetters {
    /// Checks the properties, and asks no broker. `Refused` if a property would break the contract.
    pub fn open(settings: &KafkaSettings, dead_topic: &str) -> Result<Self> {
        properties::check(settings).map_err(PortError::refused)?;
        if dead_topic == settings.topic {
            return Err(PortError::refused("dead letters need a topic of their own"));
        }
        let settings = Arc::new(settings.clone());
        let index = Index::new(settings.letters.indexed_letters as usize, None);
        Ok(Self {
            topic: dead_topic.to_owned(),
            producer: Arc::new(Producer::new(Arc::clone(&settings))),
            reader: Reader::new(Arc::clone(&settings)),
            followed: Arc::new(Mutex::new(Followed { index, at: Instant::now() })),
            is_there: OnceCell::new(),
            settings,
        })
    }

    /// Sees to it that the topic is there; otherwise the first call does. `Refused` when it is
    /// missing and may not be made, `Unavailable` when no broker answers.
    pub async fn prepare(&self) -> Result<()> {
        self.is_there.get_or_try_init(|| self.find_or_create()).await.map(|_| ())
    }

    async fn find_or_create(&self) -> Result<()> {
        if self.is_found().await? {
            return Ok(());
        }
        let topic = &self.topic;
        if !self.settings.letters.create {
            return Err(PortError::refused(format!(
                "topic {topic} is missing: create it (cleanup.policy=compact), or set dead_letters.create_topic"
            )));
        }
        Admin::new(Arc::clone(&self.settings))?.create_letters(topic, false).await?;
        tracing::info!(topic, "topic of the dead letters created");
        // The brokers hear of it one after the other.
        let deadline = Instant::now() + self.settings.request_timeout;
        while !self.is_found().await? {
            if Instant::now() >= deadline {
                return Err(PortError::unavailable(format!("topic {topic} was created and is not seen yet")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    async fn is_found(&self) -> Result<bool> {
        let topic = self.topic.clone();
        self.reader.run(move |open| Ok(open.find(&topic)?.is_some())).await
    }

    /// Follows the topic to its end, then looks.
    async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Look<'_>, &mut Index) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.prepare().await?;
        let (topic, followed) = (self.topic.clone(), Arc::clone(&self.followed));
        let capacity = self.settings.letters.indexed_letters as usize;
        self.reader
            .run(move |open| {
                let look = Look { open, topic: &topic, capacity };
                let mut followed = followed.lock().unwrap_or_else(PoisonError::into_inner);
                if followed.at.elapsed() >= FOLLOWS_WITHIN {
                    followed.index = Index::new(capacity, None);
                }
                look.follow(&mut followed.index)?;
                followed.at = Instant::now();
                work(&look, &mut followed.index)
            })
            .await
    }

    /// Goes through all letters, a window at a time, and ends those that `choose` names.
    async fn end_all(
        &self,
        choose: impl Fn(&Look<'_>, &Index, Option<&LetterId>) -> Result<Doomed> + Clone + Send + 'static,
    ) -> Result<Doomed> {
        let mut sum = Doomed::default();
        let mut after = None;
        loop {
            let (choose, from) = (choose.clone(), after.clone());
            let doomed = self
                .look(move |look, index| {
                    look.move_to(index, from.as_ref())?;
                    choose(look, index, from.as_ref())
                })
                .await?;
            self.end(&doomed.ids).await?;
            sum.payload_bytes += doomed.payload_bytes;
            sum.ids.extend(doomed.ids);
            match doomed.until {
                Some(until) => after = Some(until),
                None => return Ok(sum),
            }
        }
    }

    async fn end(&self, ids: &[LetterId]) -> Result<()> {
        let mut writes = JoinSet::new();
        let mut outcome = Ok(());
        for id in ids {
            if writes.len() >= CLOSING {
                outcome = outcome.and(joined(writes.join_next().await));
            }
            let (producer, key) = (Arc::clone(&self.producer), id.to_string());
            let (topic, group) = (self.topic.clone(), self.settings.group.clone());
            writes.spawn(async move {
                let names = Names { topic: &topic, group: &group };
                producer.send(names, Some(&key), None, rdkafka::message::OwnedHeaders::new()).await
            });
        }
        while let Some(written) = writes.join_next().await {
            outcome = outcome.and(joined(Some(written)));
        }
        outcome
    }

    async fn write(&self, letter: &DeadLetter) -> Result<()> {
        let key = letter.id.to_string();
        let names = Names { topic: &self.topic, group: &self.settings.group };
        let headers = letter_record::headers(letter);
        self.producer.send(names, Some(&key), Some(letter_record::value(letter)), headers).await.map(|_| ())
    }
}

fn joined(written: Option<std::result::Result<Result<(u32, u64)>, tokio::task::JoinError>>) -> Result<()> {
    match written {
        None | Some(Ok(Ok(_))) => Ok(()),
        Some(Ok(Err(error))) => Err(error),
        Some(Err(error)) => Err(PortError::unavailable(format!("a letter was not closed: {error}"))),
    }
}

fn matches(letter: &DeadLetter, filter: &LetterFilter) -> bool {
    filter.reason.is_none_or(|reason| reason == letter.reason)
        && filter.project_id.as_ref().is_none_or(|id| Some(id) == letter.project_id.as_ref())
        && filter.since_ms.is_none_or(|since| since <= letter.dead_at_ms)
}

#[async_trait]
impl DeadLetters for KafkaDeadLetters {
    async fn put(&self, letter: &DeadLetter) -> Result<()> {
        self.prepare().await?;
        match self.write(letter).await {
            // Too large for where it should go: the position is enough to find it.
            Err(PortError::Rejected { what }) if letter.payload.is_some() => {
                tracing::warn!(letter = %letter.id, what, "the letter is written without its payload");
                self.write(&DeadLetter { payload: None, ..letter.clone() }).await
            }
            written => written,
        }
    }

    async fn list(
        &self,
        filter: &LetterFilter,
        after: Option<&LetterId>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>> {
        let (filter, mut after) = (filter.clone(), after.cloned());
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.look(move |look, index| {
            let mut page = Vec::new();
            loop {
                look.move_to(index, after.as_ref())?;
                let found = index.heads_after(after.as_ref()).filter(|head| matches(&head.letter, &filter));
                page.extend(found.take(limit - page.len()).map(|head| head.letter.clone()));
                match index.until() {
                    Some(until) if page.len() < limit => after = Some(until.clone()),
                    Some(_) | None => return Ok(page),
                }
            }
        })
        .await
    }

    async fn get(&self, id: &LetterId) -> Result<Option<DeadLetter>> {
        for _ in 0..LOOK_UPS {
            let id = id.clone();
            let found = self.look(move |look, index| {
                if !index.covers(&id) {
                    look.move_to(index, Some(&before(&id)))?;
                }
                match index.get(&id) {
                    None => Ok(Some(None)),
                    Some(head) if head.included.is_none() => Ok(Some(Some(head.letter.clone()))),
                    Some(head) => Ok(look.open_letter(head)?.map(Some)),
                }
            });
            if let Some(answer) = found.await? {
                return Ok(answer);
            }
        }
        Err(PortError::unavailable(format!("letter {id} is written again and again; try later")))
    }

    async fn close(&self, id: &LetterId) -> Result<()> {
        self.prepare().await?;
        self.end(std::slice::from_ref(id)).await
    }

    async fn erase(&self, tombstone: &Tombstone) -> Result<u64> {
        let tombstone = tombstone.clone();
        let ended = self.end_all(move |look, index, after| look.covered(index, after, &tombstone)).await?;
        Ok(ended.payload_bytes)
    }

    async fn count_erasable(&self, tombstone: &Tombstone) -> Result<u64> {
        let (mut count, mut after) = (0, None);
        loop {
            let (tombstone, from) = (tombstone.clone(), after.clone());
            let covered = self.look(move |look, index| {
                look.move_to(index, from.as_ref())?;
                look.covered(index, from.as_ref(), &tombstone)
            });
            let covered = covered.await?;
            count += covered.ids.len() as u64;
            match covered.until {
                Some(until) => after = Some(until),
                None => return Ok(count),
            }
        }
    }

    async fn purge(&self, before_ms: u64) -> Result<u64> {
        let ended = self
            .end_all(move |_, index, after| {
                let mut doomed = Doomed { until: index.until().cloned(), ..Doomed::default() };
                let old = index.heads_after(after).filter(|head| head.letter.dead_at_ms < before_ms);
                old.for_each(|head| doomed.add(head));
                Ok(doomed)
            })
            .await?;
        Ok(ended.ids.len() as u64)
    }
}

impl std::fmt::Debug for KafkaDeadLetters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KafkaDeadLetters").field("topic", &self.topic).finish_non_exhaustive()
    }
}
