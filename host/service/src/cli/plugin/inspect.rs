//! `plugin inspect`: what a component imports, what it says of itself, and its pin.

use std::path::Path;

use replay_core::rrweb::Kind;
use serde::Serialize;

use super::{OneArgs, TempDir, load, production_sandbox, settings_arg};
use crate::cli::{CliError, Exit, output};

#[derive(Serialize)]
struct Inspected {
    file: String,
    sha256: String,
    bytes: usize,
    /// As a chain's config says it.
    class: &'static str,
    interface: String,
    imports: Vec<String>,
    name: String,
    version: String,
    kinds: Vec<&'static str>,
    redacts: bool,
    needs_elements: bool,
    needs_events: bool,
    drop_reasons: Vec<String>,
    error_codes: Vec<String>,
    config_schema: String,
}

pub(super) fn inspect(config: Option<&Path>, args: &OneArgs) -> Result<Exit, CliError> {
    let settings = settings_arg(&args.settings)?;
    let cache = TempDir::new()?;
    let (_, sandbox) = production_sandbox(config, cache.path())?;
    let (plugin, inspection) = load(&sandbox, &args.component, &settings)?;
    let manifest = plugin.manifest();
    let kinds = Kind::ALL.into_iter().filter(|kind| manifest.kinds.contains(*kind));
    let inspected = Inspected {
        file: args.component.display().to_string(),
        class: inspection.class().as_str(),
        sha256: inspection.sha256,
        bytes: inspection.bytes,
        interface: inspection.interface,
        imports: inspection.imports,
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        kinds: kinds.map(Kind::as_str).collect(),
        redacts: manifest.redacts,
        needs_elements: manifest.needs_elements,
        needs_events: manifest.needs_events,
        drop_reasons: manifest.drop_reasons.clone(),
        error_codes: manifest.error_codes.clone(),
        config_schema: manifest.config_schema.clone(),
    };
    output::report(&inspected, args.output.output)?;
    Ok(Exit::Done)
}
