//! Reading one session: where each winner lies, then its bytes, a bounded number at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use replay_core::archive::ArchiveRow;
use replay_core::codec::{self, CodecError, Scratch};
use replay_core::identity::{ChunkKey, SessionKey};
use replay_core::row::{ChunkMeta, CopyId};
use replay_core::winner::{ContentHash, winners};
use replay_ports::{ColdStore, HotStore, ObjectTag, PortError};

/// How often a read that was overtaken by a move looks again.
const MAX_LOOKS: usize = 4;

/// Hot copies fetched at a time.
const HOT_PAGE: usize = 16;

/// Why a session cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A store does not answer.
    #[error(transparent)]
    Store(#[from] PortError),
    /// Bytes are not what was stored.
    #[error("{place} holds damaged bytes for chunk {chunk_index} at {timestamp_start_ms}: {why}")]
    Damaged {
        /// Which store.
        place: String,
        /// The chunk.
        chunk_index: u32,
        /// The chunk.
        timestamp_start_ms: u64,
        /// What is wrong.
        why: String,
    },
    /// An object does not hold what its archive row says.
    #[error("{object_key} is missing or does not hold what was moved there; `migrate reconcile` says more")]
    Lost {
        /// The object.
        object_key: String,
    },
    /// The session changed with every look.
    #[error("the session kept moving while it was read; try again")]
    Unsteady,
    /// There are objects, but no cold store in the config.
    #[error("the session has an object in the cold store, but `cold.kind` is none")]
    NoColdStore,
}

/// Where a chunk lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the hot store.
    Hot(CopyId),
    /// In an object of the cold store.
    Cold {
        /// The object's key.
        object_key: String,
        /// First byte of the member.
        offset: u64,
        /// Bytes of the member.
        length: u64,
        /// xxh3-64 of the member's bytes as they lie.
        member_hash: ContentHash,
    },
}

/// A chunk as readers see it.
#[derive(Clone, Debug)]
pub struct PlayedChunk {
    /// Its description.
    pub meta: ChunkMeta,
    /// Where its bytes are.
    pub place: Place,
}

/// A session as readers see it: its winners in order of play.
#[derive(Clone, Debug)]
pub struct Playback {
    /// Which session.
    pub session: SessionKey,
    /// Its chunks.
    pub chunks: Vec<PlayedChunk>,
}

/// Reads sessions.
#[derive(Clone)]
pub struct Replays {
    hot: Arc<dyn HotStore>,
    cold: Option<Arc<dyn ColdStore>>,
    /// Cap on the decompressed size of one chunk.
    max_raw_bytes: usize,
}

impl Replays {
    /// A reader over these stores. `max_raw_bytes` caps one decompressed chunk.
    pub fn new(hot: Arc<dyn HotStore>, cold: Option<Arc<dyn ColdStore>>, max_raw_bytes: usize) -> Self {
        Self { hot, cold, max_raw_bytes }
    }

    pub(super) fn hot(&self) -> &dyn HotStore {
        &*self.hot
    }

    /// The session's winners, without their bytes. No chunks: there is nothing, or it was erased.
    pub async fn open(&self, session: &SessionKey) -> Result<Playback, ReadError> {
        let hot = self.hot.copies(session).await?;
        let archived = self.hot.archive_rows(session).await?;
        let tombstones = self.hot.tombstones(session).await?;
        let hot = hot.into_iter().map(|meta| {
            let place = Place::Hot(meta.copy_id());
            PlayedChunk { meta, place }
        });
        let cold = archived.iter().flat_map(|row| in_object(session, row));
        let visible = hot.chain(cold).filter(|chunk| {
            !tombstones.iter().any(|tombstone| tombstone.covers(session, chunk.meta.received_at_ms))
        });
        let chunks = winners(visible, |chunk| (chunk.meta.key, chunk.meta.rank()));
        Ok(Playback { session: session.clone(), chunks })
    }

    /// Gives each chunk's stored bytes, in order of play, to `take`. Holds a few chunks at a time.
    pub async fn read(
        &self,
        session: &SessionKey,
        mut take: impl FnMut(&ChunkMeta, Bytes) -> Result<(), ReadError>,
    ) -> Result<u64, ReadError> {
        let mut played: Option<ChunkKey> = None;
        let mut count = 0;
        let mut missed: Option<Place> = None;
        for _ in 0..MAX_LOOKS {
            let playback = self.open(session).await?;
            let rest: Vec<_> =
                playback.chunks.into_iter().filter(|chunk| Some(chunk.meta.key) > played).collect();
            let mut steady = true;
            for page in rest.chunks(HOT_PAGE) {
                let mut fetched = self.fetch(session, page).await?;
                for chunk in page {
                    let Some(data) = fetched.remove(&chunk.meta.key) else {
                        // Missed twice in one place: it did not move, it is not there.
                        if let Place::Cold { object_key, .. } = &chunk.place
                            && missed.as_ref() == Some(&chunk.place)
                        {
                            return Err(ReadError::Lost { object_key: object_key.clone() });
                        }
                        missed = Some(chunk.place.clone());
                        steady = false;
                        break;
                    };
                    take(&chunk.meta, data)?;
                    played = Some(chunk.meta.key);
                    count += 1;
                }
                if !steady {
                    break;
                }
            }
            if steady {
                return Ok(count);
            }
        }
        Err(ReadError::Unsteady)
    }

    /// The chunk's events: one JSON array, decompressed.
    pub fn events(&self, meta: &ChunkMeta, data: &[u8]) -> Result<Vec<u8>, ReadError> {
        let damaged = |error: CodecError| damaged("the store", meta, error.to_string());
        let mut scratch = Scratch::new();
        let events = codec::decompress(&mut scratch, meta.codec, data, self.max_raw_bytes);
        events.map(<[u8]>::to_vec).map_err(damaged)
    }

    /// The bytes of these chunks that are still where they were.
    pub(crate) async fn fetch(
        &self,
        session: &SessionKey,
        chunks: &[PlayedChunk],
    ) -> Result<BTreeMap<ChunkKey, Bytes>, ReadError> {
        let hot: Vec<CopyId> = chunks
            .iter()
            .filter_map(|chunk| match &chunk.place {
                Place::Hot(copy) => Some(*copy),
                Place::Cold { .. } => None,
            })
            .collect();
        let mut fetched = BTreeMap::new();
        if !hot.is_empty() {
            for row in self.hot.read(session, &hot).await? {
                check(&row.meta, row.meta.content_hash, &row.data, "the hot store")?;
                fetched.insert(row.meta.key, row.data);
            }
        }
        let mut tags: BTreeMap<&str, Option<ObjectTag>> = BTreeMap::new();
        for chunk in chunks {
            let Place::Cold { object_key, offset, length, member_hash } = &chunk.place else { continue };
            let cold = self.cold.as_ref().ok_or(ReadError::NoColdStore)?;
            if !tags.contains_key(object_key.as_str()) {
                let tag = cold.head(object_key).await?.map(|head| head.tag);
                tags.insert(object_key, tag);
            }
            let Some(Some(tag)) = tags.get(object_key.as_str()) else { continue };
            let Some(data) = cold.get_range(object_key, tag, *offset..offset + length).await? else {
                continue;
            };
            // Bytes that do not fit may be those of a newer object, whose row this read has not seen.
            if ContentHash::of(&data) == *member_hash {
                fetched.insert(chunk.meta.key, data);
            }
        }
        Ok(fetched)
    }
}

fn in_object<'a>(session: &'a SessionKey, row: &'a ArchiveRow) -> impl Iterator<Item = PlayedChunk> + 'a {
    row.index.iter().map(move |entry| PlayedChunk {
        meta: entry.meta(session, row.header.codec),
        place: Place::Cold {
            object_key: row.object_key.clone(),
            offset: entry.offset,
            length: entry.length,
            member_hash: entry.member_hash,
        },
    })
}

fn check(meta: &ChunkMeta, expected: ContentHash, data: &[u8], place: &str) -> Result<(), ReadError> {
    if ContentHash::of(data) == expected {
        return Ok(());
    }
    Err(damaged(place, meta, "its hash is not the one that was stored".to_owned()))
}

fn damaged(place: &str, meta: &ChunkMeta, why: String) -> ReadError {
    ReadError::Damaged {
        place: place.to_owned(),
        chunk_index: meta.key.chunk_index,
        timestamp_start_ms: meta.key.timestamp_start_ms,
        why,
    }
}
