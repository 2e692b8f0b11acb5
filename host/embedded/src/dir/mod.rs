//! A directory as cold store: an object is a file whose path is its key.
//!
//! Reads take no lock: an object's file is never changed, only replaced by a rename or removed.
//! Whatever changes the tree holds the root's lock file, across processes too.
//!
//! - **Write.** Temporary file under `.tmp/`, `fsync`, lock, look at the precondition, rename,
//!   `fsync` of the folder. What a crash leaves under `.tmp/` is cleared at the next open, and by
//!   the deletion of its key.
//! - **Tag.** The file's modification time in microseconds and its size. The store sets that time
//!   itself and keeps the last one in the lock file, so that it rises with every write, whatever the
//!   clock does: a tag never comes back, not even with the same bytes (no ABA).
//! - **Metadata** lies in `KEY.meta.json` beside the object, for people; nothing reads it.
//!
//! Keys that differ in case alone need a file system that tells them apart.

mod files;
mod key;
mod listing;
mod lock;
mod metadata;
mod store;

pub use store::DirCold;

pub(crate) use files::make_dirs;
