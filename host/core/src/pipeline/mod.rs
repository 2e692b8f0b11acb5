//! The pipeline: bookkeeping from the source's record to the committed offset.
//!
//! `handle` takes what happened, `poll_action` says what to do, `next_timeout_ms` when to come back.
//! It parses no byte of a payload and does no work of its own: all that costs time is a job, and
//! each job gets exactly one outcome. This file only routes; what is kept is kept by the machines:
//! `ledger` (offsets), `sessions` (buffers), `dispatch` (turns of tenants), `inserts` (row batches),
//! `edge` (queues before what may fail), `budget` (memory), `handover` (revocation and stopping).

mod budget;
mod dispatch;
mod edge;
mod handover;
mod inserts;
mod io;
mod ledger;
mod limits;
mod outcomes;
mod position;
mod sessions;
mod settle;
mod status;

use std::collections::{BTreeMap, VecDeque};

pub use edge::{EdgeStatus, LastError};
pub use io::{
    Action, Chunk, ChunkHead, Commit, Decoded, Failure, Input, JobId, Letter, Origin, Outcome, PauseReason,
    Payload, Record, Row, StopCause, Verdict, Work,
};
pub use ledger::{PartitionStatus, Stage};
pub use limits::Limits;
pub use position::{At, ReplayOf};
pub use sessions::SealReason;
pub use status::{Counts, Ending, Status};

use budget::Budget;
use dispatch::Dispatch;
use edge::{Circuit, EdgeQueue};
use handover::Handover;
use inserts::{Inserts, RowBatch};
use ledger::{Ledger, Seen};
use sessions::Sessions;
use settle::LetterJob;

use crate::guards::{Guard, Guards};
use crate::identity::SessionKey;
use crate::reject::Skip;
use crate::time::Now;

/// The machine. See the module's first lines.
#[derive(Debug)]
pub struct Pipeline<P> {
    guards: Guards,
    limits: Limits,
    ledger: Ledger,
    decodes: VecDeque<(Origin, P)>,
    decodes_running: usize,
    sessions: Sessions<P>,
    dispatch: Dispatch<P>,
    inserts: Inserts<P>,
    letters: EdgeQueue<LetterJob<P>>,
    commits_running: usize,
    commit_circuit: Circuit,
    budget: Budget,
    handover: Handover,
    paused: Option<(u64, PauseReason)>,
    paused_partitions: Vec<u32>,
    jobs: BTreeMap<JobId, Job<P>>,
    next_job: JobId,
    actions: VecDeque<Action<P>>,
    counts: Counts,
}

/// What is remembered of a running job.
#[derive(Debug)]
enum Job<P> {
    Decode(Origin, P),
    Transform(Transforming),
    Insert(RowBatch<P>),
    Letter(LetterJob<P>),
    Commit(Vec<Commit>),
}

/// A batch under transformation: whose it is, and what each chunk holds of the budget.
#[derive(Debug)]
struct Transforming {
    session: SessionKey,
    started_ms: u64,
    held: Vec<(Origin, usize)>,
}

impl<P: Payload> Pipeline<P> {
    /// A pipeline without partitions. `jitter_seed` spreads the retries of many processes.
    pub fn new(limits: Limits, jitter_seed: u64, guards: Guards) -> Self {
        Self {
            guards,
            limits,
            ledger: Ledger::new(guards),
            decodes: VecDeque::new(),
            decodes_running: 0,
            sessions: Sessions::new(limits),
            dispatch: Dispatch::new(limits),
            inserts: Inserts::new(limits, jitter_seed),
            letters: EdgeQueue::new(limits, limits.letter_jobs, jitter_seed ^ 1),
            commits_running: 0,
            commit_circuit: Circuit::new(limits, jitter_seed ^ 2),
            budget: Budget::new(limits.memory_budget_bytes),
            handover: Handover::default(),
            paused: None,
            paused_partitions: Vec::new(),
            jobs: BTreeMap::new(),
            next_job: 0,
            actions: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Takes in what happened; afterwards poll the actions until there are none.
    pub fn handle(&mut self, now: Now, input: Input<P>) {
        match input {
            Input::Assigned { partition, epoch, next_offset } => {
                self.counts.released += self.ledger.assign(partition, epoch, next_offset);
                self.paused_partitions.retain(|&paused| paused != partition);
            }
            Input::Revoked { partitions, within_ms } => {
                while let Some(batch) = self.sessions.seal_of(&partitions) {
                    self.sealed(batch);
                }
                self.handover.revoke(partitions, now.mono_ms + within_ms);
            }
            Input::Lost { partitions } => self.forget(&partitions),
            Input::Record(record) => self.record(now, record),
            Input::Done { job, outcome } => self.done(now, job, outcome),
            Input::Timeout => {}
            Input::Drain { within_ms } => {
                self.handover.drain(now.mono_ms + within_ms);
                while let Some(batch) = self.sessions.seal_oldest(SealReason::Handover) {
                    self.sealed(batch);
                }
            }
        }
        self.pump(now);
    }

    /// What to do next, until `None`.
    pub fn poll_action(&mut self) -> Option<Action<P>> {
        self.actions.pop_front()
    }

    /// When to come back with [`Input::Timeout`] at the latest, monotonic milliseconds.
    pub fn next_timeout_ms(&self) -> Option<u64> {
        let commit_ms = if self.ledger.due().is_empty() { None } else { self.commit_circuit.next_try_ms() };
        let waits = [
            self.sessions.next_due_ms(),
            self.inserts.next_due_ms(),
            self.letters.next_try_ms(),
            commit_ms.filter(|_| self.commits_running == 0),
            self.handover.next_deadline_ms(),
        ];
        waits.into_iter().flatten().min()
    }

    /// A snapshot of the books.
    pub fn status(&self, now: Now) -> Status {
        Status {
            partitions: self.ledger.status(now.mono_ms),
            paused: self.paused,
            open_sessions: self.sessions.len(),
            waiting_batches: self.dispatch.waiting(),
            waiting_decodes: self.decodes.len(),
            budget_used_bytes: self.budget.used_bytes(),
            budget_bytes: self.budget.limit_bytes(),
            hot_store: self.inserts.status(),
            dead_letters: self.letters.status(),
            commits: self.commit_circuit.status(0, self.commits_running),
            counts: self.counts.clone(),
        }
    }

    fn record(&mut self, now: Now, record: Record<P>) {
        let Record { origin, payload } = record;
        if self.handover.closes(origin.at.partition) {
            return;
        }
        match self.ledger.see(origin.at, now.mono_ms) {
            Seen::Stale => {}
            Seen::Again => self.counts.redelivered += 1,
            Seen::New => {
                self.counts.received += 1;
                match payload {
                    Some(payload) => {
                        self.budget.take(payload.bytes());
                        self.decodes.push_back((origin, payload));
                    }
                    None => self.ended(origin, Ending::Skipped(Skip::NullValue)),
                }
            }
        }
    }

    /// Does everything that can be done now, in the order of the flow.
    fn pump(&mut self, now: Now) {
        if self.handover.is_stopped() {
            return;
        }
        while let Some(batch) = self.sessions.seal_due(now.mono_ms) {
            self.sealed(batch);
        }
        if self.budget.is_exhausted() {
            while self.sessions.bytes() > self.budget.limit_bytes() / 2
                && let Some(batch) = self.sessions.seal_oldest(SealReason::Budget)
            {
                self.sealed(batch);
            }
        }
        if self.handover.in_hurry() {
            self.seal_for_handover();
        }
        self.start_decodes();
        self.start_transforms(now);
        // In a hurry rows still wait while an insert is under way: a transaction for each would be slower.
        let in_hurry = self.handover.in_hurry() || self.budget.is_exhausted();
        self.inserts.flush(now, in_hurry && self.inserts.has_free_slot());
        while let Some(rows) = self.inserts.start(now) {
            self.start(Job::Insert(rows.clone()), Work::Insert { rows });
        }
        while let Some(letter) = self.letters.start(now) {
            let work = letter.work();
            self.start(Job::Letter(letter), work);
        }
        self.start_commit(now);
        self.hand_over(now);
        self.update_pauses(now);
    }

    fn start_decodes(&mut self) {
        while self.decodes_running < self.limits.decode_jobs
            && let Some((origin, raw)) = self.decodes.pop_front()
        {
            if !self.ledger.is_current(origin.at) {
                self.budget.give(raw.bytes());
                continue;
            }
            self.decodes_running += 1;
            let work = Work::Decode { received_at_ms: origin.received_at_ms, raw: raw.clone() };
            self.start(Job::Decode(origin, raw), work);
        }
    }

    fn start_transforms(&mut self, now: Now) {
        while let Some(batch) = self.dispatch.start() {
            let job = Job::Transform(Transforming {
                session: batch.session.clone(),
                started_ms: now.mono_ms,
                held: batch.chunks.iter().map(|chunk| (chunk.origin.clone(), chunk.data.bytes())).collect(),
            });
            self.start(job, Work::Transform { session: batch.session, chunks: batch.chunks });
        }
    }

    /// Decodes that end during a handover must not wait in a buffer.
    fn seal_for_handover(&mut self) {
        let revoking: Vec<u32> = self.handover.revoking().collect();
        let draining = self.handover.is_draining();
        while let Some(batch) = if draining {
            self.sessions.seal_oldest(SealReason::Handover)
        } else {
            self.sessions.seal_of(&revoking)
        } {
            self.sealed(batch);
        }
    }

    fn start_commit(&mut self, now: Now) {
        if !self.commit_circuit.allows(now, self.commits_running) || self.commits_running > 0 {
            return;
        }
        let next = self.ledger.due();
        if !next.is_empty() {
            self.commits_running = 1;
            self.start(Job::Commit(next.clone()), Work::Commit { next });
        }
    }

    fn hand_over(&mut self, now: Now) {
        let is_clean = |partitions: &[u32]| {
            let uncommitted = self.ledger.due().iter().any(|commit| partitions.contains(&commit.partition));
            self.ledger.unsettled_in(partitions) == 0 && !uncommitted
        };
        let all_clean = is_clean(&self.ledger.partitions());
        let mut released = Vec::new();
        while let Some(partitions) = self.handover.take_released(now.mono_ms, is_clean) {
            released.push(partitions);
        }
        for partitions in released {
            self.forget(&partitions);
            self.actions.push_back(Action::Release { partitions });
        }
        if let Some(cause) = self.handover.take_stopped(now.mono_ms, all_clean) {
            self.actions.push_back(Action::Stopped { unsettled: self.ledger.unsettled(), cause });
        }
    }

    fn update_pauses(&mut self, now: Now) {
        let why = if self.handover.is_draining() {
            Some(PauseReason::Draining)
        } else if self.budget.is_exhausted() {
            Some(PauseReason::Budget)
        } else if self.inserts.is_down() {
            Some(PauseReason::HotStore)
        } else if self.letters.is_down() {
            Some(PauseReason::DeadLetters)
        } else {
            None
        };
        let Some(why) = why else {
            self.paused = None;
            for partition in std::mem::take(&mut self.paused_partitions) {
                self.actions.push_back(Action::Resume { partition });
            }
            return;
        };
        let since_ms = self.paused.map_or(now.unix_ms, |(since_ms, _)| since_ms);
        self.paused = Some((since_ms, why));
        for partition in self.ledger.partitions() {
            if !self.paused_partitions.contains(&partition) {
                self.paused_partitions.push(partition);
                *self.counts.pauses.entry(why).or_default() += 1;
                self.actions.push_back(Action::Pause { partition, why });
            }
        }
    }

    /// Closes the books of partitions that go, and drops what waits in buffers for them.
    fn forget(&mut self, partitions: &[u32]) {
        if !self.guards.has(Guard::ForgetLost) {
            return;
        }
        self.counts.released += self.ledger.forget(partitions);
        self.paused_partitions.retain(|paused| !partitions.contains(paused));
        let ledger = &self.ledger;
        for chunk in self.sessions.purge(|at| ledger.is_current(at)) {
            self.budget.give(chunk.data.bytes());
        }
    }

    fn start(&mut self, job: Job<P>, work: Work<P>) {
        let id = self.next_job;
        self.next_job += 1;
        self.jobs.insert(id, job);
        self.actions.push_back(Action::Start { job: id, work });
    }
}
