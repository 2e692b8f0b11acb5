//! The erasure of a session or a project: the tombstone first, then everything it covers, in passes,
//! until a pass finds nothing any more. That pass is the reading back.
//!
//! A pass: hot copies, objects with their archive rows (of a session all, also without a row; of a
//! project those with erased chunks), dead letters. An object that holds chunks received after a
//! project's tombstone is rewritten without the others; one that holds none is retired, then deleted.

mod objects;
mod sweep;

use std::collections::BTreeMap;

use self::objects::{Item, Phase};
pub use self::sweep::{ErasureSweep, SweepReport};
use super::ask::{Answer, Ask, AuditEntry, Machine, Step};
use crate::chance::Chance;
use crate::guards::{Guard, Guards};
use crate::identity::SessionKey;
use crate::time::Now;
use crate::tombstone::{EraseScope, Tombstone};

/// A pass that still finds something is followed by another, so many times.
const MAX_PASSES: u32 = 8;
/// A pass that fails is begun again, so many times.
const MAX_FAILURES: u32 = 8;

/// What an erasure goes by.
#[derive(Clone, Debug)]
pub struct ErasureSettings {
    /// Who asked: a user name, a token's name, or `sweeper`.
    pub actor: String,
    /// Objects or archive rows listed at a time.
    pub batch_size: usize,
    /// The first wait after a failure, milliseconds; it doubles with each further one.
    pub back_off_ms: u64,
    /// The longest wait, milliseconds.
    pub max_back_off_ms: u64,
    /// For the jitter.
    pub seed: u64,
    /// Guards in force.
    pub guards: Guards,
}

/// What an erasure deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureReport {
    /// The tombstone it left.
    pub tombstone: Tombstone,
    /// Stored bytes of hot copies.
    pub copy_bytes: u64,
    /// Objects deleted.
    pub objects_deleted: u64,
    /// Objects rewritten without their erased chunks.
    pub objects_rewritten: u64,
    /// Bytes by which the cold store shrank.
    pub object_bytes: u64,
    /// Bytes of dead letters.
    pub letter_bytes: u64,
    /// Passes, the one that found nothing included.
    pub passes: u32,
    /// For the audit trail.
    pub audit: AuditEntry,
}

/// What an erasure came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErasureEnd {
    /// Nothing that the tombstone covers is left: read back.
    Erased(ErasureReport),
    /// Something may be left; the sweeper goes on.
    Incomplete {
        /// What was deleted.
        report: ErasureReport,
        /// What is in the way, for the operator.
        what: String,
    },
}

/// The machine that erases one session or project.
#[derive(Clone, Debug)]
pub struct Erasure {
    settings: ErasureSettings,
    tombstone: Tombstone,
    /// Whether the tombstone is known to be written.
    is_durable: bool,
    /// Whether to look through the project's objects for those of the session without a row.
    lists_objects: bool,
    chance: Chance,
    state: State,
    /// Objects of the session that were found by looking through the project's, with their sizes.
    given: BTreeMap<String, u64>,
    phase: Phase,
    /// What to look at next, by object key.
    queue: BTreeMap<String, Item>,
    after_object: Option<String>,
    after_row: Option<(SessionKey, String)>,
    /// Whether this pass found something.
    found: bool,
    failures: u32,
    /// At so many it gives up.
    max_failures: u32,
    obstacle: Option<String>,
    report: ErasureReport,
}

#[derive(Clone, Debug)]
enum State {
    PutTombstone,
    CountCopies,
    EraseCopies,
    SessionRows,
    ListObjects,
    ListRows,
    Look(Item),
    Retire(Item),
    DeleteObject(Item),
    DeleteRow,
    Rewrite(Item),
    Rewritten,
    PutRow { object_key: String },
    Prune,
    CountLetters,
    EraseLetters,
    Waiting,
}

type Next = Step<ErasureEnd>;

impl Machine for Erasure {
    type End = ErasureEnd;

    fn step(&mut self, now: Now, answer: Option<Answer>) -> Next {
        let Some(answer) = answer else {
            *self = Self {
                given: std::mem::take(&mut self.given),
                lists_objects: self.lists_objects,
                max_failures: self.max_failures,
                ..Self::with(self.tombstone.clone(), self.is_durable, self.settings.clone())
            };
            self.report.audit.at_ms = now.unix_ms;
            return self.begin(now);
        };
        let state = std::mem::replace(&mut self.state, State::Waiting);
        self.take(now, state, answer).unwrap_or_else(|what| self.failed(now, what))
    }
}

impl Erasure {
    /// An erasure asked for now. What its tombstone covers of a project is fixed when it starts.
    pub fn new(scope: EraseScope, settings: ErasureSettings) -> Self {
        Self::with(Tombstone { scope, erased_at_ms: 0 }, false, settings)
    }

    /// The same again over a tombstone that is there: what came back meanwhile goes.
    pub fn again(tombstone: Tombstone, settings: ErasureSettings) -> Self {
        Self::with(tombstone, true, settings)
    }

    /// The same over a session's tombstone when the project's objects were looked through already
    /// and these, with their sizes, are the session's.
    pub(super) fn over_found(
        tombstone: Tombstone,
        objects: BTreeMap<String, u64>,
        settings: ErasureSettings,
    ) -> Self {
        Self { given: objects, lists_objects: false, ..Self::again(tombstone, settings) }
    }

    fn with(tombstone: Tombstone, is_durable: bool, settings: ErasureSettings) -> Self {
        let audit = AuditEntry {
            at_ms: 0,
            actor: settings.actor.clone(),
            action: match tombstone.scope {
                EraseScope::Session(_) => "session_erase".into(),
                EraseScope::Project(_) => "project_erase".into(),
            },
            target: tombstone.scope.to_string(),
            bytes: 0,
        };
        let report = ErasureReport {
            tombstone: tombstone.clone(),
            copy_bytes: 0,
            objects_deleted: 0,
            objects_rewritten: 0,
            object_bytes: 0,
            letter_bytes: 0,
            passes: 0,
            audit,
        };
        Self {
            chance: Chance::new(settings.seed),
            settings,
            tombstone,
            is_durable,
            lists_objects: true,
            state: State::PutTombstone,
            given: BTreeMap::new(),
            phase: Phase::Objects,
            queue: BTreeMap::new(),
            after_object: None,
            after_row: None,
            found: false,
            failures: 0,
            max_failures: MAX_FAILURES,
            obstacle: None,
            report,
        }
    }

    fn begin(&mut self, now: Now) -> Next {
        let tombstone_first = self.settings.guards.has(Guard::TombstoneFirst);
        if !self.is_durable && tombstone_first {
            return self.put_tombstone(now);
        }
        self.begin_pass()
    }

    fn put_tombstone(&mut self, now: Now) -> Next {
        // Asked again after a failure it covers what was received meanwhile, too: until it is durable
        // nobody was told anything, and nothing kept those chunks from being written.
        self.tombstone.erased_at_ms = now.unix_ms;
        self.report.tombstone = self.tombstone.clone();
        self.ask(State::PutTombstone, Ask::PutTombstone(self.tombstone.clone()))
    }

    fn begin_pass(&mut self) -> Next {
        self.found = false;
        self.obstacle = None;
        self.phase = Phase::Objects;
        self.queue.clear();
        self.after_object = None;
        self.after_row = None;
        self.report.passes += 1;
        self.ask(State::CountCopies, Ask::CountErasableCopies(self.tombstone.clone()))
    }

    fn ask(&mut self, state: State, ask: Ask) -> Next {
        self.state = state;
        Step::Ask(ask)
    }

    /// Whether its stores failed so often that it ended.
    fn has_given_up(&self) -> bool {
        self.failures >= self.max_failures
    }

    fn failed(&mut self, now: Now, what: String) -> Next {
        self.failures += 1;
        if self.has_given_up() {
            return self.end(Some(what));
        }
        let ErasureSettings { back_off_ms, max_back_off_ms, .. } = self.settings;
        let wait_ms = self.chance.back_off_ms(self.failures, back_off_ms, max_back_off_ms);
        self.state = State::Waiting;
        Step::Wait { until_mono_ms: now.mono_ms.saturating_add(wait_ms) }
    }

    fn take(&mut self, now: Now, state: State, answer: Answer) -> Result<Next, String> {
        Ok(match state {
            State::Waiting => self.begin(now),
            State::PutTombstone => {
                answer.done()?;
                self.is_durable = true;
                if self.settings.guards.has(Guard::TombstoneFirst) {
                    self.begin_pass()
                } else {
                    self.end(None)
                }
            }
            State::CountCopies if answer.clone().count()? > 0 => {
                self.found = true;
                self.ask(State::EraseCopies, Ask::EraseCopies(self.tombstone.clone()))
            }
            State::CountCopies => self.begin_objects(),
            State::EraseCopies => {
                self.report.copy_bytes += answer.count()?;
                self.begin_objects()
            }
            State::SessionRows => self.take_session_rows(answer.rows()?),
            State::ListObjects => self.take_heads(answer.heads()?),
            State::ListRows => self.take_rows(answer.rows()?),
            State::Look(item) => self.looked(item, answer.object()?),
            State::Retire(item) => self.retired(item, answer.written()?),
            State::DeleteObject(item) => {
                answer.done()?;
                self.report.objects_deleted += 1;
                self.report.object_bytes += item.size;
                self.deleted(item)
            }
            State::Rewrite(item) => self.rewrote(item, answer.written()?),
            State::Rewritten => self.read_back(answer.object()?),
            State::PutRow { object_key } => {
                answer.done()?;
                self.ask(State::Prune, Ask::PruneObject { object_key })
            }
            State::DeleteRow | State::Prune => {
                answer.done()?;
                self.next_item()
            }
            State::CountLetters if answer.clone().count()? > 0 => {
                self.found = true;
                self.ask(State::EraseLetters, Ask::EraseLetters(self.tombstone.clone()))
            }
            State::CountLetters => self.end_pass(now),
            State::EraseLetters => {
                self.report.letter_bytes += answer.count()?;
                self.end_pass(now)
            }
        })
    }

    fn count_letters(&mut self) -> Next {
        self.ask(State::CountLetters, Ask::CountErasableLetters(self.tombstone.clone()))
    }

    fn end_pass(&mut self, now: Now) -> Next {
        self.given.clear();
        let reads_back = self.settings.guards.has(Guard::ErasureReadBack);
        if self.found && reads_back && self.report.passes < MAX_PASSES {
            return self.begin_pass();
        }
        if self.found && reads_back {
            self.obstacle = Some("something keeps coming back".into());
        }
        if !self.is_durable {
            return self.put_tombstone(now);
        }
        let obstacle = self.obstacle.take();
        self.end(obstacle)
    }

    fn end(&mut self, obstacle: Option<String>) -> Next {
        let mut report = self.report.clone();
        report.audit.bytes = report.copy_bytes + report.object_bytes + report.letter_bytes;
        Step::Done(match obstacle {
            None => ErasureEnd::Erased(report),
            Some(what) => ErasureEnd::Incomplete { report, what },
        })
    }
}
