//! The topic of the dead letters.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::message::OwnedHeaders;
use replay_ports::PortError;

use super::{Patient, number};
use crate::Finding;
use crate::kafka::admin::Admin;
use crate::kafka::failure::Names;
use crate::kafka::producer::Producer;

const TOPIC: &str = "dead-letter topic";
const COMPACTION: &str = "dead-letter topic compaction";
const SIZE: &str = "dead-letter topic message size";
const WRITE: &str = "dead-letter topic writing";

/// No letter has this name: a topic cannot be called so.
const OWN_KEY: &str = "//doctor";

/// What a letter's payload may have by default.
const USUAL_PAYLOAD_BYTES: u64 = 1 << 20;

pub(super) async fn examine(patient: &Patient, topic: &str) -> Vec<Finding> {
    match patient.find(TOPIC, topic).await {
        Ok(None) => vec![missing(patient, topic).await],
        Ok(Some(partitions)) => {
            let mut findings =
                vec![Finding::fine(TOPIC, format!("{topic} has {} partitions", partitions.len()))];
            match patient.describe(COMPACTION, topic).await {
                Ok(config) => findings.extend([compaction(patient, topic, &config), size(topic, &config)]),
                Err(finding) => findings.push(finding),
            }
            findings.push(writing(patient, topic).await);
            findings
        }
        Err(finding) => vec![finding],
    }
}

async fn missing(patient: &Patient, topic: &str) -> Finding {
    let create =
        format!("create it: kafka-topics.sh --create --topic {topic} --config cleanup.policy=compact");
    if !patient.settings.letters.create {
        let advice = format!("{create}; or set dead_letters.create_topic");
        return Finding::wrong(TOPIC, format!("topic {topic} does not exist"), advice);
    }
    let validated = match Admin::new(Arc::clone(&patient.settings)) {
        Ok(admin) => admin.create_letters(topic, true).await,
        Err(error) => Err(error),
    };
    match validated {
        Ok(()) => Finding::fine(TOPIC, format!("{topic} does not exist, and will be created")),
        Err(PortError::Unavailable { what, .. }) => {
            Finding::unreachable(TOPIC, what, "see that the controller can be reached from here")
        }
        Err(error) => Finding::wrong(TOPIC, error.to_string(), create),
    }
}

fn compaction(patient: &Patient, topic: &str, config: &BTreeMap<String, String>) -> Finding {
    let policy = config.get("cleanup.policy").map_or("", String::as_str);
    let set = |what: &str| {
        format!("kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {what}")
    };
    if !policy.contains("compact") {
        return Finding::wrong(
            COMPACTION,
            format!(
                "{topic} is not compacted: letters that were erased or settled stay on the brokers' disks"
            ),
            set("cleanup.policy=compact"),
        );
    }
    if policy.contains("delete") {
        return Finding::warning(
            COMPACTION,
            format!("{topic} also deletes by age, without asking dead_letters.retention"),
            set("cleanup.policy=compact"),
        );
    }
    let lag_ms = patient.settings.letters.compaction_lag.as_millis();
    let lag = number(config, "max.compaction.lag.ms").unwrap_or(u64::MAX);
    if u128::from(lag) > lag_ms {
        return Finding::warning(
            COMPACTION,
            format!("{topic} may keep an erased letter for {}", spell(lag)),
            set(&format!("max.compaction.lag.ms={lag_ms},segment.ms={}", (lag_ms / 2).max(1))),
        );
    }
    Finding::fine(COMPACTION, format!("{topic} is compacted within {}", spell(lag)))
}

fn spell(ms: u64) -> String {
    // The broker's default is the largest number there is.
    if ms > 3_650 * 86_400_000 { "ever".to_owned() } else { format!("{} minutes", ms.div_ceil(60_000)) }
}

fn size(topic: &str, config: &BTreeMap<String, String>) -> Finding {
    match number(config, "max.message.bytes") {
        Some(bytes) if bytes < USUAL_PAYLOAD_BYTES => Finding::warning(
            SIZE,
            format!("{topic} takes letters of {bytes} bytes: larger ones will only refer to their record"),
            format!("raise max.message.bytes of topic {topic}"),
        ),
        Some(bytes) => Finding::fine(SIZE, format!("{topic} takes letters of {bytes} bytes")),
        None => Finding::warning(
            SIZE,
            "the brokers do not say",
            "compare it with dead_letters.max_payload_bytes by hand",
        ),
    }
}

/// Ends a letter that there never was.
async fn writing(patient: &Patient, topic: &str) -> Finding {
    let producer = Producer::new(Arc::clone(&patient.settings));
    let names = Names { topic, group: &patient.settings.group };
    match producer.send(names, Some(OWN_KEY), None, OwnedHeaders::new()).await {
        Ok(_) => Finding::fine(WRITE, format!("{topic} takes what we write")),
        Err(PortError::Unavailable { what, .. }) => {
            Finding::unreachable(WRITE, what, "see that enough replicas are in sync (min.insync.replicas)")
        }
        Err(error) => {
            Finding::wrong(WRITE, error.to_string(), format!("grant our user Write on topic {topic}"))
        }
    }
}
