//! What to write for a session: its hot copies merged with the object that is there.
//!
//! A session usually has one object. It may have more (a store without conditional writes, see `once`,
//! or two first moves that saw different first events): then each has its own archive row, readers take
//! the union, and a merge goes to the oldest of them.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::ask::{ObjectLook, Precondition};
use crate::archive::{self, ArchiveError, ArchiveRow, Built, IndexEntry, Member, ObjectHeader, object_key};
use crate::identity::SessionKey;
use crate::row::{ChunkMeta, ChunkRow, Codec, CopyId};
use crate::tombstone::Tombstone;
use crate::winner::winners;

/// An object to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WritePlan {
    /// Where.
    pub object_key: String,
    /// What it says of itself.
    pub header: ObjectHeader,
    /// Its chunks in order of play. None retires the object.
    pub members: Vec<PlannedMember>,
    /// Under which condition. [`Precondition::Matches`] names the object that kept members are
    /// copied from.
    pub precondition: Precondition,
}

/// Where the bytes of a member come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlannedMember {
    /// From the hot store; to be recompressed if its codec is not the header's.
    Hot(ChunkMeta),
    /// From the object that is there.
    Kept(IndexEntry),
}

/// Why a plan cannot be carried out.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum AssembleError {
    /// A copy or the object is gone: answer [`super::Answer::SourceChanged`].
    #[error("what was to be written changed meanwhile")]
    SourceChanged,
    /// The bytes do not fit the plan.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A copy cannot be recompressed.
    #[error("recompressing: {0}")]
    Recompress(String),
}

impl WritePlan {
    /// The hot copies to read.
    pub fn copies(&self) -> Vec<CopyId> {
        self.hot_members().map(ChunkMeta::copy_id).collect()
    }

    /// Whether the bytes of the object that is there are needed.
    pub fn needs_old_object(&self) -> bool {
        self.members.iter().any(|member| matches!(member, PlannedMember::Kept(_)))
    }

    /// Compressed bytes of the object's chunks as they lie now, if any comes from the hot store; `None` if the
    /// object only loses some.
    pub fn grows_to(&self) -> Option<u64> {
        self.hot_members().next()?;
        let bytes = |member: &PlannedMember| match member {
            PlannedMember::Hot(meta) => meta.compressed_size,
            PlannedMember::Kept(entry) => entry.length,
        };
        Some(self.members.iter().fold(0, |sum, member| sum.saturating_add(bytes(member))))
    }

    /// Puts the object together from what was read. `recompress` takes a chunk's bytes from one codec
    /// to another.
    pub fn assemble(
        &self,
        rows: Vec<ChunkRow>,
        old_object: Option<&Bytes>,
        mut recompress: impl FnMut(&Bytes, Codec, Codec) -> Result<Bytes, String>,
    ) -> Result<Built, AssembleError> {
        let codec = self.header.codec;
        let data_of: BTreeMap<CopyId, Bytes> =
            rows.into_iter().map(|row| (row.meta.copy_id(), row.data)).collect();
        let mut members = Vec::with_capacity(self.members.len());
        for planned in &self.members {
            members.push(match planned {
                PlannedMember::Hot(meta) => {
                    let stored = data_of.get(&meta.copy_id()).ok_or(AssembleError::SourceChanged)?;
                    let data = if meta.codec == codec {
                        stored.clone()
                    } else {
                        recompress(stored, meta.codec, codec).map_err(AssembleError::Recompress)?
                    };
                    Member::of_copy(meta, codec, data)?
                }
                PlannedMember::Kept(entry) => {
                    Member::of_object(entry, codec, old_object.ok_or(AssembleError::SourceChanged)?)?
                }
            });
        }
        Ok(archive::build(self.object_key.clone(), self.header.clone(), members)?)
    }

    fn hot_members(&self) -> impl Iterator<Item = &ChunkMeta> {
        self.members.iter().filter_map(|member| match member {
            PlannedMember::Hot(meta) => Some(meta),
            PlannedMember::Kept(_) => None,
        })
    }
}

/// The plan that closes an object to migrators before it is deleted: no chunks, and expired.
pub(super) fn retire(present: &ArchiveRow, precondition: Precondition) -> WritePlan {
    let generation = present.header.generation.saturating_add(1);
    WritePlan {
        object_key: present.object_key.clone(),
        header: ObjectHeader { generation, expires_at_ms: 0, ..present.header.clone() },
        members: Vec::new(),
        precondition,
    }
}

/// The plan that leaves the erased chunks out of an object.
pub(super) fn without_erased(
    present: &ArchiveRow,
    tombstones: &[Tombstone],
    precondition: Precondition,
) -> WritePlan {
    let session = &present.header.session;
    let kept = present.index.iter().filter(|entry| !covered(tombstones, session, entry.received_at_ms));
    let generation = present.header.generation.saturating_add(1);
    WritePlan {
        object_key: present.object_key.clone(),
        header: ObjectHeader { generation, ..present.header.clone() },
        members: kept.cloned().map(PlannedMember::Kept).collect(),
        precondition,
    }
}

/// Whether any tombstone covers a chunk of the session that was received then.
pub(super) fn covered(tombstones: &[Tombstone], session: &SessionKey, received_at_ms: u64) -> bool {
    tombstones.iter().any(|tombstone| tombstone.covers(session, received_at_ms))
}

/// What a move has read of a session.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) session: SessionKey,
    pub(super) tombstones: Vec<Tombstone>,
    pub(super) copies: Vec<ChunkMeta>,
    pub(super) rows: Vec<ArchiveRow>,
    /// In the order of [`Known::keys`].
    pub(super) looks: Vec<(String, ObjectLook)>,
}

/// What to do about a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// There is nothing to move.
    Nothing,
    /// The objects hold every hot copy already.
    Keep,
    /// Write this.
    Write(WritePlan),
    /// Every chunk of the object is erased and none is to be added: empty it and close it. Deleting
    /// it is the erasure's.
    Retire(WritePlan),
    /// Retention is about to delete the object.
    WaitForRetention,
    /// A person has to look.
    Stuck(String),
}

impl Known {
    pub(super) fn new(session: SessionKey) -> Self {
        let (tombstones, copies, rows, looks) = Default::default();
        Self { session, tombstones, copies, rows, looks }
    }

    pub(super) fn is_erased(&self, received_at_ms: u64) -> bool {
        covered(&self.tombstones, &self.session, received_at_ms)
    }

    pub(super) fn uncovered_copies(&self) -> impl Iterator<Item = &ChunkMeta> {
        self.copies.iter().filter(|copy| !self.is_erased(copy.received_at_ms))
    }

    /// The objects to look into, the one to merge into first: those of archive rows that have not
    /// expired, the oldest first; without rows, the one that a first move writes (it may lie there
    /// already, from a move that ended between its write and its row). `None`: wait for retention.
    pub(super) fn keys(&self, first_codec: Codec, is_expired: impl Fn(u64) -> bool) -> Option<Vec<String>> {
        if self.rows.is_empty() {
            let first_event_ms = self.copies.iter().map(|copy| copy.key.timestamp_start_ms).min();
            return Some(
                first_event_ms.map(|ms| object_key(&self.session, first_codec, ms)).into_iter().collect(),
            );
        }
        let mut live: Vec<&ArchiveRow> =
            self.rows.iter().filter(|row| !is_expired(row.header.expires_at_ms)).collect();
        live.sort_by_key(|row| (row.header.first_moved_at_ms, &row.object_key));
        (!live.is_empty()).then(|| live.into_iter().map(|row| row.object_key.clone()).collect())
    }

    /// What to do, given the header of a first object and which expiries have passed.
    pub(super) fn plan(&self, first: &ObjectHeader, is_expired: impl Fn(u64) -> bool) -> Plan {
        let Some(((target_key, target), others)) = self.looks.split_first() else { return Plan::Nothing };
        let others: Vec<&ArchiveRow> =
            present(others).filter(|row| !is_expired(row.header.expires_at_ms)).collect();
        let row = self.rows.iter().find(|row| row.object_key == *target_key);
        let (base, precondition) = match target {
            ObjectLook::Absent => (None, Precondition::Absent),
            ObjectLook::Present { tag, row } => (Some(row), Precondition::Matches(tag.clone())),
            ObjectLook::Damaged { tag, what, .. } => {
                // Nothing was deleted for a chunk that its row does not name.
                let named = row.iter().flat_map(|row| &row.index);
                let lost = named.filter(|entry| !self.is_erased(entry.received_at_ms)).any(|entry| {
                    let meta = entry.meta(&self.session, first.codec);
                    let is_hot = self
                        .uncovered_copies()
                        .any(|copy| copy.key == entry.key && copy.rank() >= entry.rank());
                    !is_hot && !others.iter().any(|other| self.holds(other, &meta))
                });
                if lost {
                    return Plan::Stuck(format!(
                        "{target_key} is damaged and holds what is nowhere else: {what}"
                    ));
                }
                (None, Precondition::Matches(tag.clone()))
            }
        };
        if base.is_some_and(|base| base.header.session != self.session) {
            return Plan::Stuck(format!("{target_key} is the object of another session"));
        }
        if base.is_some_and(|base| is_expired(base.header.expires_at_ms)) {
            return Plan::WaitForRetention;
        }
        let members = self.merge(base.map(|row| &**row), &others);
        let news = members.iter().any(|member| matches!(member, PlannedMember::Hot(_)));
        let drops = base.is_some_and(|base| members.len() < base.index.len());
        let kept_header = base.map(|base| &base.header).or(row.map(|row| &row.header)).unwrap_or(first);
        let header = ObjectHeader { generation: self.next_generation(), ..kept_header.clone() };
        match base {
            Some(base) if members.is_empty() && !base.index.is_empty() => {
                let WritePlan { object_key, header: retired, .. } = retire(base, precondition.clone());
                let header = ObjectHeader { generation: header.generation, ..retired };
                Plan::Retire(WritePlan { object_key, header, members, precondition })
            }
            None if members.is_empty() && others.is_empty() => Plan::Nothing,
            _ if !news && !drops => Plan::Keep,
            _ => Plan::Write(WritePlan { object_key: target_key.clone(), header, members, precondition }),
        }
    }

    /// One member for each chunk that is not erased: the winner over the hot copies that no object
    /// holds yet and the object's own.
    pub(super) fn merge(&self, base: Option<&ArchiveRow>, others: &[&ArchiveRow]) -> Vec<PlannedMember> {
        let mut hot: Vec<&ChunkMeta> = self
            .uncovered_copies()
            .filter(|copy| !others.iter().copied().chain(base).any(|object| self.holds(object, copy)))
            .collect();
        // Of equal copies the one received last stays longest: a project's erasure may lie between.
        hot.sort_by_key(|copy| std::cmp::Reverse(copy.received_at_ms));
        let kept = base.into_iter().flat_map(|base| &base.index);
        let kept = kept.filter(|entry| !self.is_erased(entry.received_at_ms));
        let copies = hot.into_iter().cloned().map(PlannedMember::Hot);
        winners(copies.chain(kept.cloned().map(PlannedMember::Kept)), |member| match member {
            PlannedMember::Hot(meta) => (meta.key, meta.rank()),
            PlannedMember::Kept(entry) => (entry.key, entry.rank()),
        })
    }

    /// Whether the object stands for this copy: it has the chunk at a greater rank, or the same bytes
    /// received no earlier (else an erasure of the project could take the one and not the other).
    pub(super) fn holds(&self, object: &ArchiveRow, copy: &ChunkMeta) -> bool {
        let found = object.index.binary_search_by(|entry| entry.key.cmp(&copy.key));
        found.ok().and_then(|position| object.index.get(position)).is_some_and(|entry| {
            !self.is_erased(entry.received_at_ms)
                && (entry.rank(), entry.received_at_ms) >= (copy.rank(), copy.received_at_ms)
        })
    }

    pub(super) fn next_generation(&self) -> u64 {
        let of_rows = self.rows.iter().map(|row| row.header.generation);
        let of_objects = present(&self.looks).map(|row| row.header.generation);
        of_rows.chain(of_objects).max().unwrap_or(0).saturating_add(1)
    }
}

fn present(looks: &[(String, ObjectLook)]) -> impl Iterator<Item = &ArchiveRow> {
    looks.iter().filter_map(|(_, look)| match look {
        ObjectLook::Present { row, .. } => Some(&**row),
        ObjectLook::Absent | ObjectLook::Damaged { .. } => None,
    })
}
