//! The keys that say where records come from and where chunks are kept.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use replay_core::row::Codec;

use super::leaf::{Properties, choice, count, flag, path, secret, size, text_of, time};
use super::rules::{bucket, host_and_port, identifier, s3_endpoint, topic, url, word};
use super::secret::Secret;
use super::section::{choices, nested, section};
use super::units::{DAY, GIB, HOUR, KIB, MIB, MINUTE, MS, SECOND};

section! {
    /// The S3-compatible store.
    pub MinioFile {
        /// Host and port, without a scheme; `aws` for Amazon's own.
        endpoint: Option<String> = text_of(s3_endpoint).optional(),
        /// Access key. Without keys the AWS credential chain is asked.
        access_key: Option<Secret> = secret().optional(),
        /// File that holds the access key.
        access_key_file: Option<PathBuf> = path().optional(),
        /// Secret key.
        secret_key: Option<Secret> = secret().optional(),
        /// File that holds the secret key.
        secret_key_file: Option<PathBuf> = path().optional(),
        /// The bucket.
        bucket: String = text_of(bucket).or("gosight-replays".into()),
        /// Whether the bucket is made when it is not there.
        create_bucket: bool = flag().or(false),
        /// Region named in signatures.
        region: String = text_of(word).or("us-east-1".into()),
        /// HTTPS instead of HTTP.
        use_ssl: bool = flag().or(false),
        /// Larger objects go up in parts of this size, which is also the size of the one buffer.
        part_bytes: u64 = size().within(5 * MIB, 5 * GIB).or(64 * MIB),
        /// Largest object; a session that needs a larger one stays in the hot store.
        max_object_bytes: u64 = size().within(5 * MIB, 5 * 1024 * GIB).or(4 * GIB),
        /// Time to connect.
        connect_timeout: Duration = time().within(100 * MS, MINUTE).or(5 * SECOND),
        /// Time for one try of a call without a large body.
        answer_timeout: Duration = time().within(SECOND, 10 * MINUTE).or(30 * SECOND),
        /// Time for one try to send a part, or an object up to that size.
        transfer_timeout: Duration = time().within(SECOND, HOUR).or(2 * MINUTE),
        /// Longest silence while a body is read.
        idle_timeout: Duration = time().within(SECOND, 10 * MINUTE).or(30 * SECOND),
        /// Tries of one call, the first included; then the work itself is tried again later.
        attempts: u32 = count().within(1, 10).or(3),
        /// Longest wait between two of them.
        max_back_off: Duration = time().within(10 * MS, MINUTE).or(5 * SECOND),
    }
}

section! {
    /// Where records come from.
    pub(super) SourceFile {
        /// `kafka`, or the `local` log. Default: kafka if its section is there.
        kind: Option<SourceKind> = choice().optional(),
    }
}

choices! {
    /// Where records come from.
    pub(super) SourceKind {
        /// A Kafka topic.
        Kafka = "kafka",
        /// The log in `embedded.dir`, fed over HTTP and by `ingest`.
        Local = "local",
    }
}

section! {
    /// Where chunks are kept first.
    pub(super) HotFile {
        /// `clickhouse`, or `sqlite` in `embedded.dir`. Default: clickhouse if its section is there.
        kind: Option<HotKind> = choice().optional(),
    }
}

choices! {
    /// Where chunks are kept first.
    pub(super) HotKind {
        /// A ClickHouse server.
        ClickHouse = "clickhouse",
        /// A SQLite file.
        Sqlite = "sqlite",
    }
}

section! {
    /// Where sessions are kept later.
    pub(super) ColdFile {
        /// `s3`, a `dir`, or `none`. Default: s3 if the section `minio` is there.
        kind: Option<ColdKind> = choice().optional(),
        /// The directory of kind `dir`. Default: `cold` in `embedded.dir`.
        dir: Option<PathBuf> = path().optional(),
        /// How objects are compressed. Default: as `replay.compression`, so that moving costs none.
        codec: Option<Codec> = choice().optional(),
    }
}

choices! {
    /// Where sessions are kept later.
    pub(super) ColdKind {
        /// An S3-compatible store.
        S3 = "s3",
        /// A directory.
        Dir = "dir",
        /// Nowhere: they are deleted after `hot_retention_days`.
        None = "none",
    }
}

section! {
    /// The stores inside the process.
    pub Embedded {
        /// Their directory. Relative paths start at the working directory.
        dir: PathBuf = path().or("./data".into()),
        /// How long the local log keeps what is committed.
        log_retention: Duration = time().within(SECOND, 365 * DAY).or(DAY),
        /// Bounds of the local log.
        log: EmbeddedLog = nested(),
        /// Bounds of SQLite.
        sqlite: EmbeddedSqlite = nested(),
    }
}

section! {
    /// Bounds of the local log. A single record may be larger than any of the sizes.
    pub EmbeddedLog {
        /// Size at which a new segment begins.
        segment_bytes: u64 = size().within(MIB, 4 * GIB).or(64 * MIB),
        /// Read into memory at once.
        read_ahead_bytes: u64 = size().within(64 * KIB, GIB).or(4 * MIB),
        /// Appends that may wait in the queue; more wait with their senders.
        queue_records: u32 = count().within(1, 1_000_000).or(1024),
        /// Bytes of the appends that may wait.
        queue_bytes: u64 = size().within(MIB, 64 * GIB).or(128 * MIB),
        /// Most bytes of one write and sync.
        batch_bytes: u64 = size().within(64 * KIB, GIB).or(8 * MIB),
    }
}

section! {
    /// Bounds of SQLite.
    pub EmbeddedSqlite {
        /// Connections that read.
        readers: u32 = count().within(1, 64).or(4),
        /// Writes that may wait.
        queued_writes: u32 = count().within(1, 10_000).or(64),
        /// How long to wait for another process's lock.
        busy_timeout: Duration = time().within(10 * MS, MINUTE).or(5 * SECOND),
        /// How long an erasure waits for readers to let go of old pages.
        erase_wait: Duration = time().within(100 * MS, 10 * MINUTE).or(10 * SECOND),
        /// Stored bytes of moved chunks that may wait on the disk until nobody writes.
        deleted_bytes: u64 = size().within(MIB, 1024 * GIB).or(256 * MIB),
        /// Largest size of the database file. Default: what the disk holds.
        max_bytes: Option<u64> = size().within(MIB, 1024 * 1024 * GIB).optional(),
    }
}

section! {
    /// The Kafka cluster.
    pub Kafka {
        /// Host and port of some brokers.
        brokers: Vec<String> = text_of(host_and_port).list(vec!["kafka:9092".into()]).not_empty(),
        /// The topic of the records.
        topic: String = text_of(topic).or("gosight.replay.chunks".into()),
        /// The consumer group.
        group: String = text_of(word).or("gosight-replay-processor".into()),
        /// More properties for librdkafka, such as `sasl.password`; never printed.
        properties: BTreeMap<String, Secret> = Properties,
        /// Bytes fetched and not yet handed over.
        read_ahead_bytes: u64 = size().within(MIB, GIB).or(8 * MIB),
        /// Bytes of one answer of a broker, packed as the producer packed them; a longer record still
        /// comes, alone. What is unpacked from one answer is in memory at once.
        fetch_bytes: u64 = size().within(MIB, 256 * MIB).or(MIB),
        /// Bytes handed over and not yet taken by the pipeline.
        inbox_bytes: u64 = size().within(64 * KIB, 256 * MIB).or(MIB),
        /// Bytes of records sent that wait to be acknowledged.
        append_queue_bytes: u64 = size().within(MIB, 4 * GIB).or(128 * MIB),
        /// Time for one question to a broker.
        request_timeout: Duration = time().within(SECOND, 5 * MINUTE).or(10 * SECOND),
        /// Time until a record that was sent is acknowledged.
        append_timeout: Duration = time().within(SECOND, 10 * MINUTE).or(30 * SECOND),
        /// Time to finish what is here of partitions that go to another replica.
        revoke_timeout: Duration = time().within(SECOND, 4 * MINUTE).or(20 * SECOND),
        /// Time to leave the group.
        shutdown_timeout: Duration = time().within(100 * MS, MINUTE).or(5 * SECOND),
        /// How often the ends of the partitions are asked for.
        end_offsets_interval: Duration = time().within(100 * MS, 5 * MINUTE).or(5 * SECOND),
        /// When there is a lag and no progress for so long, the group is joined anew.
        stall_timeout: Duration = time().within(10 * SECOND, DAY).or(2 * MINUTE),
    }
}

section! {
    /// The ClickHouse server.
    pub ClickHouseFile {
        /// HTTP address.
        url: String = text_of(url).or("http://clickhouse:8123".into()),
        /// The database; it must exist.
        database: String = text_of(identifier).or("gosight".into()),
        /// User.
        user: String = text_of(word).or("default".into()),
        /// Password; none if left out.
        password: Option<Secret> = secret().optional(),
        /// File that holds the password.
        password_file: Option<PathBuf> = path().optional(),
        /// Name of the cluster, whose shards the tables are spread over. Default: a single server.
        cluster: Option<String> = text_of(word).optional(),
        /// Whether the tables are replicated.
        replicated: bool = flag().or(false),
        /// Replicas that must have an archive row or the mark of an erasure; 0 for a majority.
        insert_quorum: u32 = count().within(0, 64).or(0),
        /// Time for a read or a small write.
        request_timeout: Duration = time().within(SECOND, 10 * MINUTE).or(30 * SECOND),
        /// Time for one insert.
        insert_timeout: Duration = time().within(SECOND, 30 * MINUTE).or(2 * MINUTE),
        /// Time for one deletion, which is waited for.
        mutation_timeout: Duration = time().within(SECOND, DAY).or(10 * MINUTE),
        /// Copies read at once.
        read_max_copies: u32 = count().within(1, 10_000).or(64),
        /// Copies deleted at once.
        delete_max_copies: u32 = count().within(1, 10_000).or(1_000),
        /// Requests under way at a time; more wait.
        max_requests: u32 = count().within(1, 256).or(8),
        /// `doctor` warns when the clocks differ by more.
        max_clock_skew: Duration = time().within(100 * MS, HOUR).or(5 * SECOND),
    }
}
