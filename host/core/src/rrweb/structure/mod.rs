//! What leaves the events beside text: positions, requests, headers, and what is inside of an element.
//!
//! Nothing here is asked while fields are scanned. `tape` reads one event into values that know where
//! they are; `gaps` is what is left out of its arrays and objects; `block` and `items` find out what that
//! is; `topology` knows who is inside whom; `glance` answers what plugins ask of moves and nodes.

mod block;
mod gaps;
mod glance;
mod items;
mod tape;
mod topology;

pub(super) use block::block;
pub(super) use gaps::Gaps;
pub(super) use glance::{moves, nodes};
pub(super) use items::Items;

/// rrweb's event types and incremental sources that are read here.
const FULL_SNAPSHOT: u32 = 2;
const INCREMENTAL: u32 = 3;
const MUTATION: u32 = 0;
const MOVES: [u32; 3] = [1, 6, 12];
const SELECTION: u32 = 14;
