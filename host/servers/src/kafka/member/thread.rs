//! The thread of the member: how it is started, reached, and ended.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use replay_ports::{CommitTo, PortError, Result};
use tokio::sync::oneshot;

use super::commit::Commits;
use super::{Ended, Member};
use crate::kafka::committer::Committer;
use crate::kafka::context::Group;
use crate::kafka::ends::Ends;
use crate::kafka::failure::Names;
use crate::kafka::inbox::Inbox;
use crate::kafka::{KafkaSettings, properties};

/// How often a consumer that is closing is polled.
const CLOSING_POLL: Duration = Duration::from_millis(100);

/// What others want of the thread.
#[derive(Debug)]
pub(in crate::kafka) enum Command {
    /// Make offsets durable.
    Commit {
        /// Which.
        next: Vec<CommitTo>,
        /// Told when they are, or why not.
        answer: oneshot::Sender<Result<()>>,
    },
    /// The pipeline has finished with partitions that go.
    Release(Vec<u32>),
    /// A commit of this number has ended.
    Committed(u64, KafkaResult<()>),
    /// Look into the inbox: pauses have changed, or there is room.
    Look,
    /// Leave the group and end.
    Close,
}

/// How others reach the thread.
#[derive(Debug)]
pub(in crate::kafka) struct Handle {
    commands: Sender<Command>,
    thread: Thread,
    ended: Mutex<Receiver<()>>,
}

impl Handle {
    /// Starts the thread, which joins the group.
    pub(in crate::kafka) fn spawn(
        settings: Arc<KafkaSettings>,
        inbox: Arc<Inbox>,
        ends: Arc<Ends>,
    ) -> io::Result<Self> {
        let (commands, waiting) = channel();
        let (last_word, ended) = channel();
        let own_commands = commands.clone();
        let handle = thread::Builder::new().name("kafka-poll".into()).spawn(move || {
            // Told also when the thread panics: the inbox must not seem to be only quiet.
            let _last_word = LastWord { inbox: Arc::clone(&inbox), _ended: last_word };
            loop {
                match membership(&settings, (&inbox, &ends, &waiting), &own_commands) {
                    Ok(Ended::Rejoin) => {}
                    Ok(Ended::Closed) => return,
                    Err(error) => return inbox.end(error),
                }
            }
        })?;
        Ok(Self { commands, thread: handle.thread().clone(), ended: Mutex::new(ended) })
    }

    /// Hands a command over; false if the thread has ended.
    pub(in crate::kafka) fn send(&self, command: Command) -> bool {
        let is_sent = self.commands.send(command).is_ok();
        self.thread.unpark();
        is_sent
    }

    /// Leaves the group; waits for that at most so long, and answers whether it was done.
    pub(in crate::kafka) fn close(&self, within: Duration) -> bool {
        self.send(Command::Close);
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        !matches!(ended.recv_timeout(within), Err(RecvTimeoutError::Timeout))
    }
}

struct LastWord {
    inbox: Arc<Inbox>,
    /// Dropped with this: who waits for the end hears it.
    _ended: Sender<()>,
}

impl Drop for LastWord {
    fn drop(&mut self) {
        if thread::panicking() {
            self.inbox.end(PortError::refused("the thread that reads from Kafka has died; see the log"));
        }
    }
}

fn membership(
    settings: &KafkaSettings,
    world: (&Inbox, &Ends, &Receiver<Command>),
    sender: &Sender<Command>,
) -> Result<Ended> {
    let commits = Commits::new(committer(sender.clone())?);
    let consumer = connect(settings)?;
    let mut member = Member::new(settings, world, consumer, commits);
    let ended = member.run();
    let Member { consumer, .. } = member;
    disconnect(consumer, settings);
    ended
}

fn committer(sender: Sender<Command>) -> Result<Committer> {
    /// Of the whole process: an answer to the membership before must not pass for one of this.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let this = thread::current();
    let answer = move |id, outcome| {
        let _ = sender.send(Command::Committed(id, outcome));
        this.unpark();
    };
    let number = || NEXT.fetch_add(1, Ordering::Relaxed);
    Committer::spawn(number, answer)
        .map_err(|error| PortError::unavailable(format!("no thread for commits: {error}")))
}

fn connect(settings: &KafkaSettings) -> Result<Arc<BaseConsumer<Group>>> {
    let names = Names { topic: &settings.topic, group: &settings.group };
    let refused =
        |error| PortError::refused(names.classify("creating the Kafka consumer", &error, None).to_string());
    let mut consumer: BaseConsumer<Group> =
        properties::member(settings).create_with_context(Group::new(&settings.topic)).map_err(refused)?;
    let this = thread::current();
    // Called with locks of librdkafka held: it must do nothing else.
    consumer.set_nonempty_callback(move || this.unpark());
    consumer.subscribe(&[&settings.topic]).map_err(refused)?;
    Ok(Arc::new(consumer))
}

/// Leaves the group. librdkafka sets no limit to that, so it is done elsewhere and waited for.
fn disconnect(consumer: Arc<BaseConsumer<Group>>, settings: &KafkaSettings) {
    consumer.context().close();
    let (done, closed) = channel::<()>();
    let closer = thread::Builder::new().name("kafka-close".into()).spawn(move || {
        // Fails when there is no membership to end: after a fatal error.
        if consumer.close_queue().is_ok() {
            while !consumer.closed() {
                consumer.poll(CLOSING_POLL);
            }
        }
        drop(done);
        drop(consumer);
    });
    let timed_out = matches!(closed.recv_timeout(settings.shutdown), Err(RecvTimeoutError::Timeout));
    if closer.is_err() || timed_out {
        tracing::warn!(
            group = settings.group,
            "the group was not left in time; it gives our partitions away when the session ends"
        );
    }
}
