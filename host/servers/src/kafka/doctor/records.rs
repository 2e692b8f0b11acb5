//! The topic of the records, and the group that reads it.

use std::collections::BTreeMap;

use rdkafka::Message;
use replay_ports::{PortError, Result};

use super::{Patient, number};
use crate::Finding;
use crate::kafka::failure::Names;
use crate::kafka::reader::{Open, Range};

const TOPIC: &str = "kafka topic";
const KEYS: &str = "kafka topic keys";
const SIZE: &str = "kafka topic message size";
const RETENTION: &str = "kafka topic retention";
const GROUP: &str = "kafka group";

/// So many of the newest records are looked at, of so many partitions: some are large.
const SAMPLE: u64 = 3;
const SAMPLED_PARTITIONS: usize = 8;

/// An outage over a weekend must lose nothing.
const LEAST_RETENTION_MS: u64 = 3 * 86_400_000;

pub(super) async fn examine(patient: &Patient) -> Vec<Finding> {
    let settings = &patient.settings;
    let topic = &settings.topic;
    let found = match patient.find(TOPIC, topic).await {
        Ok(found) => found,
        Err(finding) => return vec![finding],
    };
    let Some(partitions) = found else {
        let (bytes, create) = (settings.max_record_bytes, "kafka-topics.sh --create --topic");
        return vec![Finding::wrong(
            TOPIC,
            format!("topic {topic} does not exist"),
            format!("correct kafka.topic, or create it: {create} {topic} --config max.message.bytes={bytes}"),
        )];
    };
    let mut findings = vec![Finding::fine(TOPIC, format!("{topic} has {} partitions", partitions.len()))];
    match patient.describe(SIZE, topic).await {
        Ok(config) => findings.extend([size(patient, &config), retention(topic, &config)]),
        Err(finding) => findings.push(finding),
    }
    findings.push(keys(patient, &partitions).await);
    findings.push(group(patient, partitions).await);
    findings
}

fn size(patient: &Patient, config: &BTreeMap<String, String>) -> Finding {
    let (topic, needed) = (&patient.settings.topic, patient.settings.max_record_bytes);
    match number(config, "max.message.bytes") {
        Some(bytes) if bytes < needed => Finding::wrong(
            SIZE,
            format!("{topic} takes records of {bytes} bytes, and limits.max_record_bytes is {needed}"),
            format!(
                "set max.message.bytes of topic {topic} to {needed} (and replica.fetch.max.bytes of the brokers), \
                 or lower limits.max_record_bytes: until then producers lose the larger replays"
            ),
        ),
        Some(bytes) => Finding::fine(SIZE, format!("{topic} takes records of {bytes} bytes")),
        None => Finding::warning(
            SIZE,
            "the brokers do not say",
            "compare it with limits.max_record_bytes by hand",
        ),
    }
}

fn retention(topic: &str, config: &BTreeMap<String, String>) -> Finding {
    if config.get("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
        return Finding::wrong(
            RETENTION,
            format!("{topic} is compacted: of the records of one key only the last stays"),
            format!("set cleanup.policy of topic {topic} to delete"),
        );
    }
    // -1 is for ever, and no number.
    match number(config, "retention.ms") {
        Some(ms) if ms < LEAST_RETENTION_MS => Finding::warning(
            RETENTION,
            format!("{topic} keeps records for {} hours", ms / 3_600_000),
            format!("raise retention.ms of topic {topic}: a longer outage of ours loses records"),
        ),
        Some(ms) => Finding::fine(RETENTION, format!("{topic} keeps records for {} hours", ms / 3_600_000)),
        None => Finding::fine(RETENTION, format!("{topic} keeps records for ever")),
    }
}

async fn keys(patient: &Patient, partitions: &[u32]) -> Finding {
    let topic = patient.settings.topic.clone();
    let partitions = partitions.to_vec();
    match patient.reader.run(move |open| sample(open, &topic, &partitions)).await {
        Ok((0, _)) => Finding::fine(KEYS, "there is no record to look at yet"),
        Ok((seen, keyed)) if keyed == seen => {
            Finding::fine(KEYS, format!("each of {seen} records has a key"))
        }
        Ok((seen, keyed)) => Finding::warning(
            KEYS,
            format!("{} of {seen} records have no key", seen - keyed),
            "let the producer key by session_id: then a session's chunks meet in one replica, and plugins see \
             them together",
        ),
        Err(PortError::Refused { what }) => {
            Finding::wrong(KEYS, what, format!("grant our user Read on topic {}", patient.settings.topic))
        }
        Err(error) => {
            Finding::unreachable(KEYS, error.to_string(), "see that every broker can be reached from here")
        }
    }
}

/// How many of the newest records were seen, and how many have a key.
fn sample(open: &Open, topic: &str, partitions: &[u32]) -> Result<(u64, u64)> {
    let mut ranges = Vec::new();
    for &partition in partitions.iter().take(SAMPLED_PARTITIONS) {
        if let Some((low, to)) = open.watermarks(topic, partition)? {
            ranges.push(Range { partition, from: low.max(to.saturating_sub(SAMPLE)), to });
        }
    }
    let (mut seen, mut keyed) = (0, 0);
    open.scan(topic, &ranges, &mut |_, _, message| {
        seen += 1;
        keyed += u64::from(message.key().is_some());
        Ok(())
    })?;
    Ok((seen, keyed))
}

async fn group(patient: &Patient, partitions: Vec<u32>) -> Finding {
    let settings = &patient.settings;
    let (topic, group) = (settings.topic.clone(), settings.group.clone());
    let uses_848 = settings.properties.get("group.protocol").is_some_and(|protocol| protocol == "consumer");
    let strategy = settings.properties.get("partition.assignment.strategy").cloned();
    let strategy = strategy.unwrap_or_else(|| "cooperative-sticky".to_owned());
    let asked = patient
        .reader
        .run(move |open| Ok((open.committed(&topic, &partitions)?, open.group_strategy(&group))))
        .await;
    let names = Names { topic: &settings.topic, group: &settings.group };
    match asked {
        Ok((_, Some(theirs))) if !uses_848 && !strategy.split(',').any(|ours| ours.trim() == theirs) => {
            Finding::wrong(
                GROUP,
                format!("{} has members that divide by {theirs}, and we would by {strategy}", names.group),
                "stop the others first, or name a group of our own in kafka.group",
            )
        }
        Ok((0, _)) => Finding::fine(
            GROUP,
            format!("{} has committed nothing yet: it starts at the first record", names.group),
        ),
        Ok((committed, _)) => {
            Finding::fine(GROUP, format!("{} has committed {committed} partitions", names.group))
        }
        Err(PortError::Refused { what }) => {
            Finding::wrong(GROUP, what, format!("grant our user Read on group {}", names.group))
        }
        Err(error) => Finding::unreachable(
            GROUP,
            error.to_string(),
            "see that the group's coordinator can be reached from here",
        ),
    }
}
