//! Partitions that go: told, drained, committed, and only then given back.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use replay_ports::SourceEvent;

use super::Member;
use crate::kafka::context;

/// What a commit that began at the last moment may take beyond the drain.
const COMMIT_GRACE: Duration = Duration::from_secs(2);

/// A revocation that is not carried out yet.
pub(super) struct Leaving {
    list: TopicPartitionList,
    partitions: Vec<u32>,
    /// Those that the pipeline has not released.
    held: BTreeSet<u32>,
    deadline: Instant,
}

impl Member<'_> {
    /// Tells the pipeline that partitions go, or carries it out at once where nothing can be saved.
    pub(super) fn revoke(&mut self, list: TopicPartitionList, lost: bool) {
        let listed = list.elements_for_topic(&self.settings.topic);
        let numbers = listed.iter().filter_map(|element| u32::try_from(element.partition()).ok());
        let partitions: Vec<u32> = numbers.filter(|&partition| self.books.get(partition).is_some()).collect();
        drop(listed);
        if lost {
            tracing::warn!(topic = self.settings.topic, ?partitions, "partitions lost: nothing is committed");
            self.let_go(&list, partitions.clone());
            if !partitions.is_empty() {
                self.inbox.tell(SourceEvent::Lost { partitions });
            }
            return;
        }
        if partitions.is_empty() {
            self.let_go(&list, partitions);
            return;
        }
        tracing::info!(topic = self.settings.topic, ?partitions, "partitions revoked");
        for &partition in &partitions {
            self.books.leave(partition);
        }
        self.inbox.purge(&partitions);
        let within = self.settings.revoke_timeout;
        let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
        self.inbox.tell(SourceEvent::Revoked { partitions: partitions.clone(), within_ms });
        let held = partitions.iter().copied().collect();
        let deadline = Instant::now() + within + COMMIT_GRACE;
        self.leaving = Some(Leaving { list, partitions, held, deadline });
        self.apply_pauses();
    }

    /// The pipeline has done what it could for these.
    pub(super) fn released(&mut self, partitions: &[u32]) {
        if let Some(leaving) = &mut self.leaving {
            leaving.held.retain(|held| !partitions.contains(held));
        }
    }

    /// Carries a revocation out when it is drained and committed, or its time is over.
    pub(super) fn step_leaving(&mut self, now: Instant) {
        let Some(leaving) = &self.leaving else { return };
        let is_lost = self.consumer.assignment_lost();
        let is_drained = leaving.held.is_empty() && self.commits.is_idle();
        if !is_lost && !is_drained && now < leaving.deadline {
            return;
        }
        let Some(Leaving { list, partitions, held, .. }) = self.leaving.take() else { return };
        self.let_go(&list, partitions.clone());
        if is_lost || !held.is_empty() {
            tracing::warn!(?partitions, ?held, is_lost, "partitions went before they were released");
            self.inbox.tell(SourceEvent::Lost { partitions });
        }
    }

    /// Closes the books, and lets librdkafka and the group go on.
    fn let_go(&mut self, list: &TopicPartitionList, partitions: Vec<u32>) {
        self.forget(&partitions);
        // A pause would outlive the assignment inside librdkafka.
        let paused: Vec<u32> =
            partitions.into_iter().filter(|partition| self.paused.remove(partition)).collect();
        self.set_paused(&paused, false);
        if let Err(error) = context::give_back(&self.consumer, list) {
            tracing::warn!(%error, "partitions were not given back");
        }
    }
}
