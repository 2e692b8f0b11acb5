//! Rows of `replay_chunks` as they go over the wire, and between them and our types.

use bytes::Bytes;
use clickhouse::Row;
use replay_core::identity::ChunkKey;
use replay_core::row::{ChunkMeta, ChunkRow, Codec};
use replay_core::winner::{ContentHash, Version};
use replay_ports::{PortError, Result};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::server::Server;
use super::sql::{LAST_DAY, LAST_MS, session_key};

/// A row to insert. `chunk_date` and `merge_rank` are the server's to compute.
#[derive(Row, Serialize)]
pub(super) struct NewChunk<'a> {
    #[serde(with = "clickhouse::serde::uuid")]
    session_id: Uuid,
    project_id: &'a str,
    chunk_index: u32,
    timestamp_start: i64,
    timestamp_end: i64,
    #[serde(serialize_with = "blob::serialize")]
    data: &'a [u8],
    data_size: u64,
    compressed_size: u64,
    event_count: u32,
    has_full_snapshot: bool,
    received_at: i64,
    codec: &'a str,
    version: u64,
    content_hash: u64,
}

impl<'a> NewChunk<'a> {
    /// `Rejected` if a time does not fit its column; nothing else can be too large.
    pub(super) fn of(row: &'a ChunkRow) -> Result<Self> {
        let meta = &row.meta;
        if meta.chunk_date() > LAST_DAY {
            let what = format!("received_at {} is after 2149-06-06", meta.received_at_ms);
            return Err(PortError::rejected(what));
        }
        Ok(Self {
            session_id: meta.session_id.uuid(),
            project_id: meta.project_id.as_str(),
            chunk_index: meta.key.chunk_index,
            timestamp_start: millis(meta.key.timestamp_start_ms, "timestamp_start")?,
            timestamp_end: millis(meta.timestamp_end_ms, "timestamp_end")?,
            data: &row.data,
            data_size: meta.data_size,
            compressed_size: meta.compressed_size,
            event_count: meta.event_count,
            has_full_snapshot: meta.has_full_snapshot,
            received_at: millis(meta.received_at_ms, "received_at")?,
            codec: meta.codec.as_str(),
            version: meta.version.as_u64(),
            content_hash: meta.content_hash.0,
        })
    }
}

/// What [`StoredMeta`] reads, in its order.
pub(super) const META: &str = "project_id, session_id, chunk_index, timestamp_start, timestamp_end, \
    received_at, codec, data_size, compressed_size, event_count, has_full_snapshot, version, content_hash";

/// A row without its bytes.
#[derive(Row, Deserialize)]
pub(super) struct StoredMeta {
    project_id: String,
    #[serde(with = "clickhouse::serde::uuid")]
    session_id: Uuid,
    chunk_index: u32,
    timestamp_start: i64,
    timestamp_end: i64,
    received_at: i64,
    codec: String,
    data_size: u64,
    compressed_size: u64,
    event_count: u32,
    has_full_snapshot: bool,
    version: u64,
    content_hash: u64,
}

impl StoredMeta {
    pub(super) fn read(self, server: &Server) -> Result<ChunkMeta> {
        let time = |value: i64, column| unmillis(value, column, server);
        let session = session_key(&self.project_id, self.session_id)
            .ok_or_else(|| server.unreadable("project_id or session_id"))?;
        Ok(ChunkMeta {
            project_id: session.project_id,
            session_id: session.session_id,
            key: ChunkKey {
                timestamp_start_ms: time(self.timestamp_start, "timestamp_start")?,
                chunk_index: self.chunk_index,
            },
            timestamp_end_ms: time(self.timestamp_end, "timestamp_end")?,
            received_at_ms: time(self.received_at, "received_at")?,
            codec: Codec::from_name(&self.codec).ok_or_else(|| server.unreadable("codec"))?,
            data_size: self.data_size,
            compressed_size: self.compressed_size,
            event_count: self.event_count,
            has_full_snapshot: self.has_full_snapshot,
            version: Version::from_u64(self.version),
            content_hash: ContentHash(self.content_hash),
        })
    }
}

/// A row with its bytes.
#[derive(Row, Deserialize)]
pub(super) struct StoredChunk {
    project_id: String,
    #[serde(with = "clickhouse::serde::uuid")]
    session_id: Uuid,
    chunk_index: u32,
    timestamp_start: i64,
    timestamp_end: i64,
    received_at: i64,
    codec: String,
    data_size: u64,
    compressed_size: u64,
    event_count: u32,
    has_full_snapshot: bool,
    version: u64,
    content_hash: u64,
    #[serde(deserialize_with = "blob::deserialize")]
    data: Vec<u8>,
}

impl StoredChunk {
    pub(super) fn read(self, server: &Server) -> Result<ChunkRow> {
        let meta = StoredMeta {
            project_id: self.project_id,
            session_id: self.session_id,
            chunk_index: self.chunk_index,
            timestamp_start: self.timestamp_start,
            timestamp_end: self.timestamp_end,
            received_at: self.received_at,
            codec: self.codec,
            data_size: self.data_size,
            compressed_size: self.compressed_size,
            event_count: self.event_count,
            has_full_snapshot: self.has_full_snapshot,
            version: self.version,
            content_hash: self.content_hash,
        };
        Ok(ChunkRow { meta: meta.read(server)?, data: Bytes::from(self.data) })
    }
}

/// A time for a `DateTime64(3)`; what does not fit is this row's fault.
pub(super) fn millis(unix_ms: u64, column: &str) -> Result<i64> {
    let fits = (unix_ms <= LAST_MS).then(|| i64::try_from(unix_ms).ok()).flatten();
    fits.ok_or_else(|| PortError::rejected(format!("{column} {unix_ms} is after 2299-12-31")))
}

/// Reads what [`millis`] wrote.
pub(super) fn unmillis(value: i64, column: &str, server: &Server) -> Result<u64> {
    u64::try_from(value).map_err(|_| server.unreadable(column))
}

/// A `String` column that holds bytes.
pub(super) mod blob {
    use serde::{Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(Blob)
    }

    struct Blob;

    impl serde::de::Visitor<'_> for Blob {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }
    }
}
