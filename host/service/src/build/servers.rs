//! Opens Kafka, ClickHouse and S3 as the config says.

use std::sync::Arc;

use replay_ports::{ColdStore, DeadLetters, Finding, HotStore, PortError, Result, Source};
use replay_servers::clickhouse::{self, ClickHouseDeadLetters, ClickHouseHot, ClickHouseSettings};
use replay_servers::kafka::{self, KafkaDeadLetters, KafkaSettings, KafkaSource, LetterTopicSettings};
use replay_servers::s3::{self, S3Cold, S3Settings};

use super::remote::S3Remote;
use super::{Opener, bytes};
use crate::config::{ClickHouse, DeadLetterStore, Kafka, S3, Settings};
use crate::registry::Remote;

/// Joins no group: that happens when the first record is asked for.
pub(super) async fn source(settings: &Settings, kafka: &Kafka, opener: Opener) -> Result<Arc<dyn Source>> {
    let source = KafkaSource::open(&kafka_settings(settings, kafka))?;
    match source.prepare().await {
        Err(PortError::Unavailable { what, .. }) if opener == Opener::Service => {
            tracing::error!(what, "the source is away; this goes on as soon as it is back");
        }
        prepared => prepared?,
    }
    Ok(Arc::new(source))
}

/// A service may start while its store is away: it says so, and its intake waits. What a person has to
/// mend is refused at once.
pub(super) async fn hot(
    settings: &Settings,
    server: &ClickHouse,
    opener: Opener,
) -> Result<Arc<dyn HotStore>> {
    let server = clickhouse_settings(settings, server);
    Ok(match ClickHouseHot::open(&server).await {
        Err(PortError::Unavailable { what, .. }) if opener == Opener::Service => {
            tracing::error!(what, "the hot store is away; records wait in the source until it is back");
            Arc::new(ClickHouseHot::open_lazily(&server)?)
        }
        opened => Arc::new(opened?),
    })
}

pub(super) async fn letters_table(
    settings: &Settings,
    server: &ClickHouse,
    opener: Opener,
) -> Result<Arc<dyn DeadLetters>> {
    let server = clickhouse_settings(settings, server);
    Ok(match ClickHouseDeadLetters::open(&server).await {
        Err(PortError::Unavailable { .. }) if opener == Opener::Service => {
            Arc::new(ClickHouseDeadLetters::open_lazily(&server)?)
        }
        opened => Arc::new(opened?),
    })
}

pub(super) async fn letters_topic(
    settings: &Settings,
    kafka: &Kafka,
    topic: &str,
    opener: Opener,
) -> Result<Arc<dyn DeadLetters>> {
    let letters = KafkaDeadLetters::open(&kafka_settings(settings, kafka), topic)?;
    match letters.prepare().await {
        // Said of the source already.
        Err(PortError::Unavailable { .. }) if opener == Opener::Service => {}
        prepared => prepared?,
    }
    Ok(Arc::new(letters))
}

pub(super) async fn cold(s3: &S3, opener: Opener) -> Result<Arc<dyn ColdStore>> {
    let s3 = s3_settings(s3);
    Ok(Arc::new(match S3Cold::open(&s3).await {
        Err(PortError::Unavailable { what, .. }) if opener == Opener::Service => {
            tracing::error!(what, "the cold store is away; sessions are moved when it is back");
            S3Cold::open_untried(&s3).await?
        }
        opened => opened?,
    }))
}

pub(super) async fn cold_for_reading(s3: &S3) -> Result<Arc<dyn ColdStore>> {
    Ok(Arc::new(S3Cold::open_read_only(&s3_settings(s3)).await?))
}

/// What registries in buckets are read with.
pub(super) fn registry(s3: &S3, runtime: tokio::runtime::Handle) -> Option<Arc<dyn Remote>> {
    Some(Arc::new(S3Remote::new(s3_settings(s3), runtime)))
}

/// The statements that make the hot store's tables.
pub(super) fn schema_text(settings: &Settings, server: &ClickHouse) -> Result<String> {
    clickhouse::schema::show(&clickhouse_settings(settings, server))
}

/// Makes the hot store's tables, and says what was done.
pub(super) async fn apply_schema(settings: &Settings, server: &ClickHouse, adopt: bool) -> Result<String> {
    let report = clickhouse::schema::apply(&clickhouse_settings(settings, server), adopt).await?;
    Ok(report.to_string())
}

/// What `doctor` sees of every server that the config names.
pub(super) async fn examine_kafka(settings: &Settings, kafka: &Kafka, letters: Option<&str>) -> Vec<Finding> {
    kafka::examine(&kafka_settings(settings, kafka), letters).await
}

pub(super) async fn examine_clickhouse(settings: &Settings, server: &ClickHouse) -> Vec<Finding> {
    clickhouse::examine(&clickhouse_settings(settings, server)).await
}

pub(super) async fn examine_s3(s3: &S3) -> Vec<Finding> {
    s3::examine(&s3_settings(s3)).await
}

fn kafka_settings(settings: &Settings, kafka: &Kafka) -> KafkaSettings {
    let properties =
        kafka.properties.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect();
    let letters = match &settings.dead_letters.store {
        DeadLetterStore::Topic { bounds, .. } => LetterTopicSettings {
            create: bounds.create,
            partitions: i32::try_from(bounds.partitions).unwrap_or(i32::MAX),
            // -1 leaves it to the brokers.
            replication_factor: i32::try_from(bounds.replication_factor)
                .ok()
                .filter(|n| *n > 0)
                .unwrap_or(-1),
            compaction_lag: bounds.compaction_lag,
            indexed_letters: bounds.indexed_letters,
        },
        DeadLetterStore::Table => LetterTopicSettings::default(),
    };
    KafkaSettings {
        brokers: kafka.brokers.clone(),
        topic: kafka.topic.clone(),
        group: kafka.group.clone(),
        properties,
        max_record_bytes: settings.limits.max_record_bytes,
        read_ahead_bytes: kafka.read_ahead_bytes,
        fetch_bytes: kafka.fetch_bytes,
        inbox_bytes: kafka.inbox_bytes,
        append_queue_bytes: kafka.append_queue_bytes,
        request_timeout: kafka.request_timeout,
        append_timeout: kafka.append_timeout,
        revoke_timeout: kafka.revoke_timeout,
        shutdown: kafka.shutdown_timeout,
        end_offsets_interval: kafka.end_offsets_interval,
        stall_timeout: kafka.stall_timeout,
        letters,
    }
}

fn clickhouse_settings(settings: &Settings, server: &ClickHouse) -> ClickHouseSettings {
    let (file, limits) = (&server.file, &settings.limits);
    ClickHouseSettings {
        url: server.url.clone(),
        database: server.database.clone(),
        user: server.user.clone(),
        password: server.password.as_ref().map(|password| password.expose().to_owned()),
        cluster: file.cluster.clone(),
        replicated: file.replicated,
        insert_quorum: u16::try_from(file.insert_quorum).unwrap_or(u16::MAX),
        request_timeout: file.request_timeout,
        insert_timeout: file.insert_timeout,
        mutation_timeout: file.mutation_timeout,
        insert_max_rows: limits.insert_max_rows as usize,
        insert_max_bytes: bytes(limits.insert_max_bytes),
        read_max_copies: file.read_max_copies as usize,
        delete_max_copies: file.delete_max_copies as usize,
        max_requests: file.max_requests as usize,
        max_clock_skew: file.max_clock_skew,
    }
}

fn s3_settings(s3: &S3) -> S3Settings {
    let file = &s3.file;
    let keys = s3.credentials.as_ref();
    S3Settings {
        url: s3.url.clone(),
        bucket: s3.bucket.clone(),
        region: Some(s3.region.clone()),
        credentials: keys.map(|(access, secret)| (access.expose().to_owned(), secret.expose().to_owned())),
        create_bucket: file.create_bucket,
        part_bytes: file.part_bytes,
        max_object_bytes: file.max_object_bytes,
        connect_timeout: file.connect_timeout,
        answer_timeout: file.answer_timeout,
        transfer_timeout: file.transfer_timeout,
        idle_timeout: file.idle_timeout,
        attempts: file.attempts,
        max_back_off: file.max_back_off,
    }
}
