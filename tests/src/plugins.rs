//! The shipped plugins, as `cargo xtask test` builds them, and configs whose tenants run them.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// A tenant with its chain: name, revision, and each plugin with its settings.
pub type Tenant<'a> = (&'a str, u16, &'a [(&'a str, &'a str)]);

/// Where the components lie.
pub fn components() -> PathBuf {
    let dir = crate::service::binary().ancestors().nth(2).unwrap().join("plugins");
    assert!(
        dir.join("mask-pii.wasm").exists(),
        "{} has no plugins: `cargo xtask test` builds them",
        dir.display()
    );
    dir
}

/// The pin of a component.
pub fn sha256(name: &str) -> String {
    sha256_of(&components().join(format!("{name}.wasm")))
}

/// The pin of a component at any place.
pub fn sha256_of(path: &Path) -> String {
    let component = std::fs::read(path).unwrap();
    Sha256::digest(component).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A config with these chains; `extra` is appended. Compiled plugins are shared by all tests.
pub fn config(dir: &Path, tenants: &[Tenant<'_>], extra: &str) -> String {
    let tenants: String = tenants
        .iter()
        .map(|(name, revision, chain)| {
            let plugins: String = chain
                .iter()
                .map(|(plugin, settings)| {
                    format!("      - {{ name: {plugin}, sha256: {}, config: {settings} }}\n", sha256(plugin))
                })
                .collect();
            let plugins = if plugins.is_empty() { " []\n".to_owned() } else { format!("\n{plugins}") };
            format!(
                "  {name}:\n    keys: [pk_live_{name}]\n    chain_revision: {revision}\n    plugins:{plugins}"
            )
        })
        .collect();
    format!(
        "source: {{ kind: local }}\nhot: {{ kind: sqlite }}\ncold: {{ kind: dir }}\n\
         dead_letters: {{ kind: table }}\n\
         embedded: {{ dir: {data} }}\n\
         plugins: {{ dir: {components}, cache_dir: {cache} }}\n\
         api: {{ listen: \"127.0.0.1:0\" }}\n\
         tenants:\n  unlisted: defaults\n  defaults: {{ plugins: [] }}\n{tenants}{extra}",
        data = dir.join("data").display(),
        components = components().display(),
        cache = crate::service::binary().ancestors().nth(2).unwrap().join("plugin-cache").display(),
    )
}
