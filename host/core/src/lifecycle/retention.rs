//! Ends what is past its time: hot copies, objects with their archive rows, dead letters, tombstones.
//!
//! A sweep goes on past what fails; the next one finds it again. An object goes before its row, so
//! that a sweep that dies in between still knows of it, and goes only after its row and the object
//! itself were looked at again: both have to say that it expired.

use super::ask::{Answer, Ask, Machine, ObjectLook, SessionAge, Step};
use super::policy::RetentionPolicy;
use crate::archive::ArchiveRow;
use crate::guards::{Guard, Guards};
use crate::identity::{ProjectId, SessionKey};
use crate::row::{ChunkMeta, CopyId};
use crate::time::Now;

/// So many failures are told one by one.
const MAX_TOLD: usize = 100;

/// What a sweep goes by.
#[derive(Clone, Debug)]
pub struct RetentionSettings {
    /// How long what stays where.
    pub policy: RetentionPolicy,
    /// Whether chunks move. If so, hot copies end after hot and cold retention together, moved or
    /// not; else after the hot one.
    pub migration_enabled: bool,
    /// From a dead letter's death to its deletion, milliseconds.
    pub letter_retention_ms: u64,
    /// From an erasure to the end of its tombstone, milliseconds: longer than anything erased could
    /// survive in source or dead letters.
    pub tombstone_retention_ms: u64,
    /// Sessions or archive rows listed at a time.
    pub batch_size: usize,
    /// Guards in force.
    pub guards: Guards,
}

/// What a sweep deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionReport {
    /// Hot copies. With migration enabled these were not moved in all that time: worth an alert.
    pub copies: u64,
    /// Their stored bytes.
    pub copy_bytes: u64,
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// Archive rows whose object was gone already.
    pub rows_without_object: u64,
    /// Objects left alone because they were renewed meanwhile.
    pub left_alone: u64,
    /// Dead letters.
    pub letters: u64,
    /// Tombstones.
    pub tombstones: u64,
    /// What failed.
    pub failed: u64,
    /// The first of it, for the operator.
    pub failures: Vec<String>,
}

/// The machine of one sweep.
#[derive(Clone, Debug)]
pub struct RetentionSweep {
    settings: RetentionSettings,
    state: State,
    /// Sessions of the page, last one first.
    sessions: Vec<SessionKey>,
    after_session: Option<SessionKey>,
    /// Rows of the page, last one first.
    rows: Vec<ArchiveRow>,
    after_row: Option<(SessionKey, String)>,
    report: RetentionReport,
}

#[derive(Clone, Debug)]
enum State {
    Ages,
    Copies(SessionKey),
    DeleteCopies { bytes: u64 },
    Expired,
    RowAgain(Box<ArchiveRow>),
    Look(Box<ArchiveRow>),
    DeleteObject(Box<ArchiveRow>),
    Gone(Box<ArchiveRow>),
    DeleteRow,
    Letters,
    Tombstones,
}

type Next = Step<RetentionReport>;

impl Machine for RetentionSweep {
    type End = RetentionReport;

    fn step(&mut self, now: Now, answer: Option<Answer>) -> Next {
        let Some(answer) = answer else {
            *self = Self::new(self.settings.clone());
            return self.ask_ages(now);
        };
        let state = std::mem::replace(&mut self.state, State::Ages);
        match self.take(now, state.clone(), answer) {
            Ok(next) => next,
            Err(what) => {
                self.report.failed += 1;
                if self.report.failures.len() < MAX_TOLD {
                    self.report.failures.push(what);
                }
                self.after_failure(now, &state)
            }
        }
    }
}

impl RetentionSweep {
    /// A sweep that has not started.
    pub fn new(settings: RetentionSettings) -> Self {
        Self {
            settings,
            state: State::Ages,
            sessions: Vec::new(),
            after_session: None,
            rows: Vec::new(),
            after_row: None,
            report: RetentionReport::default(),
        }
    }

    fn take(&mut self, now: Now, state: State, answer: Answer) -> Result<Next, String> {
        Ok(match state {
            State::Ages => self.take_ages(now, answer.ages()?),
            State::Copies(session) => self.take_copies(now, session, answer.copies()?),
            State::DeleteCopies { bytes } => {
                self.report.copies += answer.count()?;
                self.report.copy_bytes += bytes;
                self.next_session(now)
            }
            State::Expired => self.take_expired(now, answer.rows()?),
            State::RowAgain(row) => self.row_again(now, &row, answer.rows()?),
            State::Look(row) => self.looked(now, row, answer.object()?),
            State::DeleteObject(row) => {
                answer.done()?;
                self.report.objects += 1;
                self.report.object_bytes += row.object_size;
                let object_key = row.object_key.clone();
                self.ask(State::Gone(row), Ask::Head { object_key })
            }
            State::Gone(row) if answer.clone().heads()?.is_empty() => self.delete_row(&row),
            State::Gone(_) => self.leave_alone(now),
            State::DeleteRow => {
                answer.done()?;
                self.next_row(now)
            }
            State::Letters => {
                self.report.letters += answer.count()?;
                self.ask_tombstones(now)
            }
            State::Tombstones => {
                self.report.tombstones += answer.count()?;
                self.end()
            }
        })
    }

    /// Goes on with what comes next: the next session or row, or the next kind of thing.
    fn after_failure(&mut self, now: Now, state: &State) -> Next {
        match state {
            State::Ages => self.ask_expired(now),
            State::Copies(_) | State::DeleteCopies { .. } => self.next_session(now),
            State::Expired => self.ask_letters(now),
            State::RowAgain(_)
            | State::Look(_)
            | State::DeleteObject(_)
            | State::Gone(_)
            | State::DeleteRow => self.next_row(now),
            State::Letters => self.ask_tombstones(now),
            State::Tombstones => self.end(),
        }
    }

    fn ask(&mut self, state: State, ask: Ask) -> Next {
        self.state = state;
        Step::Ask(ask)
    }

    fn limit(&self) -> usize {
        self.settings.batch_size.max(1)
    }

    fn hot_limit_ms(&self, project_id: &ProjectId) -> u64 {
        let retention = self.settings.policy.of(project_id);
        if self.settings.migration_enabled { retention.total_ms() } else { retention.hot_ms }
    }

    fn ask_ages(&mut self, now: Now) -> Next {
        let moves = self.settings.migration_enabled;
        let shortest_ms = self
            .settings
            .policy
            .shortest_ms(|retention| if moves { retention.total_ms() } else { retention.hot_ms });
        let (after, limit) = (self.after_session.clone(), self.limit());
        let oldest_before_ms = now.unix_ms.saturating_sub(shortest_ms);
        self.ask(State::Ages, Ask::SessionAges { oldest_before_ms, after, limit })
    }

    fn take_ages(&mut self, now: Now, ages: Vec<SessionAge>) -> Next {
        let is_full = ages.len() >= self.limit();
        self.after_session = ages.last().filter(|_| is_full).map(|age| age.session.clone());
        self.sessions = ages.into_iter().rev().map(|age| age.session).collect();
        self.next_session(now)
    }

    fn next_session(&mut self, now: Now) -> Next {
        match self.sessions.pop() {
            Some(session) => self.ask(State::Copies(session.clone()), Ask::Copies(session)),
            None if self.after_session.is_some() => self.ask_ages(now),
            None => self.ask_expired(now),
        }
    }

    fn take_copies(&mut self, now: Now, session: SessionKey, copies: Vec<ChunkMeta>) -> Next {
        let limit_ms = self.hot_limit_ms(&session.project_id);
        let is_over = |copy: &&ChunkMeta| now.unix_ms.saturating_sub(copy.received_at_ms) > limit_ms;
        let over: Vec<&ChunkMeta> = copies.iter().filter(is_over).collect();
        if over.is_empty() {
            return self.next_session(now);
        }
        let bytes = over.iter().map(|copy| copy.compressed_size).sum();
        let copies: Vec<CopyId> = over.iter().map(|copy| copy.copy_id()).collect();
        self.ask(State::DeleteCopies { bytes }, Ask::DeleteCopies { session, copies })
    }

    fn ask_expired(&mut self, now: Now) -> Next {
        let (after, limit) = (self.after_row.clone(), self.limit());
        let expires_until_ms = Some(now.unix_ms);
        self.ask(State::Expired, Ask::ListArchive { project_id: None, expires_until_ms, after, limit })
    }

    fn take_expired(&mut self, now: Now, rows: Vec<ArchiveRow>) -> Next {
        let is_full = rows.len() >= self.limit();
        self.after_row =
            rows.last().filter(|_| is_full).map(|row| (row.header.session.clone(), row.object_key.clone()));
        self.rows = rows;
        self.rows.reverse();
        self.next_row(now)
    }

    fn next_row(&mut self, now: Now) -> Next {
        let Some(row) = self.rows.pop() else {
            return if self.after_row.is_some() { self.ask_expired(now) } else { self.ask_letters(now) };
        };
        if !self.settings.guards.has(Guard::RetentionReRead) {
            return self.delete_object(Box::new(row));
        }
        let session = row.header.session.clone();
        self.ask(State::RowAgain(Box::new(row)), Ask::ArchiveRows(session))
    }

    fn row_again(&mut self, now: Now, listed: &ArchiveRow, rows: Vec<ArchiveRow>) -> Next {
        let current = rows.into_iter().find(|row| row.object_key == listed.object_key);
        let Some(row) = current.filter(|row| row.header.expires_at_ms <= now.unix_ms) else {
            return self.leave_alone(now);
        };
        let object_key = row.object_key.clone();
        self.ask(State::Look(Box::new(row)), Ask::LookAt { object_key, verify: false })
    }

    fn looked(&mut self, now: Now, row: Box<ArchiveRow>, look: ObjectLook) -> Next {
        match look {
            ObjectLook::Absent => {
                self.report.rows_without_object += 1;
                self.delete_row(&row)
            }
            ObjectLook::Present { row: found, .. } if found.header.expires_at_ms > now.unix_ms => {
                self.leave_alone(now)
            }
            ObjectLook::Present { .. } | ObjectLook::Damaged { .. } => self.delete_object(row),
        }
    }

    fn leave_alone(&mut self, now: Now) -> Next {
        self.report.left_alone += 1;
        self.next_row(now)
    }

    fn delete_object(&mut self, row: Box<ArchiveRow>) -> Next {
        let object_key = row.object_key.clone();
        self.ask(State::DeleteObject(row), Ask::DeleteObject { object_key })
    }

    fn delete_row(&mut self, row: &ArchiveRow) -> Next {
        let (session, generation) = (row.header.session.clone(), row.header.generation);
        let object_key = row.object_key.clone();
        self.ask(State::DeleteRow, Ask::DeleteArchive { session, object_key, generation })
    }

    fn ask_letters(&mut self, now: Now) -> Next {
        let before_ms = now.unix_ms.saturating_sub(self.settings.letter_retention_ms);
        self.ask(State::Letters, Ask::PurgeLetters { before_ms })
    }

    fn ask_tombstones(&mut self, now: Now) -> Next {
        let before_ms = now.unix_ms.saturating_sub(self.settings.tombstone_retention_ms);
        self.ask(State::Tombstones, Ask::DeleteTombstones { before_ms })
    }

    fn end(&mut self) -> Next {
        Step::Done(std::mem::take(&mut self.report))
    }
}
