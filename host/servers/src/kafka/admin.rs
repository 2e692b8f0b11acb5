//! Questions about topics, and making one.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use replay_ports::{PortError, Result};

use super::context::{Complaint, Plain};
use super::failure::{Names, is_authorization};
use super::{KafkaSettings, properties};

/// What a topic of dead letters costs beyond its largest record, bytes.
const FRAMING_BYTES: u64 = 64 << 10;

/// A client for questions. Its thread takes a moment to end, so it is dropped where that may block.
pub(super) struct Admin {
    settings: Arc<KafkaSettings>,
    client: Option<AdminClient<Plain>>,
    complaint: Arc<Complaint>,
}

impl Drop for Admin {
    fn drop(&mut self) {
        let client = self.client.take();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(client));
        }
    }
}

impl Admin {
    /// Asks no broker.
    pub(super) fn new(settings: Arc<KafkaSettings>) -> Result<Self> {
        let complaint = Arc::new(Complaint::default());
        let names = Names { topic: &settings.topic, group: &settings.group };
        let client = properties::admin(&settings)
            .create_with_context(Plain::new(Arc::clone(&complaint)))
            .map_err(|error| {
                PortError::refused(names.classify("creating a Kafka client", &error, None).to_string())
            })?;
        Ok(Self { settings, client: Some(client), complaint })
    }

    /// Makes the topic of the dead letters; fine if it is there. `validate_only`: only asks whether
    /// that could be done.
    pub(super) async fn create_letters(&self, topic: &str, validate_only: bool) -> Result<()> {
        let letters = &self.settings.letters;
        let lag_ms = letters.compaction_lag.as_millis().to_string();
        // A closed segment is compacted; the open one must close, or an erased letter stays in it.
        let segment_ms = (letters.compaction_lag.as_millis() / 2).max(1).to_string();
        let largest = (self.settings.max_record_bytes + FRAMING_BYTES).min(i32::MAX as u64).to_string();
        let new =
            NewTopic::new(topic, letters.partitions, TopicReplication::Fixed(letters.replication_factor))
                .set("cleanup.policy", "compact")
                .set("max.compaction.lag.ms", &lag_ms)
                .set("segment.ms", &segment_ms)
                .set("min.cleanable.dirty.ratio", "0.01")
                .set("max.message.bytes", &largest);
        let tried = "creating the topic of the dead letters";
        let client = self.client()?;
        let created = client.create_topics([&new], &self.options().validate_only(validate_only)).await;
        match created.map_err(|error| self.failed(topic, tried, &error))?.into_iter().next() {
            Some(Err((_, code))) if code != Code::TopicAlreadyExists => Err(self.not_created(topic, code)),
            Some(_) | None => Ok(()),
        }
    }

    /// The topic's settings, its own and those it takes from the broker.
    pub(super) async fn describe(&self, topic: &str) -> Result<BTreeMap<String, String>> {
        let tried = "asking for the topic's settings";
        let client = self.client()?;
        let asked = client.describe_configs([&ResourceSpecifier::Topic(topic)], &self.options()).await;
        let resources = asked.map_err(|error| self.failed(topic, tried, &error))?;
        let entries = |resource: ConfigResource| {
            resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))).collect()
        };
        match resources.into_iter().next() {
            Some(Ok(resource)) => Ok(entries(resource)),
            Some(Err(code)) => Err(self.failed(topic, tried, &KafkaError::AdminOp(code))),
            None => Ok(BTreeMap::new()),
        }
    }

    fn not_created(&self, topic: &str, code: Code) -> PortError {
        if is_authorization(code) {
            return PortError::refused(format!(
                "topic {topic} is missing, and our user may not create it: create it (cleanup.policy=compact), \
                 or grant Create"
            ));
        }
        let needs_a_person = matches!(
            code,
            Code::InvalidReplicationFactor
                | Code::InvalidPartitions
                | Code::InvalidConfig
                | Code::InvalidTopic
                | Code::PolicyViolation
        );
        if needs_a_person {
            return PortError::refused(format!(
                "topic {topic} is missing and cannot be created: {code}; see dead_letters.replication_factor \
                 and dead_letters.topic_partitions, or create it (cleanup.policy=compact)"
            ));
        }
        self.failed(topic, "creating the topic of the dead letters", &KafkaError::AdminOp(code))
    }

    fn client(&self) -> Result<&AdminClient<Plain>> {
        self.client.as_ref().ok_or_else(|| PortError::unavailable("the Kafka client was closed"))
    }

    fn options(&self) -> AdminOptions {
        let timeout = Some(self.settings.request_timeout);
        AdminOptions::new().request_timeout(timeout).operation_timeout(timeout)
    }

    fn failed(&self, topic: &str, tried: &str, error: &KafkaError) -> PortError {
        Names { topic, group: &self.settings.group }.classify(tried, error, Some(&self.complaint))
    }
}
