//! What `doctor` asks of Kafka: everything that reading and writing will need, one finding each.
//!
//! It joins no group and adds no record. What it writes is one null value in the letters' topic, under
//! a key of its own that compaction removes: the only way to know that we may write.

mod letters;
mod records;

use std::collections::BTreeMap;
use std::sync::Arc;

use replay_ports::PortError;

use crate::Finding;

use super::KafkaSettings;
use super::admin::Admin;
use super::properties::{self, refused_properties};
use super::reader::Reader;

const PROPERTIES: &str = "kafka properties";
const BROKERS: &str = "kafka brokers";

/// Reaches the brokers, looks at the topic of the records and, if it is named, at that of the dead
/// letters. Takes at most a few times `request_timeout`.
pub async fn examine(settings: &KafkaSettings, dead_topic: Option<&str>) -> Vec<Finding> {
    let refused = refused_properties(&settings.properties);
    if !refused.is_empty() {
        let wrong = |refused: &super::RefusedProperty| {
            let advice = format!("remove {} from kafka.properties, or correct it", refused.name);
            Finding::wrong(PROPERTIES, format!("{}: {}", refused.name, refused.reason), advice)
        };
        return refused.iter().map(wrong).collect();
    }
    if let Err(what) = properties::check(settings) {
        return vec![Finding::wrong(
            PROPERTIES,
            what,
            "lower kafka.revoke_timeout, or raise max.poll.interval.ms",
        )];
    }
    let count = settings.properties.len();
    let mut findings = vec![Finding::fine(PROPERTIES, format!("{count} given, none refused"))];
    let settings = Arc::new(settings.clone());
    let reader = Reader::new(Arc::clone(&settings));
    if let Err(error) = reader.run(|open| open.reach()).await {
        findings.push(no_answer(&settings, error));
        return findings;
    }
    findings.push(Finding::fine(BROKERS, format!("{} answer", settings.brokers.join(", "))));
    let patient = Patient { settings, reader };
    findings.extend(records::examine(&patient).await);
    if let Some(dead_topic) = dead_topic {
        findings.extend(letters::examine(&patient, dead_topic).await);
    }
    findings
}

struct Patient {
    settings: Arc<KafkaSettings>,
    reader: Arc<Reader>,
}

impl Patient {
    /// The partitions of a topic, or the finding that says why they cannot be had.
    async fn find(&self, check: &'static str, topic: &str) -> Result<Option<Vec<u32>>, Finding> {
        let name = topic.to_owned();
        self.reader.run(move |open| open.find(&name)).await.map_err(|error| match error {
            PortError::Refused { what } => Finding::wrong(
                check,
                what,
                format!("grant our user Describe, Read and Write on topic {topic}"),
            ),
            PortError::Unavailable { what, .. }
            | PortError::Rejected { what }
            | PortError::Stale { what } => {
                Finding::unreachable(check, what, "see that every broker can be reached from here")
            }
        })
    }

    /// A topic's settings, or the finding that says why they cannot be had.
    async fn describe(&self, check: &'static str, topic: &str) -> Result<BTreeMap<String, String>, Finding> {
        let described = match Admin::new(Arc::clone(&self.settings)) {
            Ok(admin) => admin.describe(topic).await,
            Err(error) => Err(error),
        };
        described.map_err(|error| {
            let advice = format!(
                "grant our user DescribeConfigs on topic {topic}: only then can its settings be checked"
            );
            Finding::warning(check, error.to_string(), advice)
        })
    }
}

fn no_answer(settings: &KafkaSettings, error: PortError) -> Finding {
    let brokers = settings.brokers.join(", ");
    match error {
        PortError::Refused { what } => Finding::wrong(
            BROKERS,
            what,
            "make kafka.properties (security.protocol, sasl.*, ssl.*) those of a user of this cluster",
        ),
        PortError::Unavailable { what, .. } | PortError::Rejected { what } | PortError::Stale { what } => {
            Finding::unreachable(
                BROKERS,
                what,
                format!(
                    "see that {brokers} can be reached from here, that security.protocol is the one of that \
                     port, and that the brokers' advertised.listeners are names that resolve here"
                ),
            )
        }
    }
}

/// A number among a topic's settings.
fn number(config: &BTreeMap<String, String>, name: &str) -> Option<u64> {
    config.get(name)?.parse().ok()
}
