//! What the lifecycle's machines ask, asked of the stores.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use replay_core::archive::{ArchiveRow, Parsed, TAIL_LEN, read_index, row_of};
use replay_core::codec::{self, Codec, Encoding, Recompress, Scratch};
use replay_core::lifecycle::{Answer, Ask, AssembleError, ObjectHead, ObjectLook, WritePlan};
use replay_ports::{ArchiveFilter, ColdStore, PortError, PutOutcome};

use crate::observe::Metrics;
use crate::stores::Kept;

/// A store that does not answer for this long counts as away; objects and mutations may take a while.
const EDGE_TIMEOUT: Duration = Duration::from_secs(600);

/// The stores as the machines see them.
#[derive(Clone)]
pub(super) struct Edges {
    pub(super) stores: Kept,
    /// For members that have to be recompressed: codec level of the objects.
    pub(super) level: u8,
    /// Cap on one decompressed chunk.
    pub(super) max_raw_bytes: usize,
    /// Compressed bytes of a session that moves: all of it is in memory meanwhile.
    pub(super) max_session_bytes: u64,
    pub(super) metrics: Arc<Metrics>,
}

impl Edges {
    /// Carries out one ask. Whatever goes wrong is an answer too.
    pub(super) async fn answer(&self, ask: Ask) -> Answer {
        let of_cold = self.stores.cold.is_some() && is_of_cold(&ask);
        let answered = tokio::time::timeout(EDGE_TIMEOUT, self.carry_out(ask)).await;
        if of_cold {
            let up = matches!(&answered, Ok(Ok(_)));
            self.metrics.update_lifecycle(|counts| counts.cold_up = Some(up));
        }
        match answered {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => Answer::Failed { what: error.to_string() },
            Err(_) => Answer::Failed { what: format!("no answer within {} s", EDGE_TIMEOUT.as_secs()) },
        }
    }

    async fn carry_out(&self, ask: Ask) -> Result<Answer, PortError> {
        let (hot, cold) = (&self.stores.hot, &self.stores.cold);
        Ok(match ask {
            Ask::Tombstones(session) => Answer::Tombstones(hot.tombstones(&session).await?),
            Ask::AllTombstones => Answer::Tombstones(hot.list_tombstones().await?),
            Ask::PutTombstone(tombstone) => done(hot.put_tombstone(&tombstone).await?),
            Ask::DeleteTombstones { before_ms } => Answer::Count(hot.delete_tombstones(before_ms).await?),
            Ask::Copies(session) => Answer::Copies(hot.copies(&session).await?),
            Ask::SessionAges { oldest_before_ms, after, limit } => {
                Answer::Ages(hot.session_ages(oldest_before_ms, after.as_ref(), limit).await?)
            }
            Ask::DeleteCopies { session, copies } => {
                Answer::Count(hot.delete_copies(&session, &copies).await?)
            }
            Ask::EraseCopies(tombstone) => Answer::Count(hot.erase(&tombstone).await?),
            Ask::CountErasableCopies(tombstone) => Answer::Count(hot.count_erasable(&tombstone).await?),
            Ask::ArchiveRows(session) => Answer::Rows(hot.archive_rows(&session).await?),
            Ask::ListArchive { project_id, expires_until_ms, after, limit } => {
                let filter = ArchiveFilter { project_id, expires_until_ms };
                let after = after.as_ref().map(|(session, key)| (session, key.as_str()));
                Answer::Rows(hot.list_archive(&filter, after, limit).await?)
            }
            Ask::PutArchive(row) => done(hot.put_archive(&row).await?),
            Ask::DeleteArchive { session, object_key, generation } => {
                done(hot.delete_archive(&session, &object_key, generation).await?)
            }
            Ask::EraseLetters(tombstone) => Answer::Count(self.stores.letters.erase(&tombstone).await?),
            Ask::CountErasableLetters(tombstone) => {
                Answer::Count(self.stores.letters.count_erasable(&tombstone).await?)
            }
            Ask::PurgeLetters { before_ms } => Answer::Count(self.stores.letters.purge(before_ms).await?),
            // Without a cold store there is nothing to see and nothing to delete; nothing may be written.
            Ask::LookAt { object_key, verify } => Answer::Object(match cold {
                Some(cold) => look_at(&**cold, &object_key, verify).await?,
                None => ObjectLook::Absent,
            }),
            Ask::Head { object_key } => Answer::Heads(match cold {
                Some(cold) => cold.head(&object_key).await?.into_iter().collect(),
                None => Vec::new(),
            }),
            Ask::ListObjects { prefix, after, limit } => Answer::Heads(match cold {
                Some(cold) => cold.list(&prefix, after.as_deref(), limit).await?,
                None => Vec::new(),
            }),
            Ask::Write(plan) => match cold {
                Some(cold) => self.write(cold, *plan).await?,
                None => {
                    return Err(PortError::refused(
                        "`cold.kind` is none: there is nowhere to move sessions to",
                    ));
                }
            },
            Ask::DeleteObject { object_key } => match cold {
                Some(cold) => done(cold.delete(&object_key).await?),
                None => Answer::Done,
            },
            Ask::PruneObject { object_key } => match cold {
                Some(cold) => done(cold.prune(&object_key).await?),
                None => Answer::Done,
            },
        })
    }
}

/// Whether only the cold store is asked. (A write reads the hot store, too.)
fn is_of_cold(ask: &Ask) -> bool {
    matches!(
        ask,
        Ask::LookAt { .. }
            | Ask::Head { .. }
            | Ask::ListObjects { .. }
            | Ask::DeleteObject { .. }
            | Ask::PruneObject { .. }
    )
}

impl Edges {
    async fn write(&self, cold: &Arc<dyn ColdStore>, plan: WritePlan) -> Result<Answer, PortError> {
        // An object that only loses chunks is written whatever its size: an erasure must not fail by it.
        if let Some(bytes) = plan.grows_to().filter(|bytes| *bytes > self.max_session_bytes) {
            let what = format!(
                "it has {bytes} compressed bytes, and `replay.migration.max_session_bytes` is {}: it stays in the \
                 hot store",
                self.max_session_bytes
            );
            return Ok(Answer::Failed { what });
        }
        let rows = self.stores.hot.read(&plan.header.session, &plan.copies()).await?;
        let old_object = match plan.needs_old_object() {
            true => cold.get(&plan.object_key).await?.map(|(_, bytes)| bytes),
            false => None,
        };
        let (level, max_raw_bytes) = (self.level, self.max_raw_bytes);
        let precondition = plan.precondition.clone();
        let assembled = tokio::task::spawn_blocking(move || {
            let mut scratch = Scratch::new();
            let recompress = |data: &Bytes, from: Codec, to: Codec| {
                let raw = codec::decompress(&mut scratch, from, data, max_raw_bytes).map(<[u8]>::to_vec);
                let raw = raw.map_err(|error| error.to_string())?;
                let encoding = Encoding { codec: to, level, recompress: Recompress::Always };
                let packed = codec::compress(&mut scratch, &encoding, &raw);
                packed.map(Bytes::from).map_err(|error| error.to_string())
            };
            plan.assemble(rows, old_object.as_ref(), recompress)
        });
        let built = match assembled.await {
            Ok(Ok(built)) => built,
            Ok(Err(AssembleError::SourceChanged)) => return Ok(Answer::SourceChanged),
            Ok(Err(error)) => return Ok(Answer::Failed { what: error.to_string() }),
            Err(_) => {
                return Ok(Answer::Failed { what: "assembling the object panicked; see the log".into() });
            }
        };
        let metadata = built.metadata();
        let row = built.row;
        Ok(match cold.put(&row.object_key, &built.pieces, &metadata, precondition).await? {
            PutOutcome::Written(_) => Answer::Written(Box::new(row)),
            PutOutcome::PreconditionFailed => Answer::PreconditionFailed,
        })
    }
}

async fn look_at(cold: &dyn ColdStore, object_key: &str, verify: bool) -> Result<ObjectLook, PortError> {
    let Some(head) = cold.head(object_key).await? else { return Ok(ObjectLook::Absent) };
    let (tag, row) = if verify {
        let Some((tag, object)) = cold.get(object_key).await? else { return Ok(ObjectLook::Absent) };
        let key = object_key.to_owned();
        let row =
            tokio::task::spawn_blocking(move || row_of(key, &object).map_err(|error| error.to_string()));
        (tag, row.await.unwrap_or_else(|_| Err("reading the object panicked".to_owned())))
    } else {
        let row = read_tail(cold, &head).await?;
        (head.tag.clone(), row)
    };
    Ok(match row {
        Ok(row) => ObjectLook::Present { tag, row: Box::new(row) },
        Err(what) => ObjectLook::Damaged { tag, modified_at_ms: head.modified_at_ms, what },
    })
}

/// The index alone, from the object's end. `Err` inside: it does not read as an object.
async fn read_tail(cold: &dyn ColdStore, head: &ObjectHead) -> Result<Result<ArchiveRow, String>, PortError> {
    let mut from = head.size.saturating_sub(TAIL_LEN);
    loop {
        let Some(tail) = cold.get_range(&head.key, &head.tag, from..head.size).await? else {
            return Ok(Err("the object changed while it was read".to_owned()));
        };
        match read_index(&tail, head.size) {
            Ok(Parsed::Index(header, index)) => {
                let (object_key, object_size, sha256) = (head.key.clone(), head.size, [0; 32]);
                return Ok(Ok(ArchiveRow { header, object_key, object_size, sha256, index }));
            }
            Ok(Parsed::ReadFrom(earlier)) if earlier < from => from = earlier,
            Ok(Parsed::ReadFrom(_)) => return Ok(Err("the index asks for more than there is".to_owned())),
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
}

fn done(_: ()) -> Answer {
    Answer::Done
}
