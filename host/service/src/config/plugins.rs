//! Plugins in the configuration: where they lie, what they may cost, and a tenant's chain.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value as Json, json};

use super::leaf::{Choice, Kind, choice, count, flag, path, secret, size, text_of, time};
use super::node::{Data, Node};
use super::places::{Place, place, registry};
use super::report::Problems;
use super::rules::{plugin_name, s3_endpoint, sha256, word};
use super::secret::Secret;
use super::section::{self, choices, if_present, nested, section};
use super::shadow::ShadowLimits;
use super::units::{GIB, HOUR, KIB, MIB, MINUTE, MS, SECOND};

section! {
    /// Plugins: where they lie, and what one may cost.
    pub Plugins {
        /// Directory of the components. With `registries` it is looked into only if it is named.
        dir: PathBuf = path().or("./plugins".into()),
        /// Directories and `s3://bucket/prefix` that are looked into after `dir`, in order.
        registries: Vec<Place> = text_of(registry).list(Vec::new()),
        /// How registries in buckets are reached. Default: as the section `minio` says.
        s3: Option<RegistryS3File> = if_present(),
        /// Directory of what was compiled from them, and of copies of them; private to the service.
        cache_dir: PathBuf = path().or("./plugin-cache".into()),
        /// Copies of components that are kept beside those in use; the oldest go first.
        kept_bytes: u64 = size().within(0, 1024 * GIB).or(GIB),
        /// What one plugin may cost.
        limits: PluginLimits = nested(),
        /// What one of `class: script` may cost.
        script_limits: ScriptLimits = nested(),
        /// Compiled plugins in memory; those used least lately are read from the cache again.
        loaded_bytes: u64 = size().within(MIB, 1024 * GIB).or(300 * MIB),
        /// Unpacked bytes of the chunks that a chain sees at a time; a larger batch is cut.
        batch_bytes: u64 = size().within(MIB, 64 * GIB).or(64 * MIB),
        /// Fields of one chunk; a chunk with more is dead-lettered as `too_large`.
        max_fields: u32 = count().within(1000, 100_000_000).or(2_000_000),
        /// What is remembered of the elements of one session's open page.
        elements_bytes: u64 = size().within(KIB, GIB).or(4 * MIB),
        /// And of all sessions; those quiet the longest are forgotten.
        all_elements_bytes: u64 = size().within(KIB, 1024 * GIB).or(64 * MIB),
        /// Failures in a row that open the breaker of a tenant's plugin.
        breaker_failures: u32 = count().within(1, 1_000_000).or(5),
        /// Time until an open breaker lets one batch try again.
        breaker_wait: Duration = time().within(10 * MS, HOUR).or(30 * SECOND),
        /// What shadows may take.
        shadow: ShadowLimits = nested(),
    }
}

section! {
    /// What one plugin may cost.
    pub PluginLimits {
        /// Time for a batch, whatever its size.
        time_per_batch: Duration = time().within(MS, MINUTE).or(50 * MS),
        /// And for each MiB of its text.
        time_per_mib: Duration = time().within(MS, MINUTE).or(20 * MS),
        /// Memory of one instance.
        memory_bytes: u64 = size().within(MIB, 4 * GIB).or(64 * MIB),
        /// What it may answer: edits, replacement text, whole chunks.
        output_bytes: u64 = size().within(KIB, GIB).or(16 * MIB),
        /// Edits in a call beyond one a field.
        extra_edits: u32 = count().within(0, 10_000_000).or(10_000),
        /// Calls of getters a chunk, `element` aside.
        getter_calls: u32 = count().within(1, 1000).or(8),
        /// Stack of a call.
        stack_bytes: u64 = size().within(64 * KIB, 64 * MIB).or(512 * KIB),
        /// Lines of log a batch.
        log_lines: u32 = count().within(0, 100_000).or(100),
        /// Size of a component.
        component_bytes: u64 = size().within(KIB, 256 * MIB).or(16 * MIB),
        /// Time to configure a plugin.
        configure_time: Duration = time().within(MS, MINUTE).or(2 * SECOND),
        /// CPU time to compile a component.
        compile_time: Duration = time().within(SECOND, 60 * MINUTE).or(20 * SECOND),
        /// Memory to compile a component.
        compile_memory_bytes: u64 = size().within(64 * MIB, 64 * GIB).or(GIB),
    }
}

section! {
    /// How registries in buckets are reached. They are only read.
    pub RegistryS3File {
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
        /// Region named in signatures.
        region: String = text_of(word).or("us-east-1".into()),
        /// HTTPS instead of HTTP.
        use_ssl: bool = flag().or(false),
    }
}

section! {
    /// What one plugin of `class: script` may cost, where that differs: an interpreter is larger and slower.
    pub ScriptLimits {
        /// Time for a batch, whatever its size.
        time_per_batch: Duration = time().within(MS, MINUTE).or(250 * MS),
        /// And for each MiB of its text.
        time_per_mib: Duration = time().within(MS, MINUTE).or(4 * SECOND),
        /// Memory of one instance.
        memory_bytes: u64 = size().within(MIB, 4 * GIB).or(128 * MIB),
        /// Size of a component.
        component_bytes: u64 = size().within(KIB, 256 * MIB).or(64 * MIB),
        /// Time to start an instance and configure it, which is done for each batch.
        configure_time: Duration = time().within(MS, MINUTE).or(2 * SECOND),
        /// CPU time to compile a component.
        compile_time: Duration = time().within(SECOND, 60 * MINUTE).or(60 * SECOND),
        /// Memory to compile a component.
        compile_memory_bytes: u64 = size().within(64 * MIB, 64 * GIB).or(GIB),
    }
}

choices! {
    /// What a plugin is made of.
    pub PluginClass {
        /// Compiled to WebAssembly: Rust and the like.
        Compiled = "compiled",
        /// A script with its interpreter: JavaScript, Python.
        Script = "script",
    }
}

section! {
    /// One plugin of a chain, as the file says it.
    pub(super) PluginFile {
        /// Its name: the component is `<name>.wasm`, `<name>-<first 12 digits of the sha256>.wasm` or
        /// `<name>/<sha256>.wasm` in `plugins.dir` or a registry.
        name: Option<String> = text_of(plugin_name).optional(),
        /// SHA-256 of the component.
        sha256: Option<String> = text_of(sha256).optional(),
        /// The only place where it is looked for: a `.wasm` file, a directory, or one of either in
        /// `s3://bucket/…`.
        from: Option<Place> = text_of(place).optional(),
        /// What it is made of: a script costs more, and has `plugins.script_limits`.
        class: PluginClass = choice().or(PluginClass::Compiled),
        /// The plugin's own settings. Variables are not filled in.
        config: Json = PluginConfig,
        /// Whether it may answer with whole new events.
        allow_replace: bool = flag().or(false),
        /// Whether anything but masks is refused.
        mask_only: bool = flag().or(false),
    }
}

/// One plugin of a tenant's chain. `Debug` leaves its settings out.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginRef {
    /// Its name.
    pub name: String,
    /// SHA-256 of the component, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// The only place where it is looked for.
    pub from: Option<Place>,
    /// What it is made of.
    pub class: PluginClass,
    /// The plugin's own settings: confidential.
    pub config: Json,
    /// Whether it may answer with whole new events.
    pub allow_replace: bool,
    /// Whether anything but masks is refused.
    pub mask_only: bool,
}

impl fmt::Debug for PluginRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginRef")
            .field("name", &self.name)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

impl Serialize for PluginClass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PluginClass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let found = Self::ALL.iter().find(|(one, _)| *one == name).map(|(_, class)| *class);
        found.ok_or_else(|| D::Error::custom("no class of plugins"))
    }
}

/// Reads a chain: `None` if the key is not there, so that leaving it out differs from `[]`.
pub(super) struct Chain;

impl Kind for Chain {
    type Out = Option<Vec<PluginRef>>;

    fn read(&self, node: &Node, path: &str, problems: &mut Problems) -> Option<Self::Out> {
        if node.is_broken() {
            return None;
        }
        let Data::Seq(items) = &node.data else {
            let help = "write `plugins: []` for none, else one `- { name, sha256, config }` a plugin";
            problems.add(node.span, &format!("{path}: a list of plugins belongs here"), help);
            return None;
        };
        let chain = items.iter().filter_map(|item| entry(item, path, problems)).collect();
        Some(Some(chain))
    }

    fn absent(&self) -> Self::Out {
        None
    }

    fn schema(&self) -> Json {
        let mut item = section::schema::<PluginFile>();
        item["required"] = json!(["name", "sha256"]);
        json!({ "type": "array", "items": item })
    }
}

fn entry(node: &Node, path: &str, problems: &mut Problems) -> Option<PluginRef> {
    let file: PluginFile = section::read(Some(node), path, problems);
    for (key, help) in [
        ("name", "name the component: `name: mask-pii` is `mask-pii.wasm`"),
        ("sha256", "pin the component: `sha256sum mask-pii.wasm`"),
    ] {
        if node.get(key).is_none() {
            problems.add(node.span, &format!("{path}: a plugin has no `{key}`"), help);
        }
    }
    let PluginFile { name, sha256, from, class, config, allow_replace, mask_only } = file;
    if allow_replace && mask_only {
        let help = "a plugin that may only mask cannot replace: choose one";
        problems.add(node.span, &format!("{path}: `allow_replace` contradicts `mask_only`"), help);
    }
    Some(PluginRef { name: name?, sha256: sha256?, from, class, config, allow_replace, mask_only })
}

/// A plugin's config: any YAML, as JSON.
struct PluginConfig;

impl Kind for PluginConfig {
    type Out = Json;

    fn read(&self, node: &Node, path: &str, problems: &mut Problems) -> Option<Json> {
        Some(to_json(node, path, problems))
    }

    fn absent(&self) -> Json {
        Json::Null
    }

    fn schema(&self) -> Json {
        json!({})
    }
}

fn to_json(node: &Node, path: &str, problems: &mut Problems) -> Json {
    match &node.data {
        Data::Seq(items) => items.iter().map(|item| to_json(item, path, problems)).collect(),
        Data::Map(entries) => {
            let pairs = entries.iter().map(|(key, value)| (key.text.clone(), to_json(value, path, problems)));
            Json::Object(pairs.collect())
        }
        Data::Scalar(_) if node.is_null() => Json::Null,
        Data::Scalar(scalar) => {
            if super::interpolate::is_bare(&scalar.text) {
                problems.add(
                    node.span,
                    &format!("{path}: variables are not filled in here"),
                    "a compiled plugin keeps its config: write the value itself, and no secret",
                );
            }
            // YAML's plain numbers and booleans are spelled as JSON spells them.
            match serde_json::from_str(&scalar.text) {
                Ok(value @ (Json::Bool(_) | Json::Number(_))) if scalar.plain => value,
                _ => Json::String(scalar.text.clone()),
            }
        }
    }
}
