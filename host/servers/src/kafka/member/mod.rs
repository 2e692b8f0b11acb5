//! The member of the group: one thread that owns the consumer, polls it without pause, and carries out
//! what the group decides.
//!
//! A change of the assignment waits for us: librdkafka goes on only after `take` or `give_back`. So a
//! revocation is told to the pipeline, drained while polling goes on, committed, and only then carried
//! out; and an assignment is carried out once it is known where to start.

mod assign;
mod commit;
mod hand_over;
mod poll;
mod thread;
mod watch;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;

use rdkafka::consumer::{BaseConsumer, Consumer};
use replay_ports::{Result, SourceEvent};

use self::assign::Joining;
use self::commit::Commits;
use self::hand_over::Leaving;
use super::KafkaSettings;
use super::books::Books;
use super::context::{Change, Group};
use super::ends::Ends;
use super::failure::Names;
use super::inbox::Inbox;
use super::watchdog::Watchdog;

pub(super) use self::thread::{Command, Handle};

/// One membership, from joining to leaving.
struct Member<'a> {
    settings: &'a KafkaSettings,
    consumer: Arc<BaseConsumer<Group>>,
    inbox: &'a Inbox,
    ends: &'a Ends,
    commands: &'a Receiver<Command>,
    books: Books,
    joining: Option<Joining>,
    leaving: Option<Leaving>,
    commits: Commits,
    /// Partitions that librdkafka does not fetch, by our wish. To resume others would set them back.
    paused: BTreeSet<u32>,
    /// Since when the inbox has no room.
    full_since: Option<Instant>,
    /// It had none for so long that nothing is fetched.
    is_full: bool,
    /// An assignment was carried out: from now on trouble is waited out.
    has_joined: bool,
    complained: Option<Instant>,
    watchdog: Watchdog,
    next_watch: Instant,
}

/// How a membership ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// As it was told to.
    Closed,
    /// To be begun anew.
    Rejoin,
}

impl<'a> Member<'a> {
    fn new(
        settings: &'a KafkaSettings,
        (inbox, ends, commands): (&'a Inbox, &'a Ends, &'a Receiver<Command>),
        consumer: Arc<BaseConsumer<Group>>,
        commits: Commits,
    ) -> Self {
        Self {
            settings,
            consumer,
            inbox,
            ends,
            commands,
            books: Books::default(),
            joining: None,
            leaving: None,
            commits,
            paused: BTreeSet::new(),
            full_since: None,
            is_full: false,
            has_joined: false,
            complained: None,
            watchdog: Watchdog::new(settings.stall_timeout),
            next_watch: Instant::now(),
        }
    }

    /// Turns until it is told to close, or cannot go on. Then nothing is ours any more.
    fn run(&mut self) -> Result<Ended> {
        let ended = loop {
            if self.obey() {
                break Ok(Ended::Closed);
            }
            self.take_changes();
            let now = Instant::now();
            self.step_joining(now);
            self.step_leaving(now);
            self.step_commits();
            if self.is_stuck(now) {
                break Ok(Ended::Rejoin);
            }
            match self.poll(now) {
                Ok(None) => {}
                Ok(Some(ended)) => break Ok(ended),
                Err(error) => break Err(error),
            }
        };
        // What was not committed comes again, here or elsewhere.
        self.lose(self.books.partitions());
        ended
    }

    /// Does what was asked for meanwhile; true when that was to close.
    fn obey(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Close) | Err(TryRecvError::Disconnected) => return true,
                Ok(Command::Commit { next, answer }) => self.commits.wait(next, answer),
                Ok(Command::Release(partitions)) => self.released(&partitions),
                Ok(Command::Committed(id, outcome)) => self.committed(id, outcome),
                Ok(Command::Look) => self.apply_pauses(),
                Err(TryRecvError::Empty) => return false,
            }
        }
    }

    /// librdkafka brings one change at a time, and waits until it is carried out.
    fn take_changes(&mut self) {
        while self.joining.is_none() && self.leaving.is_none() {
            match self.consumer.context().take_change() {
                None => return,
                Some(Change::Assign(partitions)) => self.joining = Some(Joining::new(partitions)),
                Some(Change::Revoke { partitions, lost }) => self.revoke(partitions, lost),
            }
        }
    }

    /// These partitions are gone, and nothing can be done about it.
    fn lose(&mut self, partitions: Vec<u32>) {
        if partitions.is_empty() {
            return;
        }
        self.forget(&partitions);
        self.inbox.tell(SourceEvent::Lost { partitions });
    }

    /// Closes the books of partitions that are no longer ours.
    fn forget(&mut self, partitions: &[u32]) {
        for &partition in partitions {
            self.books.remove(partition);
        }
        self.inbox.purge(partitions);
        self.ends.forget(partitions);
    }

    fn names(&self) -> Names<'a> {
        Names { topic: &self.settings.topic, group: &self.settings.group }
    }
}
