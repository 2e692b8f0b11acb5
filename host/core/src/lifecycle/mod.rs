//! What becomes of stored chunks: moved to the cold store, ended on time, erased on request.
//!
//! Each machine is a pure [`Machine`]: it asks one thing of the stores at a time, is handed the
//! answer, and asks the next. It holds descriptions of chunks and never their bytes. Every ask can be
//! repeated: a machine that dies after any of them is started anew and comes to the same end, and
//! several may run over one session.
//!
//! What the machines rely on:
//!
//! - A write of an object is conditional (where the store holds no conditions, [`ColdWrites::Once`]), a
//!   **delete is not** (MinIO ignores `If-Match` there). So an
//!   object is deleted only when nobody may add to it any more: its session is erased for good, or it
//!   is past its expiry, which migrators leave alone. An object whose chunks are all covered by a
//!   project's tombstone is first *retired*: overwritten, under the condition, by one without chunks
//!   that expired in 1970.
//! - A delete whose answer was lost is not asked again blindly: the machine looks first. Of the
//!   machines that delete objects (retention, erasure, reconciliation) one at a time may run over a
//!   project; any number of migrators may run beside it.
//! - Hot copies that a project's tombstone covers are left to the erasure, whose delete looks at the
//!   time of receipt: the same bytes may have been received again after it, under the same name.
//!
//! Known limit: a copy's name ([`crate::row::CopyId`]) does not say when it was received. If the very
//! bytes that a project's erasure covers are received again on the same day, in the moment between a
//! move's last look for tombstones and its delete, the delete takes the later copy for the earlier.

mod ask;
mod erasure;
mod migration;
mod migration_run;
mod once;
mod plan;
mod policy;
mod reconcile;
mod retention;

#[cfg(test)]
mod tests;

pub use ask::{
    Answer, Ask, AuditEntry, Machine, ObjectHead, ObjectLook, ObjectTag, Precondition, SessionAge, Step,
};
pub use erasure::{Erasure, ErasureEnd, ErasureReport, ErasureSettings, ErasureSweep, SweepReport};
pub use migration::{MoveEnd, MoveSettings, SessionMove};
pub use migration_run::{Migration, MigrationReport, MigrationSettings, Share};
pub use once::ColdWrites;
pub use plan::{AssembleError, PlannedMember, WritePlan};
pub use policy::{Retention, RetentionPolicy};
pub use reconcile::{Finding, FindingKind, Reconcile, ReconcileReport, ReconcileSettings};
pub use retention::{RetentionReport, RetentionSettings, RetentionSweep};
