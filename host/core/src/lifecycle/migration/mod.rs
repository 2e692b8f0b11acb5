//! The move of one session from the hot store to the cold one.
//!
//! ```text
//! hot copies → archive rows → objects → tombstones → plan → write → read back → archive row
//!            → read it back → tombstones again → delete exactly the copies that were read
//! ```
//!
//! Tombstones come after the objects: an object may hold a lesser copy of a chunk because its writer
//! knew that the greater one is erased, and whoever merges into it has to know as much.
//!
//! A conflict at any point (another migrator wrote first, a copy went away, the object read back does
//! not hold what was read) leads back to the first arrow, a bounded number of times. Whatever lies in
//! the cold store then is a superset, so repeating is harmless; what matters is only that nothing is
//! deleted before it was seen where it belongs.

mod verify;

use super::ask::{Answer, Ask, Machine, ObjectLook, Precondition, Step};
use super::once::{ColdWrites, MAX_LISTED, Signature};
use super::plan::{Known, Plan, WritePlan};
use crate::archive::{ArchiveRow, ObjectHeader};
use crate::guards::{Guard, Guards};
use crate::identity::SessionKey;
use crate::row::Codec;
use crate::time::Now;
use crate::tombstone::EraseScope;

/// How often a move begins again before it gives way to the others.
const MAX_ATTEMPTS: u32 = 6;

/// What a move goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoveSettings {
    /// How a first object is compressed; a merge keeps the object's codec.
    pub cold_codec: Codec,
    /// From a session's first move to the object's deletion, milliseconds.
    pub cold_retention_ms: u64,
    /// How the cold store is written to.
    pub writes: ColdWrites,
    /// Guards in force.
    pub guards: Guards,
}

/// What a move came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MoveEnd {
    /// Hot copies were deleted, and the cold store holds their chunks.
    Moved {
        /// Copies deleted, losers among them.
        copies: u64,
        /// Chunks written that the object did not hold before.
        chunks: u64,
        /// Stored bytes of the copies deleted.
        bytes: u64,
        /// Of the object.
        generation: u64,
    },
    /// There was nothing to move.
    Nothing,
    /// The session is erased; what the move had written is deleted.
    Erased,
    /// The session's object expired: once it is deleted, late chunks make a new one.
    WaitForRetention,
    /// Others kept changing the session. Try again later.
    Busy {
        /// What came in between last.
        what: String,
    },
    /// A store failed, or a person has to look. Nothing was deleted that is not in the cold store.
    Failed {
        /// For the operator.
        what: String,
    },
}

/// The machine that moves one session.
#[derive(Clone, Debug)]
pub struct SessionMove {
    settings: MoveSettings,
    known: Known,
    state: State,
    attempts: u32,
    /// Objects of the session, the one to merge into first.
    keys: Vec<String>,
    /// Objects that this move may have written, or written a row for.
    touched: Vec<String>,
    chunks_written: u64,
    /// The objects as they were read back.
    held: Vec<ArchiveRow>,
}

#[derive(Clone, Debug)]
enum State {
    Copies,
    Rows,
    /// Only with [`ColdWrites::Once`]: the names of the session's objects.
    Listed,
    Look,
    Tombstones,
    /// Only without [`Guard::ConditionalWrite`]: takes whatever tag is there.
    TagOfTheMoment(Box<WritePlan>),
    Write,
    /// The object at this position of `keys` is read back.
    ReadBack(usize),
    /// The row of the object at this position of `held` is written.
    PutRow(usize),
    RowsBack,
    TombstonesAgain,
    /// Only without [`Guard::HashInDelete`]: deletes whatever is there now.
    CopiesOfTheMoment,
    Delete {
        generation: u64,
        bytes: u64,
    },
    /// The object is closed; the erasure deletes it.
    Retire,
    Undo(Undo),
}

/// Deleting what was written of an erased session, object by object: the object, then its rows.
#[derive(Clone, Debug)]
struct Undo {
    keys: Vec<String>,
    object_is_gone: bool,
}

type Next = Result<Step<MoveEnd>, String>;

impl Machine for SessionMove {
    type End = MoveEnd;

    fn step(&mut self, now: Now, answer: Option<Answer>) -> Step<MoveEnd> {
        let next = match answer {
            None => {
                *self = Self::new(self.known.session.clone(), self.settings);
                Ok(self.begin())
            }
            Some(answer) => self.take(now, answer),
        };
        next.unwrap_or_else(|what| Step::Done(MoveEnd::Failed { what }))
    }
}

impl SessionMove {
    /// A move of this session.
    pub fn new(session: SessionKey, settings: MoveSettings) -> Self {
        Self {
            settings,
            known: Known::new(session),
            state: State::Copies,
            attempts: 0,
            keys: Vec::new(),
            touched: Vec::new(),
            chunks_written: 0,
            held: Vec::new(),
        }
    }

    fn begin(&mut self) -> Step<MoveEnd> {
        self.known.tombstones.clear();
        self.state = State::Copies;
        Step::Ask(Ask::Copies(self.known.session.clone()))
    }

    fn again(&mut self, what: impl Into<String>) -> Next {
        self.attempts += 1;
        if self.attempts < MAX_ATTEMPTS {
            Ok(self.begin())
        } else {
            Ok(Step::Done(MoveEnd::Busy { what: what.into() }))
        }
    }

    fn take(&mut self, now: Now, answer: Answer) -> Next {
        match std::mem::replace(&mut self.state, State::Copies) {
            State::Copies => {
                self.known.copies = answer.copies()?;
                if self.known.copies.is_empty() && self.touched.is_empty() {
                    return Ok(Step::Done(MoveEnd::Nothing));
                }
                self.state = State::Rows;
                Ok(Step::Ask(Ask::ArchiveRows(self.known.session.clone())))
            }
            State::Rows => self.rows_read(now, answer.rows()?),
            State::Listed => {
                self.keys = self.known.keys_of_all(answer.heads()?, &self.touched);
                self.look_next()
            }
            State::Look => self.looked(answer.object()?),
            State::Tombstones => {
                self.known.tombstones = answer.tombstones()?;
                if self.session_is_erased() {
                    return Ok(self.undo());
                }
                self.carry_out(now)
            }
            State::TagOfTheMoment(mut plan) => {
                let head = answer.heads()?.pop();
                plan.precondition = head.map_or(Precondition::Absent, |head| Precondition::Matches(head.tag));
                Ok(self.ask_write(*plan))
            }
            State::Write => self.wrote(answer.written()?),
            State::ReadBack(position) => self.read_back(now, position, answer.object()?),
            State::PutRow(position) => {
                answer.done()?;
                self.put_rows(now, position + 1)
            }
            State::RowsBack => self.rows_back(now, &answer.rows()?),
            State::TombstonesAgain => self.tombstones_again(now, answer.tombstones()?),
            State::CopiesOfTheMoment => {
                self.known.copies = answer.copies()?;
                let everything = self.known.copies.iter().map(|copy| copy.copy_id()).collect();
                Ok(self.ask_delete(everything))
            }
            State::Delete { generation, bytes } => {
                let (copies, chunks) = (answer.count()?, self.chunks_written);
                Ok(Step::Done(MoveEnd::Moved { copies, chunks, bytes, generation }))
            }
            State::Retire => match answer.written()? {
                Some(_) => Ok(Step::Done(MoveEnd::Nothing)),
                None => self.again("the object changed"),
            },
            State::Undo(undo) => {
                answer.done()?;
                Ok(self.undo_next(undo))
            }
        }
    }

    /// Whether retention may delete what expires then.
    fn has_expired(&self, now: Now) -> impl Fn(u64) -> bool + use<> {
        let guarded = self.settings.guards.has(Guard::ExpiredIsLeftAlone);
        move |expires_at_ms| guarded && expires_at_ms <= now.unix_ms
    }

    fn rows_read(&mut self, now: Now, rows: Vec<ArchiveRow>) -> Next {
        self.known.rows = rows;
        self.known.looks.clear();
        let Some(keys) = self.known.keys(self.settings.cold_codec, self.has_expired(now)) else {
            return Ok(Step::Done(MoveEnd::WaitForRetention));
        };
        self.keys = if keys.is_empty() { self.touched.clone() } else { keys };
        let stem = match self.settings.writes {
            ColdWrites::Conditional => None,
            ColdWrites::Once { .. } => self.known.stem(),
        };
        let Some(stem) = stem else { return self.look_next() };
        self.state = State::Listed;
        Ok(Step::Ask(Ask::ListObjects { prefix: format!("{stem}."), after: None, limit: MAX_LISTED }))
    }

    fn look_next(&mut self) -> Next {
        if let Some(key) = self.keys.get(self.known.looks.len()) {
            self.state = State::Look;
            return Ok(Step::Ask(Ask::LookAt { object_key: key.clone(), verify: false }));
        }
        self.state = State::Tombstones;
        Ok(Step::Ask(Ask::Tombstones(self.known.session.clone())))
    }

    fn looked(&mut self, look: ObjectLook) -> Next {
        if let Some(key) = self.keys.get(self.known.looks.len()) {
            self.known.looks.push((key.clone(), look));
        }
        self.look_next()
    }

    fn carry_out(&mut self, now: Now) -> Next {
        let first = ObjectHeader {
            session: self.known.session.clone(),
            codec: self.settings.cold_codec,
            generation: 0,
            first_moved_at_ms: now.unix_ms,
            expires_at_ms: now.unix_ms.saturating_add(self.settings.cold_retention_ms),
        };
        let plan = match self.settings.writes {
            ColdWrites::Conditional => self.known.plan(&first, self.has_expired(now)),
            ColdWrites::Once { writer } => self.plan_once(now, &first, writer),
        };
        match plan {
            Plan::Nothing => Ok(Step::Done(MoveEnd::Nothing)),
            Plan::WaitForRetention => Ok(Step::Done(MoveEnd::WaitForRetention)),
            Plan::Stuck(what) => Err(what),
            Plan::Keep => {
                self.held.clear();
                Ok(self.read_back_at(0))
            }
            Plan::Retire(plan) => {
                self.state = State::Retire;
                Ok(Step::Ask(Ask::Write(Box::new(plan))))
            }
            Plan::Write(plan)
                if self.settings.guards.has(Guard::ConditionalWrite)
                    || self.settings.writes != ColdWrites::Conditional =>
            {
                Ok(self.ask_write(plan))
            }
            Plan::Write(plan) => {
                let object_key = plan.object_key.clone();
                self.state = State::TagOfTheMoment(Box::new(plan));
                Ok(Step::Ask(Ask::Head { object_key }))
            }
        }
    }

    /// Leaves in `keys` the objects that the move rests on, the one to write among them.
    fn plan_once(&mut self, now: Now, first: &ObjectHeader, writer: u64) -> Plan {
        let signature = Signature { writer, unix_ms: now.unix_ms };
        let plan = self.known.plan_once(first, signature, &self.touched, self.has_expired(now));
        self.keys = self.known.keys_that_count(self.has_expired(now));
        match &plan {
            Plan::Keep if self.keys.is_empty() => return Plan::Nothing,
            Plan::Write(write) if !self.keys.contains(&write.object_key) => {
                self.keys.push(write.object_key.clone());
            }
            Plan::Write(_)
            | Plan::Keep
            | Plan::Nothing
            | Plan::Retire(_)
            | Plan::WaitForRetention
            | Plan::Stuck(_) => {}
        }
        plan
    }

    fn touch(&mut self, object_key: &str) {
        if !self.touched.iter().any(|touched| touched == object_key) {
            self.touched.push(object_key.to_owned());
        }
    }

    fn ask_write(&mut self, plan: WritePlan) -> Step<MoveEnd> {
        self.state = State::Write;
        self.touch(&plan.object_key);
        self.chunks_written = plan.copies().len() as u64;
        Step::Ask(Ask::Write(Box::new(plan)))
    }

    fn wrote(&mut self, written: Option<Box<ArchiveRow>>) -> Next {
        let Some(row) = written else { return self.again("others changed the object or the hot copies") };
        self.held.clear();
        if self.settings.guards.has(Guard::ReadBack) {
            return Ok(self.read_back_at(0));
        }
        self.held.push(*row);
        Ok(self.put_row_at(0))
    }

    fn session_is_erased(&self) -> bool {
        self.known.tombstones.iter().any(|tombstone| match &tombstone.scope {
            EraseScope::Session(key) => *key == self.known.session,
            EraseScope::Project(_) => false,
        })
    }

    /// Takes back what this move may have written of a session that is erased for good.
    fn undo(&mut self) -> Step<MoveEnd> {
        let keys = std::mem::take(&mut self.touched);
        self.undo_next(Undo { keys, object_is_gone: false })
    }

    fn undo_next(&mut self, mut undo: Undo) -> Step<MoveEnd> {
        let Some(object_key) = undo.keys.last().cloned() else { return Step::Done(MoveEnd::Erased) };
        let ask = if undo.object_is_gone {
            undo.keys.pop();
            let session = self.known.session.clone();
            Ask::DeleteArchive { session, object_key, generation: u64::MAX }
        } else {
            Ask::DeleteObject { object_key }
        };
        undo.object_is_gone = !undo.object_is_gone;
        self.state = State::Undo(undo);
        Step::Ask(ask)
    }
}
