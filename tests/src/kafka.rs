//! Topics of their own for tests, and foreign clients that write into them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test support fails by panicking")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Headers, OwnedHeaders};
use rdkafka::producer::{BaseProducer, FutureProducer, FutureRecord, Producer};
use rdkafka::{ClientConfig, Message};
use replay_servers::kafka::KafkaSettings;
use uuid::Uuid;

use crate::servers;
use crate::service::PATIENCE;

/// A topic that nobody else uses. It goes with this.
pub struct Topic {
    /// Brokers, as `host:port`.
    pub brokers: String,
    /// Its name.
    pub name: String,
}

impl Topic {
    /// On the test machine's broker; `None` where there is none.
    pub async fn new(partitions: i32) -> Option<Self> {
        Some(Self::on(&servers::address(servers::KAFKA)?, partitions, &[]).await)
    }

    /// On the test machine's broker, with settings; `None` where there is none.
    pub async fn with(partitions: i32, config: &[(&str, &str)]) -> Option<Self> {
        Some(Self::on(&servers::address(servers::KAFKA)?, partitions, config).await)
    }

    /// On these brokers. Takes records of 64 MiB unless the settings say otherwise.
    pub async fn on(brokers: &str, partitions: i32, config: &[(&str, &str)]) -> Self {
        let this = Self { brokers: brokers.to_owned(), name: format!("test-{}", Uuid::new_v4()) };
        create(brokers, &this.name, partitions, config).await;
        this
    }

    /// A name on the same brokers under which nothing is made; what a test makes there goes with this.
    pub fn unmade(&self) -> Self {
        Self { brokers: self.brokers.clone(), name: format!("test-{}", Uuid::new_v4()) }
    }

    /// Settings for a group of this name, with bounds that suit tests.
    pub fn settings(&self, group: &str) -> KafkaSettings {
        KafkaSettings {
            brokers: vec![self.brokers.clone()],
            topic: self.name.clone(),
            group: group.to_owned(),
            end_offsets_interval: Duration::from_millis(200),
            ..KafkaSettings::default()
        }
    }

    /// Settings for a group that nobody else is in.
    pub fn own_settings(&self) -> KafkaSettings {
        self.settings(&format!("group-{}", Uuid::new_v4()))
    }

    /// Writes a record as a foreign client does, and answers where it is.
    pub async fn produce(
        &self,
        partition: Option<i32>,
        key: Option<&str>,
        payload: Option<&[u8]>,
        headers: Option<OwnedHeaders>,
    ) -> (u32, u64) {
        let producer: FutureProducer =
            self.config().set("message.max.bytes", "70000000").create().expect("a producer");
        let record = FutureRecord::<str, [u8]> {
            topic: &self.name,
            partition,
            payload,
            key,
            timestamp: None,
            headers,
        };
        let delivery = producer.send(record, Duration::from_secs(10)).await.map_err(|(error, _)| error);
        let delivery = delivery.expect("a record");
        (delivery.partition as u32, delivery.offset as u64)
    }

    /// Writes these records in one transaction, which ends as told.
    pub async fn transaction(&self, payloads: Vec<String>, commit: bool) {
        let mut config = self.config();
        config.set("transactional.id", Uuid::new_v4().to_string());
        let name = self.name.clone();
        let write = move || {
            let producer: BaseProducer = config.create().expect("a producer");
            let patience = Duration::from_secs(30);
            producer.init_transactions(patience).expect("transactions");
            producer.begin_transaction().expect("a transaction");
            for payload in &payloads {
                let record = rdkafka::producer::BaseRecord::<(), str>::to(&name).payload(payload);
                producer.send(record).map_err(|(error, _)| error).expect("a record");
            }
            match commit {
                true => producer.commit_transaction(patience).expect("a commit"),
                false => {
                    producer.flush(patience).expect("records");
                    producer.abort_transaction(patience).expect("an abort");
                }
            }
        };
        tokio::task::spawn_blocking(write).await.expect("a transaction");
    }

    /// What the group has committed, by partition; -1001 where nothing is.
    pub async fn committed(&self, group: &str, partitions: i32) -> BTreeMap<i32, i64> {
        let mut config = self.config();
        config.set("group.id", group);
        let name = self.name.clone();
        let ask = move || {
            let consumer: BaseConsumer = config.create().expect("a consumer");
            let mut list = rdkafka::TopicPartitionList::new();
            list.add_partition_range(&name, 0, partitions - 1);
            let list = consumer.committed_offsets(list, Duration::from_secs(30)).expect("offsets");
            let raw = |offset: rdkafka::Offset| offset.to_raw().unwrap_or(-1001);
            list.elements().iter().map(|element| (element.partition(), raw(element.offset()))).collect()
        };
        tokio::task::spawn_blocking(ask).await.expect("offsets")
    }

    /// Reads the first records of partition 0 as a foreign client does.
    pub async fn read_raw(&self, count: usize) -> Vec<Raw> {
        let mut config = self.config();
        config.set("group.id", Uuid::new_v4().to_string()).set("enable.auto.commit", "false");
        let name = self.name.clone();
        let read = move || {
            let consumer: BaseConsumer = config.create().expect("a consumer");
            let mut list = rdkafka::TopicPartitionList::new();
            list.add_partition_offset(&name, 0, rdkafka::Offset::Beginning).expect("a position");
            consumer.assign(&list).expect("an assignment");
            (0..count)
                .map(|_| {
                    Raw::of(&consumer.poll(Duration::from_secs(30)).expect("a record").expect("a record"))
                })
                .collect()
        };
        tokio::task::spawn_blocking(read).await.expect("records")
    }

    /// Deletes the records before this offset, as retention does.
    pub async fn delete_before(&self, partition: i32, offset: i64) {
        let mut list = rdkafka::TopicPartitionList::new();
        let offset = rdkafka::Offset::Offset(offset);
        list.add_partition_offset(&self.name, partition, offset).expect("a position");
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
        admin(&self.brokers).delete_records(&list, &options).await.expect("a deletion");
    }

    /// Deletes the topic and makes one of the same name.
    pub async fn make_anew(&self, partitions: i32) {
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
        let admin = admin(&self.brokers);
        for deleted in admin.delete_topics(&[&self.name], &options).await.expect("a deletion") {
            deleted.expect("a deletion");
        }
        create(&self.brokers, &self.name, partitions, &[]).await;
    }

    /// Makes the topic.
    pub async fn make(&self, partitions: i32, config: &[(&str, &str)]) {
        create(&self.brokers, &self.name, partitions, config).await;
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }
}

/// A record as it lies in the topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// Its key.
    pub key: Option<String>,
    /// Its value; `None` for null.
    pub payload: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, String)>,
}

impl Raw {
    fn of(message: &BorrowedMessage<'_>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
        Self {
            key: message.key().map(text),
            payload: message.payload().map(<[u8]>::to_vec),
            headers: headers
                .map(|header| (header.key.to_owned(), header.value.map(text).unwrap_or_default()))
                .collect(),
        }
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        let (brokers, name) = (self.brokers.clone(), self.name.clone());
        // A runtime of its own: this one may be about to end.
        let delete = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(5)));
                // It may be gone, or its broker.
                let _ = admin(&brokers).delete_topics(&[&name], &options).await;
            });
        });
        let _ = delete.join();
    }
}

fn admin(brokers: &str) -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a client")
}

async fn create(brokers: &str, name: &str, partitions: i32, config: &[(&str, &str)]) {
    let mut new = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    if !config.iter().any(|(key, _)| *key == "max.message.bytes") {
        new = new.set("max.message.bytes", "68000000");
    }
    for (key, value) in config {
        new = new.set(key, value);
    }
    let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
    let admin = admin(brokers);
    let created = admin.create_topics([&new], &options).await.expect("a topic");
    created.into_iter().for_each(|topic| {
        topic.expect("a topic");
    });
    let name = name.to_owned();
    tokio::task::spawn_blocking(move || await_topic(&admin, &name, partitions)).await.expect("a topic");
}

/// Waits until the brokers tell their clients of a topic, which the controller made before.
pub fn await_topic(admin: &AdminClient<DefaultClientContext>, name: &str, partitions: i32) {
    let deadline = Instant::now() + PATIENCE;
    let is_known = || {
        let metadata = admin.inner().fetch_metadata(Some(name), PATIENCE).ok()?;
        let topic = metadata.topics().first().filter(|topic| topic.error().is_none())?;
        let led = topic.partitions().iter().filter(|partition| partition.leader() >= 0).count();
        (led == partitions as usize).then_some(())
    };
    while is_known().is_none() {
        assert!(Instant::now() < deadline, "topic {name} is not known to its brokers in time");
        std::thread::sleep(Duration::from_millis(20));
    }
}
