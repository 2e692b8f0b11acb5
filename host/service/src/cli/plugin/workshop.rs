//! Where plugins are tried: a sandbox with production limits, and a directory for what it compiles.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use replay_sandbox::Sandbox;

use crate::build;
use crate::cli::{CliError, Exit};
use crate::config::Settings;

/// The sandbox of the config, or of the defaults, with a cache of its own.
pub(in crate::cli) fn production_sandbox(
    config: Option<&Path>,
    cache: &Path,
) -> Result<(Settings, Sandbox), CliError> {
    let env = |name: &str| std::env::var(name).ok();
    let settings = match config {
        Some(path) => Settings::load(path, &env),
        None => Settings::embedded_defaults(),
    };
    let mut settings = settings.map_err(|errors| CliError::new(Exit::Config, errors.render(false)))?;
    settings.plugins.cache_dir = cache.to_owned();
    let sandbox = build::sandbox(&settings)?;
    Ok((settings, sandbox))
}

/// A directory that goes when it is dropped.
pub(in crate::cli) struct TempDir(PathBuf);

impl TempDir {
    pub(in crate::cli) fn new() -> Result<Self, CliError> {
        let dir = std::env::temp_dir().join(format!("replay-plugin-{}", uuid::Uuid::new_v4().simple()));
        // What is compiled there is run: nobody else may write it.
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&dir)
            .map_err(|error| CliError::failed(format!("cannot make {}: {error}", dir.display())))?;
        Ok(Self(dir))
    }

    pub(in crate::cli) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
