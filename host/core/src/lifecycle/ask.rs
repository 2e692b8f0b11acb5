//! What a lifecycle machine asks of the stores, and what it is answered.

use super::plan::WritePlan;
use crate::archive::ArchiveRow;
use crate::identity::{ProjectId, SessionKey};
use crate::row::{ChunkMeta, CopyId};
use crate::time::Now;
use crate::tombstone::Tombstone;

/// A machine over the stores.
pub trait Machine {
    /// What it comes to.
    type End;

    /// Starts (`None`), or takes the answer to the last ask; says what to do next. Started again, a
    /// machine begins from the beginning.
    fn step(&mut self, now: Now, answer: Option<Answer>) -> Step<Self::End>;
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<End> {
    /// Ask this, and step with the answer.
    Ask(Ask),
    /// Step again, with [`Answer::Done`], at this monotonic time or later.
    Wait {
        /// Milliseconds of `Now::mono_ms`.
        until_mono_ms: u64,
    },
    /// Over.
    Done(End),
}

/// One call to a store. The comment says what answers it; [`Answer::Failed`] may answer any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The tombstones that may cover the session: [`Answer::Tombstones`].
    Tombstones(SessionKey),
    /// Every tombstone: [`Answer::Tombstones`].
    AllTombstones,
    /// Write it durably: [`Answer::Done`].
    PutTombstone(Tombstone),
    /// Forget the tombstones of erasures before this, Unix milliseconds: [`Answer::Count`].
    DeleteTombstones {
        /// Unix milliseconds.
        before_ms: u64,
    },
    /// Every physical copy of the session: [`Answer::Copies`].
    Copies(SessionKey),
    /// A page of sessions by age: [`Answer::Ages`].
    SessionAges {
        /// Only those whose oldest copy was received before this, Unix milliseconds.
        oldest_before_ms: u64,
        /// Only those after this one.
        after: Option<SessionKey>,
        /// How many at most; fewer means that these were the last.
        limit: usize,
    },
    /// Delete exactly these copies: [`Answer::Count`].
    DeleteCopies {
        /// Of this session.
        session: SessionKey,
        /// Which.
        copies: Vec<CopyId>,
    },
    /// Delete every copy the tombstone covers: [`Answer::Count`] of bytes.
    EraseCopies(Tombstone),
    /// How many copies the tombstone covers are there: [`Answer::Count`].
    CountErasableCopies(Tombstone),
    /// The session's current archive rows: [`Answer::Rows`].
    ArchiveRows(SessionKey),
    /// A page of archive rows: [`Answer::Rows`].
    ListArchive {
        /// Only of this project.
        project_id: Option<ProjectId>,
        /// Only objects that expire at or before this, Unix milliseconds.
        expires_until_ms: Option<u64>,
        /// Only rows after this session and object key.
        after: Option<(SessionKey, String)>,
        /// How many at most.
        limit: usize,
    },
    /// Write an archive row: [`Answer::Done`].
    PutArchive(Box<ArchiveRow>),
    /// Delete an object's rows up to and including a generation: [`Answer::Done`].
    DeleteArchive {
        /// Whose.
        session: SessionKey,
        /// Of which object.
        object_key: String,
        /// The greatest generation to delete.
        generation: u64,
    },
    /// Look into an object: [`Answer::Object`]. With `verify` read it whole
    /// ([`crate::archive::row_of`]), else its index is enough; `sha256` may then be zero.
    LookAt {
        /// Its key.
        object_key: String,
        /// Whether every byte has to be checked.
        verify: bool,
    },
    /// An object's head: [`Answer::Heads`] with one or none.
    Head {
        /// Its key.
        object_key: String,
    },
    /// A page of objects by prefix: [`Answer::Heads`].
    ListObjects {
        /// What their keys start with.
        prefix: String,
        /// Only keys after this one.
        after: Option<String>,
        /// How many at most.
        limit: usize,
    },
    /// Carry out the plan ([`WritePlan::assemble`] puts the object together): [`Answer::Written`],
    /// [`Answer::PreconditionFailed`], or [`Answer::SourceChanged`].
    Write(Box<WritePlan>),
    /// Delete the object with all its versions and unfinished uploads: [`Answer::Done`].
    DeleteObject {
        /// Its key.
        object_key: String,
    },
    /// Delete the object's versions but the current one, and its unfinished uploads:
    /// [`Answer::Done`].
    PruneObject {
        /// Its key.
        object_key: String,
    },
    /// Delete every dead letter the tombstone covers: [`Answer::Count`] of bytes.
    EraseLetters(Tombstone),
    /// How many letters the tombstone covers are there: [`Answer::Count`].
    CountErasableLetters(Tombstone),
    /// Delete the letters that died before this: [`Answer::Count`].
    PurgeLetters {
        /// Unix milliseconds.
        before_ms: u64,
    },
}

/// What a store said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It did not work, or nobody knows whether it did.
    Failed {
        /// For the operator.
        what: String,
    },
    /// It is done.
    Done,
    /// How many, or how many bytes.
    Count(u64),
    /// Tombstones.
    Tombstones(Vec<Tombstone>),
    /// Physical copies of a session.
    Copies(Vec<ChunkMeta>),
    /// A page of sessions.
    Ages(Vec<SessionAge>),
    /// Archive rows.
    Rows(Vec<ArchiveRow>),
    /// What lies under a key.
    Object(ObjectLook),
    /// Heads of objects.
    Heads(Vec<ObjectHead>),
    /// Written, durable and visible.
    Written(Box<ArchiveRow>),
    /// The condition of the write did not hold; nothing was written.
    PreconditionFailed,
    /// A copy to write, or the object to copy from, is no longer what the plan was made of.
    SourceChanged,
}

/// Turns an answer into the kind that was asked for, or into what to tell the operator.
macro_rules! answers {
    ($($name:ident: $variant:ident => $kind:ty),* $(,)?) => {
        impl Answer {
            $(pub(super) fn $name(self) -> Result<$kind, String> {
                if let Self::$variant(value) = self { Ok(value) } else { Err(self.unexpected()) }
            })*
        }
    };
}

answers! {
    count: Count => u64,
    tombstones: Tombstones => Vec<Tombstone>,
    copies: Copies => Vec<ChunkMeta>,
    ages: Ages => Vec<SessionAge>,
    rows: Rows => Vec<ArchiveRow>,
    object: Object => ObjectLook,
    heads: Heads => Vec<ObjectHead>,
}

impl Answer {
    pub(super) fn done(self) -> Result<(), String> {
        if self == Self::Done { Ok(()) } else { Err(self.unexpected()) }
    }

    /// What was written; `None` if something came in between.
    pub(super) fn written(self) -> Result<Option<Box<ArchiveRow>>, String> {
        if matches!(self, Self::PreconditionFailed | Self::SourceChanged) {
            return Ok(None);
        }
        if let Self::Written(row) = self { Ok(Some(row)) } else { Err(self.unexpected()) }
    }

    fn unexpected(self) -> String {
        if let Self::Failed { what } = self { what } else { "the answer does not fit the question".into() }
    }
}

/// What lies under a key in the cold store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectLook {
    /// Nothing.
    Absent,
    /// Something that does not read as an object, or whose bytes are not what its index says.
    Damaged {
        /// Its tag.
        tag: ObjectTag,
        /// When it was written, Unix milliseconds; 0 if the store does not say.
        modified_at_ms: u64,
        /// For the operator.
        what: String,
    },
    /// An object, described by its own index.
    Present {
        /// Its tag.
        tag: ObjectTag,
        /// The description.
        row: Box<ArchiveRow>,
    },
}

/// Changes whenever an object's bytes change (an ETag).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectTag(pub String);

/// Under which condition a write takes place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// There is no object of that key (`If-None-Match: *`).
    Absent,
    /// The object of that key is still this one (`If-Match`).
    Matches(ObjectTag),
}

/// What a listing or a look says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectHead {
    /// Its key.
    pub key: String,
    /// Its tag.
    pub tag: ObjectTag,
    /// Its bytes.
    pub size: u64,
    /// When it was written, Unix milliseconds.
    pub modified_at_ms: u64,
}

/// How old a session's physical copies are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionAge {
    /// Which session.
    pub session: SessionKey,
    /// Receipt of its oldest copy, Unix milliseconds.
    pub oldest_received_at_ms: u64,
    /// Receipt of its newest copy, Unix milliseconds.
    pub newest_received_at_ms: u64,
}

/// Who erased what, when, and how much it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// Who asked: a user name, a token's name, or `sweeper`.
    pub actor: String,
    /// What was done, e.g. `session_erase`.
    pub action: String,
    /// To what: `project` or `project/session`.
    pub target: String,
    /// Bytes deleted.
    pub bytes: u64,
}
