//! The demo's plugins and its config.

use std::path::{Path, PathBuf};

use replay_sandbox::sha256_hex;

use super::key_of;
use crate::cli::CliError;

/// The components that the demo's chains are made of.
pub(super) struct Plugins {
    dir: PathBuf,
    pins: Vec<(&'static str, String)>,
}

const NEEDED: [&str; 3] = ["block-url", "mask-inputs", "mask-pii"];

impl Plugins {
    /// Looks for them in `dir`.
    pub(super) fn find(dir: &Path) -> Result<Self, CliError> {
        // The service that is started may have another working directory.
        let dir = std::path::absolute(dir)?;
        let mut pins = Vec::new();
        for name in NEEDED {
            let path = dir.join(format!("{name}.wasm"));
            let component = std::fs::read(&path).map_err(|error| {
                CliError::usage(format!(
                    "cannot read {}: {error}; `cargo xtask demo` builds the plugins, and so does \
                     `replay-processor plugin build plugins/{name} --out {}`",
                    path.display(),
                    dir.display()
                ))
            })?;
            pins.push((name, sha256_hex(&component)));
        }
        Ok(Self { dir, pins })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.wasm"))
    }

    /// One line of a chain.
    fn entry(&self, name: &str, settings: &str) -> String {
        let pin = self.pins.iter().find(|(known, _)| *known == name).map_or("", |(_, pin)| pin);
        format!("      - {{ name: {name}, sha256: {pin}, config: {settings} }}\n")
    }
}

/// Each tenant with a chain of its own.
pub(super) fn demo_config(dir: &Path, projects: &[String], plugins: &Plugins) -> String {
    let data = dir.join("data");
    let tenants: String = projects
        .iter()
        .zip(chains(projects))
        .map(|(project, chain)| {
            let chain: String = chain.iter().map(|(name, settings)| plugins.entry(name, settings)).collect();
            format!(
                "  {project}:\n    keys: [{}]\n    chain_revision: 1\n    plugins:\n{chain}",
                key_of(project)
            )
        })
        .collect();
    format!(
        "# Written by `replay-processor demo`: the whole pipeline on embedded stores.\n\
         source: {{ kind: local }}\nhot: {{ kind: sqlite }}\ncold: {{ kind: dir }}\ndead_letters: {{ kind: table }}\n\
         embedded: {{ dir: {data:?} }}\n\
         plugins: {{ dir: {:?}, cache_dir: {:?} }}\n\
         api: {{ listen: \"127.0.0.1:0\" }}\n\
         replay: {{ idle_timeout: 200ms, flush_interval: 100ms }}\n\
         tenants:\n  unlisted: reject\n  defaults: {{ plugins: [] }}\n{tenants}",
        plugins.dir,
        dir.join("plugin-cache"),
    )
}

/// The first tenant blocks a page and masks what looks like personal data; every other masks that and
/// all that is typed.
pub(super) fn chains(projects: &[String]) -> Vec<Vec<(&'static str, &'static str)>> {
    let blocks = vec![("block-url", r#"{"blockUrls": ["*table.html*"]}"#), ("mask-pii", "{}")];
    let masks = vec![("mask-inputs", "{}"), ("mask-pii", "{}")];
    projects.iter().enumerate().map(|(at, _)| if at == 0 { blocks.clone() } else { masks.clone() }).collect()
}
