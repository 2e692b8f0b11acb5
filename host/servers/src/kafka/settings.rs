//! What a Kafka client of ours has to know, every bound included.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The cluster, the topic of the records, and every bound. `Debug` prints no value of a property.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// Host and port of some brokers.
    pub brokers: Vec<String>,
    /// The topic of the records.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// More properties for librdkafka; see [`refused_properties`](super::refused_properties).
    pub properties: BTreeMap<String, String>,
    /// The largest record that is stored. Larger ones are read too, so that they become dead letters.
    pub max_record_bytes: u64,
    /// Bytes that librdkafka fetches ahead; overshot by what one broker answers at once.
    pub read_ahead_bytes: u64,
    /// Bytes that one broker answers at once. A larger record comes alone.
    pub fetch_bytes: u64,
    /// Bytes taken from librdkafka and not yet from us.
    pub inbox_bytes: u64,
    /// Bytes that wait for their acknowledgement; a single record may be larger.
    pub append_queue_bytes: u64,
    /// How long one question to a broker may take.
    pub request_timeout: Duration,
    /// How long a record may wait for its acknowledgement.
    pub append_timeout: Duration,
    /// How long partitions that go to another member may drain; under `max.poll.interval.ms`.
    pub revoke_timeout: Duration,
    /// How long leaving the group may take.
    pub shutdown: Duration,
    /// How often the ends of the partitions are asked for.
    pub end_offsets_interval: Duration,
    /// Records wait and none comes for so long: the consumer is made anew.
    pub stall_timeout: Duration,
    /// The topic of the dead letters.
    pub letters: LetterTopicSettings,
}

/// How the topic of the dead letters is made and read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterTopicSettings {
    /// Whether it is made when it is missing.
    pub create: bool,
    /// Partitions of a new topic.
    pub partitions: i32,
    /// Copies of a new topic; -1 for the broker's default.
    pub replication_factor: i32,
    /// After about so long a letter that was erased is off the brokers' disks.
    pub compaction_lag: Duration,
    /// Letters whose heads are kept in memory. More letters cost more scans of the topic.
    pub indexed_letters: u32,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            brokers: vec!["kafka:9092".into()],
            topic: "gosight.replay.chunks".into(),
            group: "gosight-replay-processor".into(),
            properties: BTreeMap::new(),
            max_record_bytes: 64 << 20,
            read_ahead_bytes: 8 << 20,
            fetch_bytes: 1 << 20,
            inbox_bytes: 1 << 20,
            append_queue_bytes: 128 << 20,
            request_timeout: Duration::from_secs(10),
            append_timeout: Duration::from_secs(30),
            revoke_timeout: Duration::from_secs(20),
            shutdown: Duration::from_secs(5),
            end_offsets_interval: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(120),
            letters: LetterTopicSettings::default(),
        }
    }
}

impl Default for LetterTopicSettings {
    fn default() -> Self {
        Self {
            create: true,
            partitions: 1,
            replication_factor: -1,
            compaction_lag: Duration::from_secs(3600),
            indexed_letters: 100_000,
        }
    }
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("topic", &self.topic)
            .field("group", &self.group)
            .field("properties", &self.properties.keys())
            .finish_non_exhaustive()
    }
}
