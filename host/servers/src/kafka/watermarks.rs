//! The first offset of a partition and one past its last, each by a question of its own.
//!
//! librdkafka has one question for both, which takes the one for the other where only one answer came. What is
//! decided by these offsets is where to start reading: each is asked for by itself, for all partitions at once.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};

/// First offset and one past the last of each partition; an error if one of them did not come.
pub(super) fn watermarks<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    timeout: Duration,
) -> KafkaResult<BTreeMap<i32, (u64, u64)>> {
    let lows = ask(consumer, topic, partitions, Offset::Beginning, timeout)?;
    let highs = ends(consumer, topic, partitions, timeout)?;
    // Asked later, the end is not before the beginning.
    Ok(lows.into_iter().filter_map(|(number, low)| Some((number, (low, *highs.get(&number)?)))).collect())
}

/// One past the last offset of each partition; an error if one of them did not come.
pub(super) fn ends<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    timeout: Duration,
) -> KafkaResult<BTreeMap<i32, u64>> {
    ask(consumer, topic, partitions, Offset::End, timeout)
}

/// In the protocol the two places are times that no record has.
fn ask<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    place: Offset,
    timeout: Duration,
) -> KafkaResult<BTreeMap<i32, u64>> {
    let mut list = TopicPartitionList::new();
    for number in partitions {
        list.add_partition_offset(topic, *number, place)?;
    }
    let answers = consumer.offsets_for_times(list, timeout)?;
    let mut found = BTreeMap::new();
    for answer in answers.elements() {
        answer.error()?;
        let offset = answer.offset().to_raw().and_then(|raw| u64::try_from(raw).ok());
        let offset = offset.ok_or(KafkaError::OffsetFetch(Code::BadMessage))?;
        found.insert(answer.partition(), offset);
    }
    if partitions.iter().any(|number| !found.contains_key(number)) {
        return Err(KafkaError::OffsetFetch(Code::BadMessage));
    }
    Ok(found)
}
