//! The configuration: from a YAML file to [`Settings`], with every mistake reported at once.
//!
//! Text becomes a tree of nodes with positions (`node`), variables are filled in (`interpolate`),
//! declared sections take their keys (`section`, `leaf`, `file`, `stores`, `plugins`, `places`, `tenants`),
//! tenants' own files are read in the same way (`tenant_files`), and what fits together becomes [`Settings`] (`resolve`, `resolve_s3`). None of the steps stops at the first mistake;
//! `report` shows them all, and never a secret.

mod edit;
mod file;
mod interpolate;
mod leaf;
mod node;
mod places;
mod plugins;
mod report;
mod resolve;
mod resolve_s3;
mod rules;
mod secret;
mod section;
mod settings;
mod shadow;
mod stores;
mod tenant_files;
mod tenants;
#[cfg(test)]
mod tests;
mod units;

use std::io::Read;
use std::path::Path;

use serde_json::Value as Json;

pub use edit::{ChainEdit, chain_text, with_chain};
pub use file::{
    Api, DeadLetterPayload, Erasure, Limits, LogFormat, LogLevel, Migration, Recompress, Reload, Replay,
    Telemetry,
};
pub use interpolate::Env;
pub use places::Place;
pub use plugins::{PluginClass, PluginLimits, PluginRef, Plugins, ScriptLimits};
pub use report::{ConfigErrors, Problem};
pub use rules::ProjectLabel;
pub use secret::Secret;
pub use settings::{
    ClickHouse, Cold, ColdStore, DeadLetterStore, DeadLetters, Hot, LetterTopic, S3, Settings, Source,
};
pub use shadow::{ShadowLimits, ShadowRef};
pub use stores::{ClickHouseFile, Embedded, EmbeddedLog, EmbeddedSqlite, Kafka, MinioFile};
pub use tenants::{OnPluginFailure, Tenant, Tenants, Unlisted};

use file::ConfigFile;
use node::Node;
use report::Problems;
use sha2::{Digest, Sha256};
use tenant_files::{OwnFile, OwnFiles};

impl Settings {
    /// Reads and checks a file. Relative paths in it start at the working directory.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once.
    pub fn load(path: &Path, env: &Env<'_>) -> Result<Self, ConfigErrors> {
        let name = path.display().to_string();
        let bytes = read_bounded(path).map_err(|error| {
            let help = "name the file with --config FILE or CONFIG_PATH";
            ConfigErrors::of_file(&name, &format!("the file cannot be read: {error}"), help)
        })?;
        Self::parse(&name, &bytes, env)
    }

    /// Embedded stores and every default, for commands that need bounds but no config.
    ///
    /// # Errors
    ///
    /// None that a user could cause.
    pub fn embedded_defaults() -> Result<Self, ConfigErrors> {
        let text = "source: {kind: local}\nhot: {kind: sqlite}\ncold: {kind: none}\n";
        Self::parse("the defaults", text.as_bytes(), &|_| None)
    }

    /// Checks a configuration that is in memory, with the files of `tenants.dir`; `name` stands for it in
    /// reports.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once.
    pub fn parse(name: &str, bytes: &[u8], env: &Env<'_>) -> Result<Self, ConfigErrors> {
        let text = text_of(name, bytes)?;
        let mut problems = Problems::new();
        let mut document = node::parse(text, &mut problems);
        let (mut settings, mut own) = (None, OwnFiles::default());
        if let Some(root) = &mut document.root {
            interpolate::interpolate(root, env, &mut problems);
            let file = section::read(Some(root), "", &mut problems);
            own = own_files(&file, root, env, &mut problems);
            settings = Some(resolve::resolve(file, root, &mut own.files, &mut problems));
        } else if problems.is_empty() {
            problems.add_at(None, "the file is empty", "begin with a copy of config/embedded.yaml");
        }
        let registry_s3 = settings.as_ref().and_then(|settings| settings.registry_s3.as_ref());
        let digest = digest_of(bytes, &own.files, registry_s3);
        let is_good = problems.is_empty();
        let mut errors = vec![problems.finish(name, text, &document)];
        errors.extend(own.refused);
        errors.extend(own.files.into_iter().filter_map(OwnFile::finish));
        match settings {
            Some(settings) if is_good && errors.len() == 1 => Ok(Settings { digest, ..settings }),
            _ => Err(ConfigErrors::all(errors)),
        }
    }
}

/// The files of `tenants.dir`, if there is one.
fn own_files(file: &ConfigFile, root: &Node, env: &Env<'_>, problems: &mut Problems) -> OwnFiles {
    let Some(dir) = file.tenants.as_ref().and_then(|tenants| tenants.dir.as_ref()) else {
        return OwnFiles::default();
    };
    let most = file.limits.max_tenants as usize;
    tenant_files::read(dir, most, env).unwrap_or_else(|why| {
        let at = root.at("tenants.dir").map(|node| node.span);
        let help = "name a directory of tenants' files that the service's user can read";
        problems.add_at(at, &format!("tenants.dir: {} {why}", dir.display()), help);
        OwnFiles::default()
    })
}

/// SHA-256 of everything that was read and that a reload takes: the keys of registries may be in files of
/// their own.
fn digest_of(bytes: &[u8], own: &[OwnFile], registry_s3: Option<&S3>) -> [u8; 32] {
    let mut digest = Sha256::new();
    let named = own.iter().map(|file| (file.id.as_str(), file.bytes()));
    let keys = registry_s3.and_then(|s3| s3.credentials.as_ref());
    let keys = keys.map(|(access, secret)| [access, secret].map(|key| ("", key.expose().as_bytes())));
    for (name, bytes) in std::iter::once(("", bytes)).chain(named).chain(keys.into_iter().flatten()) {
        for part in [name.as_bytes(), bytes] {
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
    }
    digest.finalize().into()
}

/// A file's bytes; one more than allowed tells a file that is too long from one that just fits.
fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = node::MAX_FILE_BYTES as u64 + 1;
    std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))?;
    Ok(bytes)
}

/// The bytes as text, if they are a file of a size that can be a configuration.
fn text_of<'b>(name: &str, bytes: &'b [u8]) -> Result<&'b str, ConfigErrors> {
    if bytes.len() > node::MAX_FILE_BYTES {
        let message = format!("the file is longer than {}", units::show_size(&(node::MAX_FILE_BYTES as u64)));
        return Err(ConfigErrors::of_file(name, &message, "is this the right file?"));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = good.iter().filter(|b| **b == b'\n').count() + 1;
        let column =
            good.rsplit(|b| *b == b'\n').next().map_or(0, |l| String::from_utf8_lossy(l).chars().count()) + 1;
        let message = format!("line {line}, column {column}: this is not UTF-8");
        ConfigErrors::of_file(name, &message, "save the file as UTF-8")
    })
}

/// Reads an age such as `90s` or `7d`; the error says what to write instead.
pub fn parse_age(text: &str) -> Result<std::time::Duration, String> {
    units::parse_time(text).map_err(|wrong| format!("{}; {}", wrong.what, wrong.help))
}

/// Whether reports may be coloured: on a terminal, unless `NO_COLOR` is set to anything.
pub fn wants_colour(env: &Env<'_>, is_terminal: bool) -> bool {
    is_terminal && env("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The JSON Schema of the file, for editors.
pub fn json_schema() -> Json {
    let mut schema = section::schema::<file::ConfigFile>();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = "GoSight replay processor".into();
    schema
}

/// Every key with its path, sections included.
fn key_paths() -> Vec<String> {
    fn walk(schema: &Json, path: &str, paths: &mut Vec<String>) {
        for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
            let path = section::join(path, key);
            walk(inner, &path, paths);
            paths.push(path);
        }
    }
    let mut paths = Vec::new();
    walk(&json_schema(), "", &mut paths);
    paths
}
