//! The scheduler of moves: goes on until no session is due, one after the other.
//!
//! A failing session backs off alone and is tried again in a later run. Only when several sessions in
//! a row fail does the run end early: then it is the stores.

use std::collections::BTreeMap;

use super::ask::{Answer, Ask, Machine, SessionAge, Step};
use super::migration::{MoveEnd, MoveSettings, SessionMove};
use super::once::ColdWrites;
use super::policy::RetentionPolicy;
use crate::chance::Chance;
use crate::guards::Guards;
use crate::identity::SessionKey;
use crate::row::Codec;
use crate::time::Now;
use crate::winner::ContentHash;

/// So many failing sessions in a row end a run.
const FAILURES_IN_A_ROW: u32 = 5;
/// So many sessions that back off are remembered; others are tried again in the next run.
const MAX_REMEMBERED: usize = 10_000;
/// So many failures are told one by one.
const MAX_TOLD: usize = 100;

/// What a run of moves goes by.
#[derive(Clone, Debug)]
pub struct MigrationSettings {
    /// How long what stays where.
    pub policy: RetentionPolicy,
    /// How a first object is compressed.
    pub cold_codec: Codec,
    /// How the cold store is written to.
    pub writes: ColdWrites,
    /// Sessions listed at a time.
    pub batch_size: usize,
    /// The part of all sessions that is this process's.
    pub share: Share,
    /// The first wait after a failure, milliseconds; it doubles with each further one.
    pub back_off_ms: u64,
    /// The longest wait, milliseconds.
    pub max_back_off_ms: u64,
    /// For the order of sessions and the jitter: different in each process.
    pub seed: u64,
    /// Guards in force.
    pub guards: Guards,
}

/// One of `count` parts of all sessions, divided by a hash. Overlap between processes is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which, from 0.
    pub index: u64,
    /// Of how many.
    pub count: u64,
}

impl Share {
    /// Every session.
    pub const ALL: Self = Self { index: 0, count: 1 };

    /// Whether a session belongs to this share.
    pub fn has(self, session: &SessionKey) -> bool {
        let hash = ContentHash::of(session.to_string().as_bytes()).0;
        hash.checked_rem(self.count).is_none_or(|part| part == self.index)
    }
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrationReport {
    /// Sessions that were due.
    pub due: u64,
    /// Of these, left for later because they failed lately.
    pub deferred: u64,
    /// Sessions moved.
    pub moved: u64,
    /// Chunks written to the cold store.
    pub chunks: u64,
    /// Hot copies deleted.
    pub copies: u64,
    /// Stored bytes of the hot copies deleted.
    pub bytes: u64,
    /// Sessions with nothing (left) to move.
    pub nothing: u64,
    /// Sessions found erased.
    pub erased: u64,
    /// Sessions whose expired object has to be deleted first.
    pub waiting: u64,
    /// Sessions that others kept changing.
    pub busy: u64,
    /// Sessions that failed.
    pub failed: u64,
    /// The first of those, with the reason.
    pub failures: Vec<(SessionKey, String)>,
    /// Why the run ended before nothing was due.
    pub stopped: Option<String>,
}

/// The machine that moves what is due. Lives as long as the process: each start is a run.
#[derive(Clone, Debug)]
pub struct Migration {
    settings: MigrationSettings,
    chance: Chance,
    backing_off: BTreeMap<SessionKey, BackOff>,
    failures_in_a_row: u32,
    /// What is left of the page, last one first.
    page: Vec<SessionKey>,
    /// The last session of the page; `None` if there is no further page.
    after: Option<SessionKey>,
    current: Option<Box<SessionMove>>,
    current_session: Option<SessionKey>,
    report: MigrationReport,
}

#[derive(Clone, Copy, Debug)]
struct BackOff {
    failures: u32,
    until_mono_ms: u64,
}

impl Machine for Migration {
    type End = MigrationReport;

    fn step(&mut self, now: Now, answer: Option<Answer>) -> Step<MigrationReport> {
        match answer {
            None => {
                self.report = MigrationReport::default();
                self.failures_in_a_row = 0;
                self.page.clear();
                self.after = None;
                self.current = None;
                self.ask_page(now)
            }
            Some(answer) if self.current.is_some() => self.step_move(now, Some(answer)),
            Some(answer) => match answer.ages() {
                Ok(ages) => self.take_page(now, ages),
                Err(what) => self.end(Some(what)),
            },
        }
    }
}

impl Migration {
    /// A scheduler that has not run yet.
    pub fn new(settings: MigrationSettings) -> Self {
        Self {
            chance: Chance::new(settings.seed),
            settings,
            backing_off: BTreeMap::new(),
            failures_in_a_row: 0,
            page: Vec::new(),
            after: None,
            current: None,
            current_session: None,
            report: MigrationReport::default(),
        }
    }

    /// Goes by another policy from the next session on.
    pub fn follow(&mut self, policy: RetentionPolicy) {
        self.settings.policy = policy;
    }

    /// What the run came to so far.
    pub fn report(&self) -> &MigrationReport {
        &self.report
    }

    fn ask_page(&mut self, now: Now) -> Step<MigrationReport> {
        Step::Ask(Ask::SessionAges {
            oldest_before_ms: self.settings.policy.due_before_ms(now.unix_ms),
            after: self.after.clone(),
            limit: self.settings.batch_size.max(1),
        })
    }

    fn take_page(&mut self, now: Now, ages: Vec<SessionAge>) -> Step<MigrationReport> {
        let is_full = ages.len() >= self.settings.batch_size.max(1);
        self.after = ages.last().filter(|_| is_full).map(|age| age.session.clone());
        let policy = &self.settings.policy;
        let mine = |age: &SessionAge| self.settings.share.has(&age.session);
        let due = |age: &SessionAge| policy.of(&age.session.project_id).is_due(age, now.unix_ms);
        self.page = ages.into_iter().filter(|age| mine(age) && due(age)).map(|age| age.session).collect();
        self.report.due += self.page.len() as u64;
        self.chance.shuffle(&mut self.page);
        self.next_session(now)
    }

    fn next_session(&mut self, now: Now) -> Step<MigrationReport> {
        while let Some(session) = self.page.pop() {
            if self.backing_off.get(&session).is_some_and(|wait| wait.until_mono_ms > now.mono_ms) {
                self.report.deferred += 1;
                continue;
            }
            let settings = MoveSettings {
                cold_codec: self.settings.cold_codec,
                cold_retention_ms: self.settings.policy.of(&session.project_id).cold_ms,
                writes: self.settings.writes,
                guards: self.settings.guards,
            };
            self.current = Some(Box::new(SessionMove::new(session.clone(), settings)));
            self.current_session = Some(session);
            return self.step_move(now, None);
        }
        if self.after.is_some() { self.ask_page(now) } else { self.end(None) }
    }

    fn step_move(&mut self, now: Now, answer: Option<Answer>) -> Step<MigrationReport> {
        let step = self.current.as_mut().map(|session_move| session_move.step(now, answer));
        match step {
            Some(Step::Ask(ask)) => Step::Ask(ask),
            Some(Step::Wait { until_mono_ms }) => Step::Wait { until_mono_ms },
            Some(Step::Done(end)) => self.take_end(now, end),
            None => self.next_session(now),
        }
    }

    fn take_end(&mut self, now: Now, end: MoveEnd) -> Step<MigrationReport> {
        self.current = None;
        let Some(session) = self.current_session.take() else { return self.next_session(now) };
        let report = &mut self.report;
        match end {
            MoveEnd::Moved { copies, chunks, bytes, .. } => {
                report.moved += 1;
                report.copies += copies;
                report.chunks += chunks;
                report.bytes += bytes;
            }
            MoveEnd::Nothing => report.nothing += 1,
            MoveEnd::Erased => report.erased += 1,
            MoveEnd::WaitForRetention => report.waiting += 1,
            MoveEnd::Busy { .. } => {
                report.busy += 1;
                self.back_off(now, &session);
                return self.next_session(now);
            }
            MoveEnd::Failed { what } => return self.take_failure(now, session, what),
        }
        self.backing_off.remove(&session);
        self.failures_in_a_row = 0;
        self.next_session(now)
    }

    fn take_failure(&mut self, now: Now, session: SessionKey, what: String) -> Step<MigrationReport> {
        self.report.failed += 1;
        self.back_off(now, &session);
        if self.report.failures.len() < MAX_TOLD {
            self.report.failures.push((session, what.clone()));
        }
        self.failures_in_a_row += 1;
        if self.failures_in_a_row >= FAILURES_IN_A_ROW {
            return self.end(Some(what));
        }
        self.next_session(now)
    }

    fn back_off(&mut self, now: Now, session: &SessionKey) {
        if self.backing_off.len() >= MAX_REMEMBERED {
            self.backing_off.retain(|_, wait| wait.until_mono_ms > now.mono_ms);
        }
        let failures = self.backing_off.get(session).map_or(0, |wait| wait.failures).saturating_add(1);
        let wait_ms =
            self.chance.back_off_ms(failures, self.settings.back_off_ms, self.settings.max_back_off_ms);
        if self.backing_off.len() < MAX_REMEMBERED || self.backing_off.contains_key(session) {
            let until_mono_ms = now.mono_ms.saturating_add(wait_ms);
            self.backing_off.insert(session.clone(), BackOff { failures, until_mono_ms });
        }
    }

    fn end(&mut self, stopped: Option<String>) -> Step<MigrationReport> {
        self.report.stopped = stopped;
        Step::Done(std::mem::take(&mut self.report))
    }
}
