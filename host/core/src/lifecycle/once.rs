//! What to write for a session where the store does not hold the conditions of writes.
//!
//! There each move writes an object of its own, with what no object holds yet, under a key that nobody
//! else can come to (its hash is of what is written, by whom, and when). Nobody merges into another's
//! object: all that is ever written over one is what leaves erased chunks out of it, by its own writer
//! right after an erasure came in between, or by the erasure. Whatever order these come in, the chunks
//! that nobody erased stay, and whoever wrote last looks for tombstones afterwards.
//!
//! The names of the objects cannot be known beforehand, so a move lists them: one that a dead move left
//! without an archive row is found, and stands for its chunks.

use super::ask::{ObjectHead, ObjectLook, ObjectTag, Precondition};
use super::plan::{Known, Plan, PlannedMember, WritePlan, retire, without_erased};
use crate::archive::{ArchiveRow, IndexEntry, ObjectHeader, key_stem, once_key, stem_of};
use crate::winner::ContentHash;

/// So many objects of a session are listed; rows name the others.
pub(super) const MAX_LISTED: usize = 1_000;

/// How the cold store is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColdWrites {
    /// Under conditions, which the store holds: one object a session.
    Conditional,
    /// Without: an object for each move.
    Once {
        /// A number that no other process has.
        writer: u64,
    },
}

/// What makes an object's name its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signature {
    pub(super) writer: u64,
    pub(super) unix_ms: u64,
}

impl Signature {
    fn hash(self, header: &ObjectHeader, members: &[PlannedMember]) -> ContentHash {
        let mut numbers = vec![self.writer, self.unix_ms, header.generation, header.first_moved_at_ms];
        for member in members {
            let (key, (version, hash)) = match member {
                PlannedMember::Hot(meta) => (meta.key, meta.rank()),
                PlannedMember::Kept(entry) => (entry.key, entry.rank()),
            };
            numbers.extend([key.timestamp_start_ms, key.chunk_index.into(), version.as_u64(), hash.0]);
        }
        let bytes: Vec<u8> = numbers.into_iter().flat_map(u64::to_be_bytes).collect();
        ContentHash::of(&bytes)
    }
}

struct Found<'a> {
    key: &'a str,
    tag: &'a ObjectTag,
    row: &'a ArchiveRow,
}

impl Known {
    /// What the session's keys begin with; `None` if there is nothing to move. With its dot it is what
    /// to list.
    pub(super) fn stem(&self) -> Option<String> {
        let oldest = self.rows.iter().min_by_key(|row| (row.header.first_moved_at_ms, &row.object_key));
        let of_row = oldest.and_then(|row| stem_of(&row.object_key)).map(str::to_owned);
        let first_event_ms = || self.copies.iter().map(|copy| copy.key.timestamp_start_ms).min();
        of_row.or_else(|| first_event_ms().map(|ms| key_stem(&self.session, ms)))
    }

    /// The objects to look into: those of rows, those that were listed, and those of this move itself.
    pub(super) fn keys_of_all(&self, listed: Vec<ObjectHead>, touched: &[String]) -> Vec<String> {
        let of_rows = self.rows.iter().map(|row| row.object_key.clone());
        let listed = listed.into_iter().map(|head| head.key);
        let mut keys: Vec<String> = of_rows.chain(listed).chain(touched.iter().cloned()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// What to do, given the header of a first object, which objects are this move's own, and which
    /// expiries have passed.
    pub(super) fn plan_once(
        &self,
        first: &ObjectHeader,
        signature: Signature,
        touched: &[String],
        is_expired: impl Fn(u64) -> bool,
    ) -> Plan {
        let objects: Vec<Found<'_>> = self.living(&is_expired).collect();
        for own in objects.iter().filter(|found| touched.iter().any(|key| key == found.key)) {
            let erased = |entry: &&IndexEntry| self.is_erased(entry.received_at_ms);
            let count = own.row.index.iter().filter(erased).count();
            let precondition = Precondition::Matches(own.tag.clone());
            if count > 0 && count == own.row.index.len() {
                return Plan::Retire(retire(own.row, precondition));
            }
            if count > 0 {
                return Plan::Write(without_erased(own.row, &self.tombstones, precondition));
            }
        }
        let rows: Vec<&ArchiveRow> = objects.iter().map(|found| found.row).collect();
        let members = self.merge(None, &rows);
        if members.is_empty() {
            return if objects.is_empty() { Plan::Nothing } else { Plan::Keep };
        }
        let living = self.rows.iter().filter(|row| !is_expired(row.header.expires_at_ms));
        let headers = living.chain(rows.iter().copied()).map(|row| &row.header);
        let oldest = headers.min_by_key(|header| header.first_moved_at_ms).unwrap_or(first);
        let header =
            ObjectHeader { codec: first.codec, generation: self.next_generation(), ..oldest.clone() };
        let stem = self.stem().unwrap_or_default();
        let object_key = once_key(&stem, signature.hash(&header, &members), header.codec);
        Plan::Write(WritePlan { object_key, header, members, precondition: Precondition::Absent })
    }

    /// Of the objects that were looked into, those that this move rests on: they hold a copy that is
    /// still hot, or no row names them as they are.
    pub(super) fn keys_that_count(&self, is_expired: impl Fn(u64) -> bool) -> Vec<String> {
        let counts = |found: &Found<'_>| {
            let is_named = self.rows.iter().any(|row| {
                row.object_key == found.key && row.header.generation >= found.row.header.generation
            });
            !is_named || self.uncovered_copies().any(|copy| self.holds(found.row, copy))
        };
        self.living(&is_expired).filter(counts).map(|found| found.key.to_owned()).collect()
    }

    fn living<'a>(&'a self, is_expired: &'a impl Fn(u64) -> bool) -> impl Iterator<Item = Found<'a>> {
        self.looks.iter().filter_map(move |(key, look)| match look {
            ObjectLook::Present { tag, row } => {
                let is_ours = row.header.session == self.session && !is_expired(row.header.expires_at_ms);
                is_ours.then_some(Found { key, tag, row })
            }
            ObjectLook::Absent | ObjectLook::Damaged { .. } => None,
        })
    }
}
