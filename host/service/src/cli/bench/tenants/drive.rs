//! The pipeline with a source in memory and stores that take everything at once.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use replay_core::codec::Scratch;
use replay_core::guards::Guards;
use replay_core::pipeline::{Action, At, Input, JobId, Limits, Origin, Outcome, Pipeline, Record, Work};
use replay_core::reject::Reason;

use super::load::{HOSTILE_TENANT, Load};
use crate::clock::{Clock, unix_ms};
use crate::run::{JobContext, cpu_job};

/// Records of the others under way at a time, for each worker: enough that none rests.
const AHEAD: usize = 8;

/// Records of the hostile tenant that always wait, for each worker.
const HOSTILE_AHEAD: usize = 16;

/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What happened.
#[derive(Default)]
pub(super) struct Driven {
    /// From source to store, of each record that was stored.
    pub(super) latencies_us: Vec<u64>,
    pub(super) took: Duration,
    /// Events of what was stored, uncompressed.
    pub(super) raw_bytes: u64,
    /// Batches given to a worker.
    pub(super) dispatches: u64,
    pub(super) hostile: Hostile,
    /// The workers' time in batches.
    pub(super) busy: Duration,
    pub(super) memory_mib: u64,
}

/// Of the hostile tenant.
#[derive(Default)]
pub(super) struct Hostile {
    pub(super) dispatches: u64,
    pub(super) busy: Duration,
    pub(super) timeouts: u64,
}

/// A record on its way.
struct UnderWay {
    since: Instant,
    raw_bytes: usize,
    is_hostile: bool,
}

struct Driver<'l, 's> {
    pipeline: Pipeline<Bytes>,
    clock: Clock,
    load: &'l mut Load<'s>,
    jobs: Sender<(JobId, Work<Bytes>)>,
    done: Receiver<(JobId, Outcome<Bytes>, Duration)>,
    under_way: HashMap<u64, UnderWay>,
    others: usize,
    hostile: usize,
    workers: usize,
    next_offset: u64,
    is_paused: bool,
    /// Batches on the workers; true for one of the hostile tenant.
    running: HashMap<JobId, bool>,
    driven: Driven,
}

/// Feeds the load for `time`, keeping every worker busy, and answers what came of it.
pub(super) fn drive(context: &JobContext, limits: Limits, load: &mut Load<'_>, time: Duration) -> Driven {
    let (jobs, queue) = channel();
    let (sender, done) = channel();
    let queue = Mutex::new(queue);
    std::thread::scope(|scope| {
        for _ in 0..context.threads.max(1) {
            let (sender, queue) = (sender.clone(), &queue);
            scope.spawn(move || work(context, queue, &sender));
        }
        // One chunk a batch, stored as soon as it is treated: nothing waits but for a worker.
        let limits = Limits { max_chunks_per_session: 1, insert_max_rows: 1, ..limits };
        let driver = Driver {
            pipeline: Pipeline::new(limits, 1, Guards::ALL),
            clock: Clock::start(),
            load,
            jobs,
            done,
            under_way: HashMap::new(),
            others: 0,
            hostile: 0,
            workers: context.threads.max(1),
            next_offset: 0,
            is_paused: false,
            running: HashMap::new(),
            driven: Driven::default(),
        };
        // The threads end with the driver's sender.
        driver.run(time)
    })
}

fn work(
    context: &JobContext,
    queue: &Mutex<Receiver<(JobId, Work<Bytes>)>>,
    done: &Sender<(JobId, Outcome<Bytes>, Duration)>,
) {
    let mut scratch = Scratch::default();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((job, work)) = next else { return };
        let started = Instant::now();
        let (outcome, _) = cpu_job(context, &mut scratch, work);
        if done.send((job, outcome, started.elapsed())).is_err() {
            return;
        }
    }
}

impl Driver<'_, '_> {
    fn run(mut self, time: Duration) -> Driven {
        let (started, mut looked) = (Instant::now(), None::<Instant>);
        self.handle(Input::Assigned { partition: 0, epoch: 1, next_offset: 0 });
        while started.elapsed() < time {
            self.feed();
            self.wait();
            if looked.is_none_or(|at| at.elapsed() > LOOK) {
                looked = Some(Instant::now());
                self.driven.memory_mib = self.driven.memory_mib.max(anonymous_mib());
            }
        }
        // What is still under way was not waited for: it is in no number.
        self.driven.took = started.elapsed();
        self.driven
    }

    fn feed(&mut self) {
        while !self.is_paused && self.others < AHEAD * self.workers {
            let Some((record, raw_bytes)) = self.load.next() else { return };
            self.others += 1;
            self.record(record, raw_bytes, false);
        }
        while self.load.hostile && !self.is_paused && self.hostile < HOSTILE_AHEAD * self.workers {
            let record = self.load.next_hostile();
            self.hostile += 1;
            self.record(record, 0, true);
        }
    }

    fn record(&mut self, payload: Bytes, raw_bytes: usize, is_hostile: bool) {
        let offset = self.next_offset;
        self.next_offset += 1;
        self.under_way.insert(offset, UnderWay { since: Instant::now(), raw_bytes, is_hostile });
        let at = At { partition: 0, epoch: 1, offset };
        let origin = Origin { at, received_at_ms: unix_ms(), replay_of: None };
        self.handle(Input::Record(Record { origin, payload: Some(payload) }));
    }

    /// Until a job is done, or the pipeline wants to be asked.
    fn wait(&mut self) {
        let due_ms = self.pipeline.next_timeout_ms().unwrap_or(u64::MAX);
        let wait = Duration::from_millis(due_ms.saturating_sub(self.clock.mono_ms())).min(LOOK);
        match self.done.recv_timeout(wait) {
            Ok((job, outcome, took)) => {
                if let Some(is_hostile) = self.running.remove(&job) {
                    self.driven.busy += took;
                    if is_hostile {
                        self.driven.hostile.busy += took;
                    }
                }
                self.handle(Input::Done { job, outcome });
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => self.handle(Input::Timeout),
        }
    }

    fn handle(&mut self, input: Input<Bytes>) {
        self.pipeline.handle(self.clock.now(), input);
        while let Some(action) = self.pipeline.poll_action() {
            match action {
                Action::Start { job, work } => {
                    if let Some(outcome) = self.start(job, work) {
                        self.pipeline.handle(self.clock.now(), Input::Done { job, outcome });
                    }
                }
                Action::Pause { .. } => self.is_paused = true,
                Action::Resume { .. } => self.is_paused = false,
                Action::Release { .. } | Action::Stopped { .. } => {}
            }
        }
    }

    /// Gives work to the workers, or does it at once.
    fn start(&mut self, job: JobId, work: Work<Bytes>) -> Option<Outcome<Bytes>> {
        match &work {
            Work::Transform { session, .. } => {
                let is_hostile = session.project_id.as_str() == HOSTILE_TENANT;
                self.running.insert(job, is_hostile);
                self.driven.dispatches += 1;
                self.driven.hostile.dispatches += u64::from(is_hostile);
            }
            Work::Decode { .. } => {}
            Work::Insert { rows } => {
                let offsets: Vec<u64> = rows.iter().map(|row| row.origin.at.offset).collect();
                offsets.into_iter().for_each(|offset| self.ended(offset, true));
                return Some(Outcome::Inserted { tombstoned: Vec::new() });
            }
            Work::DeadLetter { letter } => {
                if letter.reject.reason == Reason::PluginTimeout {
                    self.driven.hostile.timeouts += 1;
                }
                self.ended(letter.origin.at.offset, false);
                return Some(Outcome::Written);
            }
            Work::CloseLetter { .. } | Work::Commit { .. } => return Some(Outcome::Written),
        }
        // The workers live as long as this driver.
        let _ = self.jobs.send((job, work));
        None
    }

    fn ended(&mut self, offset: u64, is_stored: bool) {
        let Some(record) = self.under_way.remove(&offset) else { return };
        match record.is_hostile {
            true => self.hostile -= 1,
            false => self.others -= 1,
        }
        if is_stored && !record.is_hostile {
            let us = u64::try_from(record.since.elapsed().as_micros()).unwrap_or(u64::MAX);
            self.driven.latencies_us.push(us);
            self.driven.raw_bytes += record.raw_bytes as u64;
        }
    }
}

/// Anonymous memory of this process, MiB; 0 where the system does not say.
pub(super) fn anonymous_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) >> 10
}
