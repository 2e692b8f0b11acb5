//! What Kafka alone can do to a source: give partitions to others, take them away, come and go.
#![allow(clippy::expect_used, reason = "tests")]

mod broker;
mod doctor;
mod group;
mod hand_over;
mod letters;
mod memory;
mod mock;
mod records;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use replay_ports::{CommitTo, PortError, Source, SourceEvent, SourceRecord};
use replay_servers::kafka::{KafkaSettings, KafkaSource};
use tokio::time::timeout;

/// What is due must come within this time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A source, read as a test wishes.
struct Client {
    source: Arc<KafkaSource>,
    /// Epoch and the first offset not yet read, of each partition that is ours.
    held: BTreeMap<u32, (u32, u64)>,
}

impl Client {
    fn open(settings: &KafkaSettings) -> Self {
        Self { source: Arc::new(KafkaSource::open(settings).unwrap()), held: BTreeMap::new() }
    }

    /// The next event; errors that pass are passed over.
    async fn event(&mut self) -> SourceEvent {
        loop {
            match timeout(PATIENCE, self.source.next()).await.expect("an event in time") {
                Ok(event) => {
                    self.note(&event);
                    return event;
                }
                Err(PortError::Unavailable { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn note(&mut self, event: &SourceEvent) {
        match event {
            SourceEvent::Assigned { partition, epoch, next_offset } => {
                let before = self.held.insert(*partition, (*epoch, *next_offset));
                assert_eq!(before, None, "partition {partition} was retained, and is assigned anew");
            }
            SourceEvent::Lost { partitions } => {
                self.held.retain(|partition, _| !partitions.contains(partition));
            }
            SourceEvent::Revoked { partitions, .. } => {
                assert!(partitions.iter().all(|partition| self.held.contains_key(partition)));
            }
            SourceEvent::Record(record) => {
                let (epoch, next) = self.held.get_mut(&record.at.partition).expect("a partition of ours");
                assert_eq!(record.at.epoch, *epoch);
                assert!(record.at.offset >= *next, "{:?} came twice", record.at);
                *next = record.at.offset + 1;
            }
        }
    }

    /// Reads until an event is the one that is waited for.
    async fn until<T>(&mut self, mut is_it: impl FnMut(SourceEvent) -> Option<T>) -> T {
        loop {
            let event = self.event().await;
            if let Some(found) = is_it(event) {
                return found;
            }
        }
    }

    /// Reads until so many partitions are ours.
    async fn assigned(&mut self, count: usize) {
        while self.held.len() < count {
            self.event().await;
        }
    }

    async fn records(&mut self, count: usize) -> Vec<SourceRecord> {
        let mut records = Vec::new();
        while records.len() < count {
            if let SourceEvent::Record(record) = self.event().await {
                records.push(record);
            }
        }
        records
    }

    async fn revoked(&mut self) -> Vec<u32> {
        let revoked =
            |event| if let SourceEvent::Revoked { partitions, .. } = event { Some(partitions) } else { None };
        self.until(revoked).await
    }

    /// Nothing else comes before.
    async fn lost(&mut self) -> Vec<u32> {
        let event = self.event().await;
        let SourceEvent::Lost { partitions } = event else { panic!("{event:?} instead of a loss") };
        partitions
    }

    /// Commits all that was read of these partitions.
    async fn commit(&self, partitions: &[u32]) -> replay_ports::Result<()> {
        self.source.commit(&self.read_of(partitions)).await
    }

    fn read_of(&self, partitions: &[u32]) -> Vec<CommitTo> {
        let held = self.held.iter().filter(|(partition, _)| partitions.contains(partition));
        held.map(|(&partition, &(epoch, next_offset))| CommitTo { partition, epoch, next_offset }).collect()
    }

    /// Commits, releases and forgets partitions that go.
    async fn give_back(&mut self, partitions: &[u32]) {
        let commit = async {
            // The group is changing: a commit may have to be sent again.
            while let Err(error) = self.commit(partitions).await {
                assert!(matches!(error, PortError::Unavailable { .. }), "{error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, commit).await.expect("a commit in time");
        self.source.release(partitions);
        self.held.retain(|partition, _| !partitions.contains(partition));
    }

    async fn quiet(&mut self, time: Duration) {
        if let Ok(event) = timeout(time, self.event()).await {
            panic!("{event:?} came unasked");
        }
    }

    fn partitions(&self) -> Vec<u32> {
        self.held.keys().copied().collect()
    }
}

/// Waits until something is so.
async fn eventually(what: &str, is_so: impl AsyncFn() -> bool) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what}: not in time"));
}

fn with(mut settings: KafkaSettings, properties: &[(&str, &str)]) -> KafkaSettings {
    settings
        .properties
        .extend(properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    settings
}
