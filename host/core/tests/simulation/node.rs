//! One process: a pipeline, the jobs that it started, and what the source has told it.

use std::collections::{BTreeMap, BTreeSet};

use replay_core::guards::Guards;
use replay_core::pipeline::{
    Action, At, Commit, Decoded, Failure, Input, JobId, Limits, Outcome, PauseReason, Payload, Pipeline,
    StopCause, Verdict, Work,
};
use replay_core::reject::{Reason, Reject, Skip};
use replay_core::time::Now;

use crate::model::{Fate, Kind, TOPIC, Token, World, policy};

/// A job on its way: not done yet, or done and its answer not delivered yet.
pub struct Running {
    pub job: JobId,
    pub work: Work<Token>,
    pub answer: Option<Outcome<Token>>,
}

pub struct Node {
    pub pipeline: Pipeline<Token>,
    pub running: Vec<Running>,
    /// Epoch and next offset to deliver of each partition that this process believes is its own.
    pub mine: BTreeMap<u32, (u32, u64)>,
    pub revoking: BTreeSet<u32>,
    pub paused: BTreeSet<u32>,
    /// Delivered positions for which this pipeline was not told of an end.
    pub unsettled: BTreeSet<At>,
    pub stopped: Option<StopCause>,
    /// What can never happen twice, and what must happen somewhere.
    pub seen: BTreeSet<String>,
}

/// Small, so that every bound is reached.
pub fn limits() -> Limits {
    Limits {
        max_chunks_per_session: 4,
        idle_timeout_ms: 40,
        max_session_age_ms: 90,
        flush_interval_ms: 25,
        insert_max_rows: 5,
        insert_max_bytes: 4_000,
        insert_jobs: 2,
        decode_jobs: 3,
        transform_jobs: 2,
        project_slots: 1,
        project_buffer_bytes: 9_000,
        project_waiting_bytes: 900,
        slow_chain_ms_per_mib: 2_000,
        letter_jobs: 2,
        memory_budget_bytes: 30_000,
        retry_min_ms: 5,
        retry_max_ms: 60,
    }
}

/// A broken promise: the seed fails.
pub type Checked = Result<(), String>;

impl Node {
    pub fn new(seed: u64, guards: Guards) -> Self {
        Self {
            pipeline: Pipeline::new(limits(), seed, guards),
            running: Vec::new(),
            mine: BTreeMap::new(),
            revoking: BTreeSet::new(),
            paused: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            stopped: None,
            seen: BTreeSet::new(),
        }
    }

    pub fn handle(&mut self, now: Now, input: Input<Token>, world: &mut World) -> Checked {
        self.seen.insert(format!("input {}", input_name(&input)));
        self.pipeline.handle(now, input);
        while let Some(action) = self.pipeline.poll_action() {
            self.act(action, world)?;
        }
        self.check_books(now)
    }

    /// Lets the outside world do a job; the answer is delivered by `answer`.
    pub fn apply(&mut self, index: usize, now: Now, world: &mut World) -> Checked {
        let answer = match &self.running[index].work {
            Work::Decode { raw, .. } => decode(*raw, world, now),
            Work::Transform { chunks, .. } => {
                let grouped = chunks.len() as u64;
                let verdict = |token: Token| transform(token, grouped, world);
                Outcome::Transformed(chunks.iter().map(|chunk| verdict(chunk.data)).collect())
            }
            Work::Insert { rows } => {
                if rows.iter().any(|row| matches!(world.record(row.data).kind, Kind::StoreRejects { .. })) {
                    Outcome::Failed(Failure::Reject { what: "the store refuses a row".into() })
                } else {
                    let mut tombstoned = Vec::new();
                    for (position, row) in rows.iter().enumerate() {
                        let (session, token) = (row.meta.session(), row.data);
                        if world.is_erased(&session, row.meta.received_at_ms) {
                            tombstoned.push(position);
                            world.note(token.partition, token.offset, Fate::Skipped(Skip::Tombstoned));
                        } else {
                            world.ever_stored.insert((session.clone(), row.meta.key));
                            world.hot.insert((session, row.meta.copy_id()), row.meta.clone());
                            world.note(token.partition, token.offset, Fate::Stored);
                        }
                    }
                    Outcome::Inserted { tombstoned }
                }
            }
            Work::DeadLetter { letter } => {
                let at = letter.origin.at;
                let replayed = letter.origin.replay_of.as_ref();
                let id = replayed.map_or_else(
                    || replay_core::dead_letter::LetterId {
                        topic: TOPIC.into(),
                        partition: at.partition,
                        offset: at.offset,
                    },
                    |replay| replay.letter.clone(),
                );
                world.letters.insert(id, replayed.map_or(1, |replay| replay.attempts + 1));
                world.note(at.partition, at.offset, Fate::Dead);
                Outcome::Written
            }
            Work::CloseLetter { letter } => {
                world.letters.remove(letter);
                Outcome::Written
            }
            Work::Commit { next } => commit(next, world)?,
        };
        self.running[index].answer = Some(answer);
        Ok(())
    }

    /// Delivers the answer of a job that was done.
    pub fn answer(&mut self, index: usize, outcome: Outcome<Token>, now: Now, world: &mut World) -> Checked {
        let running = self.running.swap_remove(index);
        self.note_ends(&running.work, &outcome, world);
        self.handle(now, Input::Done { job: running.job, outcome }, world)
    }

    pub fn deliver(&mut self, partition: u32, now: Now, world: &mut World) -> Checked {
        let Some((epoch, offset)) = self.mine.get(&partition).copied() else { return Ok(()) };
        let token = Token { partition, offset, bytes: world.log[partition as usize][offset as usize].bytes };
        let record = world.record(token);
        let at = At { partition, epoch, offset };
        let origin = replay_core::pipeline::Origin {
            at,
            received_at_ms: record.received_at_ms,
            replay_of: record.replay_of.clone().map(Box::new),
        };
        let payload = (!matches!(record.kind, Kind::Null)).then_some(token);
        if payload.is_none() {
            world.note(partition, offset, Fate::Skipped(Skip::NullValue));
        }
        if payload.is_some() || origin.replay_of.is_some() {
            self.unsettled.insert(at);
        }
        self.mine.insert(partition, (epoch, offset + 1));
        self.handle(now, Input::Record(replay_core::pipeline::Record { origin, payload }), world)
    }

    fn act(&mut self, action: Action<Token>, world: &mut World) -> Checked {
        match action {
            Action::Start { job, work } => {
                self.seen.insert(format!("work {}", work_name(&work)));
                if let Work::Commit { next } = &work {
                    self.check_commit(next)?;
                }
                self.running.push(Running { job, work, answer: None });
                self.check_running()?;
            }
            Action::Pause { partition, why } => {
                self.seen.insert(format!("pause {}", why.as_str()));
                self.paused.insert(partition);
            }
            Action::Resume { partition } => {
                self.seen.insert("resume".into());
                if !self.paused.remove(&partition) {
                    return Err(format!("resumed partition {partition}, which was not paused"));
                }
            }
            Action::Release { partitions } => {
                self.seen.insert("release".into());
                for partition in partitions {
                    self.gone(partition);
                    self.revoking.remove(&partition);
                    world.owner[partition as usize] = None;
                }
            }
            Action::Stopped { unsettled, cause } => {
                self.seen.insert(format!("stopped {cause:?}"));
                if cause == StopCause::Drained && unsettled > 0 {
                    return Err(format!("says drained with {unsettled} unsettled"));
                }
                self.stopped = Some(cause);
            }
        }
        Ok(())
    }

    /// This process no longer believes that the partition is its own.
    pub fn gone(&mut self, partition: u32) {
        self.mine.remove(&partition);
        self.paused.remove(&partition);
        self.unsettled.retain(|at| at.partition != partition);
    }

    /// Invariants 1 and 4: what is committed is of an assignment that is ours, and everything before
    /// it was reported settled to this very pipeline in this very assignment.
    fn check_commit(&self, commits: &[Commit]) -> Checked {
        for commit in commits {
            match self.mine.get(&commit.partition) {
                Some((epoch, _)) if *epoch == commit.epoch => {}
                _ => return Err(format!("commits {commit:?} of an assignment that is not its own")),
            }
            let passed = self.unsettled.iter().find(|at| {
                at.partition == commit.partition && at.epoch == commit.epoch && at.offset < commit.next_offset
            });
            if let Some(at) = passed {
                return Err(format!("commits {commit:?} past the unsettled {at:?}"));
            }
        }
        Ok(())
    }

    /// Invariant 3, jobs: never more than the limits allow.
    fn check_running(&self) -> Checked {
        let limits = limits();
        let bounds = [
            ("decode", limits.decode_jobs),
            ("transform", limits.transform_jobs),
            ("insert", limits.insert_jobs),
            ("letter", limits.letter_jobs),
            ("commit", 1),
        ];
        for (name, bound) in bounds {
            let running = self.running.iter().filter(|running| work_name(&running.work) == name).count();
            if running > bound {
                return Err(format!("runs {running} {name} jobs, more than {bound}"));
            }
        }
        let mut sessions = BTreeSet::new();
        for running in &self.running {
            if let Work::Transform { session, .. } = &running.work
                && !sessions.insert(session)
            {
                return Err(format!("transforms two batches of {session:?} at a time"));
            }
        }
        Ok(())
    }

    /// Invariants 2 and 3, books: nothing vanishes, nothing waits beyond its time, at the budget
    /// every partition is paused.
    fn check_books(&mut self, now: Now) -> Checked {
        let status = self.pipeline.status(now);
        let counts = &status.counts;
        let accounted = counts.settled_total() + status.unsettled() + counts.released;
        if counts.received != accounted {
            return Err(format!("received {} but accounts for {accounted}", counts.received));
        }
        if self.stopped.is_none() {
            if status.budget_used_bytes >= status.budget_bytes
                && !self.mine.keys().all(|partition| self.paused.contains(partition))
            {
                return Err("over its budget without pausing".into());
            }
            if status.paused.map(|(_, why)| why) == Some(PauseReason::Budget) {
                self.seen.insert("at budget".into());
            }
        }
        for why in counts.sealed.keys() {
            self.seen.insert(format!("seal {}", why.as_str()));
        }
        for ending in counts.settled.keys() {
            self.seen.insert(format!("ending {ending:?}"));
        }
        Ok(())
    }

    /// Which positions this pipeline may now count as ended.
    fn note_ends(&mut self, work: &Work<Token>, outcome: &Outcome<Token>, world: &mut World) {
        let mut end = |origin: &replay_core::pipeline::Origin, needs_close: bool| {
            if !(needs_close && origin.replay_of.is_some()) {
                self.unsettled.remove(&origin.at);
            }
        };
        match (work, outcome) {
            (Work::Insert { rows }, Outcome::Inserted { .. }) => {
                rows.iter().for_each(|row| end(&row.origin, true));
            }
            (Work::DeadLetter { letter }, Outcome::Written) => end(&letter.origin, false),
            (Work::Transform { chunks, .. }, Outcome::Transformed(verdicts)) => {
                for (chunk, verdict) in chunks.iter().zip(verdicts) {
                    if matches!(verdict, Verdict::Drop) {
                        world.note(chunk.origin.at.partition, chunk.origin.at.offset, Fate::Dropped);
                        end(&chunk.origin, true);
                    }
                }
            }
            (Work::Decode { raw, .. }, Outcome::Decoded(Decoded::Skip(skip))) => {
                world.note(raw.partition, raw.offset, Fate::Skipped(*skip));
                self.unsettled.retain(|at| {
                    (at.partition, at.offset) != (raw.partition, raw.offset)
                        || world.record(*raw).replay_of.is_some()
                });
            }
            (Work::CloseLetter { letter }, Outcome::Written) => {
                let of = |at: &At| {
                    let token = Token { partition: at.partition, offset: at.offset, bytes: 0 };
                    world.record(token).replay_of.as_ref().is_some_and(|replay| replay.letter == *letter)
                };
                self.unsettled.retain(|at| !of(at));
            }
            _ => {}
        }
    }

    pub fn budget_is_clear(&self, now: Now) -> bool {
        self.pipeline.status(now).budget_used_bytes == 0
    }
}

fn decode(token: Token, world: &World, now: Now) -> Outcome<Token> {
    let record = world.record(token);
    if let Kind::Chunk { session, .. } = &record.kind
        && record.received_at_ms + policy().of(&session.project_id).total_ms() < now.unix_ms
    {
        return Outcome::Decoded(Decoded::Skip(Skip::Expired));
    }
    let head = |session: &replay_core::identity::SessionKey, key, has_full_snapshot| {
        Outcome::Decoded(Decoded::Chunk {
            head: replay_core::pipeline::ChunkHead {
                session: session.clone(),
                key,
                timestamp_end_ms: 0,
                event_count: 1,
                has_full_snapshot,
                data_size: 1,
                codec: replay_core::row::Codec::Gzip,
            },
            data: Token { bytes: token.bytes() / 2, ..token },
        })
    };
    match &record.kind {
        Kind::Chunk { session, key, full_snapshot, .. } => head(session, *key, *full_snapshot),
        Kind::Dropped { session, key }
        | Kind::PluginFails { session, key }
        | Kind::StoreRejects { session, key } => head(session, *key, false),
        Kind::Poison | Kind::Null => Outcome::Decoded(Decoded::Reject {
            reject: Reject::new(Reason::NotEvents, "model"),
            project_id: None,
            session_id: None,
        }),
        Kind::Expired => Outcome::Decoded(Decoded::Skip(Skip::Expired)),
        Kind::Panics => Outcome::Failed(Failure::Panicked),
    }
}

fn transform(token: Token, grouped: u64, world: &World) -> Verdict<Token> {
    let record = world.record(token);
    match (&record.kind, world.copy(record, grouped)) {
        (_, Some(meta)) => Verdict::Store { meta, data: token },
        (Kind::Dropped { .. }, None) => Verdict::Drop,
        (_, None) => Verdict::Reject(Reject::new(Reason::PackedUnreadable, "model")),
    }
}

/// The broker takes any commit, as the worst of them would: whether it may be sent was checked when
/// the pipeline sent it. Invariant 2: nothing before it has vanished.
fn commit(next: &[Commit], world: &mut World) -> Result<Outcome<Token>, String> {
    for commit in next {
        let partition = commit.partition as usize;
        if world.epochs[partition] != commit.epoch {
            continue;
        }
        for offset in world.committed[partition]..commit.next_offset {
            if !world.fates.contains_key(&(commit.partition, offset)) {
                return Err(format!("committed past {}/{offset}, which ended nowhere", commit.partition));
            }
        }
        world.committed[partition] = world.committed[partition].max(commit.next_offset);
    }
    Ok(Outcome::Written)
}

fn input_name(input: &Input<Token>) -> &'static str {
    match input {
        Input::Assigned { .. } => "assigned",
        Input::Revoked { .. } => "revoked",
        Input::Lost { .. } => "lost",
        Input::Record(_) => "record",
        Input::Done { .. } => "done",
        Input::Timeout => "timeout",
        Input::Drain { .. } => "drain",
    }
}

pub fn work_name(work: &Work<Token>) -> &'static str {
    match work {
        Work::Decode { .. } => "decode",
        Work::Transform { .. } => "transform",
        Work::Insert { .. } => "insert",
        Work::DeadLetter { .. } => "letter",
        Work::CloseLetter { .. } => "letter",
        Work::Commit { .. } => "commit",
    }
}
