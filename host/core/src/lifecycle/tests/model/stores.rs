//! What the model answers to each ask.

use super::*;
use crate::identity::ProjectId;
use crate::tombstone::Tombstone;

impl Model {
    pub(in crate::lifecycle::tests) fn failed(&self) -> Answer {
        Answer::Failed { what: "the store is away".into() }
    }

    pub(in crate::lifecycle::tests) fn answer(&mut self, now: Now, ask: Ask) -> Answer {
        match ask {
            Ask::Tombstones(session) => Answer::Tombstones(self.tombstones_of(&session)),
            Ask::AllTombstones => Answer::Tombstones(self.tombstones.clone()),
            Ask::PutTombstone(tombstone) => self.put_tombstone(now, tombstone),
            Ask::DeleteTombstones { before_ms } => {
                let before = self.tombstones.len();
                self.tombstones.retain(|tombstone| tombstone.erased_at_ms >= before_ms);
                Answer::Count((before - self.tombstones.len()) as u64)
            }
            Ask::Copies(session) => Answer::Copies(self.hot(&session)),
            Ask::SessionAges { oldest_before_ms, after, limit } => {
                Answer::Ages(self.ages(oldest_before_ms, after.as_ref()).take(limit).collect())
            }
            Ask::DeleteCopies { session, copies } => {
                let gone = |copy| self.copies.remove(&(session.clone(), copy)).is_some();
                Answer::Count(copies.into_iter().map(gone).filter(|gone| *gone).count() as u64)
            }
            Ask::EraseCopies(tombstone) => self.erase_copies(&tombstone),
            Ask::CountErasableCopies(tombstone) => {
                let covers = |of: &SessionKey, row: &ChunkRow| tombstone.covers(of, row.meta.received_at_ms);
                Answer::Count(self.copies.iter().filter(|((of, _), row)| covers(of, row)).count() as u64)
            }
            Ask::ArchiveRows(session) => Answer::Rows(self.rows_of(&session)),
            Ask::ListArchive { project_id, expires_until_ms, after, limit } => {
                let rows = self.archive(project_id.as_ref(), expires_until_ms, after.as_ref());
                Answer::Rows(rows.take(limit).collect())
            }
            Ask::PutArchive(row) => {
                if !std::mem::take(&mut self.loses_next_row) {
                    self.put_row(*row);
                }
                Answer::Done
            }
            Ask::DeleteArchive { session, object_key, generation } => {
                let place = (session, object_key);
                if self.rows.get(&place).is_some_and(|row| row.header.generation <= generation) {
                    self.rows.remove(&place);
                }
                Answer::Done
            }
            Ask::LookAt { object_key, .. } => Answer::Object(self.look_at(object_key)),
            Ask::Head { object_key } => {
                Answer::Heads(self.heads().filter(|head| head.key == object_key).collect())
            }
            Ask::ListObjects { prefix, after, limit } => {
                let is_after = |key: &String| after.as_ref().is_none_or(|after| key > after);
                let heads = self.heads().filter(|head| head.key.starts_with(&prefix) && is_after(&head.key));
                Answer::Heads(heads.take(limit).collect())
            }
            Ask::Write(plan) => self.write(now, &plan),
            Ask::DeleteObject { object_key } => {
                self.objects.remove(&object_key);
                Answer::Done
            }
            Ask::PruneObject { object_key } => {
                self.pruned.push(object_key);
                Answer::Done
            }
            Ask::EraseLetters(tombstone) => self.erase_letters(&tombstone),
            Ask::CountErasableLetters(tombstone) => {
                Answer::Count(self.letters.iter().filter(|letter| letter.erased_by(&tombstone)).count() as u64)
            }
            Ask::PurgeLetters { before_ms } => {
                let before = self.letters.len();
                self.letters.retain(|letter| letter.dead_at_ms >= before_ms);
                Answer::Count((before - self.letters.len()) as u64)
            }
        }
    }

    fn tombstones_of(&self, session: &SessionKey) -> Vec<Tombstone> {
        let concerns = |tombstone: &&Tombstone| {
            tombstone.scope.project_id() == &session.project_id
                && tombstone.scope.session_id().is_none_or(|id| id == session.session_id)
        };
        self.tombstones.iter().filter(concerns).cloned().collect()
    }

    fn put_tombstone(&mut self, now: Now, tombstone: Tombstone) -> Answer {
        self.last_tombstone_at_ms = now.unix_ms;
        self.tombstones.retain(|known| known.scope != tombstone.scope);
        self.tombstones.push(tombstone);
        Answer::Done
    }

    fn ages(
        &self,
        oldest_before_ms: u64,
        after: Option<&SessionKey>,
    ) -> impl Iterator<Item = SessionAge> + use<> {
        let mut ages: BTreeMap<SessionKey, SessionAge> = BTreeMap::new();
        for ((session, _), row) in &self.copies {
            let received = row.meta.received_at_ms;
            let age = ages.entry(session.clone()).or_insert_with(|| SessionAge {
                session: session.clone(),
                oldest_received_at_ms: received,
                newest_received_at_ms: received,
            });
            age.oldest_received_at_ms = age.oldest_received_at_ms.min(received);
            age.newest_received_at_ms = age.newest_received_at_ms.max(received);
        }
        let after = after.cloned();
        ages.into_values().filter(move |age| {
            age.oldest_received_at_ms < oldest_before_ms
                && after.as_ref().is_none_or(|after| age.session > *after)
        })
    }

    fn erase_copies(&mut self, tombstone: &Tombstone) -> Answer {
        let covers = |of: &SessionKey, row: &ChunkRow| tombstone.covers(of, row.meta.received_at_ms);
        let erased = self.copies.iter().filter(|((of, _), row)| covers(of, row));
        let bytes = erased.map(|(_, row)| row.meta.compressed_size).sum();
        self.copies.retain(|(of, _), row| !covers(of, row));
        Answer::Count(bytes)
    }

    fn erase_letters(&mut self, tombstone: &Tombstone) -> Answer {
        let erased = |letter: &DeadLetter| letter.erased_by(tombstone);
        let bytes =
            self.letters.iter().filter(|letter| erased(letter)).map(|letter| letter.payload_size).sum();
        self.letters.retain(|letter| !erased(letter));
        Answer::Count(bytes)
    }

    fn archive(
        &self,
        project_id: Option<&ProjectId>,
        expires_until_ms: Option<u64>,
        after: Option<&(SessionKey, String)>,
    ) -> impl Iterator<Item = ArchiveRow> {
        let rows = self.rows.iter().filter(move |(place, row)| {
            project_id.is_none_or(|project| *project == place.0.project_id)
                && expires_until_ms.is_none_or(|until| row.header.expires_at_ms <= until)
                && after.is_none_or(|after| *place > after)
        });
        rows.map(|(_, row)| row.clone())
    }

    fn look_at(&self, object_key: String) -> ObjectLook {
        let Some(object) = self.objects.get(&object_key) else { return ObjectLook::Absent };
        let tag = ObjectTag(object.tag.to_string());
        match row_of(object_key, &object.bytes) {
            Ok(row) => ObjectLook::Present { tag, row: Box::new(row) },
            Err(error) => {
                let (modified_at_ms, what) = (object.modified_at_ms, error.to_string());
                ObjectLook::Damaged { tag, modified_at_ms, what }
            }
        }
    }

    fn heads(&self) -> impl Iterator<Item = ObjectHead> {
        self.objects.iter().map(|(key, object)| ObjectHead {
            key: key.clone(),
            tag: ObjectTag(object.tag.to_string()),
            size: object.bytes.len() as u64,
            modified_at_ms: object.modified_at_ms,
        })
    }

    fn write(&mut self, now: Now, plan: &WritePlan) -> Answer {
        let session = &plan.header.session;
        let rows = plan.copies().into_iter().filter_map(|copy| self.copies.get(&(session.clone(), copy)));
        let old = self.object(&plan.object_key);
        let built = plan.assemble(rows.cloned().collect(), old, |data, from, to| {
            Ok(compress(to, &decompress(from, data)))
        });
        let built = match built {
            Ok(built) => built,
            // Members are copied from the object of the tag: another object makes no sense.
            Err(AssembleError::SourceChanged | AssembleError::Archive(_)) => return Answer::SourceChanged,
            Err(AssembleError::Recompress(what)) => panic!("{what}"),
        };
        let tag = self.objects.get(&plan.object_key).map(|object| ObjectTag(object.tag.to_string()));
        let holds = match &plan.precondition {
            Precondition::Absent => tag.is_none(),
            Precondition::Matches(expected) => tag.as_ref() == Some(expected),
        };
        if !holds && !self.ignores_conditions {
            return Answer::PreconditionFailed;
        }
        let mut bytes = built.pieces.concat();
        if std::mem::take(&mut self.damages_next_write) {
            bytes[12] ^= 1;
        }
        self.put_object(&plan.object_key, bytes.into(), now.unix_ms);
        Answer::Written(Box::new(built.row))
    }
}
