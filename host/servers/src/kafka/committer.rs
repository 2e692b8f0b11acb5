//! Commits offsets on a thread of its own: librdkafka tells of a commit only to who waits for it.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::{io, thread};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaResult;

use super::context::Group;

type Work = (u64, Arc<BaseConsumer<Group>>, TopicPartitionList);

/// The thread; it ends when this is dropped and its last commit is answered.
pub(super) struct Committer {
    work: Sender<Work>,
    number: Box<dyn Fn() -> u64 + Send>,
}

impl Committer {
    /// Starts it. `number` names each commit, and `answer` is called with its outcome, in order.
    pub(super) fn spawn(
        number: impl Fn() -> u64 + Send + 'static,
        answer: impl Fn(u64, KafkaResult<()>) + Send + 'static,
    ) -> io::Result<Self> {
        let (work, waiting) = channel::<Work>();
        thread::Builder::new().name("kafka-commit".into()).spawn(move || {
            for (id, consumer, offsets) in waiting {
                // Bounded by librdkafka: it gives up once the session would have ended.
                let outcome = consumer.commit(&offsets, CommitMode::Sync);
                // First, so that a consumer that is closing need not wait for the answer to be read.
                drop(consumer);
                answer(id, outcome);
            }
        })?;
        Ok(Self { work, number: Box::new(number) })
    }

    /// Starts a commit and answers its number; `None` if the thread has died.
    pub(super) fn commit(
        &self,
        consumer: &Arc<BaseConsumer<Group>>,
        offsets: TopicPartitionList,
    ) -> Option<u64> {
        let id = (self.number)();
        self.work.send((id, Arc::clone(consumer), offsets)).ok().map(|()| id)
    }
}
