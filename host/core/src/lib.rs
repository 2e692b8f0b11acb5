//! The heart of the replay processor, pure: no I/O, no clock, no async, no randomness.
//!
//! Inputs and `now` go in, actions come out; everything clever is testable without a server, and a
//! seed repeats. Data flows one way: `record` and `decode` read what arrived, `pipeline` keeps the
//! books until it is stored, `archive` and `lifecycle` move and end what was stored.
//!
//! # Invariants
//!
//! Checked by the simulation (`tests/simulation`) after every step:
//!
//! 1. A committed offset never passes the lowest unsettled record of its partition.
//! 2. Every record ends stored, dead-lettered, skipped, dropped by a plugin's verdict, or
//!    uncommitted. None disappears.
//! 3. Every queue, buffer and age is bounded; at the budget partitions pause while polling goes on.
//! 4. A result of a passed epoch never commits, and never wedges a partition that was retained.
//! 5. Whatever was stored, how often and in what grouping, readers see exactly one copy of a chunk:
//!    the winner.
//! 6. What is sealed decodes to what was received (or to what the plugins made of it).
//! 7. No hot copy is deleted before its cold copy and its archive row were read back and verified,
//!    and only the copies that were read are deleted. A reader at any moment sees every stored chunk.
//! 8. A plugin's failure follows the tenant's policy, and touches no other tenant's data or time.
//! 9. What is erased stays erased: no later write, migration or read brings it back.

pub mod archive;
mod chance;
pub mod codec;
pub mod dead_letter;
pub mod decode;
pub mod guards;
pub mod identity;
pub mod json;
pub mod lifecycle;
pub mod pipeline;
pub mod record;
pub mod reject;
pub mod row;
pub mod rrweb;
pub mod time;
pub mod tombstone;
pub mod winner;
