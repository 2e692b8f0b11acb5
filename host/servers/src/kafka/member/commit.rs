//! Commits of the member: one at a time, checked against the books before it is sent.

use std::collections::VecDeque;
use std::time::Duration;

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::{Offset, TopicPartitionList};
use replay_ports::{CommitTo, PortError, Result};
use tokio::sync::oneshot;

use super::Member;
use crate::kafka::committer::Committer;
use crate::kafka::failure::code_of;

/// More than this are not kept waiting; the pipeline has one under way.
const MAX_WAITING: usize = 64;

/// After so long a group that is changing its members may take a commit.
const REBALANCE_PAUSE: Duration = Duration::from_millis(200);

type Answer = oneshot::Sender<Result<()>>;

/// Commits that wait, and the one that is under way.
pub(super) struct Commits {
    committer: Committer,
    waiting: VecDeque<(Vec<CommitTo>, Answer)>,
    running: Option<Running>,
}

struct Running {
    id: u64,
    next: Vec<CommitTo>,
    /// Partitions that were left out.
    stale: Vec<u32>,
    answer: Answer,
}

impl Commits {
    pub(super) fn new(committer: Committer) -> Self {
        Self { committer, waiting: VecDeque::new(), running: None }
    }

    pub(super) fn wait(&mut self, next: Vec<CommitTo>, answer: Answer) {
        if self.waiting.len() >= MAX_WAITING {
            let _ = answer.send(Err(PortError::unavailable("too many commits wait for the brokers")));
        } else {
            self.waiting.push_back((next, answer));
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_none()
    }
}

impl Member<'_> {
    /// Sends the next commit, unless one is under way.
    pub(super) fn step_commits(&mut self) {
        while self.commits.running.is_none() {
            let Some((next, answer)) = self.commits.waiting.pop_front() else { return };
            let due = self.books.due(&next);
            let mut offsets = TopicPartitionList::new();
            for &(partition, offset) in &due.offsets {
                // Both come from librdkafka, so they fit into its types again.
                let (Ok(partition), Ok(offset)) = (i32::try_from(partition), i64::try_from(offset)) else {
                    continue;
                };
                let added =
                    offsets.add_partition_offset(&self.settings.topic, partition, Offset::Offset(offset));
                debug_assert!(added.is_ok());
            }
            if offsets.count() == 0 {
                let _ = answer.send(answer_of(&due.stale));
                continue;
            }
            match self.commits.committer.commit(&self.consumer, offsets) {
                Some(id) => {
                    self.commits.running = Some(Running { id, next, stale: due.stale, answer });
                }
                None => {
                    let _ = answer.send(Err(PortError::unavailable("the thread that commits has died")));
                }
            }
        }
    }

    /// A commit has ended; one of an earlier membership is no longer asked about.
    pub(super) fn committed(&mut self, id: u64, outcome: KafkaResult<()>) {
        let Some(running) = self.commits.running.take_if(|running| running.id == id) else { return };
        let answer = match outcome {
            Ok(()) => {
                self.books.committed(&running.next);
                answer_of(&running.stale)
            }
            Err(error) => {
                let gone = self.books.due(&running.next).stale;
                if gone.is_empty() { Err(self.failed_commit(&error)) } else { answer_of(&gone) }
            }
        };
        let _ = running.answer.send(answer);
    }

    fn failed_commit(&self, error: &KafkaError) -> PortError {
        let is_rebalance = code_of(error).is_some_and(|code| {
            matches!(
                code,
                Code::RebalanceInProgress
                    | Code::IllegalGeneration
                    | Code::UnknownMemberId
                    | Code::StaleMemberEpoch
                    | Code::FencedMemberEpoch
            )
        });
        if is_rebalance {
            // If the partition is lost we are told in a moment; else the next attempt goes through.
            let what = format!("the group {} is changing its members: {error}", self.settings.group);
            return PortError::Unavailable { what, retry_after: Some(REBALANCE_PAUSE) };
        }
        self.names().classify("committing offsets", error, None)
    }
}

fn answer_of(stale: &[u32]) -> Result<()> {
    if stale.is_empty() {
        return Ok(());
    }
    Err(PortError::Stale { what: format!("partitions {stale:?} are no longer assigned under this epoch") })
}
