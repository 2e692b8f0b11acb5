//! The objects of an erasure and their archive rows.

use super::{Erasure, Next, State};
use crate::archive::{ArchiveRow, ObjectHeader, parse_key, project_prefix, session_of_key};
use crate::guards::Guard;
use crate::identity::SessionKey;
use crate::lifecycle::ask::{Ask, ObjectHead, ObjectLook, ObjectTag, Precondition};
use crate::lifecycle::plan::{covered, retire, without_erased};
use crate::row::Codec;
use crate::tombstone::EraseScope;

/// Where the pass is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// At the objects that lie there.
    Objects,
    /// At the archive rows that say something erased, or nothing.
    Rows,
}

/// An object to look at.
#[derive(Clone, Debug)]
pub(super) struct Item {
    object_key: String,
    session: SessionKey,
    pub(super) size: u64,
    /// Of the archive row that led here.
    row_generation: Option<u64>,
}

impl Erasure {
    pub(super) fn begin_objects(&mut self) -> Next {
        match self.tombstone.scope.clone() {
            EraseScope::Session(session) => self.ask(State::SessionRows, Ask::ArchiveRows(session)),
            EraseScope::Project(_) => self.ask_objects(),
        }
    }

    pub(super) fn take_session_rows(&mut self, rows: Vec<ArchiveRow>) -> Next {
        let given = self.given.clone();
        for (key, size) in
            given.into_iter().chain(rows.into_iter().map(|row| (row.object_key, row.object_size)))
        {
            self.enqueue(key, size, None);
        }
        if self.lists_objects { self.ask_objects() } else { self.next_item() }
    }

    fn ask_objects(&mut self) -> Next {
        let prefix = project_prefix(self.tombstone.scope.project_id());
        let (after, limit) = (self.after_object.clone(), self.limit());
        self.ask(State::ListObjects, Ask::ListObjects { prefix, after, limit })
    }

    pub(super) fn take_heads(&mut self, heads: Vec<ObjectHead>) -> Next {
        let is_full = heads.len() >= self.limit();
        self.after_object = heads.last().filter(|_| is_full).map(|head| head.key.clone());
        for ObjectHead { key, size, .. } in heads {
            self.enqueue(key, size, None);
        }
        self.next_item()
    }

    fn ask_rows(&mut self) -> Next {
        let project_id = Some(self.tombstone.scope.project_id().clone());
        let (after, limit) = (self.after_row.clone(), self.limit());
        self.ask(State::ListRows, Ask::ListArchive { project_id, expires_until_ms: None, after, limit })
    }

    pub(super) fn take_rows(&mut self, rows: Vec<ArchiveRow>) -> Next {
        let is_full = rows.len() >= self.limit();
        self.after_row =
            rows.last().filter(|_| is_full).map(|row| (row.header.session.clone(), row.object_key.clone()));
        let tombstones = [self.tombstone.clone()];
        for row in rows {
            let erased = |received_at_ms| covered(&tombstones, &row.header.session, received_at_ms);
            if row.index.is_empty() || row.index.iter().any(|entry| erased(entry.received_at_ms)) {
                self.enqueue(row.object_key, row.object_size, Some(row.header.generation));
            }
        }
        self.next_item()
    }

    /// Takes what is the scope's; keys that are none of ours are left alone.
    fn enqueue(&mut self, object_key: String, size: u64, row_generation: Option<u64>) {
        let Some(session) = session_of_key(&object_key) else { return };
        let concerns = match &self.tombstone.scope {
            EraseScope::Session(erased) => *erased == session,
            EraseScope::Project(project_id) => *project_id == session.project_id,
        };
        if concerns {
            self.queue.insert(object_key.clone(), Item { object_key, session, size, row_generation });
        }
    }

    pub(super) fn next_item(&mut self) -> Next {
        if let Some((_, item)) = self.queue.pop_first() {
            return match self.tombstone.scope {
                EraseScope::Session(_) => {
                    self.found = true;
                    self.delete_object(item)
                }
                EraseScope::Project(_) => {
                    let (object_key, verify) = (item.object_key.clone(), item.row_generation.is_some());
                    self.ask(State::Look(item), Ask::LookAt { object_key, verify })
                }
            };
        }
        let is_project = matches!(self.tombstone.scope, EraseScope::Project(_));
        match self.phase {
            Phase::Objects if self.after_object.is_some() => self.ask_objects(),
            Phase::Objects if is_project => {
                self.phase = Phase::Rows;
                self.ask_rows()
            }
            Phase::Rows if self.after_row.is_some() => self.ask_rows(),
            Phase::Objects | Phase::Rows => self.count_letters(),
        }
    }

    pub(super) fn looked(&mut self, item: Item, look: ObjectLook) -> Next {
        match look {
            ObjectLook::Absent => match item.row_generation {
                Some(generation) => {
                    self.found = true;
                    self.delete_row(item, generation)
                }
                None => self.next_item(),
            },
            ObjectLook::Damaged { tag, modified_at_ms, what } => {
                if modified_at_ms > self.tombstone.erased_at_ms {
                    // It may hold chunks received later, in members that still read one by one.
                    self.obstacle = Some(format!("{} is damaged: {what}", item.object_key));
                    return self.next_item();
                }
                let stand_in = stand_in(&item);
                self.retire(item, &stand_in, tag)
            }
            ObjectLook::Present { tag, row } => self.look_into(item, &row, tag),
        }
    }

    fn look_into(&mut self, item: Item, row: &ArchiveRow, tag: ObjectTag) -> Next {
        let tombstones = [self.tombstone.clone()];
        let erased = |received_at_ms| covered(&tombstones, &row.header.session, received_at_ms);
        let erased_count = row.index.iter().filter(|entry| erased(entry.received_at_ms)).count();
        if row.index.is_empty() && row.header.expires_at_ms == 0 {
            self.found = true;
            return self.delete_object(item);
        }
        if erased_count == row.index.len() {
            return self.retire(item, row, tag);
        }
        if erased_count > 0 {
            self.found = true;
            let plan = without_erased(row, &tombstones, Precondition::Matches(tag));
            return self.ask(State::Rewrite(item), Ask::Write(Box::new(plan)));
        }
        if item.row_generation.is_some() {
            // The object was rewritten and its row was not.
            self.found = true;
            return self
                .ask(State::PutRow { object_key: item.object_key }, Ask::PutArchive(Box::new(row.clone())));
        }
        if self.report.passes > 1 {
            return self.next_item();
        }
        self.ask(State::Prune, Ask::PruneObject { object_key: item.object_key })
    }

    fn retire(&mut self, item: Item, row: &ArchiveRow, tag: ObjectTag) -> Next {
        self.found = true;
        let plan = retire(row, Precondition::Matches(tag));
        if !self.settings.guards.has(Guard::RetireBeforeDelete) {
            return self.delete_object(item);
        }
        self.ask(State::Retire(item), Ask::Write(Box::new(plan)))
    }

    pub(super) fn retired(&mut self, item: Item, written: Option<Box<ArchiveRow>>) -> Next {
        match written {
            Some(_) => self.delete_object(item),
            // The next pass looks again.
            None => self.next_item(),
        }
    }

    pub(super) fn rewrote(&mut self, item: Item, written: Option<Box<ArchiveRow>>) -> Next {
        let Some(row) = written else { return self.next_item() };
        self.report.objects_rewritten += 1;
        self.report.object_bytes += item.size.saturating_sub(row.object_size);
        let object_key = item.object_key;
        self.ask(State::Rewritten, Ask::LookAt { object_key, verify: true })
    }

    pub(super) fn read_back(&mut self, look: ObjectLook) -> Next {
        match look {
            ObjectLook::Present { row, .. } => {
                let object_key = row.object_key.clone();
                self.ask(State::PutRow { object_key }, Ask::PutArchive(row))
            }
            ObjectLook::Absent | ObjectLook::Damaged { .. } => self.next_item(),
        }
    }

    fn delete_object(&mut self, item: Item) -> Next {
        let object_key = item.object_key.clone();
        self.ask(State::DeleteObject(item), Ask::DeleteObject { object_key })
    }

    /// Of a session all rows go. Of a project the phase of the rows takes those it has read: a move
    /// that makes a new object meanwhile writes a row of a greater generation, which stays.
    pub(super) fn deleted(&mut self, item: Item) -> Next {
        match (&self.tombstone.scope, item.row_generation) {
            (EraseScope::Session(_), _) => self.delete_row(item, u64::MAX),
            (EraseScope::Project(_), Some(generation)) => self.delete_row(item, generation),
            (EraseScope::Project(_), None) => self.next_item(),
        }
    }

    fn delete_row(&mut self, item: Item, generation: u64) -> Next {
        let Item { object_key, session, .. } = item;
        self.ask(State::DeleteRow, Ask::DeleteArchive { session, object_key, generation })
    }

    fn limit(&self) -> usize {
        self.settings.batch_size.max(1)
    }
}

/// What is known of a damaged object by its key alone.
fn stand_in(item: &Item) -> ArchiveRow {
    ArchiveRow {
        header: ObjectHeader {
            session: item.session.clone(),
            codec: parse_key(&item.object_key).map_or(Codec::Gzip, |(_, codec)| codec),
            generation: 0,
            first_moved_at_ms: 0,
            expires_at_ms: 0,
        },
        object_key: item.object_key.clone(),
        object_size: item.size,
        sha256: [0; 32],
        index: Vec::new(),
    }
}
