//! Puts the plugin SDK's sources into the binary: `plugin new` writes them beside a new plugin, so that it
//! builds wherever the binary runs.
#![allow(clippy::print_stdout, reason = "how a build script speaks to cargo")]

use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Constant, directory of the repository, and which of it: all of a directory, or one file.
const CARRIED: [(&str, &str, &[&str]); 3] = [
    ("RUST_SDK", "plugins/sdk", &["Cargo.toml", "LICENSE", "README.md", "src", "wit"]),
    ("JAVASCRIPT_SDK", "plugins/sdk-js", &["package.json", "README.md", "src"]),
    ("PYTHON_SDK", "plugins/sdk-py", &["pyproject.toml", "README.md", "replay_plugin"]),
];

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let mut code = String::new();
    for (constant, dir, entries) in CARRIED {
        let dir = root.join(dir);
        let mut files = Vec::new();
        for entry in entries {
            let path = dir.join(entry);
            println!("cargo::rerun-if-changed={}", path.display());
            collect(&path, &mut files)?;
        }
        files.sort();
        let rows = files.iter().fold(String::new(), |mut rows, file| {
            let name = file.strip_prefix(&dir).unwrap_or(file);
            let _ = writeln!(rows, "    ({:?}, include_str!({:?})),", name.display().to_string(), file);
            rows
        });
        let _ = writeln!(code, "pub(super) const {constant}: &[(&str, &str)] = &[\n{rows}];");
    }
    let out = std::env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    std::fs::write(out.join("carried.rs"), code)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        // What Python leaves behind.
        if entry.file_name() != "__pycache__" {
            collect(&entry.path(), files)?;
        }
    }
    Ok(())
}
