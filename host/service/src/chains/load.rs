//! From the config to chains that can run: every component is found, checked, compiled or taken from the
//! cache, and asked what it is. Everything that is wrong is said at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use replay_core::identity::ProjectId;
use replay_core::rrweb::Kinds;
use replay_sandbox::{Class, Sandbox};

use super::problems::{ChainProblems, Faults, Spot, fault_of, spots};
use super::revisions::{DEFAULTS, Revisions, digest_of};
use super::{Chain, ChainSet, Guest, Shadow, ShadowCounts, Stage, StageCounts, letters_hold_payload};
use crate::config::{DeadLetterPayload, OnPluginFailure, PluginClass, PluginRef, ShadowRef, Tenant, Tenants};
use crate::registry::{Component, Registry, Wanted};

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

/// How often it is said how far loading is.
const TELL_EVERY: Duration = Duration::from_secs(5);

impl ChainSet {
    /// Loads the chains of all tenants. `sandbox` is asked only if there is a plugin. Blocks: a component
    /// that is not in the cache is compiled.
    pub fn load(
        tenants: &Tenants,
        sandbox: Option<&Sandbox>,
        loading: &Loading<'_>,
    ) -> Result<Loaded, ChainProblems> {
        let mut revisions = Revisions::open(loading.revisions);
        let (mut set, away) = ready(tenants, sandbox, loading, &mut revisions)?;
        if let Err(error) = revisions.save() {
            let path = loading.revisions.display();
            let problem = format!("cannot remember the chains' revisions in {path}: {error}");
            return Err(ChainProblems::one(problem));
        }
        if let Some(sandbox) = sandbox {
            keep_only(tenants, sandbox);
        }
        set.remembered = revisions.remembered(tenants);
        let away = away.into_keys().collect();
        Ok(Loaded { set, away })
    }

    /// Whether [`Self::load`] would do: all the same, but nothing is remembered or removed. Without a sandbox
    /// only what needs no component is looked at. What place cannot be asked, of which a copy would serve.
    pub(crate) fn try_out(
        tenants: &Tenants,
        sandbox: Option<&Sandbox>,
        loading: &Loading<'_>,
        mut revisions: Revisions,
    ) -> Result<Vec<String>, ChainProblems> {
        let problems = match ready(tenants, sandbox, loading, &mut revisions) {
            Ok((_, away)) => {
                return Ok(away
                    .iter()
                    .map(|(wanted, why)| format!("plugin `{}`: {why}", wanted.name))
                    .collect());
            }
            Err(problems) => problems,
        };
        // Chains without their plugins are none, which is all that was wrong.
        if problems.is_empty() { Ok(Vec::new()) } else { Err(problems) }
    }
}

/// Chains that may run, if nothing is wrong, and of which components only the copy is there, and why.
fn ready(
    tenants: &Tenants,
    sandbox: Option<&Sandbox>,
    loading: &Loading<'_>,
    revisions: &mut Revisions,
) -> Result<(ChainSet, BTreeMap<Wanted, String>), ChainProblems> {
    let mut problems = ChainProblems::default();
    let (guests, away) = match sandbox {
        Some(sandbox) => guests(tenants, sandbox, loading, &mut problems),
        None => Default::default(),
    };
    let mut chain = |name: &str, tenant: &Tenant| {
        let chain = chain(name, tenant, loading, &guests, &mut problems);
        problems.extend(revisions.accept(name, tenant).err());
        chain
    };
    let defaults = chain(DEFAULTS, &tenants.defaults);
    let listed: Vec<(ProjectId, Option<Chain>)> =
        tenants.listed.iter().map(|(id, tenant)| (id.clone(), chain(id.as_str(), tenant))).collect();
    problems.extend(revisions.vanished(tenants));
    if !problems.is_empty() {
        return Err(problems);
    }
    let Some(defaults) = defaults else { return Err(problems) };
    let listed = listed.into_iter().filter_map(|(id, chain)| Some((id, Arc::new(chain?)))).collect();
    Ok((ChainSet::new(defaults, listed), away))
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
    problems: &mut ChainProblems,
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

/// How the sandbox is to run a plugin.
pub(crate) fn class_of(plugin: &PluginRef) -> Class {
    match plugin.class {
        PluginClass::Compiled => Class::Compiled,
        PluginClass::Script => Class::Script,
    }
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
        let class = class_of(plugin);
        Self { component: registry.wanted(plugin), class, config: plugin.config.to_string() }
    }
}

type Guests = BTreeMap<Key, Arc<dyn Guest>>;

/// Finds each component once and loads each plugin once, several at a time. Beside the plugins: of which
/// components only the copy was there, and why.
fn guests(
    tenants: &Tenants,
    sandbox: &Sandbox,
    loading: &Loading<'_>,
    problems: &mut ChainProblems,
) -> (Guests, BTreeMap<Wanted, String>) {
    let mut keys = BTreeMap::<Key, Vec<Spot<'_>>>::new();
    for (spot, plugin) in spots(tenants) {
        keys.entry(Key::of(plugin, loading.registry)).or_default().push(spot);
    }
    let components = components(&keys, loading, problems);
    // What is not there was reported.
    keys.retain(|key, _| components.contains_key(&key.component));
    let keys: Vec<(Key, Vec<Spot<'_>>)> = keys.into_iter().collect();
    let progress = Progress::new(keys.len());
    let loaded = each(&keys, loading.threads, |(key, _)| {
        let component = components.get(&key.component)?;
        let loaded = sandbox.of_class(key.class).load(&component.path, &key.component.sha256, &key.config);
        progress.one_more();
        Some(loaded)
    });
    let mut guests = Guests::new();
    let mut faults = Faults::default();
    for ((key, spots), guest) in keys.into_iter().zip(loaded) {
        match guest {
            Some(Ok(guest)) => {
                guests.insert(key, Arc::new(guest));
            }
            Some(Err(error)) => faults.add(&key.component.name, &fault_of(&error, &key.config), &spots),
            None => {}
        }
    }
    problems.extend(faults.into_problems());
    let away = components.into_iter().filter_map(|(wanted, component)| Some((wanted, component.away?)));
    (guests, away.collect())
}

/// The components of all chains; what is missing is reported, and what serves as a copy only is said.
fn components(
    keys: &BTreeMap<Key, Vec<Spot<'_>>>,
    loading: &Loading<'_>,
    problems: &mut ChainProblems,
) -> BTreeMap<Wanted, Component> {
    let mut spots = BTreeMap::<&Wanted, Vec<Spot<'_>>>::new();
    for (key, of_key) in keys {
        spots.entry(&key.component).or_default().extend(of_key);
    }
    let all: Vec<(&Wanted, Vec<Spot<'_>>)> = spots.into_iter().collect();
    let fetched = each(&all, loading.threads, |(wanted, _)| loading.registry.fetch(wanted));
    let mut found = BTreeMap::new();
    let mut faults = Faults::default();
    for ((wanted, spots), component) in all.into_iter().zip(fetched) {
        match component {
            Ok(component) => {
                if let Some(why) = &component.away {
                    let plugin = wanted.name.as_str();
                    tracing::warn!(plugin, why, "a registry is away: the copy of a component serves");
                }
                found.insert(wanted.clone(), component);
            }
            Err(missing) => {
                if missing.away {
                    problems.be_away();
                }
                faults.add(&wanted.name, &missing.why, &spots);
            }
        }
    }
    problems.extend(faults.into_problems());
    found
}

/// Says now and then how far loading is: scripts, or many tenants, take minutes.
struct Progress {
    all: usize,
    state: Mutex<(usize, Instant)>,
}

impl Progress {
    fn new(all: usize) -> Self {
        Self { all, state: Mutex::new((0, Instant::now())) }
    }

    fn one_more(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (done, told) = &mut *state;
        *done += 1;
        if told.elapsed() >= TELL_EVERY && *done < self.all {
            *told = Instant::now();
            tracing::info!("{done} of {} plugins are ready", self.all);
        }
    }
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
