//! The shipped plugins, as `cargo xtask test` builds them, and configs whose tenants run them.

use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::service::binary;

/// A tenant with its chain: name, revision, and each plugin with its settings.
pub type Tenant<'a> = (&'a str, u16, &'a [(&'a str, &'a str)]);

/// Where the components lie.
pub fn components() -> PathBuf {
    let dir = binary().ancestors().nth(2).unwrap().join("plugins");
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

/// A config with these chains on embedded stores; `extra` is appended.
pub fn config(dir: &Path, tenants: &[Tenant<'_>], extra: &str) -> String {
    let stores = format!(
        "source: {{ kind: local }}\nhot: {{ kind: sqlite }}\ncold: {{ kind: dir }}\n\
         dead_letters: {{ kind: table }}\n\
         embedded: {{ dir: {data} }}\n\
         api: {{ listen: \"127.0.0.1:0\" }}\n",
        data = dir.join("data").display(),
    );
    format!("{stores}{}{extra}", chains(tenants))
}

/// The sections `plugins` and `tenants` of a config. Compiled plugins are shared by all tests.
pub fn chains(tenants: &[Tenant<'_>]) -> String {
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
        "plugins: {{ dir: {components}, cache_dir: {cache} }}\n\
         tenants:\n  unlisted: defaults\n  defaults: {{ plugins: [] }}\n{tenants}",
        components = components().display(),
        cache = binary().ancestors().nth(2).unwrap().join("plugin-cache").display(),
    )
}

/// Builds the plugin of `fixtures/hostile/spin` into `out`, as `spin.wasm`; answers its pin.
pub fn build_hostile(out: &Path) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let (from, workshop) = (root.join("tests/fixtures/hostile/spin"), tempfile::tempdir().unwrap());
    let crate_dir = workshop.path().join("spin");
    std::fs::create_dir_all(crate_dir.join("src")).unwrap();
    let manifest = std::fs::read_to_string(from.join("Cargo.toml")).unwrap();
    let sdk = root.join("plugins/sdk").display().to_string();
    std::fs::write(crate_dir.join("Cargo.toml"), manifest.replace("../../../../plugins/sdk", &sdk)).unwrap();
    std::fs::copy(from.join("src/lib.rs"), crate_dir.join("src/lib.rs")).unwrap();
    // The versions that this repository was tested with.
    std::fs::copy(root.join("Cargo.lock"), crate_dir.join("Cargo.lock")).unwrap();
    let built = Command::new(binary())
        .args(["plugin", "build"])
        .arg(&crate_dir)
        .arg("--out")
        .arg(out)
        .env("CARGO_TARGET_DIR", binary().ancestors().nth(2).unwrap().join("plugin-walk"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    sha256_of(&out.join("spin.wasm"))
}
