//! ClickHouse: the hot store, and dead letters as a table beside it.
//!
//! The tables are `schema/*.sql`. Three things in them differ from the first sketch of the design:
//!
//! - The sorting key of `replay_chunks` ends with `content_hash`. The port speaks of physical copies, and
//!   names one by chunk, hash and day: with the hash in the key these are exactly the rows that a merge
//!   folds together. A merge that took a loser away would be right for readers, and yet leave a migrator
//!   with names of copies that come and go. Losers go when they are deleted by name.
//! - Two rows of one copy may differ in version (the chain's revision rose and changed nothing) and in
//!   receipt; `merge_rank` orders them, so that a merge keeps what a reader would.
//! - Sessions are sorted by `UUIDToNum(session_id)`, as their text sorts, so that pages follow the table.
//!   `WHERE session_id = …` finds its rows by the key all the same.
//!
//! Nothing trusts a merge: what waits for one is folded in every query (an age alone counts every receipt
//! of a copy until then; they are of one day).
//!
//! Deletes are waited for. Copies that were moved or have expired are masked (a lightweight `DELETE`), or
//! their part is dropped by name where nothing else is in it; the disk gets its bytes back a day at a
//! time (`parts`). An erasure is a mutation that rewrites, and leaves nothing that only a mask hides.
//!
//! Inserts are acknowledged after fsync; erased bytes leave the disk with the old parts, which the server
//! keeps for `old_parts_lifetime` (8 minutes unless changed).

mod archive_rows;
mod chunks;
mod dead;
mod dead_rows;
mod doctor;
mod failure;
mod hot;
mod marks;
mod parts;
mod rows;
pub mod schema;
mod server;
mod sessions;
mod settings;
mod sql;

pub use dead::ClickHouseDeadLetters;
pub use doctor::examine;
pub use hot::ClickHouseHot;
pub use parts::{DroppedDay, ProvenDay};
pub use settings::ClickHouseSettings;
