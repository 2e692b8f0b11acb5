//! librdkafka's properties: ours, which hold the contract, and the operator's, which must not break it.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;

use super::KafkaSettings;
use super::failure::words;

/// A property that must not stand in `kafka.properties`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedProperty {
    /// Its name.
    pub name: String,
    /// Why, and what to do instead. Holds no value.
    pub reason: String,
}

/// Names, and why they are ours alone.
const OURS: &[(&[&str], &str)] = &[
    (&["bootstrap.servers", "metadata.broker.list"], "the brokers stand in `kafka.brokers`"),
    (&["group.id"], "the group stands in `kafka.group`"),
    (
        &[
            "enable.auto.commit",
            "auto.commit.enable",
            "auto.commit.interval.ms",
            "enable.auto.offset.store",
            "offset.store.method",
            "offset.store.path",
            "offset.store.sync.interval.ms",
        ],
        "offsets are committed when what lies before them is stored, and never otherwise",
    ),
    (&["enable.partition.eof"], "the end of a partition must be told: a fetch by position rests on it"),
    (
        &[
            "enable.idempotence",
            "acks",
            "request.required.acks",
            "retries",
            "message.send.max.retries",
            "max.in.flight",
            "max.in.flight.requests.per.connection",
            "enable.gapless.guarantee",
            "queuing.strategy",
            "transactional.id",
            "delivery.report.only.error",
        ],
        "what we write is written idempotently and acknowledged by all replicas",
    ),
    (
        &["message.timeout.ms", "delivery.timeout.ms", "request.timeout.ms"],
        "it follows from `kafka.append_timeout`",
    ),
    (&["queued.max.messages.kbytes"], "it would unbound memory: use `kafka.read_ahead_bytes`"),
    (
        &["fetch.max.bytes", "fetch.message.max.bytes", "max.partition.fetch.bytes"],
        "it would unbound memory: use `kafka.fetch_bytes`",
    ),
    (
        &["receive.message.max.bytes", "message.max.bytes"],
        "it follows from `limits.max_record_bytes`; larger records must still be read to become dead letters",
    ),
    (
        &["queue.buffering.max.kbytes", "queue.buffering.max.messages"],
        "it would unbound memory: use `kafka.append_queue_bytes`",
    ),
    (&["statistics.interval.ms"], "the watchdog sets it"),
    (&["log_level", "log.queue", "log.thread.name"], "the log follows the service's own"),
    (&["allow.auto.create.topics"], "a misspelt topic would be created, and stay empty without a word"),
    (&["topic.blacklist"], "a topic that is hidden looks like one that is empty"),
    (&["group.protocol.type"], "only consumer groups are known"),
    (
        &["test.mock.num.brokers", "test.mock.broker.rtt"],
        "it replaces the brokers by a mock that loses records",
    ),
    (
        &[
            "plugin.library.paths",
            "interceptors",
            "enabled_events",
            "opaque",
            "default_topic_conf",
            "internal.termination.signal",
            "enable.random.seed",
            "socket_cb",
            "connect_cb",
            "closesocket_cb",
            "open_cb",
            "resolve_cb",
            "error_cb",
            "throttle_cb",
            "stats_cb",
            "log_cb",
            "background_event_cb",
            "dr_cb",
            "dr_msg_cb",
            "consume_cb",
            "rebalance_cb",
            "offset_commit_cb",
            "oauthbearer_token_refresh_cb",
            "partitioner_cb",
            "msg_order_cmp",
            "ssl_engine_callback_data",
            "ssl.certificate.verify_cb",
            "consume.callback.max.messages",
        ],
        "it belongs to the program, not to its config",
    ),
];

/// Of the group's members only.
const MEMBER: &[&str] = &[
    "group.instance.id",
    "group.protocol",
    "group.remote.assignor",
    "partition.assignment.strategy",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
    "coordinator.query.interval.ms",
];

/// Of consumers only, by how they begin.
const CONSUMER: &[&str] =
    &["fetch.", "queued.", "isolation.level", "check.crcs", "client.rack", "auto.offset.reset"];

/// Of producers only, by how they begin.
const PRODUCER: &[&str] = &[
    "compression.",
    "linger.ms",
    "queue.buffering.",
    "batch.",
    "partitioner",
    "sticky.partitioning.",
    "transaction.",
];

/// librdkafka's most, for what only guards against nonsense on the wire.
const LARGEST_ANSWER_BYTES: u64 = 2_147_483_647;
const LARGEST_MESSAGE_BYTES: u64 = 1_000_000_000;
/// Headers, key and framing of a record, generously.
const FRAMING_BYTES: u64 = 64 << 10;
/// librdkafka's default of `max.poll.interval.ms`.
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(300);

/// What must not stand under `kafka.properties`: what would break the contract, has a key of its own,
/// is unknown to librdkafka, has an invalid value, or needs TLS in a build without it.
pub fn refused_properties(properties: &BTreeMap<String, String>) -> Vec<RefusedProperty> {
    let refused = properties.iter().filter_map(|(name, value)| {
        let reason = ours(name).or_else(|| harmful(name, value)).or_else(|| needs_tls(name, value));
        let reason = reason.map(str::to_owned).or_else(|| invalid(name, value))?;
        Some(RefusedProperty { name: name.clone(), reason })
    });
    refused.collect()
}

/// As [`refused_properties`], and against the bounds: for an `open`.
pub(super) fn check(settings: &KafkaSettings) -> Result<(), String> {
    if let Some(refused) = refused_properties(&settings.properties).first() {
        return Err(format!("kafka.properties: {}: {}", refused.name, refused.reason));
    }
    if settings.revoke_timeout + Duration::from_secs(5) > max_poll_interval(settings) {
        return Err("kafka.revoke_timeout must be at least 5 s under max.poll.interval.ms".into());
    }
    Ok(())
}

/// For the consumer that is a member of the group.
pub(super) fn member(settings: &KafkaSettings) -> ClientConfig {
    let mut config = consumer(settings, settings.read_ahead_bytes, settings.fetch_bytes);
    copy(settings, &mut config, |name| MEMBER.contains(&name));
    if settings.properties.get("group.protocol").is_none_or(|protocol| protocol != "consumer") {
        default(&mut config, "partition.assignment.strategy", "cooperative-sticky");
    }
    config.set("statistics.interval.ms", statistics_interval(settings).as_millis().to_string());
    config
}

/// For a consumer that only reads by position.
pub(super) fn reader(settings: &KafkaSettings) -> ClientConfig {
    // It reads on behalf of one caller at a time, and should not fetch much for nothing.
    let mut config = consumer(settings, settings.fetch_bytes, (1 << 20).min(settings.fetch_bytes));
    // A fetch that waits at the end of a partition would hold up the next reading.
    config.set("fetch.wait.max.ms", "10");
    config
}

/// For a producer.
pub(super) fn producer(settings: &KafkaSettings) -> ClientConfig {
    let mut config = base(settings);
    copy(settings, &mut config, |name| PRODUCER.iter().any(|start| name.starts_with(start)));
    // An append waits for its acknowledgement; what comes meanwhile is sent together anyway.
    default(&mut config, "linger.ms", "0");
    // A topic that is missing is to be told before the record times out.
    default(&mut config, "topic.metadata.propagation.max.ms", "5000");
    let largest = (settings.max_record_bytes + FRAMING_BYTES).clamp(1_000_000, LARGEST_MESSAGE_BYTES);
    let queue = settings.append_queue_bytes.max(largest + FRAMING_BYTES);
    let timeout = settings.append_timeout.as_millis().max(1);
    config
        .set("enable.idempotence", "true")
        .set("message.timeout.ms", timeout.to_string())
        .set("request.timeout.ms", timeout.min(30_000).to_string())
        .set("message.max.bytes", largest.to_string())
        .set("queue.buffering.max.kbytes", (queue / 1024 + 1).min(2_147_483_647).to_string());
    config
}

/// For questions about topics and the cluster.
pub(super) fn admin(settings: &KafkaSettings) -> ClientConfig {
    base(settings)
}

fn consumer(settings: &KafkaSettings, ahead_bytes: u64, fetch_bytes: u64) -> ClientConfig {
    let mut config = base(settings);
    copy(settings, &mut config, |name| CONSUMER.iter().any(|start| name.starts_with(start)));
    // The default, a second, is for deep queues; ours would run dry meanwhile.
    default(&mut config, "fetch.queue.backoff.ms", "20");
    let fetch_bytes = fetch_bytes.clamp(1_000_000, LARGEST_MESSAGE_BYTES);
    config
        .set("group.id", &settings.group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("queued.max.messages.kbytes", (ahead_bytes / 1024).clamp(1, 2_097_151).to_string())
        .set("fetch.max.bytes", fetch_bytes.to_string())
        .set("fetch.message.max.bytes", fetch_bytes.to_string())
        // A record over every limit must come too, or the partition would stand still before it.
        .set("receive.message.max.bytes", LARGEST_ANSWER_BYTES.to_string());
    config
}

fn base(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    let is_special = |name: &str| {
        let starts = CONSUMER.iter().chain(PRODUCER);
        MEMBER.contains(&name) || starts.into_iter().any(|start| name.starts_with(start))
    };
    copy(settings, &mut config, |name| !is_special(name));
    default(&mut config, "client.id", "replay-processor");
    default(&mut config, "socket.keepalive.enable", "true");
    config.set("bootstrap.servers", settings.brokers.join(",")).set_log_level(log_level());
    config
}

/// The operator's properties, of one kind of client.
fn copy(settings: &KafkaSettings, config: &mut ClientConfig, belongs: impl Fn(&str) -> bool) {
    for (name, value) in settings.properties.iter().filter(|(name, _)| belongs(name)) {
        config.set(name, value);
    }
}

fn default(config: &mut ClientConfig, name: &str, value: &str) {
    if config.get(name).is_none() {
        config.set(name, value);
    }
}

/// librdkafka makes no line that nobody reads.
fn log_level() -> RDKafkaLogLevel {
    if tracing::enabled!(target: "librdkafka", tracing::Level::DEBUG) {
        RDKafkaLogLevel::Debug
    } else if tracing::enabled!(target: "librdkafka", tracing::Level::INFO) {
        RDKafkaLogLevel::Info
    } else {
        RDKafkaLogLevel::Warning
    }
}

/// Often enough that a stall is seen when it is due.
fn statistics_interval(settings: &KafkaSettings) -> Duration {
    (settings.stall_timeout / 4).clamp(Duration::from_millis(100), Duration::from_secs(10))
}

fn max_poll_interval(settings: &KafkaSettings) -> Duration {
    let given = settings.properties.get("max.poll.interval.ms").and_then(|value| value.parse().ok());
    given.map_or(MAX_POLL_INTERVAL, Duration::from_millis)
}

fn ours(name: &str) -> Option<&'static str> {
    OURS.iter().find(|(names, _)| names.contains(&name)).map(|(_, reason)| *reason)
}

/// Properties of which only some values do harm.
fn harmful(name: &str, value: &str) -> Option<&'static str> {
    let is_earliest = matches!(value, "earliest" | "smallest" | "beginning");
    (name == "auto.offset.reset" && !is_earliest)
        .then_some("anything but `earliest` would skip records that nobody has stored")
}

fn needs_tls(name: &str, value: &str) -> Option<&'static str> {
    if cfg!(feature = "tls") {
        return None;
    }
    let value = value.to_ascii_lowercase();
    let needs = match name {
        "security.protocol" => value.contains("ssl"),
        "sasl.mechanism" | "sasl.mechanisms" => value.contains("scram") || value.contains("oauthbearer"),
        name => name.starts_with("ssl.") || name.starts_with("sasl.oauthbearer."),
    };
    needs.then_some("this build has no TLS: take a release, or build with the feature `tls`")
}

/// What librdkafka itself says.
fn invalid(name: &str, value: &str) -> Option<String> {
    let mut config = ClientConfig::new();
    config.set(name, value);
    match config.create_native_config() {
        Ok(_) => None,
        // Its words repeat the value, which may be a secret.
        Err(KafkaError::ClientConfig(_, what, _, _)) if !value.is_empty() && what.contains(value) => {
            Some("librdkafka does not take this value".into())
        }
        Err(KafkaError::ClientConfig(_, what, _, _)) => Some(what),
        Err(other) => Some(words(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: &str, value: &str) -> Option<String> {
        let properties = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        refused_properties(&properties).pop().map(|refused| refused.reason)
    }

    #[test]
    fn what_would_break_the_contract_is_refused() {
        for (name, value) in [
            ("enable.auto.commit", "true"),
            ("enable.auto.commit", "false"),
            ("group.id", "x"),
            ("auto.offset.reset", "latest"),
            ("acks", "1"),
            ("test.mock.num.brokers", "3"),
            ("plugin.library.paths", "/tmp/x.so"),
            ("fetch.max.bytes", "1"),
        ] {
            assert!(refused(name, value).is_some(), "{name}={value}");
        }
    }

    #[test]
    fn what_an_operator_needs_is_taken() {
        for (name, value) in [
            ("auto.offset.reset", "earliest"),
            ("group.instance.id", "replica-1"),
            ("group.protocol", "consumer"),
            ("partition.assignment.strategy", "range"),
            ("session.timeout.ms", "6000"),
            ("client.rack", "a"),
            ("compression.type", "zstd"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", "u"),
            ("sasl.password", "p"),
            ("security.protocol", "sasl_plaintext"),
        ] {
            assert_eq!(refused(name, value), None, "{name}");
        }
    }

    #[test]
    fn what_librdkafka_refuses_is_told_without_the_value() {
        assert!(refused("no.such.property", "hunter2").is_some_and(|reason| !reason.contains("hunter2")));
        assert!(refused("group.protocol", "hunter2").is_some_and(|reason| !reason.contains("hunter2")));
        assert!(refused("session.timeout.ms", "0").is_some());
    }

    #[test]
    fn every_client_can_be_made_with_every_property() {
        let settings = KafkaSettings {
            properties: [("group.protocol", "consumer"), ("compression.type", "zstd"), ("client.rack", "a")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..KafkaSettings::default()
        };
        for config in [member(&settings), reader(&settings), producer(&settings), admin(&settings)] {
            config.create_native_config().unwrap();
        }
        assert_eq!(member(&settings).get("group.protocol"), Some("consumer"));
        assert_eq!(reader(&settings).get("group.protocol"), None);
        assert_eq!(producer(&settings).get("compression.type"), Some("zstd"));
        assert_eq!(check(&settings), Ok(()));
    }

    #[test]
    fn a_drain_must_end_before_the_group_gives_us_up() {
        let properties = [("max.poll.interval.ms".to_owned(), "10000".to_owned())].into();
        let settings = KafkaSettings { properties, ..KafkaSettings::default() };
        assert!(check(&settings).is_err());
    }
}
