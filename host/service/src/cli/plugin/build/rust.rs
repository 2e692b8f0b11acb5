//! A plugin in Rust: from its crate to a component, with nothing beyond rustup's wasm target.
//!
//! The crate is compiled for `wasm32-unknown-unknown`, which gives it no WASI to import, and its core
//! module is wrapped into a component by the interface that `replay-plugin` embedded in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use wit_component::ComponentEncoder;

use super::Made;
use crate::cli::CliError;

const TARGET: &str = "wasm32-unknown-unknown";

/// As fast as may be, small, and without unwinding, which a sandbox does not need.
const PROFILE: [(&str, &str); 6] = [
    ("inherits", "\"release\""),
    ("opt-level", "3"),
    ("lto", "\"fat\""),
    ("codegen-units", "1"),
    ("panic", "\"abort\""),
    ("strip", "true"),
];

/// Guests scan text: vector instructions make that up to twice as fast. The stack lies at the bottom of the
/// memory and is reset for each batch, used or not: a quarter of the usual mebibyte is twice what regular
/// expressions and JSON need, and half of what the host's own stack lets calls nest.
const FLAGS: &str = "-C target-feature=+simd128 -C link-arg=-zstack-size=262144";

/// The compiler's name of that profile, and its directory under `target`.
const PROFILE_NAME: &str = "plugin";

pub(super) fn make(dir: &Path) -> Result<Made, CliError> {
    check_target()?;
    let module = compile(dir)?;
    let core = std::fs::read(&module)?;
    let name = module.file_stem().and_then(|stem| stem.to_str()).unwrap_or("plugin").replace('_', "-");
    Ok(Made { name, component: componentize(&core)? })
}

fn check_target() -> Result<(), CliError> {
    let printed = Command::new(rustc())
        .args(["--print", "target-libdir", "--target", TARGET])
        .stderr(Stdio::null())
        .output();
    let there = printed.is_ok_and(|printed| {
        let dir = String::from_utf8_lossy(&printed.stdout);
        printed.status.success() && Path::new(dir.trim()).is_dir()
    });
    if there {
        return Ok(());
    }
    Err(CliError::failed(format!("the compiler has no {TARGET}: `rustup target add {TARGET}` brings it")))
}

/// Runs cargo, and answers where the module lies.
fn compile(crate_dir: &Path) -> Result<PathBuf, CliError> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(crate_dir).args(["build", "--lib", "--target", TARGET, "--profile", PROFILE_NAME]);
    for (key, value) in PROFILE {
        cargo.arg("--config").arg(format!("profile.{PROFILE_NAME}.{key}={value}"));
    }
    cargo
        .args(["--message-format", "json-render-diagnostics"])
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", FLAGS)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    let built = cargo
        .output()
        .map_err(|error| CliError::failed(format!("cannot run cargo: {error}; rustup.rs brings it")))?;
    if !built.status.success() {
        return Err(CliError::failed("cargo could not build the plugin; what it said is above"));
    }
    let messages = String::from_utf8_lossy(&built.stdout);
    let mut modules =
        messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).filter_map(|message| {
            let files = message["filenames"].as_array()?.clone();
            files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".wasm")).map(PathBuf::from)
        });
    // The last is the crate that was asked for.
    modules.next_back().ok_or_else(|| {
        CliError::failed("the crate makes no module: its Cargo.toml needs `[lib] crate-type = [\"cdylib\"]`")
    })
}

fn componentize(core: &[u8]) -> Result<Vec<u8>, CliError> {
    let encoded =
        ComponentEncoder::default().validate(true).module(core).and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| {
        CliError::failed(format!(
            "the module is no plugin: {error:#}; does it depend on `replay-plugin` and export a plugin?"
        ))
    })
}

fn rustc() -> std::ffi::OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}
