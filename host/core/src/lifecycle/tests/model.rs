//! The stores as the ports describe them, in memory, and an oracle of what readers must see.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::*;
use crate::archive::{self, ArchiveRow, read_object, row_of};
use crate::dead_letter::DeadLetter;
use crate::identity::{ChunkKey, SessionKey};
use crate::row::{ChunkMeta, ChunkRow, Codec, CopyId};
use crate::time::{DAY_MS, Now};
use crate::tombstone::Tombstone;
use crate::winner::{ContentHash, Rank, Version, winners};

pub(super) fn day(days: u64) -> u64 {
    days * DAY_MS
}

struct Object {
    tag: u64,
    bytes: Bytes,
    modified_at_ms: u64,
}

#[derive(Default)]
pub(super) struct Model {
    copies: BTreeMap<(SessionKey, CopyId), ChunkRow>,
    rows: BTreeMap<(SessionKey, String), ArchiveRow>,
    objects: BTreeMap<String, Object>,
    pub(super) tombstones: Vec<Tombstone>,
    pub(super) letters: Vec<DeadLetter>,
    next_tag: u64,
    /// Every copy that was ever stored.
    ever: Vec<ChunkMeta>,
    /// Chunks that retention ended.
    pub(super) ended: BTreeSet<(SessionKey, ChunkKey)>,
    /// The next object is damaged on its way to the disk.
    pub(super) damages_next_write: bool,
    /// The next archive row is acknowledged and lost.
    pub(super) loses_next_row: bool,
    /// Whether a reader missing a chunk is a failed test, or remembered.
    pub(super) is_lenient: bool,
    pub(super) missed: bool,
    pub(super) pruned: Vec<String>,
}

pub(super) fn compress(codec: Codec, text: &[u8]) -> Bytes {
    match codec {
        Codec::Gzip => {
            use std::io::Write;
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(text).unwrap();
            encoder.finish().unwrap().into()
        }
        Codec::Zstd => zstd::bulk::compress(text, 1).unwrap().into(),
    }
}

fn decompress(codec: Codec, data: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut text = Vec::new();
    match codec {
        Codec::Gzip => flate2::read::GzDecoder::new(data).read_to_end(&mut text).unwrap(),
        Codec::Zstd => zstd::stream::read::Decoder::new(data).unwrap().read_to_end(&mut text).unwrap(),
    };
    text
}

pub(super) fn chunk(
    session: &SessionKey,
    start: u64,
    revision: u16,
    received_at_ms: u64,
    codec: Codec,
) -> ChunkRow {
    let text = format!("[{{\"start\":{start},\"revision\":{revision}}}]");
    let data = compress(codec, text.as_bytes());
    let content_hash = ContentHash::of(&data);
    let meta = ChunkMeta {
        project_id: session.project_id.clone(),
        session_id: session.session_id,
        key: ChunkKey { timestamp_start_ms: start, chunk_index: 0 },
        timestamp_end_ms: start,
        received_at_ms,
        codec,
        data_size: text.len() as u64,
        compressed_size: data.len() as u64,
        event_count: 1,
        has_full_snapshot: false,
        version: Version::new(revision, 0, content_hash),
        content_hash,
    };
    ChunkRow { meta, data }
}

impl Model {
    /// One whose readers may miss something without failing the test.
    pub(super) fn lenient() -> Self {
        Self { is_lenient: true, ..Self::default() }
    }

    /// What the pipeline does: checks tombstones in the same step.
    pub(super) fn insert(&mut self, row: ChunkRow) {
        let session = row.meta.session();
        if self.is_covered(&session, row.meta.received_at_ms) {
            return;
        }
        self.ever.push(row.meta.clone());
        self.ended.remove(&(session.clone(), row.meta.key));
        let place = (session, row.meta.copy_id());
        let known = self.copies.get(&place).map_or(0, |known| known.meta.received_at_ms);
        if row.meta.received_at_ms >= known {
            self.copies.insert(place, row);
        }
    }

    /// A gzip chunk of revision 1.
    pub(super) fn store(&mut self, session: &SessionKey, start: u64, received_at_ms: u64) {
        self.insert(chunk(session, start, 1, received_at_ms, Codec::Gzip));
    }

    pub(super) fn hot(&self, session: &SessionKey) -> Vec<ChunkMeta> {
        self.copies.iter().filter(|((of, _), _)| of == session).map(|(_, row)| row.meta.clone()).collect()
    }

    pub(super) fn rows_of(&self, session: &SessionKey) -> Vec<ArchiveRow> {
        self.rows.iter().filter(|((of, _), _)| of == session).map(|(_, row)| row.clone()).collect()
    }

    pub(super) fn object(&self, key: &str) -> Option<&Bytes> {
        self.objects.get(key).map(|object| &object.bytes)
    }

    pub(super) fn object_keys(&self) -> Vec<String> {
        self.objects.keys().cloned().collect()
    }

    pub(super) fn put_object(&mut self, key: &str, bytes: Bytes, modified_at_ms: u64) {
        self.next_tag += 1;
        let object = Object { tag: self.next_tag, bytes, modified_at_ms };
        self.objects.insert(key.to_owned(), object);
    }

    pub(super) fn lose_object(&mut self, key: &str) {
        self.objects.remove(key).unwrap();
    }

    pub(super) fn lose_rows(&mut self, session: &SessionKey) {
        self.rows.retain(|(of, _), _| of != session);
    }

    pub(super) fn put_row(&mut self, row: ArchiveRow) {
        let place = (row.header.session.clone(), row.object_key.clone());
        let known = self.rows.get(&place).map_or(0, |known| known.header.generation);
        if row.header.generation >= known {
            self.rows.insert(place, row);
        }
    }

    fn is_covered(&self, session: &SessionKey, received_at_ms: u64) -> bool {
        self.tombstones.iter().any(|tombstone| tombstone.covers(session, received_at_ms))
    }

    /// What a reader of hot ∪ cold sees: chunk and rank.
    pub(super) fn visible(&self, session: &SessionKey) -> BTreeMap<ChunkKey, Rank> {
        let mut found: Vec<(ChunkKey, Rank, u64)> = Vec::new();
        for copy in self.hot(session) {
            found.push((copy.key, copy.rank(), copy.received_at_ms));
        }
        for row in self.rows_of(session) {
            let object = self.object(&row.object_key).filter(|bytes| row_of(String::new(), bytes).is_ok());
            let Some(Ok((_, index))) = object.map(|bytes| read_object(bytes)) else { continue };
            found.extend(index.iter().map(|entry| (entry.key, entry.rank(), entry.received_at_ms)));
        }
        found.retain(|(_, _, received_at_ms)| !self.is_covered(session, *received_at_ms));
        winners(found, |(key, rank, _)| (*key, *rank)).into_iter().map(|(key, rank, _)| (key, rank)).collect()
    }

    fn expected(&self, session: &SessionKey) -> BTreeMap<ChunkKey, Rank> {
        let stored = self.ever.iter().filter(|meta| {
            meta.session() == *session
                && !self.is_covered(session, meta.received_at_ms)
                && !self.ended.contains(&(session.clone(), meta.key))
        });
        winners(stored, |meta| (meta.key, meta.rank()))
            .into_iter()
            .map(|meta| (meta.key, meta.rank()))
            .collect()
    }

    /// Invariant 7: a reader at any moment sees every stored chunk, the winner of its copies.
    pub(super) fn check(&mut self, now: Now) {
        let sessions: BTreeSet<SessionKey> = self.ever.iter().map(ChunkMeta::session).collect();
        for session in sessions {
            let (visible, expected) = (self.visible(&session), self.expected(&session));
            if self.is_lenient {
                self.missed |= visible != expected;
            } else {
                assert_eq!(visible, expected, "of {session} at {now:?}");
            }
        }
    }

    /// Whether anything that a tombstone covers lies anywhere.
    pub(super) fn erased_remains(&self) -> bool {
        let covered = |session: &SessionKey, received_at_ms| self.is_covered(session, received_at_ms);
        let in_rows = self
            .rows
            .values()
            .any(|row| row.index.iter().any(|entry| covered(&row.header.session, entry.received_at_ms)));
        let in_letters =
            self.letters.iter().any(|letter| self.tombstones.iter().any(|t| letter.erased_by(t)));
        self.erased_bytes_remain() || in_rows || in_letters
    }

    /// Whether chunks that a tombstone covers lie in the hot or the cold store.
    pub(super) fn erased_bytes_remain(&self) -> bool {
        let covered = |session: &SessionKey, received_at_ms| self.is_covered(session, received_at_ms);
        let in_hot = self.copies.iter().any(|((of, _), row)| covered(of, row.meta.received_at_ms));
        let in_objects = self.objects.values().any(|object| {
            let (header, index) = read_object(&object.bytes).unwrap();
            index.iter().any(|entry| covered(&header.session, entry.received_at_ms))
        });
        in_hot || in_objects
    }

    pub(super) fn failed(&self) -> Answer {
        Answer::Failed { what: "the store is away".into() }
    }

    pub(super) fn answer(&mut self, now: Now, ask: Ask) -> Answer {
        match ask {
            Ask::Tombstones(session) => Answer::Tombstones(
                self.tombstones
                    .iter()
                    .filter(|tombstone| tombstone.scope.project_id() == &session.project_id)
                    .filter(|tombstone| {
                        tombstone.scope.session_id().is_none_or(|id| id == session.session_id)
                    })
                    .cloned()
                    .collect(),
            ),
            Ask::AllTombstones => Answer::Tombstones(self.tombstones.clone()),
            Ask::PutTombstone(tombstone) => {
                self.tombstones.retain(|known| known.scope != tombstone.scope);
                self.tombstones.push(tombstone);
                Answer::Done
            }
            Ask::DeleteTombstones { before_ms } => {
                let before = self.tombstones.len();
                self.tombstones.retain(|tombstone| tombstone.erased_at_ms >= before_ms);
                Answer::Count((before - self.tombstones.len()) as u64)
            }
            Ask::EraseLetters(tombstone) => {
                let erased = |letter: &DeadLetter| letter.erased_by(&tombstone);
                let bytes = self.letters.iter().filter(|l| erased(l)).map(|l| l.payload_size).sum();
                self.letters.retain(|letter| !erased(letter));
                Answer::Count(bytes)
            }
            Ask::CountErasableLetters(tombstone) => {
                Answer::Count(self.letters.iter().filter(|letter| letter.erased_by(&tombstone)).count() as u64)
            }
            Ask::PurgeLetters { before_ms } => {
                let before = self.letters.len();
                self.letters.retain(|letter| letter.dead_at_ms >= before_ms);
                Answer::Count((before - self.letters.len()) as u64)
            }
            hot @ (Ask::Copies(_)
            | Ask::SessionAges { .. }
            | Ask::DeleteCopies { .. }
            | Ask::EraseCopies(_)
            | Ask::CountErasableCopies(_)
            | Ask::ArchiveRows(_)
            | Ask::ListArchive { .. }
            | Ask::PutArchive(_)
            | Ask::DeleteArchive { .. }) => self.answer_hot(hot),
            cold @ (Ask::LookAt { .. }
            | Ask::Head { .. }
            | Ask::ListObjects { .. }
            | Ask::Write(_)
            | Ask::DeleteObject { .. }
            | Ask::PruneObject { .. }) => self.answer_cold(now, cold),
        }
    }

    fn answer_hot(&mut self, ask: Ask) -> Answer {
        match ask {
            Ask::Copies(session) => Answer::Copies(self.hot(&session)),
            Ask::SessionAges { oldest_before_ms, after, limit } => {
                let mut ages: BTreeMap<SessionKey, (u64, u64)> = BTreeMap::new();
                for ((session, _), row) in &self.copies {
                    let received = row.meta.received_at_ms;
                    let age = ages.entry(session.clone()).or_insert((received, received));
                    *age = (age.0.min(received), age.1.max(received));
                }
                let ages = ages.into_iter().filter(|(session, (oldest, _))| {
                    *oldest < oldest_before_ms && after.as_ref().is_none_or(|after| session > after)
                });
                Answer::Ages(
                    ages.take(limit)
                        .map(|(session, (oldest_received_at_ms, newest_received_at_ms))| SessionAge {
                            session,
                            oldest_received_at_ms,
                            newest_received_at_ms,
                        })
                        .collect(),
                )
            }
            Ask::DeleteCopies { session, copies } => {
                let gone = |copy| self.copies.remove(&(session.clone(), copy)).is_some();
                Answer::Count(copies.into_iter().map(gone).filter(|gone| *gone).count() as u64)
            }
            Ask::EraseCopies(tombstone) => {
                let covers = |of: &SessionKey, row: &ChunkRow| tombstone.covers(of, row.meta.received_at_ms);
                let erased = self.copies.iter().filter(|((of, _), row)| covers(of, row));
                let bytes = erased.map(|(_, row)| row.meta.compressed_size).sum();
                self.copies.retain(|(of, _), row| !covers(of, row));
                Answer::Count(bytes)
            }
            Ask::CountErasableCopies(tombstone) => {
                let covers = |of: &SessionKey, row: &ChunkRow| tombstone.covers(of, row.meta.received_at_ms);
                Answer::Count(self.copies.iter().filter(|((of, _), row)| covers(of, row)).count() as u64)
            }
            Ask::ArchiveRows(session) => Answer::Rows(self.rows_of(&session)),
            Ask::ListArchive { project_id, expires_until_ms, after, limit } => {
                let rows = self.rows.iter().filter(|(place, row)| {
                    project_id.as_ref().is_none_or(|project| *project == place.0.project_id)
                        && expires_until_ms.is_none_or(|until| row.header.expires_at_ms <= until)
                        && after.as_ref().is_none_or(|after| *place > after)
                });
                Answer::Rows(rows.take(limit).map(|(_, row)| row.clone()).collect())
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
            other => panic!("not of the hot store: {other:?}"),
        }
    }

    fn answer_cold(&mut self, now: Now, ask: Ask) -> Answer {
        match ask {
            Ask::LookAt { object_key, .. } => {
                let Some(object) = self.objects.get(&object_key) else {
                    return Answer::Object(ObjectLook::Absent);
                };
                let tag = ObjectTag(object.tag.to_string());
                Answer::Object(match row_of(object_key, &object.bytes) {
                    Ok(row) => ObjectLook::Present { tag, row: Box::new(row) },
                    Err(error) => ObjectLook::Damaged {
                        tag,
                        modified_at_ms: object.modified_at_ms,
                        what: error.to_string(),
                    },
                })
            }
            Ask::Head { object_key } => {
                Answer::Heads(self.heads().filter(|head| head.key == object_key).collect())
            }
            Ask::ListObjects { prefix, after, limit } => {
                let after = |key: &String| after.as_ref().is_none_or(|after| key > after);
                let heads = self.heads().filter(|head| head.key.starts_with(&prefix) && after(&head.key));
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
            other => panic!("not of the cold store: {other:?}"),
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
        let built: archive::Built = match built {
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
        if !holds {
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
