//! Every key of the configuration file, with its kind, bounds, default and documentation.
//!
//! With its parts `stores`, `plugins` and `tenants` the only place where a default is written. What is said here is what the YAML says;
//! `settings` turns it into what the program may rely on.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use replay_core::row::Codec;

use super::leaf::{Choice, address, choice, count, flag, path, size, text_of, time};
use super::plugins::Plugins;
use super::rules::{ProjectLabel, origin, project_label, topic};
use super::section::{choices, if_present, nested, section};
use super::stores::{ClickHouseFile, ColdFile, Embedded, HotFile, Kafka, MinioFile, SourceFile};
use super::tenants::{TenantsFile, TenantsKind};
use super::units::{DAY, GIB, HOUR, KIB, MIB, MINUTE, MS, SECOND};

section! {
    /// The configuration of the replay processor.
    pub(super) ConfigFile {
        /// Buffering, compression and movement of sessions.
        replay: Replay = nested(),
        /// The S3-compatible store (MinIO, or any other).
        minio: Option<MinioFile> = if_present(),
        /// Where records come from.
        source: SourceFile = nested(),
        /// Where chunks are kept first.
        hot: HotFile = nested(),
        /// Where sessions are kept later.
        cold: ColdFile = nested(),
        /// The stores inside the process: local log, SQLite, directory.
        embedded: Option<Embedded> = if_present(),
        /// The Kafka cluster.
        kafka: Option<Kafka> = if_present(),
        /// The ClickHouse server.
        clickhouse: Option<ClickHouseFile> = if_present(),
        /// The HTTP side: intake, read API, health, metrics.
        api: Api = nested(),
        /// Where records end that cannot be stored.
        dead_letters: DeadLettersFile = nested(),
        /// Bounds: every queue, buffer and age.
        limits: Limits = nested(),
        /// Plugins: where they lie, and what one may cost.
        plugins: Plugins = nested(),
        /// Whose sessions are stored, and how each tenant's are treated.
        tenants: Option<TenantsFile> = TenantsKind,
        /// Logs and metrics.
        telemetry: Telemetry = nested(),
        /// Erasure of sessions and projects.
        erasure: Erasure = nested(),
        /// Taking tenants and their chains anew while the service runs.
        reload: Reload = nested(),
    }
}

section! {
    /// Buffering, compression and movement of sessions.
    pub Replay {
        /// Whether records are taken in. When false, only what is stored is served and aged.
        enabled: bool = flag().or(true),
        /// Chunks that seal a session's buffer.
        max_chunks_per_session: u32 = count().within(1, 100_000).or(100),
        /// A buffer is sealed when no chunk came for this long.
        idle_timeout: Duration = time().within(10 * MS, DAY).or(30 * SECOND),
        /// Longest that sealed chunks wait to be written together.
        flush_interval: Duration = time().within(10 * MS, HOUR).or(10 * SECOND),
        /// How stored chunks are compressed.
        compression: Codec = choice().or(Codec::Gzip),
        /// How hard: 1 to 12 for gzip, 1 to 19 for zstd.
        compression_level: u32 = count().within(1, 19).or_derived(0, "6 for gzip, 3 for zstd"),
        /// Whether a payload that is stored unchanged keeps its own compression.
        recompress: Recompress = choice().or(Recompress::Changed),
        /// Moving sessions from the hot to the cold store.
        migration: Migration = nested(),
    }
}

choices! {
    /// Which payloads are compressed anew.
    pub Recompress {
        /// Only what a plugin changed, or what is not one clean gzip member.
        Changed = "changed",
        /// All, at the configured level.
        Always = "always",
    }
}

section! {
    /// Moving sessions from the hot to the cold store.
    pub Migration {
        /// Whether sessions move. When false they are deleted after `hot_retention_days`.
        enabled: bool = flag().or(true),
        /// Days in the hot store, counted from receipt.
        hot_retention_days: u32 = count().within(1, 3650).or(30),
        /// Days in the cold store after the first move.
        cold_retention_days: u32 = count().within(1, 36_500).or(90),
        /// How long a day of retention lasts; shorter to watch a whole life in minutes.
        day_length: Duration = time().within(SECOND, DAY).or(DAY),
        /// Sessions looked up at a time; each run goes on until nothing is due.
        batch_size: u32 = count().within(1, 10_000).or(100),
        /// Compressed bytes of a session that moves, which is in memory meanwhile; a larger one stays in the hot
        /// store until both times are over.
        max_session_bytes: u64 = size().within(MIB, 1024 * GIB).or(512 * MIB),
        /// Time between two runs.
        interval: Duration = time().within(SECOND, 7 * DAY).or(HOUR),
        /// An object or row without its counterpart is an orphan only when older than this.
        reconcile_grace: Duration = time().within(MINUTE, 30 * DAY).or(DAY),
    }
}

section! {
    /// The HTTP side.
    pub Api {
        /// Address to listen on. Wider than loopback needs `tokens_file`.
        listen: SocketAddr = address().or((Ipv4Addr::LOCALHOST, 8080).into()),
        /// File with the tokens of those who may read, one a line; lines that start with `#` are left out.
        tokens_file: Option<PathBuf> = path().optional(),
        /// Origins whose pages may send records, as `https://app.example.com`, or `*`.
        allowed_origins: Vec<String> = text_of(origin).list(Vec::new()),
    }
}

section! {
    /// Where records end that cannot be stored.
    pub(super) DeadLettersFile {
        /// A Kafka `topic`, or a `table` beside the hot store. Default: topic when the source is Kafka.
        kind: Option<DeadLetterKind> = choice().optional(),
        /// The topic of kind `topic`.
        topic: String = text_of(topic).or("gosight.replay.dead".into()),
        /// Whether a letter holds the record itself or its position in the source.
        payload: DeadLetterPayload = choice().or(DeadLetterPayload::Include),
        /// A longer record is always referred to.
        max_payload_bytes: u64 = size().within(0, 64 * MIB).or(MIB),
        /// How long letters are kept.
        retention: Duration = time().within(HOUR, 3650 * DAY).or(14 * DAY),
        /// Whether the topic is made when it is not there.
        create_topic: bool = flag().or(true),
        /// Partitions of a topic that is made.
        topic_partitions: u32 = count().within(1, 1000).or(1),
        /// Replicas of a topic that is made; 0 for the brokers' default.
        replication_factor: u32 = count().within(0, 100).or(0),
        /// Erased letters of a topic that is made are off the disks about so long after.
        compaction_lag: Duration = time().within(MINUTE, 7 * DAY).or(HOUR),
        /// Letters of a topic whose heads are kept in memory; more cost more reading, nothing else.
        indexed_letters: u32 = count().within(1_000, 10_000_000).or(100_000),
    }
}

choices! {
    /// Where dead letters are kept.
    pub(super) DeadLetterKind {
        /// A Kafka topic.
        Topic = "topic",
        /// A table of the hot store's kind, in a database file of its own when that is SQLite.
        Table = "table",
    }
}

choices! {
    /// What a dead letter holds.
    pub DeadLetterPayload {
        /// The record: a copy that no plugin has redacted.
        Include = "include",
        /// The record's position in the source, as long as that has it.
        Reference = "reference",
    }
}

section! {
    /// Bounds: every queue, buffer and age.
    pub Limits {
        /// Longest record; longer is dead-lettered as `too_large`.
        max_record_bytes: u64 = size().within(KIB, GIB).or(64 * MIB),
        /// Longest payload once decompressed; longer is dead-lettered as `bomb`.
        max_raw_chunk_bytes: u64 = size().within(KIB, 2 * GIB).or(128 * MIB),
        /// Most that a payload may grow by decompression; beyond it is a `bomb`.
        max_ratio: u32 = count().within(2, 1_000_000).or(1000),
        /// Longest chunk as it is stored, compressed.
        max_stored_chunk_bytes: u64 = size().within(KIB, GIB).or(8 * MIB),
        /// Deepest nesting of JSON; deeper is dead-lettered as `too_deep`.
        max_depth: u32 = count().within(16, 10_000).or(512),
        /// Bytes of all records in the process; at the budget the source is paused.
        memory_budget: u64 = size().within(MIB, 1024 * GIB).or(256 * MIB),
        /// A buffer is sealed at this age even if chunks keep coming.
        max_session_age: Duration = time().within(100 * MS, DAY).or(5 * MINUTE),
        /// Time to store what is in hand when told to stop.
        shutdown_deadline: Duration = time().within(SECOND, HOUR).or(25 * SECOND),
        /// First wait after a failure; it doubles with each further one.
        back_off: Duration = time().within(MS, HOUR).or(500 * MS),
        /// Longest wait between two tries.
        max_back_off: Duration = time().within(MS, HOUR).or(MINUTE),
        /// Threads for decoding, plugins and compression.
        workers: usize = count().within(1, 1024).or_derived(cores(), "the number of cores"),
        /// Jobs handed to the workers and not yet answered.
        max_decode_jobs: usize = count().within(1, 100_000).or_derived(0, "4 a worker"),
        /// Workers that one project may hold while another has work.
        project_slots: usize = count().within(1, 1024).or_derived(0, "workers - 1, at least 1"),
        /// Bytes that one project may buffer while another has work.
        project_buffer_bytes: u64 =
            size().within(KIB, 1024 * GIB).or_derived(0, "a quarter of memory_budget"),
        /// Bytes of one project's sealed batches that may wait for a slow chain while another project
        /// waits too; further ones are dead-lettered as `plugin_overloaded`.
        project_waiting_bytes: u64 = size().within(KIB, 1024 * GIB).or_derived(0, "half of memory_budget"),
        /// A chain that takes longer than this for a MiB of chunks as they are stored is slow.
        slow_chain: Duration = time().within(MS, HOUR).or(2 * SECOND),
        /// Tenants listed, in `tenants` and in `tenants.dir` together.
        max_tenants: u32 = count().within(1, 1_000_000).or(10_000),
        /// Most rows of one insert.
        insert_max_rows: u32 = count().within(1, 1_000_000).or(10_000),
        /// Most bytes of one insert.
        insert_max_bytes: u64 = size().within(KIB, GIB).or(16 * MIB),
    }
}

section! {
    /// Logs and metrics.
    pub Telemetry {
        /// Projects named in metrics: `off`, or `top:N` with the rest as `other`.
        project_label: ProjectLabel = text_of(project_label).or(ProjectLabel::Off),
        /// Plugins named in metrics, by their names in `plugins`; those that come later are `other`.
        plugin_labels: u32 = count().within(1, 10_000).or(100),
        /// Form of the log on stderr.
        log_format: LogFormat = choice().or(LogFormat::Text),
        /// Least serious messages shown.
        log_level: LogLevel = choice().or(LogLevel::Info),
    }
}

choices! {
    /// Form of the log.
    pub LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

choices! {
    /// Least serious messages shown.
    pub LogLevel {
        /// Only failures.
        Error = "error",
        /// And what may become one.
        Warn = "warn",
        /// And what an operator wants to know.
        Info = "info",
        /// And what a developer wants to know.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

section! {
    /// Erasure of sessions and projects.
    pub Erasure {
        /// How long the mark of an erasure is kept; longer than any copy of the data can live.
        tombstone_retention: Duration = time().within(DAY, 50_000 * DAY).or(400 * DAY),
        /// Time between two sweeps for copies that came back.
        sweep_interval: Duration = time().within(SECOND, 7 * DAY).or(HOUR),
    }
}

section! {
    /// Taking tenants and their chains anew while the service runs. SIGHUP always does.
    pub Reload {
        /// Whether a change of this file, of `tenants.dir` or of a component that is waited for is enough.
        watch: bool = flag().or(true),
        /// How often they are looked at; what is the same twice in a row is taken.
        interval: Duration = time().within(50 * MS, HOUR).or(5 * SECOND),
    }
}

impl Choice for Codec {
    const ALL: &'static [(&'static str, Self)] = &[("gzip", Self::Gzip), ("zstd", Self::Zstd)];
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
