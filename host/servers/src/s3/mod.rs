//! An S3-compatible object store as cold store: an object is an object, its key is its key.
//!
//! - **Tag.** The object's `ETag`. S3 puts conditions on nothing else, so the tag says what the bytes
//!   are, and the same bytes written again have the same tag; other bytes never have (the probe at the
//!   start sees to it that the store makes them so). That is what the port asks for: who holds a tag
//!   reads or replaces those bytes or none. Objects of ours hold their own generation, which rises.
//! - **Write.** One `PUT`, or parts from one buffer, under `If-None-Match: *` or `If-Match`, for an upload
//!   in parts at its completion. A write whose answer was lost is recognised by its id (`write`).
//! - **Delete** takes every version and every unfinished upload (`versions`): a versioned bucket keeps
//!   what was deleted otherwise. It is under no condition; some stores ignore one there.
//! - **Stores without conditional writes** are found out at the start (`probe`) and say so by
//!   `conditional_writes`: moves then write an object of their own each.
//! - **Absent** is only what the store says of an object; a bucket that is gone is an error.

mod bucket;
mod client;
mod contact;
mod doctor;
mod fault;
mod key;
mod probe;
mod reader;
mod settings;
mod store;
mod upload;
mod versions;
mod write;

pub use doctor::examine;
pub use reader::S3Reader;
pub use settings::S3Settings;
pub use store::S3Cold;
