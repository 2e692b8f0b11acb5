//! From the config to chains that can run: every component is found, checked, compiled or taken from the
//! cache, and asked what it is. Everything that is wrong is said at once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use replay_core::identity::ProjectId;
use replay_core::rrweb::Kinds;
use replay_sandbox::{Class, Sandbox};

use super::revisions::{DEFAULTS, Revisions, digest_of};
use super::{Chain, ChainSet, Guest, Shadow, ShadowCounts, Stage, StageCounts, letters_hold_payload};
use crate::config::{DeadLetterPayload, OnPluginFailure, PluginClass, PluginRef, ShadowRef, Tenant, Tenants};
use crate::registry::{Component, Missing, Registry, Wanted};

/// What is wrong with the chains of a config.
#[derive(Debug, Default)]
pub struct ChainProblems {
    problems: Vec<String>,
    away: bool,
}

impl ChainProblems {
    pub(crate) fn one(problem: String) -> Self {
        Self { problems: vec![problem], away: false }
    }

    /// Whether a place of components could not be asked: another try may go well.
    pub fn is_away(&self) -> bool {
        self.away
    }

    fn missing(&mut self, wanted: &Wanted, missing: &Missing) {
        self.away |= missing.away;
        self.problems.push(format!("plugin `{}`: {missing}", wanted.name));
    }

    /// Each problem once, in order; `Err` if there is any.
    fn settle(mut self) -> Result<(), Self> {
        self.problems.sort_unstable();
        self.problems.dedup();
        if self.problems.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for ChainProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.problems.iter().enumerate() {
            let separator = if position > 0 { "\n" } else { "" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ChainProblems {}

/// Whether the components of all chains are where the config says, without loading any; what place cannot
/// be asked. Blocks.
pub fn check_components(tenants: &Tenants, registry: &Registry) -> Result<Vec<String>, ChainProblems> {
    let (mut problems, mut away) = (ChainProblems::default(), Vec::new());
    for wanted in all_wanted(tenants, registry) {
        match registry.look(&wanted) {
            Ok(None) => {}
            Ok(Some(why)) => away.push(format!("plugin `{}`: {why}", wanted.name)),
            Err(missing) => problems.missing(&wanted, &missing),
        }
    }
    problems.settle().map(|()| away)
}

/// The components of all chains, each once.
fn all_wanted(tenants: &Tenants, registry: &Registry) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> =
        tenants.all().flat_map(Tenant::components).map(|plugin| registry.wanted(plugin)).collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

/// What loading needs beside the tenants.
pub struct Loading<'a> {
    /// Where components are found.
    pub registry: &'a Registry,
    /// Where revisions are remembered.
    pub revisions: &'a Path,
    /// What dead letters hold in general.
    pub letters: DeadLetterPayload,
    /// Loads at a time.
    pub threads: usize,
}

/// Chains that can run.
pub struct Loaded {
    /// The chains.
    pub set: ChainSet,
    /// Components of which only the private copy was there, as a place could not be asked.
    pub away: Vec<Wanted>,
}

impl ChainSet {
    /// Loads the chains of all tenants. `sandbox` is asked only if there is a plugin. Blocks: a component
    /// that is not in the cache is compiled.
    pub fn load(
        tenants: &Tenants,
        sandbox: Option<&Sandbox>,
        loading: &Loading<'_>,
    ) -> Result<Loaded, ChainProblems> {
        let mut problems = ChainProblems::default();
        let (guests, away) = match sandbox {
            Some(sandbox) => guests(tenants, sandbox, loading, &mut problems),
            None => Default::default(),
        };
        let mut revisions = Revisions::open(loading.revisions);
        let mut chain = |name: &str, tenant: &Tenant| {
            let chain = chain(name, tenant, loading, &guests, &mut problems.problems);
            if let Err(problem) = revisions.accept(name, tenant) {
                problems.problems.push(problem);
            }
            chain
        };
        let defaults = chain(DEFAULTS, &tenants.defaults);
        let listed: Vec<(ProjectId, Option<Chain>)> =
            tenants.listed.iter().map(|(id, tenant)| (id.clone(), chain(id.as_str(), tenant))).collect();
        problems.problems.extend(revisions.vanished(tenants));
        if !problems.problems.is_empty() {
            return Err(problems);
        }
        if let Err(error) = revisions.save() {
            let path = loading.revisions.display();
            let problem = format!("cannot remember the chains' revisions in {path}: {error}");
            return Err(ChainProblems::one(problem));
        }
        let Some(defaults) = defaults else { return Err(problems) };
        if let Some(sandbox) = sandbox {
            keep_only(tenants, sandbox);
        }
        let listed = listed.into_iter().filter_map(|(id, chain)| Some((id, Arc::new(chain?)))).collect();
        let mut set = Self::new(defaults, listed);
        set.remembered = revisions.remembered(tenants);
        Ok(Loaded { set, away })
    }
}

/// What is compiled of plugins that the config does not have any more holds their tenants' settings.
fn keep_only(tenants: &Tenants, sandbox: &Sandbox) {
    let used: Vec<(&str, String)> = tenants
        .all()
        .flat_map(Tenant::components)
        .map(|plugin| (plugin.sha256.as_str(), plugin.config.to_string()))
        .collect();
    match sandbox.retain(used.iter().map(|(sha256, config)| (*sha256, config.as_str()))) {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "removed compiled plugins that the config does not have"),
        Err(error) => tracing::warn!(%error, "cannot remove compiled plugins that the config does not have"),
    }
}

fn chain(
    name: &str,
    tenant: &Tenant,
    loading: &Loading<'_>,
    guests: &Guests,
    problems: &mut Vec<String>,
) -> Option<Chain> {
    let stages = stages(&tenant.plugins, loading, guests)?;
    let shadow = match &tenant.shadow {
        Some(shadow) => Some(Arc::new(self::shadow(shadow, tenant, loading, guests)?)),
        None => None,
    };
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
        digest: digest_of(&tenant.plugins),
        kinds: kinds_of(&stages),
        redacts,
        on_failure: tenant.on_plugin_failure,
        letters_hold_payload: letters_hold_payload(redacts, tenant.dead_letter_payload, loading.letters),
        stages,
        shadow,
    })
}

/// What is only compared: nothing of it is stored, so nothing of a chain's promises is asked of it.
fn shadow(shadow: &ShadowRef, tenant: &Tenant, loading: &Loading<'_>, guests: &Guests) -> Option<Shadow> {
    let stages = stages(&shadow.plugins, loading, guests)?;
    let redacts = tenant.redacts || stages.iter().any(|stage| stage.guest.manifest().redacts);
    let chain = Chain {
        revision: tenant.chain_revision,
        digest: digest_of(&shadow.plugins),
        kinds: kinds_of(&stages),
        redacts,
        on_failure: OnPluginFailure::Quarantine,
        letters_hold_payload: false,
        stages,
        shadow: None,
    };
    Some(Shadow { share_percent: shadow.share_percent, chain, counts: ShadowCounts::default() })
}

/// What could not be loaded was reported for all its tenants.
fn stages(plugins: &[PluginRef], loading: &Loading<'_>, guests: &Guests) -> Option<Vec<Stage>> {
    let stage = |plugin: &PluginRef| {
        Some(Stage {
            name: plugin.name.clone(),
            sha256: plugin.sha256.clone(),
            guest: guests.get(&Key::of(plugin, loading.registry))?.clone(),
            allow_replace: plugin.allow_replace,
            mask_only: plugin.mask_only,
            counts: StageCounts::default(),
        })
    };
    plugins.iter().map(stage).collect()
}

fn kinds_of(stages: &[Stage]) -> Kinds {
    stages.iter().fold(Kinds::default(), |kinds, stage| kinds.union(stage.guest.manifest().kinds))
}

/// What makes two entries of chains the same plugin.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    component: Wanted,
    class: Class,
    config: String,
}

impl Key {
    fn of(plugin: &PluginRef, registry: &Registry) -> Self {
        let class = match plugin.class {
            PluginClass::Compiled => Class::Compiled,
            PluginClass::Script => Class::Script,
        };
        Self { component: registry.wanted(plugin), class, config: plugin.config.to_string() }
    }
}

type Guests = BTreeMap<Key, Arc<dyn Guest>>;

/// Finds each component once and loads each plugin once, several at a time. Beside the plugins: of which
/// components only the copy was there.
fn guests(
    tenants: &Tenants,
    sandbox: &Sandbox,
    loading: &Loading<'_>,
    problems: &mut ChainProblems,
) -> (Guests, Vec<Wanted>) {
    let components = components(tenants, loading, problems);
    let away = components.iter().filter(|(_, component)| component.away.is_some());
    let away = away.map(|(wanted, _)| wanted.clone()).collect();
    let mut keys: Vec<Key> =
        tenants.all().flat_map(Tenant::components).map(|plugin| Key::of(plugin, loading.registry)).collect();
    keys.sort_unstable();
    keys.dedup();
    // What is not there was reported.
    keys.retain(|key| components.contains_key(&key.component));
    let loaded = each(&keys, loading.threads, |key| {
        let component = components.get(&key.component)?;
        Some(sandbox.of_class(key.class).load(&component.path, &key.component.sha256, &key.config))
    });
    let mut guests = Guests::new();
    let mut failed = Vec::new();
    for (key, guest) in keys.into_iter().zip(loaded) {
        match guest {
            Some(Ok(guest)) => {
                guests.insert(key, Arc::new(guest));
            }
            Some(Err(error)) => failed.push(format!("plugin `{}`: {error}", key.component.name)),
            None => {}
        }
    }
    failed.sort_unstable();
    failed.dedup();
    problems.problems.append(&mut failed);
    (guests, away)
}

/// The components of all chains; what is missing is reported, and what serves as a copy only is said.
fn components(
    tenants: &Tenants,
    loading: &Loading<'_>,
    problems: &mut ChainProblems,
) -> BTreeMap<Wanted, Component> {
    let all = all_wanted(tenants, loading.registry);
    let fetched = each(&all, loading.threads, |wanted| loading.registry.fetch(wanted));
    let mut found = BTreeMap::new();
    for (wanted, component) in all.into_iter().zip(fetched) {
        match component {
            Ok(component) => {
                if let Some(why) = &component.away {
                    let plugin = wanted.name.as_str();
                    tracing::warn!(plugin, why, "a registry is away: the copy of a component serves");
                }
                found.insert(wanted, component);
            }
            Err(missing) => problems.missing(&wanted, &missing),
        }
    }
    found
}

/// Does the same with each item, on so many threads; the results in order.
fn each<T: Sync, R: Send>(items: &[T], threads: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(position) else { return };
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((position, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(position, _)| *position);
    done.into_iter().map(|(_, result)| result).collect()
}
