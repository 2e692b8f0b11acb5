//! From the config to chains that can run: every component is found, checked, compiled or taken from the
//! cache, and asked what it is. Everything that is wrong is said at once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use replay_core::identity::ProjectId;
use replay_core::rrweb::Kinds;
use replay_sandbox::{Sandbox, sha256_hex};

use super::revisions::{DEFAULTS, Revisions};
use super::{Chain, ChainSet, Guest, Stage, letters_hold_payload};
use crate::config::{DeadLetterPayload, OnPluginFailure, PluginRef, Tenant, Tenants};

/// What is wrong with the chains of a config.
#[derive(Debug, Default)]
pub struct ChainProblems(Vec<String>);

impl ChainProblems {
    pub(crate) fn one(problem: String) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for ChainProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            let separator = if position > 0 { "\n" } else { "" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ChainProblems {}

/// Where the component of that name lies.
pub fn component_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.wasm"))
}

/// Whether the components of all chains are there and what their pins say, without loading any.
pub fn check_components(tenants: &Tenants, dir: &Path) -> Result<(), ChainProblems> {
    let mut problems = Vec::new();
    for plugin in tenants.all().flat_map(|tenant| &tenant.plugins) {
        let path = component_path(dir, &plugin.name);
        let problem = match std::fs::read(&path) {
            Ok(component) => {
                let sha256 = sha256_hex(&component);
                (sha256 != plugin.sha256).then(|| {
                    format!(
                        "its sha256 is {sha256}, the config wants {}; pin what was reviewed",
                        plugin.sha256
                    )
                })
            }
            Err(error) => Some(format!("cannot be read: {error}; is `plugins.dir` right?")),
        };
        problems.extend(problem.map(|why| format!("plugin `{}` ({}): {why}", plugin.name, path.display())));
    }
    problems.sort_unstable();
    problems.dedup();
    if problems.is_empty() { Ok(()) } else { Err(ChainProblems(problems)) }
}

/// What loading needs beside the tenants.
pub struct Loading<'a> {
    /// Directory of the components.
    pub dir: &'a Path,
    /// Where revisions are remembered.
    pub revisions: &'a Path,
    /// What dead letters hold in general.
    pub letters: DeadLetterPayload,
    /// Loads at a time.
    pub threads: usize,
}

impl ChainSet {
    /// Loads the chains of all tenants. `sandbox` is asked only if there is a plugin. Blocks: a component
    /// that is not in the cache is compiled.
    pub fn load(
        tenants: &Tenants,
        sandbox: Option<&Sandbox>,
        loading: &Loading<'_>,
    ) -> Result<Self, ChainProblems> {
        let mut problems = ChainProblems::default();
        let guests = match sandbox {
            Some(sandbox) => guests(tenants, sandbox, loading, &mut problems),
            None => Guests::default(),
        };
        let mut revisions = Revisions::open(loading.revisions);
        let mut chain = |name: &str, tenant: &Tenant| {
            let chain = chain(name, tenant, &guests, loading.letters, &mut problems.0);
            if let Err(problem) = revisions.accept(name, tenant) {
                problems.0.push(problem);
            }
            chain
        };
        let defaults = chain(DEFAULTS, &tenants.defaults);
        let listed: Vec<(ProjectId, Option<Chain>)> =
            tenants.listed.iter().map(|(id, tenant)| (id.clone(), chain(id.as_str(), tenant))).collect();
        problems.0.extend(revisions.vanished(tenants));
        if !problems.0.is_empty() {
            return Err(problems);
        }
        if let Err(error) = revisions.save() {
            let path = loading.revisions.display();
            problems.0.push(format!("cannot remember the chains' revisions in {path}: {error}"));
            return Err(problems);
        }
        let Some(defaults) = defaults else { return Err(problems) };
        if let Some(sandbox) = sandbox {
            keep_only(tenants, sandbox);
        }
        let listed = listed.into_iter().filter_map(|(id, chain)| Some((id, Arc::new(chain?)))).collect();
        Ok(Self { defaults: Arc::new(defaults), listed })
    }
}

/// What is compiled of plugins that the config does not have any more holds their tenants' settings.
fn keep_only(tenants: &Tenants, sandbox: &Sandbox) {
    let used: Vec<Key> = tenants.all().flat_map(|tenant| &tenant.plugins).map(Key::of).collect();
    match sandbox.retain(used.iter().map(|key| (key.sha256.as_str(), key.config.as_str()))) {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "removed compiled plugins that the config does not have"),
        Err(error) => tracing::warn!(%error, "cannot remove compiled plugins that the config does not have"),
    }
}

fn chain(
    name: &str,
    tenant: &Tenant,
    guests: &Guests,
    letters: DeadLetterPayload,
    problems: &mut Vec<String>,
) -> Option<Chain> {
    let mut stages = Vec::new();
    for plugin in &tenant.plugins {
        stages.push(Stage {
            name: plugin.name.clone(),
            sha256: plugin.sha256.clone(),
            // What could not be loaded was reported for all its tenants.
            guest: guests.get(&Key::of(plugin))?.clone(),
            allow_replace: plugin.allow_replace,
            mask_only: plugin.mask_only,
        });
    }
    let raised = stages.iter().find(|stage| stage.guest.manifest().redacts);
    let redacts = !stages.is_empty() && (tenant.redacts || raised.is_some());
    if let Some(stage) = raised
        && tenant.on_plugin_failure == OnPluginFailure::Pass
    {
        problems.push(format!(
            "tenants.{name}.on_plugin_failure: `pass` would store what `{}` should have redacted; choose \
             `quarantine` or `drop`",
            stage.name
        ));
    }
    Some(Chain {
        revision: tenant.chain_revision,
        kinds: stages.iter().fold(Kinds::default(), |kinds, stage| kinds.union(stage.guest.manifest().kinds)),
        redacts,
        on_failure: tenant.on_plugin_failure,
        letters_hold_payload: letters_hold_payload(redacts, tenant.dead_letter_payload, letters),
        stages,
    })
}

/// What makes two entries of chains the same plugin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    name: String,
    sha256: String,
    config: String,
}

impl Key {
    fn of(plugin: &PluginRef) -> Self {
        let PluginRef { name, sha256, config, .. } = plugin;
        Self { name: name.clone(), sha256: sha256.clone(), config: config.to_string() }
    }
}

type Guests = BTreeMap<Key, Arc<dyn Guest>>;

/// Loads each plugin once, several at a time.
fn guests(
    tenants: &Tenants,
    sandbox: &Sandbox,
    loading: &Loading<'_>,
    problems: &mut ChainProblems,
) -> Guests {
    let mut wanted: Vec<Key> = tenants.all().flat_map(|tenant| &tenant.plugins).map(Key::of).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let (next, loaded) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..loading.threads.clamp(1, wanted.len().max(1)) {
            scope.spawn(|| {
                while let Some(key) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let component = component_path(loading.dir, &key.name);
                    let guest = sandbox.load(&component, &key.sha256, &key.config);
                    loaded.lock().unwrap_or_else(PoisonError::into_inner).push((key.clone(), guest));
                }
            });
        }
    });
    let mut guests = Guests::new();
    let mut failed = Vec::new();
    for (key, guest) in loaded.into_inner().unwrap_or_else(PoisonError::into_inner) {
        match guest {
            Ok(guest) => {
                guests.insert(key, Arc::new(guest));
            }
            Err(error) => failed.push(format!(
                "plugin `{}` ({}): {error}",
                key.name,
                component_path(loading.dir, &key.name).display()
            )),
        }
    }
    failed.sort_unstable();
    failed.dedup();
    problems.0.append(&mut failed);
    guests
}
