//! The two schemas, by version. A file says in its header which it is (`application_id`) and which
//! version it has (`user_version`).

use rusqlite::Connection;

use super::doomed;
use super::failure::SqlResult;

/// A kind of database file.
#[derive(Debug)]
pub(super) struct Schema {
    /// What it is called in messages.
    pub(super) name: &'static str,
    /// `PRAGMA application_id`.
    pub(super) application_id: i32,
    /// One script for each version, the first making the tables, each later one changing them.
    pub(super) versions: &'static [&'static str],
    /// A step of what is done when nobody asks for anything; whether there is more to do.
    pub(super) idle: Option<fn(&Connection) -> SqlResult<bool>>,
}

impl Schema {
    /// The version this build writes.
    pub(super) fn version(&self) -> i64 {
        i64::try_from(self.versions.len()).unwrap_or(i64::MAX)
    }
}

/// `replays.sqlite`.
pub(super) static REPLAYS: Schema = Schema {
    name: "replay database",
    application_id: 0x4753_7270,
    versions: &[REPLAYS_1, REPLAYS_2],
    idle: Some(|conn| doomed::overwrite_step(conn, None)),
};

/// `dead.sqlite`.
pub(super) static DEAD: Schema =
    Schema { name: "dead-letter database", application_id: 0x4753_646c, versions: &[DEAD_1], idle: None };

/// The statements that make `replays.sqlite`, for people to read.
pub fn replays_schema() -> String {
    REPLAYS.versions.concat()
}

/// `id` is a rowid of our own, so that a row with its blob is appended at the end of the tree and
/// the identity lives in a narrow index beside it (a `WITHOUT ROWID` table would carry the blobs
/// through every split of a tree sorted by identity). `lead` and `tail` are zeroes, see `padding`.
/// Hashes are bit-cast to signed; `chunk_date` is `YYYY-MM-DD`.
const REPLAYS_1: &str = "
CREATE TABLE replay_chunks (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    project_id        TEXT    NOT NULL,
    session_id        TEXT    NOT NULL,
    chunk_index       INTEGER NOT NULL,
    timestamp_start   INTEGER NOT NULL,
    timestamp_end     INTEGER NOT NULL,
    data_size         INTEGER NOT NULL,
    compressed_size   INTEGER NOT NULL,
    event_count       INTEGER NOT NULL,
    has_full_snapshot INTEGER NOT NULL,
    chunk_date        TEXT    NOT NULL,
    received_at       INTEGER NOT NULL,
    codec             TEXT    NOT NULL,
    version           INTEGER NOT NULL,
    content_hash      INTEGER NOT NULL,
    lead              BLOB    NOT NULL,
    data              BLOB    NOT NULL,
    tail              BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX replay_chunks_copy ON replay_chunks
    (project_id, session_id, timestamp_start, chunk_index, content_hash, chunk_date);
CREATE INDEX replay_chunks_age ON replay_chunks (project_id, session_id, received_at);

CREATE TABLE replay_archive (
    project_id      TEXT    NOT NULL,
    session_id      TEXT    NOT NULL,
    object_key      TEXT    NOT NULL,
    generation      INTEGER NOT NULL,
    codec           TEXT    NOT NULL,
    first_moved_at  INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    object_size     INTEGER NOT NULL,
    sha256          BLOB    NOT NULL,
    chunk_count     INTEGER NOT NULL,
    timestamp_start INTEGER NOT NULL,
    timestamp_end   INTEGER NOT NULL,
    chunk_list      BLOB    NOT NULL,
    PRIMARY KEY (project_id, session_id, object_key)
) STRICT;
CREATE INDEX replay_archive_page ON replay_archive (project_id, session_id, object_key, expires_at);

CREATE TABLE replay_tombstones (
    project_id TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    erased_at  INTEGER NOT NULL,
    PRIMARY KEY (project_id, session_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE replay_audit (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     INTEGER NOT NULL,
    actor  TEXT    NOT NULL,
    action TEXT    NOT NULL,
    target TEXT    NOT NULL,
    bytes  INTEGER NOT NULL
) STRICT;
CREATE INDEX replay_audit_at ON replay_audit (at);

CREATE TABLE consumer_offsets (
    topic       TEXT    NOT NULL,
    partition   INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (topic, partition)
) STRICT, WITHOUT ROWID;
";

/// Rows that were deleted and still lie on the disk, see `doomed`.
const REPLAYS_2: &str = "
CREATE TABLE replay_doomed (
    id           INTEGER PRIMARY KEY,
    stored_bytes INTEGER NOT NULL
) STRICT;
CREATE VIEW replay_live AS SELECT * FROM replay_chunks AS chunk
    WHERE NOT EXISTS (SELECT 1 FROM replay_doomed AS doomed WHERE doomed.id = chunk.id);
";

/// `id` is never reused, so that a scan by `id` meets a letter that was replaced meanwhile.
const DEAD_1: &str = "
CREATE TABLE dead_letters (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    topic        TEXT    NOT NULL,
    partition    INTEGER NOT NULL,
    offset       INTEGER NOT NULL,
    reason       TEXT    NOT NULL,
    detail       TEXT    NOT NULL,
    project_id   TEXT,
    session_id   TEXT,
    received_at  INTEGER NOT NULL,
    dead_at      INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    payload_size INTEGER NOT NULL,
    lead         BLOB    NOT NULL,
    payload      BLOB,
    tail         BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX dead_letters_position ON dead_letters (topic, partition, offset);
CREATE INDEX dead_letters_age ON dead_letters (dead_at);
CREATE INDEX dead_letters_owner ON dead_letters (project_id, session_id);
";
