//! The model stores as the lifecycle's machines ask them, with the checks that no delete may fail.

use replay_core::archive::{ArchiveRow, IndexEntry, parse_key};
use replay_core::identity::SessionKey;
use replay_core::lifecycle::{
    Answer, Ask, ObjectHead, ObjectLook, ObjectTag, PlannedMember, Precondition, SessionAge, WritePlan,
};
use replay_core::row::{ChunkMeta, CopyId};
use replay_core::time::Now;
use replay_core::winner::winners;

use crate::model::{World, policy};

/// An object: what its own index says, and its tag.
#[derive(Clone)]
pub struct ModelObject {
    pub tag: u64,
    pub row: ArchiveRow,
}

/// Who asks; deletes are judged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    Migrator,
    Janitor,
}

impl World {
    pub fn hot_of<'a>(&'a self, session: &'a SessionKey) -> impl Iterator<Item = &'a ChunkMeta> {
        self.hot.iter().filter(move |((of, _), _)| of == session).map(|(_, meta)| meta)
    }

    pub fn archive_of<'a>(&'a self, session: &'a SessionKey) -> impl Iterator<Item = &'a ArchiveRow> {
        self.archive.values().filter(move |row| row.header.session == *session)
    }

    /// What a reader sees who reads everything in one moment.
    pub fn visible(&self, session: &SessionKey) -> Vec<ChunkMeta> {
        let hot = self.hot_of(session).cloned();
        let cold = self.archive_of(session).flat_map(|row| {
            let meta = |entry: &IndexEntry| entry.meta(session, row.header.codec);
            row.index.iter().map(meta).collect::<Vec<_>>()
        });
        let seen = hot.chain(cold).filter(|meta| !self.is_erased(session, meta.received_at_ms));
        winners(seen, |meta| (meta.key, meta.rank()))
    }

    /// Carries out one ask. `Err`: the ask itself breaks an invariant.
    pub fn carry_out(&mut self, ask: &Ask, by: Asker, now: Now) -> Result<Answer, String> {
        Ok(match ask {
            Ask::Tombstones(session) => Answer::Tombstones(self.tombstones_of(session)),
            Ask::AllTombstones => Answer::Tombstones(self.tombstones.clone()),
            Ask::PutTombstone(tombstone) => {
                self.tombstones.retain(|known| known.scope != tombstone.scope);
                self.tombstones.push(tombstone.clone());
                Answer::Done
            }
            Ask::DeleteTombstones { before_ms } => {
                self.tombstones.retain(|tombstone| tombstone.erased_at_ms >= *before_ms);
                Answer::Count(0)
            }
            Ask::Copies(session) => Answer::Copies(self.hot_of(session).cloned().collect()),
            Ask::SessionAges { oldest_before_ms, after, limit } => {
                Answer::Ages(self.ages(*oldest_before_ms, after.as_ref(), *limit))
            }
            Ask::DeleteCopies { session, copies } => self.delete_copies(session, copies, by, now)?,
            Ask::EraseCopies(tombstone) => {
                let before = self.hot.len();
                self.hot.retain(|(session, _), meta| !tombstone.covers(session, meta.received_at_ms));
                Answer::Count((before - self.hot.len()) as u64)
            }
            Ask::CountErasableCopies(tombstone) => Answer::Count(
                self.hot
                    .iter()
                    .filter(|((session, _), meta)| tombstone.covers(session, meta.received_at_ms))
                    .count() as u64,
            ),
            Ask::ArchiveRows(session) => Answer::Rows(self.archive_of(session).cloned().collect()),
            Ask::ListArchive { project_id, expires_until_ms, after, limit } => {
                let matches = |row: &&ArchiveRow| {
                    let place = (row.header.session.clone(), row.object_key.clone());
                    project_id.as_ref().is_none_or(|project_id| row.header.session.project_id == *project_id)
                        && expires_until_ms.is_none_or(|until_ms| row.header.expires_at_ms <= until_ms)
                        && after.as_ref().is_none_or(|after| place > *after)
                };
                Answer::Rows(self.archive.values().filter(matches).take(*limit).cloned().collect())
            }
            Ask::PutArchive(row) => {
                let place = (row.header.session.clone(), row.object_key.clone());
                let known = self.archive.get(&place).map(|known| known.header.generation);
                if known.is_none_or(|generation| generation <= row.header.generation) {
                    self.archive.insert(place, (**row).clone());
                }
                Answer::Done
            }
            Ask::DeleteArchive { session, object_key, generation } => {
                let place = (session.clone(), object_key.clone());
                if self.archive.get(&place).is_some_and(|row| row.header.generation <= *generation) {
                    self.archive.remove(&place);
                    self.gone(session);
                }
                Answer::Done
            }
            Ask::LookAt { object_key, .. } => Answer::Object(match self.objects.get(object_key) {
                None => ObjectLook::Absent,
                Some(object) => ObjectLook::Present { tag: tag(object), row: Box::new(object.row.clone()) },
            }),
            Ask::Head { object_key } => {
                Answer::Heads(self.heads().filter(|head| head.key == *object_key).collect())
            }
            Ask::ListObjects { prefix, after, limit } => {
                let matches = |head: &ObjectHead| {
                    head.key.starts_with(prefix) && after.as_ref().is_none_or(|after| head.key > *after)
                };
                Answer::Heads(self.heads().filter(matches).take(*limit).collect())
            }
            Ask::Write(plan) => self.write(plan),
            Ask::DeleteObject { object_key } => self.delete_object(object_key, now)?,
            Ask::PruneObject { .. } => Answer::Done,
            Ask::EraseLetters(_) | Ask::CountErasableLetters(_) | Ask::PurgeLetters { .. } => {
                Answer::Count(0)
            }
        })
    }

    fn tombstones_of(&self, session: &SessionKey) -> Vec<replay_core::tombstone::Tombstone> {
        let concerns = |tombstone: &&replay_core::tombstone::Tombstone| tombstone.covers(session, 0);
        self.tombstones.iter().filter(concerns).cloned().collect()
    }

    fn ages(&self, oldest_before_ms: u64, after: Option<&SessionKey>, limit: usize) -> Vec<SessionAge> {
        let mut sessions: Vec<&SessionKey> = self.hot.keys().map(|(session, _)| session).collect();
        sessions.dedup();
        let age = |session: &&SessionKey| {
            let received = || self.hot_of(session).map(|meta| meta.received_at_ms);
            Some(SessionAge {
                session: (*session).clone(),
                oldest_received_at_ms: received().min()?,
                newest_received_at_ms: received().max()?,
            })
        };
        let ages =
            sessions.iter().filter(|session| after.is_none_or(|after| **session > after)).filter_map(age);
        ages.filter(|age| age.oldest_received_at_ms < oldest_before_ms).take(limit).collect()
    }

    /// Invariant 7: a copy goes only when an object that an archive row names holds its chunk at its
    /// rank or a greater one, when it is erased, or when its time is over.
    fn delete_copies(
        &mut self,
        session: &SessionKey,
        copies: &[CopyId],
        by: Asker,
        now: Now,
    ) -> Result<Answer, String> {
        let mut count = 0;
        for copy in copies {
            let Some(meta) = self.hot.get(&(session.clone(), *copy)).cloned() else { continue };
            let held = self.archive_of(session).any(|row| {
                self.objects.get(&row.object_key).is_some_and(|object| {
                    object.row.index.iter().any(|entry| entry.key == copy.key && entry.rank() >= meta.rank())
                        && row.index.iter().any(|entry| entry.key == copy.key && entry.rank() >= meta.rank())
                })
            });
            let over = meta.received_at_ms + policy().of(&session.project_id).total_ms() <= now.unix_ms;
            if by == Asker::Janitor && over {
                self.gone(session);
            } else if !held && !self.is_erased(session, meta.received_at_ms) {
                return Err(format!("{by:?} deletes the only copy of {:?} of {session}", copy.key));
            }
            self.hot.remove(&(session.clone(), *copy));
            self.seen.insert(if by == Asker::Migrator { "copies moved" } else { "copies expired" });
            count += 1;
        }
        Ok(Answer::Count(count))
    }

    /// Invariant 7: an object goes only when its time is over or all of it is erased.
    fn delete_object(&mut self, object_key: &str, now: Now) -> Result<Answer, String> {
        let Some(object) = self.objects.get(object_key) else { return Ok(Answer::Done) };
        let header = object.row.header.clone();
        let needed = |entry: &IndexEntry| !self.is_erased(&header.session, entry.received_at_ms);
        if header.expires_at_ms > now.unix_ms && object.row.index.iter().any(needed) {
            return Err(format!("{object_key} is deleted with chunks that nobody erased, before its time"));
        }
        let expired = header.expires_at_ms <= now.unix_ms;
        self.seen.insert(if expired { "object expired" } else { "object erased" });
        self.objects.remove(object_key);
        self.gone(&header.session);
        Ok(Answer::Done)
    }

    fn write(&mut self, plan: &WritePlan) -> Answer {
        let present = self.objects.get(&plan.object_key);
        let holds = match (&plan.precondition, present) {
            (Precondition::Absent, None) => true,
            (Precondition::Matches(expected), Some(object)) => *expected == tag(object),
            _ => false,
        };
        if !holds && !self.ignores_conditions {
            self.seen.insert("write refused");
            return Answer::PreconditionFailed;
        }
        // What is kept is copied from the object as it is.
        let has = |entry: &IndexEntry| {
            present.is_some_and(|object| {
                object.row.index.iter().any(|held| held.key == entry.key && held.rank() == entry.rank())
            })
        };
        let is_there = |member: &PlannedMember| match member {
            PlannedMember::Kept(entry) => has(entry),
            PlannedMember::Hot(_) => true,
        };
        if !plan.members.iter().all(is_there) {
            return Answer::SourceChanged;
        }
        let mut index = Vec::new();
        for member in &plan.members {
            match member {
                PlannedMember::Kept(entry) => index.push(entry.clone()),
                PlannedMember::Hot(meta) => {
                    if !self.hot.contains_key(&(plan.header.session.clone(), meta.copy_id())) {
                        return Answer::SourceChanged;
                    }
                    index.push(IndexEntry {
                        key: meta.key,
                        timestamp_end_ms: meta.timestamp_end_ms,
                        received_at_ms: meta.received_at_ms,
                        offset: 0,
                        length: 1,
                        data_size: meta.data_size,
                        event_count: meta.event_count,
                        has_full_snapshot: meta.has_full_snapshot,
                        version: meta.version,
                        content_hash: meta.content_hash,
                        member_hash: meta.content_hash,
                    });
                }
            }
        }
        self.writes += 1;
        let kept = plan.members.iter().any(|member| matches!(member, PlannedMember::Kept(_)));
        let added = plan.members.iter().any(|member| matches!(member, PlannedMember::Hot(_)));
        self.seen.insert(match (kept, added) {
            (true, true) => "late chunk merged",
            (false, true) => "first move",
            (true, false) => "object rewritten",
            (false, false) => "object retired",
        });
        let row = ArchiveRow {
            header: plan.header.clone(),
            object_key: plan.object_key.clone(),
            object_size: index.len() as u64,
            sha256: [self.writes as u8; 32],
            index,
        };
        self.objects.insert(plan.object_key.clone(), ModelObject { tag: self.writes, row: row.clone() });
        Answer::Written(Box::new(row))
    }

    fn heads(&self) -> impl Iterator<Item = ObjectHead> + '_ {
        self.objects.iter().map(|(key, object)| ObjectHead {
            key: key.clone(),
            tag: tag(object),
            size: object.row.object_size,
            modified_at_ms: 0,
        })
    }

    /// Invariant 9, after the last sweep: nothing erased lies anywhere.
    pub fn erased_remains(&self) -> Option<String> {
        let hot = self.hot.iter().find(|((session, _), meta)| self.is_erased(session, meta.received_at_ms));
        if let Some(((session, copy), _)) = hot {
            return Some(format!("erased {:?} of {session} is in the hot store", copy.key));
        }
        let cold = self.objects.iter().find(|(key, object)| {
            let session = parse_key(key).map(|(session, _)| session);
            session.is_some_and(|session| {
                object.row.index.iter().any(|entry| self.is_erased(&session, entry.received_at_ms))
            })
        });
        cold.map(|(key, _)| format!("{key} holds erased chunks"))
    }
}

fn tag(object: &ModelObject) -> ObjectTag {
    ObjectTag(object.tag.to_string())
}
