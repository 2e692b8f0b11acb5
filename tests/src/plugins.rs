//! The shipped plugins, as `cargo xtask test` builds them, and configs whose tenants run them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::records::{TestChunk, session_id};
use crate::service::{Service, binary};

/// A tenant with its chain: name, revision, and each plugin with its settings.
pub type Tenant<'a> = (&'a str, u16, &'a [(&'a str, &'a str)]);

/// Limits for a host that is not optimised, on a machine that is busy: what it is asked of elements takes long.
const PATIENT: &str = "limits: { time_per_batch: 20s, compile_time: 5m }";

/// Writes a config into `dir` under whose limits `plugin test` waits.
pub fn patient(dir: &Path) -> PathBuf {
    let text = config(dir, &[], "");
    let file = dir.join("patient.yaml");
    std::fs::write(&file, text.replace("plugins: { dir", &format!("plugins: {{ {PATIENT}, dir"))).unwrap();
    file
}

/// Whether a record of `shop`, fed as session number `number`, is stored with the address in its text.
pub fn stores_addresses(service: &Service, number: u64) -> bool {
    const ADDRESS: &str = "ann.lee@letters.example";
    let mut chunk = TestChunk::new("shop", &session_id(number), 0, 1_700_000_000_000, 1, "");
    chunk.events = json!([{"type": 3, "timestamp": chunk.start_ms, "data": {
        "source": 0, "texts": [{"id": 7, "value": ADDRESS}], "attributes": [], "removes": [], "adds": [],
    }}])
    .to_string();
    let before = service.metric("replay_records_received_total", "");
    assert!(service.feed(&["ingest", "-"], chunk.record().as_bytes()).status.success());
    service.wait_settled(before as u64 + 1);
    let exported = service.ok(&["session", "export", "shop", &chunk.session]);
    assert!(exported.contains("\"texts\""), "{exported}");
    exported.contains(ADDRESS)
}

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
        cache = cache().display(),
    )
}

/// The shipped config of a privacy level, with pins that fit, stores below `dir`, and every project treated by
/// its defaults; `extra` is appended.
pub fn privacy_config(level: &str, dir: &Path, extra: &str) -> String {
    let mut plugin = String::new();
    let mut put_in = |line: &str| -> String {
        let setting = line.trim_start();
        let indent = &line[..line.len() - setting.len()];
        if let Some(name) = setting.strip_prefix("- name: ") {
            plugin = name.to_owned();
        }
        let new = match setting {
            "dir: ./data" => format!("dir: {}", dir.join("data").display()),
            "dir: ./components" => format!("dir: {}", components().display()),
            "cache_dir: ./plugin-cache" => {
                format!("cache_dir: {}\n  {PATIENT}", cache().display())
            }
            "unlisted: reject" => "unlisted: defaults".to_owned(),
            _ if setting.starts_with("sha256: ") => format!("sha256: {}", sha256(&plugin)),
            _ => setting.to_owned(),
        };
        format!("{indent}{new}\n")
    };
    let text: String = privacy_file(level).lines().map(&mut put_in).collect();
    format!("{text}api: {{ listen: \"127.0.0.1:0\" }}\n{extra}")
}

/// The chain of a privacy level: each plugin with its settings.
pub fn privacy_chain(level: &str) -> Vec<(String, String)> {
    let text = privacy_file(level);
    let values = |key: &str| -> Vec<String> {
        text.lines().filter_map(|line| Some(line.trim_start().strip_prefix(key)?.to_owned())).collect()
    };
    let (names, settings) = (values("- name: "), values("config: "));
    assert!(!names.is_empty() && names.len() == settings.len(), "{level}");
    names.into_iter().zip(settings).collect()
}

fn privacy_file(level: &str) -> String {
    let config = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../config");
    std::fs::read_to_string(config.join(format!("privacy-{level}.yaml"))).unwrap()
}

/// Where compiled plugins are, for all tests.
fn cache() -> PathBuf {
    binary().ancestors().nth(2).unwrap().join("plugin-cache")
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
