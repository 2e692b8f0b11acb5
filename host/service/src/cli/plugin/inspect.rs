//! `plugin inspect`: what a component imports, what it says of itself, and its pin.

use std::path::Path;

use replay_core::rrweb::Kind;
use serde::Serialize;

use super::{InspectArgs, production_sandbox, read_component, sha256_hex, tempdir};
use crate::cli::{CliError, Exit, output};

#[derive(Serialize)]
struct Inspected {
    file: String,
    sha256: String,
    bytes: usize,
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

pub(super) fn inspect(config: Option<&Path>, args: &InspectArgs) -> Result<Exit, CliError> {
    let component = read_component(&args.component)?;
    let failed =
        |error: &dyn std::fmt::Display| CliError::failed(format!("{}: {error}", args.component.display()));
    let inspection = replay_sandbox::inspect(&component).map_err(|error| failed(&error))?;
    let cache = tempdir()?;
    let (_, sandbox) = production_sandbox(config, &cache)?;
    let sha256 = sha256_hex(&component);
    let loaded = sandbox.load(&args.component, &sha256, &args.settings);
    let _ = std::fs::remove_dir_all(&cache);
    let plugin = loaded.map_err(|error| failed(&error))?;
    let manifest = plugin.manifest();
    let kinds = Kind::ALL.into_iter().filter(|kind| manifest.kinds.contains(*kind));
    let inspected = Inspected {
        file: args.component.display().to_string(),
        sha256,
        bytes: component.len(),
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
