//! Loading the chains of a config as `run` would, for commands that only look: nothing is remembered, nothing
//! is removed, and what is compiled goes into the plugins' cache only if this user has one there.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::plugin::TempDir;
use super::{CliError, output};
use crate::build;
use crate::chains::{ChainProblems, Revisions, any_chain};
use crate::config::{Settings, Tenant};

/// What came of it.
pub(super) struct Trial {
    /// Places that cannot be asked, of which copies would serve; or what is wrong.
    pub(super) result: Result<Vec<String>, ChainProblems>,
    /// What could not be looked at as this user.
    pub(super) notes: Vec<String>,
}

/// Unless it `loads`, components are left alone, and the rest is looked at. Blocks; inside a runtime.
pub(super) fn try_chains(settings: &Settings, loads: bool) -> Result<Trial, CliError> {
    let mut settings = settings.clone();
    let mut notes = Vec::new();
    let mut cache = None;
    if loads && any_chain(&settings.tenants) {
        tell(&settings);
        let dir = &settings.plugins.cache_dir;
        let whose = whose(dir);
        if let Whose::Anothers = whose {
            let dir = dir.display();
            notes.push(format!("plugins.cache_dir: {dir} is not this user's: copies in it were not seen"));
        }
        if !matches!(whose, Whose::Ours) {
            let temporary = TempDir::new()?;
            settings.plugins.cache_dir = temporary.path().join("cache");
            cache = Some(temporary);
        }
    }
    let (revisions, forbidden) = Revisions::open_to_look(&build::revisions_file(&settings));
    notes.extend(
        forbidden.map(|why| format!("whether a chain changed under its old revision is not known: {why}")),
    );
    let result = build::try_chains(&settings, revisions, loads);
    drop(cache);
    Ok(Trial { result, notes })
}

/// Whose the configured cache is.
enum Whose {
    /// What `run` would meet, if this user ran it.
    Ours,
    Anothers,
    /// It is not made: it could become another user's than the service's.
    Nobodys,
}

fn whose(dir: &Path) -> Whose {
    match std::fs::symlink_metadata(dir) {
        Ok(metadata) if metadata.uid() == rustix::process::geteuid().as_raw() => Whose::Ours,
        Ok(_) => Whose::Anothers,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Whose::Nobodys,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Whose::Anothers,
        // `run` would meet it, too.
        Err(_) => Whose::Ours,
    }
}

fn tell(settings: &Settings) {
    let tenants = settings.tenants.all().filter(|tenant| tenant.components().next().is_some()).count();
    let plugins: BTreeSet<(&str, String)> = settings
        .tenants
        .all()
        .flat_map(Tenant::components)
        .map(|plugin| (plugin.sha256.as_str(), plugin.config.to_string()))
        .collect();
    let plugins = plugins.len();
    output::complain(&format!(
        "loading as `run` would: {tenants} chains, {plugins} different plugins; one that was not compiled before \
         takes seconds, a script up to minutes (--no-load leaves that out)"
    ));
}
