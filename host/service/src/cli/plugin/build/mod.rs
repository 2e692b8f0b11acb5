//! `plugin build`: from what a plugin's author wrote to a component, by the tools of their language.

mod javascript;
mod python;
mod rust;
mod tool;

use std::path::{Path, PathBuf};

use super::BuildArgs;
use crate::cli::{CliError, Exit, output};

/// The interface, for tools that make its bindings while they build.
const WIT: &str = include_str!("../../../../../../plugins/sdk/wit/replay.wit");

/// The world of it that a plugin implements.
const WORLD: &str = "plugin";

/// A component that was built.
pub(super) struct Built {
    /// Where it lies.
    pub(super) file: PathBuf,
    /// Its name in a chain.
    pub(super) name: String,
    /// What it is.
    pub(super) inspection: replay_sandbox::Inspection,
}

/// What a language's tools made: the component, and its name.
struct Made {
    name: String,
    component: Vec<u8>,
}

pub(super) fn build(args: &BuildArgs) -> Result<Exit, CliError> {
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("."));
    let Built { file, name, inspection } = component(&args.dir, &out)?;
    let (bytes, interface) = (inspection.bytes, &inspection.interface);
    output::say(&format!("{} ({bytes} bytes, interface {interface})", file.display()))?;
    let class = if inspection.is_script { "class: script, " } else { "" };
    output::say(&format!("- {{ name: {name}, sha256: {}, {class}config: {{}} }}", inspection.sha256))?;
    Ok(Exit::Done)
}

/// Builds the plugin that lies in `dir` into the directory `out`, as `<name>.wasm`.
pub(super) fn component(dir: &Path, out: &Path) -> Result<Built, CliError> {
    let has = |name: &str| dir.join(name).is_file();
    let Made { name, component } = if has("Cargo.toml") {
        rust::make(dir)?
    } else if has("package.json") {
        javascript::make(dir)?
    } else if has("plugin.py") {
        python::make(dir)?
    } else {
        return Err(CliError::usage(format!(
            "there is no plugin in {}: name a directory with a Cargo.toml (Rust), a package.json (JavaScript) or a \
             plugin.py (Python), or make one with `plugin new`",
            dir.display()
        )));
    };
    let inspection =
        replay_sandbox::inspect(&component).map_err(|error| CliError::failed(error.to_string()))?;
    std::fs::create_dir_all(out)?;
    let file = out.join(format!("{name}.wasm"));
    std::fs::write(&file, &component)
        .map_err(|error| CliError::failed(format!("cannot write {}: {error}", file.display())))?;
    Ok(Built { file, name, inspection })
}
