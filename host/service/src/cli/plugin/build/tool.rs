//! The tools of other languages: found, run, and explained when they are not there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::WIT;
use crate::cli::CliError;
use crate::cli::plugin::TempDir;

/// A directory of its own for what is made on the way, with the interface in `wit/`. Gone when dropped.
pub(super) struct Bench(TempDir);

impl Bench {
    pub(super) fn new() -> Result<Self, CliError> {
        let bench = Self(TempDir::new()?);
        std::fs::create_dir(bench.wit())?;
        std::fs::write(bench.wit().join("replay.wit"), WIT)?;
        Ok(bench)
    }

    pub(super) fn dir(&self) -> &Path {
        self.0.path()
    }

    /// The interface's directory.
    pub(super) fn wit(&self) -> PathBuf {
        self.file("wit")
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }
}

/// The program of that name in `PATH`.
pub(super) fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
}

/// Runs a tool to its end. What it says is for the author, and shown only if it fails.
pub(super) fn run(command: &mut Command) -> Result<String, CliError> {
    let name =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| CliError::failed(format!("cannot run {name}: {error}")))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let words = [said.trim(), complaint.trim()].join("\n");
    Err(CliError::failed(format!("{name} could not build the plugin:\n{}", words.trim())))
}

/// A plugin's name: that of its component's file, and in a chain.
pub(super) fn checked_name(name: &str, place: &Path) -> Result<String, CliError> {
    let fits = (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && !name.starts_with('.');
    if fits {
        return Ok(name.to_owned());
    }
    Err(CliError::usage(format!(
        "{}: `{}` is no name for a plugin; use letters, digits, `.`, `_` and `-`, 64 at most",
        place.display(),
        name.escape_debug()
    )))
}
