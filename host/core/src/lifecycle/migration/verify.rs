//! The second half of a move: what was written is seen where it belongs, then the hot copies go.

use super::{MoveEnd, Next, SessionMove, State};
use crate::archive::ArchiveRow;
use crate::guards::Guard;
use crate::lifecycle::ask::{Ask, ObjectLook, Step};
use crate::lifecycle::once::ColdWrites;
use crate::row::CopyId;
use crate::time::Now;
use crate::tombstone::Tombstone;

impl SessionMove {
    pub(super) fn read_back_at(&mut self, position: usize) -> Step<MoveEnd> {
        self.state = State::ReadBack(position);
        let object_key = self.keys.get(position).cloned().unwrap_or_default();
        Step::Ask(Ask::LookAt { object_key, verify: true })
    }

    pub(super) fn read_back(&mut self, now: Now, position: usize, look: ObjectLook) -> Next {
        if let ObjectLook::Present { row, .. } = look {
            let is_live = !self.has_expired(now)(row.header.expires_at_ms);
            if is_live && row.header.session == self.known.session {
                self.held.push(*row);
            }
        }
        if position + 1 < self.keys.len() {
            return Ok(self.read_back_at(position + 1));
        }
        if !self.holds_every_copy() {
            return self.again("the object read back does not hold what was read");
        }
        self.put_rows(now, 0)
    }

    fn holds_every_copy(&self) -> bool {
        self.known
            .uncovered_copies()
            .all(|copy| self.held.iter().any(|object| self.known.holds(object, copy)))
    }

    /// Writes the rows that are missing or older than their object, from this object on.
    pub(super) fn put_rows(&mut self, now: Now, from: usize) -> Next {
        let missing = (from..self.held.len()).find(|position| {
            self.held.get(*position).is_some_and(|object| !is_archived(&self.known.rows, object))
        });
        if let Some(position) = missing {
            return Ok(self.put_row_at(position));
        }
        if self.settings.guards.has(Guard::ArchiveReadBack) {
            self.state = State::RowsBack;
            return Ok(Step::Ask(Ask::ArchiveRows(self.known.session.clone())));
        }
        self.tombstones_or_delete(now)
    }

    pub(super) fn put_row_at(&mut self, position: usize) -> Step<MoveEnd> {
        self.state = State::PutRow(position);
        let Some(row) = self.held.get(position).cloned() else { return Step::Done(MoveEnd::Nothing) };
        self.touch(&row.object_key);
        Step::Ask(Ask::PutArchive(Box::new(row)))
    }

    pub(super) fn rows_back(&mut self, now: Now, rows: &[ArchiveRow]) -> Next {
        if !self.held.iter().all(|object| is_archived(rows, object)) {
            return self.again("the archive row did not read back");
        }
        self.tombstones_or_delete(now)
    }

    fn tombstones_or_delete(&mut self, now: Now) -> Next {
        if !self.settings.guards.has(Guard::TombstoneReRead) {
            return self.delete(now);
        }
        self.state = State::TombstonesAgain;
        Ok(Step::Ask(Ask::Tombstones(self.known.session.clone())))
    }

    pub(super) fn tombstones_again(&mut self, now: Now, tombstones: Vec<Tombstone>) -> Next {
        self.known.tombstones = tombstones;
        if self.session_is_erased() {
            return Ok(self.undo());
        }
        let is_erased =
            |object: &ArchiveRow| object.index.iter().any(|entry| self.known.is_erased(entry.received_at_ms));
        if self.own_objects().any(is_erased) || !self.holds_every_copy() {
            return self.again("the project was erased meanwhile");
        }
        self.delete(now)
    }

    /// Those that this move has to leave without erased chunks.
    fn own_objects(&self) -> impl Iterator<Item = &ArchiveRow> {
        let merges = self.settings.writes == ColdWrites::Conditional;
        let is_own = move |(position, object): &(usize, &ArchiveRow)| {
            if merges { *position == 0 } else { self.touched.contains(&object.object_key) }
        };
        self.held.iter().enumerate().filter(is_own).map(|(_, object)| object)
    }

    /// Deletes the copies that were read and that an object stands for, the losers too. Copies that a
    /// project's tombstone covers are the erasure's to delete (see the module's first page).
    fn delete(&mut self, now: Now) -> Next {
        if self.held.iter().any(|object| self.has_expired(now)(object.header.expires_at_ms)) {
            return Ok(Step::Done(MoveEnd::WaitForRetention));
        }
        if !self.settings.guards.has(Guard::HashInDelete) {
            self.state = State::CopiesOfTheMoment;
            return Ok(Step::Ask(Ask::Copies(self.known.session.clone())));
        }
        let copies: Vec<CopyId> = self.known.uncovered_copies().map(|copy| copy.copy_id()).collect();
        if copies.is_empty() {
            return Ok(Step::Done(MoveEnd::Nothing));
        }
        Ok(self.ask_delete(copies))
    }

    pub(super) fn ask_delete(&mut self, copies: Vec<CopyId>) -> Step<MoveEnd> {
        let generation = self.held.iter().map(|object| object.header.generation).max().unwrap_or(0);
        let bytes = self.known.uncovered_copies().map(|copy| copy.compressed_size).sum();
        self.state = State::Delete { generation, bytes };
        Step::Ask(Ask::DeleteCopies { session: self.known.session.clone(), copies })
    }
}

/// Whether there is a row for the object as it is, or for a later one.
fn is_archived(rows: &[ArchiveRow], object: &ArchiveRow) -> bool {
    rows.iter()
        .any(|row| row.object_key == object.object_key && row.header.generation >= object.header.generation)
}
