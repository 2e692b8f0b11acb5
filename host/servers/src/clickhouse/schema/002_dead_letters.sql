-- Version 2: dead letters as a table (`dead_letters.kind: table`).
-- Unredacted, so apart from the replays: grant it to fewer people. One position, one letter: the row
-- written last counts, and a row with `closed` says that there is none any more.

CREATE TABLE IF NOT EXISTS %{table replay_dead_letters}
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
ENGINE = %{engine written_at}
PARTITION BY toDate(dead_at, 'UTC')
ORDER BY (topic, partition, offset)
SETTINGS index_granularity = 256, merge_max_block_size = 256, fsync_after_insert = 1, fsync_part_directory = 1;

%{spread replay_dead_letters cityHash64(topic, partition, offset)};
