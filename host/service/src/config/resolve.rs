//! From what the file says to what the program may rely on: choices, derived values, and the rules
//! that span several keys.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use super::file::{Api, ConfigFile, DeadLetterKind, DeadLettersFile, Limits, Replay};
use super::node::Node;
use super::report::{Problems, Span};
use super::secret::Secret;
use super::section::{self, Section};
use super::settings::{
    ClickHouse, Cold, ColdStore, DeadLetterStore, DeadLetters, Hot, LetterTopic, S3, Settings, Source,
};
use super::stores::{ClickHouseFile, ColdFile, ColdKind, Embedded, HotKind, Kafka, SourceKind};
use super::tenant_files::OwnFile;
use super::tenants::{self, Tenants};
use super::units::{DAY, show_size, show_time};
use replay_core::row::Codec;

const GIVEN: &str = "as the file says";
const SECTION_THERE: &str = "its section is there";
const SERVER_DEFAULT: &str = "not given: the default beside the servers that the file names";
const DERIVED: &str = "not given: follows the source";

/// The longest secret read from a file, in bytes.
const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Makes the settings. They are good only if no problem was reported.
pub(super) fn resolve(
    file: ConfigFile,
    root: &Node,
    own: &mut [OwnFile],
    problems: &mut Problems,
) -> Settings {
    let mut r = Resolver { root, problems };
    let mut replay = file.replay;
    let mut limits = file.limits;
    r.compression(&mut replay);
    r.limits(&mut limits);
    r.api(&file.api);
    let embedded = file.embedded.unwrap_or_else(defaults);
    let (source, why_source) = r.source(file.source.kind, file.kafka.clone());
    let (hot, why_hot) = r.hot(file.hot.kind, file.clickhouse);
    let s3 = file.minio.map(|minio| r.s3("minio", minio));
    let registry_s3 = r.registry_s3(&file.plugins, s3.as_ref());
    let (cold, why_cold) = r.cold(file.cold, s3, &mut replay, &embedded);
    let (dead_letters, why_letters) = r.dead_letters(file.dead_letters, &source, file.kafka);
    let tenants = tenants::resolve(file.tenants, root.get("tenants"), own, &replay.migration, r.problems);
    r.registries(&file.plugins, &tenants, registry_s3.as_ref());
    r.number_of_tenants(&tenants, limits.max_tenants);
    r.tombstones(file.erasure.tombstone_retention, &tenants, dead_letters.retention, embedded.log_retention);
    Settings {
        replay,
        source,
        hot,
        cold,
        embedded,
        api: file.api,
        dead_letters,
        limits,
        plugin_places: r.plugin_places(&file.plugins),
        plugins: file.plugins,
        registry_s3,
        tenants,
        telemetry: file.telemetry,
        erasure: file.erasure,
        reload: file.reload,
        digest: [0; 32],
        reasons: [why_source, why_hot, why_cold, why_letters],
    }
}

pub(super) struct Resolver<'a> {
    pub(super) root: &'a Node,
    problems: &'a mut Problems,
}

impl Resolver<'_> {
    /// Reports at the value of `path`, or at the nearest thing around it that is written.
    pub(super) fn wrong(&mut self, path: &str, message: &str, help: &str) {
        self.problems.add_at(self.place(path), &format!("{path}: {message}"), help);
    }

    fn place(&self, path: &str) -> Option<Span> {
        let mut path = path;
        loop {
            match (self.root.at(path), path.rsplit_once('.')) {
                (Some(node), _) => return Some(node.span),
                (None, Some((parent, _))) => path = parent,
                (None, None) => return None,
            }
        }
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.root.at(path).is_some()
    }

    /// A file that names a server and no embedded store is about servers: what it leaves out is
    /// their default. Anything else must say what it means.
    fn is_about_servers(&self) -> bool {
        let servers = ["minio", "kafka", "clickhouse"];
        servers.iter().any(|server| self.has(server)) && !self.has("embedded")
    }

    fn compression(&mut self, replay: &mut Replay) {
        let (most, derived) = match replay.compression {
            Codec::Gzip => (12, 6),
            Codec::Zstd => (19, 3),
        };
        if replay.compression_level == 0 {
            replay.compression_level = derived;
        }
        if replay.compression_level > most {
            let message = format!("{} has levels from 1 to {most}", replay.compression.as_str());
            self.wrong("replay.compression_level", &message, &format!("{derived} is the default"));
        }
    }

    fn limits(&mut self, limits: &mut Limits) {
        if limits.max_decode_jobs == 0 {
            limits.max_decode_jobs = limits.workers.saturating_mul(4);
        }
        if limits.project_slots == 0 {
            limits.project_slots = limits.workers.saturating_sub(1).max(1);
        }
        limits.project_slots = limits.project_slots.min(limits.workers);
        if limits.project_buffer_bytes == 0 {
            limits.project_buffer_bytes = limits.memory_budget / 4;
        }
        if limits.project_waiting_bytes == 0 {
            limits.project_waiting_bytes = limits.memory_budget / 2;
        }
        if limits.max_back_off < limits.back_off {
            let message = format!("is shorter than limits.back_off ({})", show_time(&limits.back_off));
            self.wrong("limits.max_back_off", &message, "raise it, or lower limits.back_off");
        }
        let chunk = limits.max_stored_chunk_bytes;
        self.at_least("memory_budget", limits.memory_budget, "max_record_bytes", limits.max_record_bytes);
        self.at_least(
            "memory_budget",
            limits.memory_budget,
            "project_buffer_bytes",
            limits.project_buffer_bytes,
        );
        self.at_least("project_buffer_bytes", limits.project_buffer_bytes, "max_stored_chunk_bytes", chunk);
        self.at_least("insert_max_bytes", limits.insert_max_bytes, "max_stored_chunk_bytes", chunk);
    }

    /// Else something that is allowed would never fit.
    fn at_least(&mut self, key: &str, bytes: u64, other: &str, least: u64) {
        if bytes < least {
            let message =
                format!("{} is less than limits.{other} ({})", show_size(&bytes), show_size(&least));
            self.wrong(&format!("limits.{key}"), &message, &format!("raise it, or lower limits.{other}"));
        }
    }

    fn api(&mut self, api: &Api) {
        if !api.listen.ip().is_loopback() && api.tokens_file.is_none() && !self.has("api.tokens_file") {
            self.wrong(
                "api.listen",
                "an address that others can reach needs tokens",
                "set api.tokens_file, or listen on 127.0.0.1",
            );
        }
        if let Some(file) = &api.tokens_file
            && let Err(error) = std::fs::File::open(file).and_then(|mut file| file.read(&mut [0]))
        {
            let message = format!("the file cannot be read: {error}");
            self.wrong("api.tokens_file", &message, "check the path and who may read it");
        }
    }

    fn source(&mut self, kind: Option<SourceKind>, kafka: Option<Kafka>) -> (Source, &'static str) {
        let why = self.why("source", kind.is_some(), kafka.is_some(), "kafka", "local");
        if let Some(kafka) = &kafka {
            self.kafka_properties(kafka);
        }
        match kind {
            Some(SourceKind::Local) => (Source::Local, why),
            Some(SourceKind::Kafka) | None => (Source::Kafka(kafka.unwrap_or_else(defaults)), why),
        }
    }

    /// What librdkafka would refuse, or what would break what is promised. A build without it cannot tell.
    fn kafka_properties(&mut self, kafka: &Kafka) {
        #[cfg(feature = "servers")]
        {
            let exposed =
                kafka.properties.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
            for refused in replay_servers::kafka::refused_properties(&exposed.collect()) {
                let path = format!("kafka.properties.{}", refused.name);
                self.wrong(&path, &refused.reason, "leave it out, or change it as said");
            }
        }
        #[cfg(not(feature = "servers"))]
        let _ = kafka;
    }

    fn hot(&mut self, kind: Option<HotKind>, file: Option<ClickHouseFile>) -> (Hot, &'static str) {
        let why = self.why("hot", kind.is_some(), file.is_some(), "clickhouse", "sqlite");
        // Read the section even if it is not used, so that what is wrong in it shows.
        let file = file.unwrap_or_else(defaults);
        let password =
            self.secret("clickhouse.password", file.password.clone(), file.password_file.as_deref());
        let server = ClickHouse {
            url: file.url.clone(),
            database: file.database.clone(),
            user: file.user.clone(),
            password,
            file,
        };
        match kind {
            Some(HotKind::Sqlite) => (Hot::Sqlite, why),
            Some(HotKind::ClickHouse) | None => (Hot::ClickHouse(server), why),
        }
    }

    /// Why the kind of a source or hot store is what it is; a report if nothing says what it is.
    fn why(&mut self, place: &str, given: bool, there: bool, server: &str, embedded: &str) -> &'static str {
        let written = self.has(&format!("{place}.kind"));
        match (given || written, there, self.is_about_servers()) {
            (true, _, _) => GIVEN,
            (false, true, _) => SECTION_THERE,
            (false, false, true) => SERVER_DEFAULT,
            (false, false, false) => {
                self.wrong(
                    &format!("{place}.kind"),
                    "nothing says which one",
                    &format!(
                        "add the two lines `{place}:` and `  kind: {embedded}`, or a section `{server}`"
                    ),
                );
                GIVEN
            }
        }
    }

    fn cold(
        &mut self,
        file: ColdFile,
        s3: Option<S3>,
        replay: &mut Replay,
        embedded: &Embedded,
    ) -> (Cold, &'static str) {
        let codec = file.codec.unwrap_or(replay.compression);
        let (kind, why) = match (file.kind, &s3) {
            (Some(kind), _) => (kind, GIVEN),
            (None, Some(_)) => (ColdKind::S3, SECTION_THERE),
            (None, None) => {
                if !self.has("cold.kind") {
                    let help =
                        "add the two lines `cold:` and `  kind: dir` (or `none`), or a section `minio`";
                    self.wrong("cold.kind", "nothing says which one", help);
                }
                (ColdKind::None, GIVEN)
            }
        };
        if file.dir.is_some() && kind != ColdKind::Dir {
            let message = format!("means nothing with kind {kind}");
            self.wrong("cold.dir", &message, "leave it out, or write `kind: dir`");
        }
        let store = match (kind, s3) {
            (ColdKind::S3, Some(s3)) => ColdStore::S3(s3),
            (ColdKind::S3, None) => {
                let help = "add a section `minio` with endpoint, access_key and secret_key";
                self.wrong("cold.kind", "s3 needs to know where", help);
                ColdStore::None
            }
            (ColdKind::Dir, _) => ColdStore::Dir(file.dir.unwrap_or_else(|| embedded.dir.join("cold"))),
            (ColdKind::None, _) => ColdStore::None,
        };
        if kind == ColdKind::None {
            if replay.migration.enabled && self.has("replay.migration.enabled") && self.has("cold.kind") {
                let help = "write `enabled: false`, or give the cold store a kind";
                self.wrong("replay.migration.enabled", "there is no cold store to move to", help);
            }
            replay.migration.enabled = false;
        }
        (Cold { store, codec }, why)
    }

    fn dead_letters(
        &mut self,
        file: DeadLettersFile,
        source: &Source,
        kafka: Option<Kafka>,
    ) -> (DeadLetters, &'static str) {
        let (cluster, derived) = match source {
            Source::Kafka(kafka) => (Some(kafka.clone()), DeadLetterKind::Topic),
            Source::Local => (kafka, DeadLetterKind::Table),
        };
        let why = if file.kind.is_some() { GIVEN } else { DERIVED };
        let store = match (file.kind.unwrap_or(derived), cluster) {
            (DeadLetterKind::Topic, Some(kafka)) => {
                if kafka.topic == file.topic {
                    let help = "give the letters a topic of their own";
                    self.wrong("dead_letters.topic", "is the topic that records are read from", help);
                }
                let bounds = LetterTopic {
                    create: file.create_topic,
                    partitions: file.topic_partitions,
                    replication_factor: file.replication_factor,
                    compaction_lag: file.compaction_lag,
                    indexed_letters: file.indexed_letters,
                };
                DeadLetterStore::Topic { kafka, topic: file.topic, bounds }
            }
            (DeadLetterKind::Topic, None) => {
                let help = "add a section `kafka`, or write `kind: table`";
                self.wrong("dead_letters.kind", "a topic needs a Kafka cluster", help);
                DeadLetterStore::Table
            }
            (DeadLetterKind::Table, _) => DeadLetterStore::Table,
        };
        let (payload, retention) = (file.payload, file.retention);
        (DeadLetters { store, payload, max_payload_bytes: file.max_payload_bytes, retention }, why)
    }

    /// What was erased may come back while any copy of it can be alive.
    fn tombstones(&mut self, kept: Duration, tenants: &Tenants, letters: Duration, log: Duration) {
        let days = tenants.all().map(|t| t.hot_retention_days + t.cold_retention_days).max().unwrap_or(0);
        for (what, live) in [("sessions", DAY * days), ("dead letters", letters), ("the local log", log)] {
            if kept <= live {
                let message =
                    format!("{} is not longer than {what} can live ({})", show_time(&kept), show_time(&live));
                let help = "raise it: what was erased could return";
                self.wrong("erasure.tombstone_retention", &message, help);
            }
        }
    }

    /// A secret that stands in the file, or in a file of its own.
    pub(super) fn secret(
        &mut self,
        path: &str,
        value: Option<Secret>,
        file: Option<&Path>,
    ) -> Option<Secret> {
        let file_key = format!("{path}_file");
        let Some(file) = file else { return value };
        if value.is_some() {
            self.wrong(&file_key, &format!("{path} is given too"), "keep one of the two");
            return value;
        }
        match read_secret(file) {
            Ok(secret) => Some(secret),
            Err(message) => {
                self.wrong(&file_key, &message, "check the path and who may read it");
                None
            }
        }
    }
}

/// The content of a file without the line's end that editors put there.
fn read_secret(file: &Path) -> Result<Secret, String> {
    let mut text = String::new();
    let read = std::fs::File::open(file).and_then(|f| f.take(MAX_SECRET_BYTES + 1).read_to_string(&mut text));
    match read {
        Err(error) => Err(format!("the file cannot be read: {error}")),
        Ok(bytes) if bytes as u64 > MAX_SECRET_BYTES => Err("the file is too long for a secret".into()),
        Ok(_) => match text.trim_end_matches(['\n', '\r']) {
            "" => Err("the file is empty".into()),
            secret => Ok(Secret::new(secret)),
        },
    }
}

/// A section that the file does not have.
pub(super) fn defaults<S: Section>() -> S {
    section::read(None, "", &mut Problems::new())
}
