//! A stage on real servers: a topic, a group, a database and a bucket of its own, gone with the test.
//!
//! What is written and read here goes by foreign clients' ways (librdkafka's plain producer, plain SQL), so
//! that the service is not its own witness.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Offset, TopicPartitionList};

use crate::kafka::await_topic;
use crate::plugins::{self, Tenant};
use crate::servers::{self, address};
use crate::service::{PATIENCE, Service};

/// A record to be produced.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The partition.
    pub partition: i32,
    /// The key, if it has one.
    pub key: Option<String>,
    /// Unix milliseconds; now if `None`.
    pub timestamp_ms: Option<i64>,
    /// The record.
    pub payload: Vec<u8>,
}

impl Sent {
    /// A record without a key, received now.
    pub fn new(partition: i32, payload: impl Into<Vec<u8>>) -> Self {
        Self { partition, key: None, timestamp_ms: None, payload: payload.into() }
    }
}

/// Names of its own on the servers of this machine.
pub struct Stage {
    /// Brokers, as the service reaches them: may be a proxy.
    pub kafka: String,
    /// ClickHouse, as the service reaches it.
    pub clickhouse: String,
    /// The object store, as the service reaches it.
    pub s3: String,
    /// In every name.
    pub name: String,
    /// More of the section `kafka`, each followed by a comma.
    pub kafka_keys: String,
    /// More of the section `clickhouse`, each followed by a comma.
    pub clickhouse_keys: String,
    /// How `produce` packs records on their way.
    pub producer_compression: &'static str,
    partitions: i32,
    servers: [String; 3],
    runtime: tokio::runtime::Runtime,
}

impl Stage {
    /// A stage with an empty topic of that many partitions and an empty database; `None` where this machine
    /// has no servers.
    pub fn new(partitions: i32) -> Option<Self> {
        Self::on(address(servers::KAFKA)?, partitions)
    }

    /// The same on a broker of one's own.
    pub fn on(kafka: String, partitions: i32) -> Option<Self> {
        let servers = [kafka, address(servers::CLICKHOUSE)?, address(servers::S3)?];
        let [kafka, clickhouse, s3] = servers.clone();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let name = format!("stage{}", uuid::Uuid::new_v4().simple());
        let (kafka_keys, clickhouse_keys) = (String::new(), String::new());
        let stage = Self {
            kafka,
            clickhouse,
            s3,
            name,
            kafka_keys,
            clickhouse_keys,
            producer_compression: "none",
            partitions,
            servers,
            runtime,
        };
        stage.create_topic(&stage.topic(), partitions);
        stage.sql(&format!("CREATE DATABASE {}", stage.name));
        Some(stage)
    }

    /// The topic of the records.
    pub fn topic(&self) -> String {
        format!("{}.chunks", self.name)
    }

    /// The topic of the dead letters.
    pub fn letters_topic(&self) -> String {
        format!("{}.dead", self.name)
    }

    /// The stores of a config; a service needs `embedded.dir` and tenants beside it.
    pub fn stores(&self) -> String {
        let (access, secret) = servers::S3_KEYS;
        format!(
            "kafka: {{ {keys} brokers: [\"{kafka}\"], topic: {topic}, group: {name}, \
                     end_offsets_interval: 200ms }}\n\
             clickhouse: {{ {clickhouse_keys} url: \"{clickhouse}\", database: {name} }}\n\
             minio: {{ endpoint: \"{s3}\", access_key: {access}, secret_key: {secret}, bucket: {name}, \
                      create_bucket: true }}\n\
             dead_letters: {{ topic: {letters} }}\n",
            keys = self.kafka_keys,
            kafka = self.kafka,
            topic = self.topic(),
            name = self.name,
            clickhouse_keys = self.clickhouse_keys,
            clickhouse = self.clickhouse,
            s3 = self.s3.trim_start_matches("http://"),
            letters = self.letters_topic(),
        )
    }

    /// A config of one process, whose own state lies below `dir`; `extra` is appended.
    pub fn config(&self, dir: &Path, tenants: &[Tenant<'_>], extra: &str) -> String {
        format!(
            "{}embedded: {{ dir: {} }}\napi: {{ listen: \"127.0.0.1:0\" }}\n{}{extra}",
            self.stores(),
            dir.join("data").display(),
            plugins::chains(tenants),
        )
    }

    /// A service with that config, which does not run yet. The first of a stage applies the schema.
    pub fn prepare(&self, dir: &Path, tenants: &[Tenant<'_>], extra: &str) -> Service {
        let service = Service::prepare_with(dir, &self.config(dir, tenants, extra));
        service.ok(&["schema", "apply"]);
        service
    }

    /// The same, running.
    pub fn start(&self, dir: &Path, tenants: &[Tenant<'_>], extra: &str) -> Service {
        let mut service = self.prepare(dir, tenants, extra);
        service.run();
        service
    }

    /// Produces records, each once, and acknowledged when this returns.
    pub fn produce(&self, records: impl IntoIterator<Item = Sent>) {
        let producer: BaseProducer = client(&self.servers[0])
            // What is sent again on a busy machine is not to be there twice.
            .set("enable.idempotence", "true")
            .set("linger.ms", "20")
            .set("compression.type", self.producer_compression)
            .set("message.max.bytes", "80000000")
            .set("queue.buffering.max.kbytes", "262144")
            .create()
            .unwrap();
        let topic = self.topic();
        for record in records {
            let mut message = BaseRecord::<str, [u8]>::to(&topic).partition(record.partition);
            message.payload = Some(&record.payload);
            message.key = record.key.as_deref();
            message.timestamp = record.timestamp_ms;
            while let Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), again)) =
                producer.send(message)
            {
                producer.poll(Duration::from_millis(10));
                message = again;
            }
            producer.poll(Duration::ZERO);
        }
        producer.flush(PATIENCE).unwrap();
        assert_eq!(producer.in_flight_count(), 0);
    }

    /// Committed offset and end of each partition.
    pub fn offsets(&self) -> BTreeMap<i32, (i64, i64)> {
        let consumer: BaseConsumer = client(&self.servers[0]).set("group.id", &self.name).create().unwrap();
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_range(&self.topic(), 0, self.partitions - 1);
        let committed = consumer.committed_offsets(wanted, PATIENCE).unwrap();
        // Nothing was committed yet, or a number.
        let offset = |offset: Offset| offset.to_raw().unwrap_or(0).max(0);
        let one = |partition| {
            let (_, end) = consumer.fetch_watermarks(&self.topic(), partition, PATIENCE).unwrap();
            let found = committed.find_partition(&self.topic(), partition).unwrap();
            (partition, (offset(found.offset()), end))
        };
        (0..self.partitions).map(one).collect()
    }

    /// Whether everything that was produced is committed.
    pub fn is_committed(&self) -> bool {
        is_all(&self.offsets())
    }

    /// Waits until so many records are committed, over all partitions.
    pub fn wait_committed(&self, count: u64, patience: Duration, watched: &[&Service]) {
        self.wait(count, false, patience, watched);
    }

    /// Waits until every record is committed, and there are so many at least.
    pub fn wait_all_committed(&self, count: u64, patience: Duration, watched: &[&Service]) {
        self.wait(count, true, patience, watched);
    }

    fn wait(&self, count: u64, all: bool, patience: Duration, watched: &[&Service]) {
        let deadline = Instant::now() + patience;
        loop {
            let offsets = self.offsets();
            let committed: u64 = offsets.values().map(|(committed, _)| committed.unsigned_abs()).sum();
            if committed >= count && (!all || is_all(&offsets)) {
                return;
            }
            let logs = || watched.iter().map(|service| service.log()).collect::<Vec<_>>().join("\n---\n");
            assert!(Instant::now() < deadline, "{committed} of {count} committed:\n{}", logs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Runs a statement and returns what the server answers, as TSV unless the statement says otherwise.
    pub fn sql(&self, statement: &str) -> String {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        let mut answer = agent.post(&self.servers[1]).send(statement).unwrap();
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(1 << 30).read_to_string().unwrap();
        assert!(status.is_success(), "{statement}: {status} {text}");
        text
    }

    /// Makes a topic.
    pub fn create_topic(&self, name: &str, partitions: i32) {
        let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1))
            .set("max.message.bytes", "70000000")
            // Some records here are weeks old by their timestamps.
            .set("retention.ms", "-1");
        let admin = self.admin();
        let made = self.runtime.block_on(admin.create_topics([&topic], &AdminOptions::new()));
        assert!(made.unwrap().into_iter().all(|topic| topic.is_ok()), "cannot make the topic {name}");
        await_topic(&admin, name, partitions);
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        client(&self.servers[0]).create().unwrap()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let (topic, letters) = (self.topic(), self.letters_topic());
        let admin = self.admin();
        let _ = self.runtime.block_on(admin.delete_topics(&[&topic, &letters], &AdminOptions::new()));
        if !std::thread::panicking() {
            self.sql(&format!("DROP DATABASE {}", self.name));
        }
    }
}

/// Whether what is committed reaches to the end of each partition.
fn is_all(offsets: &BTreeMap<i32, (i64, i64)>) -> bool {
    offsets.values().all(|(committed, end)| committed == end)
}

fn client(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers);
    config
}
