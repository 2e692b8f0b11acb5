//! What the program may rely on: every choice made, every bound checked, every secret read.
//!
//! `Settings` is only ever made from a file without a mistake (`resolve`), so nothing that takes
//! one checks it again.

use std::path::PathBuf;

use replay_core::row::Codec;

use super::file::{Api, DeadLetterPayload, Erasure, Limits, Recompress, Reload, Replay, Telemetry};
use super::places::Place;
use super::plugins::Plugins;
use super::rules::AWS;
use super::secret::Secret;
use super::stores::{ClickHouseFile, Embedded, Kafka, MinioFile};
use super::tenants::{Tenant, Tenants};
use super::units::{DAY, show_size, show_time};

/// Whether this build holds clients for Kafka, ClickHouse and S3.
const SERVERS_BUILT_IN: bool = cfg!(feature = "servers");

/// The validated configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Buffering, compression and movement; `compression_level` fits `compression`, and
    /// `migration.enabled` is false without a cold store.
    pub replay: Replay,
    /// Where records come from.
    pub source: Source,
    /// Where chunks are kept first.
    pub hot: Hot,
    /// Where sessions are kept later.
    pub cold: Cold,
    /// The stores inside the process.
    pub embedded: Embedded,
    /// The HTTP side; on loopback, or with tokens.
    pub api: Api,
    /// Where records end that cannot be stored.
    pub dead_letters: DeadLetters,
    /// Every queue, buffer and age; nothing is left at "derived".
    pub limits: Limits,
    /// Where plugins lie, and what one may cost.
    pub plugins: Plugins,
    /// Where components are looked for, in order.
    pub plugin_places: Vec<Place>,
    /// What registries in buckets are reached with; there if any place is in one. Its bucket is none of
    /// theirs.
    pub registry_s3: Option<S3>,
    /// Whose sessions are stored, and how.
    pub tenants: Tenants,
    /// Logs and metrics.
    pub telemetry: Telemetry,
    /// Erasure.
    pub erasure: Erasure,
    /// Taking tenants anew while the service runs.
    pub reload: Reload,
    /// SHA-256 of all files that this was read from, those of secrets only where a reload takes them.
    pub digest: [u8; 32],
    /// Why each store was chosen, for `describe`: source, hot, cold, dead letters.
    pub(super) reasons: [&'static str; 4],
}

/// Where records come from.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a process has one")]
pub enum Source {
    /// A topic.
    Kafka(Kafka),
    /// The log in `embedded.dir`.
    Local,
}

/// Where chunks are kept first.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a process has one")]
pub enum Hot {
    /// A ClickHouse server.
    ClickHouse(ClickHouse),
    /// A file in `embedded.dir`.
    Sqlite,
}

/// A ClickHouse server.
#[derive(Clone, Debug)]
pub struct ClickHouse {
    /// HTTP address without credentials or a slash at the end.
    pub url: String,
    /// The database: safe in a statement.
    pub database: String,
    /// User.
    pub user: String,
    /// Password; `None` for none.
    pub password: Option<Secret>,
    /// Cluster, replicas and bounds as the file has them; its url, names and password are read above.
    pub file: ClickHouseFile,
}

/// Where sessions are kept later.
#[derive(Clone, Debug)]
pub struct Cold {
    /// The store.
    pub store: ColdStore,
    /// How its objects are compressed.
    pub codec: Codec,
}

/// The store of sessions that moved.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a process has one")]
pub enum ColdStore {
    /// An S3-compatible store.
    S3(S3),
    /// A directory.
    Dir(PathBuf),
    /// None: sessions are deleted after their time in the hot store.
    None,
}

/// An S3-compatible store.
#[derive(Clone, Debug)]
pub struct S3 {
    /// With scheme, host and port; `None` for Amazon's own.
    pub url: Option<String>,
    /// Access key and secret key; `None` to ask the AWS credential chain.
    pub credentials: Option<(Secret, Secret)>,
    /// The bucket.
    pub bucket: String,
    /// Region named in signatures.
    pub region: String,
    /// Bounds as the file has them; its endpoint and keys are read above.
    pub file: MinioFile,
}

/// Where records end that cannot be stored.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    /// The store.
    pub store: DeadLetterStore,
    /// What a letter holds, for tenants that do not say.
    pub payload: DeadLetterPayload,
    /// A longer record is always referred to, in bytes.
    pub max_payload_bytes: u64,
    /// How long letters are kept.
    pub retention: std::time::Duration,
}

/// How the topic of the dead letters is made, if it is, and read.
#[derive(Clone, Copy, Debug)]
pub struct LetterTopic {
    /// Whether it is made when it is not there.
    pub create: bool,
    /// Partitions.
    pub partitions: u32,
    /// Replicas; 0 for the brokers' default.
    pub replication_factor: u32,
    /// How long compaction may leave what was erased.
    pub compaction_lag: std::time::Duration,
    /// Letters whose heads are kept in memory.
    pub indexed_letters: u32,
}

/// The store of dead letters.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a process has one")]
pub enum DeadLetterStore {
    /// A topic of its own.
    Topic {
        /// The cluster; its own `topic` is the one of the records.
        kafka: Kafka,
        /// The topic of the letters.
        topic: String,
        /// How the topic is made and read.
        bounds: LetterTopic,
    },
    /// A table of the hot store's kind.
    Table,
}

impl Settings {
    /// The configured kinds that this build has no client for: `run` refuses them, `check` names
    /// them.
    pub fn unsupported_servers(&self) -> Vec<&'static str> {
        if SERVERS_BUILT_IN {
            return Vec::new();
        }
        let named = [
            (matches!(self.source, Source::Kafka(_)), "source.kind: kafka"),
            (matches!(self.hot, Hot::ClickHouse(_)), "hot.kind: clickhouse"),
            (matches!(self.cold.store, ColdStore::S3(_)), "cold.kind: s3"),
            (matches!(self.dead_letters.store, DeadLetterStore::Topic { .. }), "dead_letters.kind: topic"),
            (self.has_remote_plugins(), "plugins from s3://"),
        ];
        named.into_iter().filter(|(used, _)| *used).map(|(_, name)| name).collect()
    }

    /// Whether any component comes from a bucket.
    pub fn has_remote_plugins(&self) -> bool {
        let components = self.tenants.all().flat_map(Tenant::components);
        let from = components.filter_map(|plugin| plugin.from.as_ref());
        self.plugins.registries.iter().chain(from).any(Place::is_remote)
    }

    /// The parts of the configuration that are not as in `other` and are read at the start only.
    pub fn other_parts(&self, other: &Self) -> Vec<&'static str> {
        // What is taken at a reload is the same for this comparison.
        let at_start = |plugins: &Plugins| Plugins {
            dir: self.plugins.dir.clone(),
            registries: Vec::new(),
            s3: None,
            kept_bytes: 0,
            ..plugins.clone()
        };
        // Secrets look alike: a new password alone is not seen.
        let differ =
            |one: &dyn std::fmt::Debug, two: &dyn std::fmt::Debug| format!("{one:?}") != format!("{two:?}");
        [
            ("replay", differ(&self.replay, &other.replay)),
            ("source", differ(&self.source, &other.source)),
            ("hot", differ(&self.hot, &other.hot)),
            ("cold", differ(&self.cold, &other.cold)),
            ("embedded", differ(&self.embedded, &other.embedded)),
            ("api", differ(&self.api, &other.api)),
            ("dead_letters", differ(&self.dead_letters, &other.dead_letters)),
            ("limits", differ(&self.limits, &other.limits)),
            ("plugins", differ(&at_start(&self.plugins), &at_start(&other.plugins))),
            ("telemetry", differ(&self.telemetry, &other.telemetry)),
            ("erasure", differ(&self.erasure, &other.erasure)),
            ("reload", differ(&self.reload, &other.reload)),
        ]
        .into_iter()
        .filter_map(|(name, differs)| differs.then_some(name))
        .collect()
    }

    /// What was decided, a line each, for `check`. Holds no secret.
    pub fn describe(&self) -> Vec<String> {
        let [source, hot, cold, letters] = self.reasons;
        let (replay, limits, api) = (&self.replay, &self.limits, &self.api);
        let mut lines = vec![
            format!("source: {} ({source})", self.source),
            format!("hot store: {} ({hot})", self.hot_line()),
            format!("cold store: {} ({cold})", self.cold_line()),
            format!("dead letters: {} ({letters})", self.letters_line()),
            format!(
                "compression: {} level {}, {}",
                replay.compression.as_str(),
                replay.compression_level,
                match replay.recompress {
                    Recompress::Changed => "unchanged payloads kept as they are",
                    Recompress::Always => "every payload anew",
                }
            ),
            format!(
                "limits: {} workers (a project {}), {} decode jobs, memory {} (a project {})",
                limits.workers,
                limits.project_slots,
                limits.max_decode_jobs,
                show_size(&limits.memory_budget),
                show_size(&limits.project_buffer_bytes),
            ),
            match &api.tokens_file {
                Some(file) => format!("api: {}, tokens from {}", api.listen, file.display()),
                None => format!("api: {}, without tokens", api.listen),
            },
            format!("erasure: marks kept {}", show_time(&self.erasure.tombstone_retention)),
        ];
        lines.extend(self.tenant_lines());
        if let Some(short) = self.short_days() {
            lines.push(short);
        }
        if !replay.enabled {
            lines.push("intake: off (`replay.enabled` is false)".into());
        }
        lines
    }

    /// What to say of days that are none.
    pub fn short_days(&self) -> Option<String> {
        let day = self.replay.migration.day_length;
        (day < DAY).then(|| {
            let day = show_time(&day);
            format!("retention: a day lasts {day} (`replay.migration.day_length`): replays are deleted early")
        })
    }

    fn hot_line(&self) -> String {
        let days = self.replay.migration.hot_retention_days;
        match &self.hot {
            Hot::ClickHouse(ch) => {
                format!("clickhouse {}, database {}, user {}, {days} days", ch.url, ch.database, ch.user)
            }
            Hot::Sqlite => format!("sqlite in {}, {days} days", self.embedded.dir.display()),
        }
    }

    fn cold_line(&self) -> String {
        let moved = match self.replay.migration.enabled {
            true => format!("{} days", self.replay.migration.cold_retention_days),
            false => "nothing is moved there".into(),
        };
        let codec = self.cold.codec.as_str();
        match &self.cold.store {
            ColdStore::S3(s3) => {
                let url = s3.url.as_deref().unwrap_or(AWS);
                format!("s3 {url}/{}, {codec}, {moved}", s3.bucket)
            }
            ColdStore::Dir(dir) => format!("directory {}, {codec}, {moved}", dir.display()),
            ColdStore::None => "none: sessions are deleted after their days in the hot store".into(),
        }
    }

    fn letters_line(&self) -> String {
        let letters = &self.dead_letters;
        let kept = show_time(&letters.retention);
        match &letters.store {
            DeadLetterStore::Topic { topic, .. } => format!("topic {topic}, kept {kept}"),
            DeadLetterStore::Table => format!("table, kept {kept}"),
        }
    }

    fn tenant_lines(&self) -> Vec<String> {
        let chain = |plugins: &[super::PluginRef]| match plugins {
            [] => "no plugins: stored as they come".to_owned(),
            chain => chain.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(" → "),
        };
        let tenants = &self.tenants;
        let others = match tenants.unlisted {
            super::Unlisted::Defaults => format!("defaults, {}", chain(&tenants.defaults.plugins)),
            super::Unlisted::Reject => "rejected as unknown_tenant".into(),
        };
        let place = tenants.dir.as_ref().map(|dir| format!(" here and in {}", dir.display()));
        let place = place.unwrap_or_default();
        let mut lines = vec![format!("tenants: {} listed{place}; others: {others}", tenants.listed.len())];
        if tenants.all().any(|tenant| tenant.components().next().is_some()) {
            let places: Vec<String> = self.plugin_places.iter().map(Place::to_string).collect();
            lines.push(format!("plugins: {}", places.join(", ")));
        }
        // Thousands of tenants would bury the rest.
        for (id, tenant) in tenants.listed.iter().take(20) {
            let (hot, cold) = (tenant.hot_retention_days, tenant.cold_retention_days);
            lines.push(format!("tenant {id}: {}, {hot} + {cold} days", chain(&tenant.plugins)));
        }
        if tenants.listed.len() > 20 {
            lines.push(format!("and {} more tenants", tenants.listed.len() - 20));
        }
        lines
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kafka(kafka) => {
                write!(f, "kafka {}, topic {}, group {}", kafka.brokers.join(","), kafka.topic, kafka.group)
            }
            Self::Local => f.write_str("local log"),
        }
    }
}
