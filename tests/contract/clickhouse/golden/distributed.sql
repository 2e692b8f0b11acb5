CREATE DATABASE IF NOT EXISTS `gosight` ON CLUSTER `replays`;

-- Version 1: chunks, what was moved, what was erased, by whom.
-- Statements end with a semicolon at the end of a line. `UUIDToNum` orders sessions as their text does;
-- a UUID by itself sorts by its second half. All times are UTC.

CREATE TABLE IF NOT EXISTS `gosight`.`replay_schema_local` ON CLUSTER `replays`
(
    version    UInt32,
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', applied_at)
ORDER BY version
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `gosight`.`replay_schema` ON CLUSTER `replays` AS `gosight`.`replay_schema_local`
ENGINE = Distributed('replays', 'gosight', 'replay_schema_local', cityHash64(version));

-- One row a physical copy. The sorting key ends with the hash, so that a merge folds together what is
-- the same copy and nothing else; `merge_rank` keeps its greatest version, then its newest receipt.
CREATE TABLE IF NOT EXISTS `gosight`.`replay_chunks_local` ON CLUSTER `replays`
(
    session_id        UUID,
    project_id        String,
    chunk_index       UInt32,
    timestamp_start   DateTime64(3, 'UTC'),
    timestamp_end     DateTime64(3, 'UTC'),
    data              String CODEC(NONE),
    data_size         UInt64,
    compressed_size   UInt64,
    event_count       UInt32,
    has_full_snapshot UInt8,
    received_at       DateTime64(3, 'UTC'),
    chunk_date        Date DEFAULT toDate(received_at, 'UTC'),
    codec             LowCardinality(String),
    version           UInt64,
    content_hash      UInt64,
    merge_rank        UInt128 MATERIALIZED bitOr(bitShiftLeft(toUInt128(version), 64), toUInt128(toUnixTimestamp64Milli(received_at)))
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', merge_rank)
PARTITION BY chunk_date
PRIMARY KEY (project_id, UUIDToNum(session_id), timestamp_start, chunk_index)
ORDER BY (project_id, UUIDToNum(session_id), timestamp_start, chunk_index, content_hash)
SETTINGS index_granularity = 256, merge_max_block_size = 256, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `gosight`.`replay_chunks` ON CLUSTER `replays` AS `gosight`.`replay_chunks_local`
ENGINE = Distributed('replays', 'gosight', 'replay_chunks_local', cityHash64(project_id, session_id));

-- One row an object; of one key the greatest generation counts. `chunk_list` is the object's index.
CREATE TABLE IF NOT EXISTS `gosight`.`replay_archive_local` ON CLUSTER `replays`
(
    session_id      UUID,
    project_id      String,
    object_key      String,
    generation      UInt64,
    codec           LowCardinality(String),
    first_moved_at  DateTime64(3, 'UTC'),
    expires_at      DateTime64(3, 'UTC'),
    object_size     UInt64,
    sha256          String,
    chunk_count     UInt64,
    timestamp_start DateTime64(3, 'UTC'),
    timestamp_end   DateTime64(3, 'UTC'),
    chunk_list      String,
    written_at      DateTime64(6, 'UTC') DEFAULT now64(6)
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', generation)
ORDER BY (project_id, UUIDToNum(session_id), object_key)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `gosight`.`replay_archive` ON CLUSTER `replays` AS `gosight`.`replay_archive_local`
ENGINE = Distributed('replays', 'gosight', 'replay_archive_local', cityHash64(project_id, session_id));

-- One row an erasure; the nil session stands for its whole project.
CREATE TABLE IF NOT EXISTS `gosight`.`replay_tombstones_local` ON CLUSTER `replays`
(
    project_id String,
    session_id UUID,
    erased_at  DateTime64(3, 'UTC')
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', erased_at)
ORDER BY (project_id, UUIDToNum(session_id))
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `gosight`.`replay_tombstones` ON CLUSTER `replays` AS `gosight`.`replay_tombstones_local`
ENGINE = Distributed('replays', 'gosight', 'replay_tombstones_local', cityHash64(project_id, session_id));

CREATE TABLE IF NOT EXISTS `gosight`.`replay_audit_local` ON CLUSTER `replays`
(
    at         DateTime64(3, 'UTC'),
    actor      String,
    action     LowCardinality(String),
    target     String,
    bytes      UInt64,
    written_at UInt64
)
ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}')
ORDER BY (at, written_at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `gosight`.`replay_audit` ON CLUSTER `replays` AS `gosight`.`replay_audit_local`
ENGINE = Distributed('replays', 'gosight', 'replay_audit_local', cityHash64(at, written_at));

INSERT INTO `gosight`.`replay_schema` (version) VALUES (1);

-- Version 2: dead letters as a table (`dead_letters.kind: table`).
-- Unredacted, so apart from the replays: grant it to fewer people. One position, one letter: the row
-- written last counts, and a row with `closed` says that there is none any more.

CREATE TABLE IF NOT EXISTS `gosight`.`replay_dead_letters_local` ON CLUSTER `replays`
(
    topic        String,
    partition    UInt32,
    offset       UInt64,
    written_at   UInt64,
    closed       UInt8,
    reason       LowCardinality(String),
    detail       String,
    project_id   String,
    session_id   UUID,
    received_at  DateTime64(3, 'UTC'),
    dead_at      DateTime64(3, 'UTC'),
    attempts     UInt32,
    payload_size UInt64,
    has_payload  UInt8,
    payload      String
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', written_at)
PARTITION BY toDate(dead_at, 'UTC')
ORDER BY (topic, partition, offset)
SETTINGS index_granularity = 256, merge_max_block_size = 256, fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS `gosight`.`replay_dead_letters` ON CLUSTER `replays` AS `gosight`.`replay_dead_letters_local`
ENGINE = Distributed('replays', 'gosight', 'replay_dead_letters_local', cityHash64(topic, partition, offset));

INSERT INTO `gosight`.`replay_schema` (version) VALUES (2);
