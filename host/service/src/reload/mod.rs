//! Putting a rewritten config in force without a restart: at SIGHUP, and when the files change.
//!
//! Everything is read, checked and compiled first; then tenants, SDK keys, retention and chains take the
//! place of the old ones, and batches that are under way end on the chain they began with. A config that is
//! refused changes nothing, is said once, and shows in metrics, `status` and `/readyz` until it is mended. What
//! else the config holds is read at the start only; that it changed is said too.
//!
//! **Who leaves.** Keys of a tenant that is not listed any more are refused at once. Its records that wait
//! here become dead letters where unlisted projects are rejected; where they are taken, they go through the
//! chain that the tenant had until the next start, and so do later ones (`ChainSet::departed`). What is
//! stored of it is kept as long as before, until then too (`departed`).

mod departed;
mod taken;
mod watch;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use replay_core::lifecycle::RetentionPolicy;
use replay_sandbox::Sandbox;
use tokio::signal::unix::Signal;
use tokio::time::MissedTickBehavior;

use crate::build;
use crate::chains::Chains;
use crate::config::{Settings, Tenant, Tenants};
use crate::lifecycle::Lifecycle;
use crate::observe::Reloads;
use crate::registry::{Registry, Wanted};
use crate::swap::Swap;
use watch::Watch;

/// What a reload replaces.
pub struct InForce {
    /// The chains.
    pub chains: Arc<Chains>,
    /// Who is admitted, and by which keys.
    pub tenants: Arc<Swap<Tenants>>,
    /// How long what stays where, for the pipeline.
    pub policy: Arc<Swap<RetentionPolicy>>,
    /// And for what moves and ends it.
    pub lifecycle: Arc<Lifecycle>,
}

/// Why a config is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    /// Somebody asked: the answer is logged, whatever it is.
    Asked,
    /// Files changed, or a registry may be back, or have what it had not.
    Changed,
}

/// Reads the config anew, for as long as the service runs.
pub struct Reloader {
    config: PathBuf,
    /// What the process began with.
    started_with: Settings,
    /// What the files said that are in force.
    digest: [u8; 32],
    in_force: InForce,
    sandbox: Option<Sandbox>,
    books: Arc<Reloads>,
    watch: Watch,
    /// Components of which only the copy was there, and where they should be.
    away: Vec<Wanted>,
    registry: Registry,
    /// They are looked for again then.
    look_at: Option<Instant>,
    /// A refused config is read again then: what it lacked may come without a sign.
    retry_at: Option<Instant>,
    /// The refusal that was logged last.
    said: Option<String>,
}

/// What was refused.
struct Refused {
    why: String,
    /// Another try may go well, with the same files.
    retry: bool,
}

impl From<String> for Refused {
    fn from(why: String) -> Self {
        Self { why, retry: false }
    }
}

impl Reloader {
    /// For a service that began with these settings; `away` as the first load found it.
    pub fn new(
        config: PathBuf,
        settings: Settings,
        in_force: InForce,
        sandbox: Option<Sandbox>,
        books: Arc<Reloads>,
        away: Vec<Wanted>,
    ) -> Self {
        books.away(away.len());
        let soon = Instant::now() + settings.limits.max_back_off;
        Self {
            look_at: (!away.is_empty()).then_some(soon),
            watch: Watch::new(config.clone(), settings.tenants.dir.clone()),
            registry: build::registry(&settings),
            digest: settings.digest,
            config,
            started_with: settings,
            in_force,
            sandbox,
            books,
            away,
            retry_at: None,
            said: None,
        }
    }

    /// Serves requests (SIGHUP) and looks at the files, for ever. A request that came before comes first.
    pub async fn run(mut self, mut requests: Signal) {
        let settings = self.started_with.reload.clone();
        let mut looks = tokio::time::interval(settings.interval);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                biased;
                request = requests.recv() => match request {
                    Some(()) => true,
                    None => return,
                },
                _ = looks.tick() => false,
            };
            let turn = tokio::task::spawn_blocking(move || {
                let turn = std::panic::catch_unwind(AssertUnwindSafe(|| match asked {
                    true => self.reload(Trigger::Asked),
                    false => self.look(settings.watch),
                }));
                if turn.is_err() {
                    // What a panic left in the sandbox is not to be trusted.
                    self.sandbox = None;
                    self.books.refused("reading it ended early");
                    self.said = Some("reading it ended early".to_owned());
                    tracing::error!("the config stays as it was: reading it ended early");
                }
                self
            });
            self = match turn.await {
                Ok(reloader) => reloader,
                Err(error) => return tracing::error!(%error, "reloads need a restart from now on"),
            };
        }
    }

    /// One look at files and registries, at the pace of the config.
    fn look(&mut self, watches: bool) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= Instant::now());
        if is_due(self.look_at) {
            self.look_for_what_is_away();
        }
        if is_due(self.retry_at) || watches && self.watch.has_changed() {
            self.reload(Trigger::Changed);
        }
    }

    /// Reads, checks and compiles, and puts it in force or says why not.
    fn reload(&mut self, trigger: Trigger) {
        if trigger == Trigger::Asked {
            tracing::info!("reading the config anew");
            self.watch.reads();
        }
        self.retry_at = None;
        let Err(Refused { why, retry }) = self.take(trigger) else { return };
        self.books.refused(&why);
        self.retry_at = retry.then(|| self.next_try());
        if trigger == Trigger::Asked || self.said.as_ref() != Some(&why) {
            tracing::error!("the config stays as it was:\n{why}");
        }
        self.said = Some(why);
    }

    fn take(&mut self, trigger: Trigger) -> Result<(), Refused> {
        let Some(settings) = self.read(trigger)? else { return Ok(()) };
        if trigger == Trigger::Changed && settings.digest == self.digest {
            self.same_again(&settings);
            return Ok(());
        }
        self.check_what_runs(&settings)?;
        let taken = taken::of(&settings, &self.started_with);
        let registry = build::registry(&taken);
        // Should one be missing, it may come without a change of the config.
        self.watch.wait_for(local_components(&taken.tenants, &registry));
        let loaded = build::chain_set(&taken, &registry, &mut self.sandbox).map_err(|problems| Refused {
            retry: problems.is_away() || self.may_come_unseen(&taken.tenants, &registry),
            why: problems.to_string(),
        })?;
        self.watch.wait_for(Vec::new());
        // Chains first: whoever is admitted meanwhile meets one of them, or the one it had.
        self.in_force.chains.replace(loaded.set);
        let policy = departed::with_departed(build::retention_policy(&taken), &self.in_force.policy.get());
        self.in_force.lifecycle.follow(policy.clone());
        self.in_force.policy.set(policy);
        departed::tell(&self.in_force.tenants.get(), &taken.tenants);
        self.in_force.tenants.set(taken.tenants);
        self.in_force.chains.clean(&registry);
        self.done(&settings, registry, loaded.away);
        Ok(())
    }

    /// Reads the config, and follows the directory that it names; nothing while somebody writes.
    fn read(&mut self, trigger: Trigger) -> Result<Option<Settings>, Refused> {
        if self.goes_on_changing(trigger)? {
            return Ok(None);
        }
        let settings = self.load()?;
        // Else what was read may be of two minds.
        if self.goes_on_changing(trigger)? {
            return Ok(None);
        }
        if !self.watch.follow(settings.tenants.dir.as_deref()) {
            return Ok(Some(settings));
        }
        match trigger {
            // Looked at first and then read, so that no later change of its files is missed.
            Trigger::Asked => {
                self.watch.reads();
                let settings = self.load()?;
                self.watch.follow(settings.tenants.dir.as_deref());
                Ok(Some(settings))
            }
            // Its files are taken as any: once they are the same at two looks.
            Trigger::Changed => Ok(None),
        }
    }

    fn load(&self) -> Result<Settings, Refused> {
        let env = |name: &str| std::env::var(name).ok();
        Settings::load(&self.config, &env).map_err(|errors| Refused {
            why: errors.render(false),
            // What is missing may lie where nobody looks: a directory that is named anew, a secret's file.
            retry: self.started_with.reload.watch,
        })
    }

    /// Whether the config is not what it was when it was found changed, or asked for. Where it is looked
    /// at, it is read once that has settled.
    fn goes_on_changing(&self, trigger: Trigger) -> Result<bool, Refused> {
        let is_changing = trigger == Trigger::Changed && self.watch.is_changing();
        if is_changing && !self.started_with.reload.watch {
            let why = "the config changed after the reload that was asked for: ask once more (SIGHUP)";
            return Err(why.to_owned().into());
        }
        Ok(is_changing)
    }

    /// Whether a component is missing that a bucket may have later, and its arrival is to be enough.
    fn may_come_unseen(&self, tenants: &Tenants, registry: &Registry) -> bool {
        let mut components = components(tenants, registry).into_iter();
        self.started_with.reload.watch && components.any(|wanted| registry.may_come_unseen(&wanted))
    }

    /// What a running service cannot follow, though the config alone is good.
    fn check_what_runs(&self, settings: &Settings) -> Result<(), String> {
        let lacking = settings.unsupported_servers();
        if settings.has_remote_plugins() && !lacking.is_empty() {
            return Err(format!("this build has no client for {}", lacking.join(", ")));
        }
        if settings.tenants.listed.is_empty() && !self.in_force.tenants.get().listed.is_empty() {
            return Err(
                "no tenant is listed any more: is the file whole, and `tenants.dir` there? If that is \
                        meant, it needs a restart"
                    .to_owned(),
            );
        }
        // Their chains and their days are kept.
        let departed = departed::departed_with(&settings.tenants, &self.in_force.policy.get());
        if departed > self.started_with.limits.max_tenants as usize {
            return Err(format!("{departed} tenants left since the start: that needs a restart"));
        }
        let kept = self.started_with.erasure.tombstone_retention;
        let days = |tenant: &Tenant| tenant.hot_retention_days + tenant.cold_retention_days;
        let longest = settings.tenants.all().map(days).max().unwrap_or(0);
        if kept <= Duration::from_secs(86_400) * longest {
            return Err(format!(
                "a tenant's sessions can live {longest} days, and marks of erasures are kept no longer than that \
                 since the start: what was erased could return; raising `erasure.tombstone_retention` needs a \
                 restart"
            ));
        }
        Ok(())
    }

    fn done(&mut self, settings: &Settings, registry: Registry, away: Vec<Wanted>) {
        self.digest = settings.digest;
        self.registry = registry;
        self.away = away;
        self.note_what_is_away();
        self.said = None;
        let tenants = settings.tenants.listed.len();
        tracing::info!(tenants, "the config's tenants and chains are in place");
        let parts = self.started_with.other_parts(settings);
        if !parts.is_empty() {
            let parts = parts.join(", ");
            tracing::warn!(parts, "these parts of the config changed too, and need a restart");
        }
        self.books.done(!parts.is_empty());
    }

    /// The files say again what is in force: a bad edit was taken back, or a file only touched.
    fn same_again(&mut self, settings: &Settings) {
        if self.said.take().is_some() {
            tracing::info!("the config on disk is the one that is in force");
            self.watch.wait_for(Vec::new());
            self.books.same_again(!self.started_with.other_parts(settings).is_empty());
        }
    }

    /// Whether the registries answer again of which only copies were there.
    fn look_for_what_is_away(&mut self) {
        let registry = &self.registry;
        self.away.retain(|wanted| !matches!(registry.look(wanted), Ok(None)));
        self.note_what_is_away();
        if self.away.is_empty() {
            tracing::info!("the registries have every component again");
        }
    }

    fn note_what_is_away(&mut self) {
        self.books.away(self.away.len());
        self.look_at = (!self.away.is_empty()).then(|| self.next_try());
    }

    fn next_try(&self) -> Instant {
        Instant::now() + self.started_with.limits.max_back_off
    }
}

/// Every file that the chains' components may lie in.
fn local_components(tenants: &Tenants, registry: &Registry) -> Vec<PathBuf> {
    components(tenants, registry).iter().flat_map(|wanted| registry.local_files(wanted)).collect()
}

/// The components of all chains, each once.
fn components(tenants: &Tenants, registry: &Registry) -> BTreeSet<Wanted> {
    let plugins = tenants.all().flat_map(Tenant::components);
    plugins.map(|plugin| registry.wanted(plugin)).collect()
}
