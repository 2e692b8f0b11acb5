//! Compares what the archive says with what lies in the cold store, and mends what is safe to mend.
//!
//! | found | mended by |
//! |---|---|
//! | an object without a row, older than the grace | a row made of the object's own index |
//! | a row older than its object | the same |
//! | a row without an object | deleting the row, if nothing is lost by it (below) |
//! | a row without an object that named the only copy | nothing, unless told to forget what is lost |
//! | an object older than its row, a damaged object, a key that is none of ours | nothing: a person looks |
//! | an object of an erased session | nothing: the erasure's sweeper deletes it |
//!
//! A row without an object says which chunks there were. Nothing is lost by deleting it if it had
//! expired, or if each of its chunks is erased or still hot at an equal or greater rank: the next move
//! then makes a new object. Else the row is all that tells a reader that something is missing, and a
//! bucket may be restored from a backup: it stays until the operator gives it up.

use super::ask::{Answer, Ask, Machine, ObjectHead, ObjectLook, Step};
use super::plan::Known;
use crate::archive::{ArchiveRow, session_of_key};
use crate::identity::SessionKey;
use crate::time::Now;
use crate::tombstone::EraseScope;

/// So many findings are told one by one.
const MAX_TOLD: usize = 10_000;

/// What a reconciliation goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReconcileSettings {
    /// Objects younger than this, milliseconds, may be in the middle of a move and are passed by.
    pub grace_ms: u64,
    /// Objects or rows listed at a time.
    pub batch_size: usize,
    /// Whether to mend, or only to tell.
    pub repair: bool,
    /// Whether rows of lost objects go too.
    pub forget_lost: bool,
}

/// Something that does not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: FindingKind,
    /// The object's key.
    pub object_key: String,
    /// Whether it was mended.
    pub repaired: bool,
}

/// What does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// An object without a row.
    OrphanObject,
    /// A row older than its object.
    StaleRow,
    /// A row without an object; nothing is lost.
    RowWithoutObject,
    /// A row without an object, and chunks that are nowhere else.
    LostObject,
    /// An object older than its row: the cold store went back in time.
    ObjectOlderThanRow,
    /// An object that does not read.
    DamagedObject,
    /// An object of an erased session.
    ErasedObject,
    /// A key that is none of ours.
    ForeignKey,
}

/// What a reconciliation came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReconcileReport {
    /// Objects compared.
    pub objects: u64,
    /// Archive rows compared.
    pub rows: u64,
    /// What does not match; at most 10,000 are told.
    pub findings: Vec<Finding>,
    /// How many there are.
    pub found: u64,
    /// Why it could not go on.
    pub failed: Option<String>,
}

/// The machine of one reconciliation.
#[derive(Clone, Debug)]
pub struct Reconcile {
    settings: ReconcileSettings,
    state: State,
    heads: Vec<ObjectHead>,
    after_object: Option<String>,
    rows: Vec<ArchiveRow>,
    after_row: Option<(SessionKey, String)>,
    report: ReconcileReport,
}

#[derive(Clone, Debug)]
enum State {
    ListObjects,
    ObjectTombstones(String, SessionKey),
    ObjectRows(String),
    Look(String, Option<u64>),
    ListRows,
    Head(Box<ArchiveRow>),
    RowTombstones(Box<ArchiveRow>),
    RowCopies(Box<ArchiveRow>, Box<Known>),
    /// A repair of the last finding; then on with objects or rows.
    RepairRow,
    RepairObject,
}

type Next = Step<ReconcileReport>;

impl Machine for Reconcile {
    type End = ReconcileReport;

    fn step(&mut self, now: Now, answer: Option<Answer>) -> Next {
        let Some(answer) = answer else {
            *self = Self::new(self.settings.clone());
            return self.ask_objects();
        };
        let state = std::mem::replace(&mut self.state, State::ListObjects);
        self.take(now, state, answer).unwrap_or_else(|what| self.end(Some(what)))
    }
}

impl Reconcile {
    /// A reconciliation that has not started.
    pub fn new(settings: ReconcileSettings) -> Self {
        Self {
            settings,
            state: State::ListObjects,
            heads: Vec::new(),
            after_object: None,
            rows: Vec::new(),
            after_row: None,
            report: ReconcileReport::default(),
        }
    }

    fn take(&mut self, now: Now, state: State, answer: Answer) -> Result<Next, String> {
        Ok(match state {
            State::ListObjects => self.take_heads(now, answer.heads()?),
            State::ObjectTombstones(object_key, session) => {
                let erased = |scope: &EraseScope| *scope == EraseScope::Session(session.clone());
                if answer.tombstones()?.iter().any(|tombstone| erased(&tombstone.scope)) {
                    self.find(FindingKind::ErasedObject, &object_key);
                    return Ok(self.next_object(now));
                }
                self.ask(State::ObjectRows(object_key), Ask::ArchiveRows(session))
            }
            State::ObjectRows(object_key) => {
                let mut rows = answer.rows()?.into_iter();
                let row = rows.find(|row| row.object_key == object_key);
                let generation = row.map(|row| row.header.generation);
                let ask = Ask::LookAt { object_key: object_key.clone(), verify: true };
                self.ask(State::Look(object_key, generation), ask)
            }
            State::Look(object_key, generation) => {
                self.looked(now, &object_key, generation, answer.object()?)
            }
            State::ListRows => self.take_rows(answer.rows()?),
            State::Head(row) if answer.clone().heads()?.is_empty() => {
                let session = row.header.session.clone();
                self.ask(State::RowTombstones(row), Ask::Tombstones(session))
            }
            State::Head(_) => self.next_row(),
            State::RowTombstones(row) => {
                let mut known = Known::new(row.header.session.clone());
                known.tombstones = answer.tombstones()?;
                let session = row.header.session.clone();
                self.ask(State::RowCopies(row, Box::new(known)), Ask::Copies(session))
            }
            State::RowCopies(row, mut known) => {
                known.copies = answer.copies()?;
                self.row_without_object(now, &row, &known)
            }
            State::RepairRow => {
                answer.done()?;
                self.mark_repaired();
                self.next_row()
            }
            State::RepairObject => {
                answer.done()?;
                self.mark_repaired();
                self.next_object(now)
            }
        })
    }

    fn ask(&mut self, state: State, ask: Ask) -> Next {
        self.state = state;
        Step::Ask(ask)
    }

    fn limit(&self) -> usize {
        self.settings.batch_size.max(1)
    }

    fn ask_objects(&mut self) -> Next {
        let (after, limit) = (self.after_object.clone(), self.limit());
        self.ask(State::ListObjects, Ask::ListObjects { prefix: String::new(), after, limit })
    }

    fn take_heads(&mut self, now: Now, heads: Vec<ObjectHead>) -> Next {
        let is_full = heads.len() >= self.limit();
        self.after_object = heads.last().filter(|_| is_full).map(|head| head.key.clone());
        self.heads = heads;
        self.heads.reverse();
        self.next_object(now)
    }

    fn next_object(&mut self, now: Now) -> Next {
        while let Some(head) = self.heads.pop() {
            if now.unix_ms.saturating_sub(head.modified_at_ms) < self.settings.grace_ms {
                continue;
            }
            self.report.objects += 1;
            let Some(session) = session_of_key(&head.key) else {
                self.find(FindingKind::ForeignKey, &head.key);
                continue;
            };
            return self.ask(State::ObjectTombstones(head.key, session.clone()), Ask::Tombstones(session));
        }
        if self.after_object.is_some() { self.ask_objects() } else { self.ask_rows() }
    }

    fn looked(&mut self, now: Now, object_key: &str, of_row: Option<u64>, look: ObjectLook) -> Next {
        let row = match look {
            ObjectLook::Absent => return self.next_object(now),
            ObjectLook::Damaged { .. } => {
                self.find(FindingKind::DamagedObject, object_key);
                return self.next_object(now);
            }
            ObjectLook::Present { row, .. } => row,
        };
        let kind = match of_row {
            None => FindingKind::OrphanObject,
            Some(generation) if generation < row.header.generation => FindingKind::StaleRow,
            Some(generation) if generation > row.header.generation => {
                self.find(FindingKind::ObjectOlderThanRow, object_key);
                return self.next_object(now);
            }
            Some(_) => return self.next_object(now),
        };
        self.find(kind, object_key);
        if !self.settings.repair {
            return self.next_object(now);
        }
        self.ask(State::RepairObject, Ask::PutArchive(row))
    }

    fn ask_rows(&mut self) -> Next {
        let (after, limit) = (self.after_row.clone(), self.limit());
        self.ask(State::ListRows, Ask::ListArchive { project_id: None, expires_until_ms: None, after, limit })
    }

    fn take_rows(&mut self, rows: Vec<ArchiveRow>) -> Next {
        let is_full = rows.len() >= self.limit();
        self.after_row =
            rows.last().filter(|_| is_full).map(|row| (row.header.session.clone(), row.object_key.clone()));
        self.rows = rows;
        self.rows.reverse();
        self.next_row()
    }

    fn next_row(&mut self) -> Next {
        let Some(row) = self.rows.pop() else {
            return if self.after_row.is_some() { self.ask_rows() } else { self.end(None) };
        };
        self.report.rows += 1;
        let object_key = row.object_key.clone();
        self.ask(State::Head(Box::new(row)), Ask::Head { object_key })
    }

    /// The row up to its generation goes: one that a move writes meanwhile has a greater one.
    fn row_without_object(&mut self, now: Now, row: &ArchiveRow, known: &Known) -> Next {
        let is_safe = |entry: &crate::archive::IndexEntry| {
            let is_hot = |copy: &crate::row::ChunkMeta| copy.key == entry.key && copy.rank() >= entry.rank();
            known.is_erased(entry.received_at_ms) || known.uncovered_copies().any(is_hot)
        };
        let nothing_lost = row.header.expires_at_ms <= now.unix_ms || row.index.iter().all(is_safe);
        let kind = if nothing_lost { FindingKind::RowWithoutObject } else { FindingKind::LostObject };
        self.find(kind, &row.object_key);
        if !self.settings.repair || !(nothing_lost || self.settings.forget_lost) {
            return self.next_row();
        }
        let (session, generation) = (row.header.session.clone(), row.header.generation);
        let object_key = row.object_key.clone();
        self.ask(State::RepairRow, Ask::DeleteArchive { session, object_key, generation })
    }

    fn find(&mut self, kind: FindingKind, object_key: &str) {
        self.report.found += 1;
        if self.report.findings.len() < MAX_TOLD {
            self.report.findings.push(Finding { kind, object_key: object_key.to_owned(), repaired: false });
        }
    }

    fn mark_repaired(&mut self) {
        if self.report.found as usize == self.report.findings.len()
            && let Some(finding) = self.report.findings.last_mut()
        {
            finding.repaired = true;
        }
    }

    fn end(&mut self, failed: Option<String>) -> Next {
        self.report.failed = failed;
        Step::Done(std::mem::take(&mut self.report))
    }
}
