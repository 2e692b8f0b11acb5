//! The configuration: from a YAML file to [`Settings`], with every mistake reported at once.
//!
//! Text becomes a tree of nodes with positions (`node`), variables are filled in (`interpolate`),
//! declared sections take their keys (`section`, `leaf`, `file`, `stores`, `plugins`, `tenants`), and what
//! fits together becomes [`Settings`] (`resolve`). None of the steps stops at the first mistake;
//! `report` shows them all, and never a secret.

mod file;
mod interpolate;
mod leaf;
mod node;
mod plugins;
mod report;
mod resolve;
mod rules;
mod secret;
mod section;
mod settings;
mod stores;
mod tenants;
#[cfg(test)]
mod tests;
mod units;

use std::io::Read;
use std::path::Path;

use serde_json::Value as Json;

pub use file::{
    Api, DeadLetterPayload, Erasure, Limits, LogFormat, LogLevel, Migration, Recompress, Replay, Telemetry,
};
pub use interpolate::Env;
pub use plugins::{PluginLimits, PluginRef, Plugins};
pub use report::{ConfigErrors, Problem};
pub use rules::ProjectLabel;
pub use secret::Secret;
pub use settings::{
    ClickHouse, Cold, ColdStore, DeadLetterStore, DeadLetters, Hot, LetterTopic, S3, Settings, Source,
};
pub use stores::{ClickHouseFile, Embedded, EmbeddedLog, EmbeddedSqlite, Kafka, MinioFile};
pub use tenants::{OnPluginFailure, Tenant, Tenants, Unlisted};

use report::Problems;

impl Settings {
    /// Reads and checks a file. Relative paths in it start at the working directory.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once.
    pub fn load(path: &Path, env: &Env<'_>) -> Result<Self, ConfigErrors> {
        let name = path.display().to_string();
        let mut bytes = Vec::new();
        // One byte more than allowed tells a file that is too long from one that just fits.
        let limit = node::MAX_FILE_BYTES as u64 + 1;
        std::fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(
            |error| {
                let help = "name the file with --config FILE or CONFIG_PATH";
                ConfigErrors::of_file(&name, &format!("the file cannot be read: {error}"), help)
            },
        )?;
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

    /// Checks a configuration that is in memory; `name` stands for it in reports.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once.
    pub fn parse(name: &str, bytes: &[u8], env: &Env<'_>) -> Result<Self, ConfigErrors> {
        let text = text_of(name, bytes)?;
        let mut problems = Problems::new();
        let mut document = node::parse(text, &mut problems);
        let mut settings = None;
        if let Some(root) = &mut document.root {
            interpolate::interpolate(root, env, &mut problems);
            let file = section::read(Some(root), "", &mut problems);
            settings = Some(resolve::resolve(file, root, &mut problems));
        } else if problems.is_empty() {
            problems.add_at(None, "the file is empty", "begin with a copy of config/embedded.yaml");
        }
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(problems.finish(name, text, &document)),
        }
    }
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
