//! Tenants' chains: loaded from the config, run over sealed batches, watched while they run.
//!
//! `load` makes them ready, `transform` runs one over a batch and applies the tenant's policy to what
//! failed, `attempt` is one try of it. `breakers` stop a plugin that fails again and again, `tables`
//! keep what is known of open pages, `revisions` see that a changed chain has a new number, `shadow`
//! compares a tenant's next chain with the present one, `counts` and `times` are what happened, and
//! `report` is what `plugin status` says of it.

mod attempt;
mod breakers;
mod counts;
mod json_place;
mod load;
mod problems;
mod report;
mod revisions;
mod shadow;
mod tables;
#[cfg(test)]
mod tests;
mod times;
mod transform;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use replay_core::codec::{Encoding, Scratch};
use replay_core::identity::ProjectId;
use replay_core::rrweb::{Batch, ElementLimits, Kinds, ScanLimits};
use replay_sandbox::{Answer, Manifest, Plugin, PluginFailure};

use crate::config::{DeadLetterPayload, OnPluginFailure, Tenants};
use crate::registry::Registry;
use crate::swap::Swap;
use breakers::{Breakers, Watched};
use tables::Tables;

use counts::ChainCounts;
pub use counts::{ChainTotals, PluginCounts, StageCounts};
pub(crate) use load::class_of;
pub use load::{Loaded, Loading};
pub use problems::ChainProblems;
pub use report::{PluginReport, ShadowReport, SideReport, SidesReport, TenantReport};
pub use revisions::{DEFAULTS, Known, Revisions, digest_of};
use shadow::Shadows;
pub use shadow::{Shadow, ShadowBounds, ShadowCounts, ShadowJob, ShadowTotals};
pub use transform::{Chunk, Treated};

/// One plugin, ready to see batches.
pub trait Guest: Send + Sync {
    /// What it says of itself.
    fn manifest(&self) -> &Manifest;
    /// One call with a batch. Blocks.
    fn process(&self, batch: &Arc<Batch>) -> Result<Answer, PluginFailure>;
}

impl Guest for Plugin {
    fn manifest(&self) -> &Manifest {
        self.manifest()
    }

    fn process(&self, batch: &Arc<Batch>) -> Result<Answer, PluginFailure> {
        self.process(batch)
    }
}

/// One plugin of a chain.
#[derive(Clone)]
pub struct Stage {
    /// Its name in the config.
    pub name: String,
    /// SHA-256 of its component.
    pub sha256: String,
    /// The plugin.
    pub guest: Arc<dyn Guest>,
    /// Whether it may answer with whole new events.
    pub allow_replace: bool,
    /// Whether anything but masks is refused.
    pub mask_only: bool,
    /// What it did for this tenant.
    pub counts: StageCounts,
}

/// One tenant's chain.
#[derive(Clone)]
pub struct Chain {
    /// Its number.
    pub revision: u16,
    /// SHA-256 over what decides what it makes of a chunk.
    pub digest: String,
    /// The plugins, in order; none means that everything is stored as it comes.
    pub stages: Vec<Stage>,
    /// The kinds of fields that any of them wants.
    pub kinds: Kinds,
    /// Whether what it could not treat must not be stored: the operator's word, or any manifest's.
    pub redacts: bool,
    /// What becomes of a batch on which a plugin failed.
    pub on_failure: OnPluginFailure,
    /// Whether dead letters hold this tenant's original records.
    pub letters_hold_payload: bool,
    /// What is compared with it.
    pub shadow: Option<Arc<Shadow>>,
}

/// The bounds of what chains do outside the sandbox.
#[derive(Clone, Copy, Debug)]
pub struct ChainLimits {
    /// One chunk's events.
    pub scan: ScanLimits,
    /// What is remembered of one session's pages.
    pub elements: ElementLimits,
    /// And of all sessions, bytes.
    pub all_elements_bytes: usize,
    /// Unpacked bytes of the chunks that a chain sees at a time.
    pub batch_bytes: u64,
    /// Edits in a call beyond one a field.
    pub extra_edits: usize,
    /// Replacement text in a call, bytes.
    pub max_text_bytes: usize,
    /// A chunk as it is stored, bytes.
    pub max_stored_chunk_bytes: usize,
    /// Failures in a row that open a breaker.
    pub breaker_failures: u32,
    /// How long it stays open.
    pub breaker_wait: Duration,
    /// Plugins that metrics name.
    pub plugin_labels: usize,
    /// What shadows may take.
    pub shadow: ShadowBounds,
}

/// The chains of one config.
pub struct ChainSet {
    /// Of projects that are not listed.
    pub defaults: Arc<Chain>,
    /// Of the others.
    pub listed: BTreeMap<ProjectId, Arc<Chain>>,
    /// Of projects that had a chain and left the list while the service ran. What was admitted before
    /// must not meet the chain of the defaults, so they keep theirs until the next start.
    pub departed: BTreeMap<ProjectId, Arc<Chain>>,
    /// Projects that had a chain once and are not listed: their letters hold no payload.
    pub remembered: BTreeSet<ProjectId>,
}

impl ChainSet {
    /// Of projects that are not listed, and of the others.
    pub fn new(defaults: Chain, listed: BTreeMap<ProjectId, Arc<Chain>>) -> Self {
        let (departed, remembered) = (BTreeMap::new(), BTreeSet::new());
        Self { defaults: Arc::new(defaults), listed, departed, remembered }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Chain>> {
        std::iter::once(&self.defaults).chain(self.listed.values()).chain(self.departed.values())
    }

    fn of(&self, project: &ProjectId) -> &Arc<Chain> {
        let own = self.listed.get(project).or_else(|| self.departed.get(project));
        own.unwrap_or(&self.defaults)
    }

    /// Takes over the chains of those that are in `before` and not here.
    fn keep_departed(&mut self, before: &Self) {
        let had = before.listed.iter().chain(&before.departed);
        let left = had.filter(|(id, chain)| !chain.stages.is_empty() && !self.listed.contains_key(*id));
        for (project, chain) in left {
            if !before.departed.contains_key(project) {
                tracing::warn!(%project, "a tenant left the config: its chain is kept until the next start");
            }
            self.departed.insert(project.clone(), Arc::clone(chain));
        }
    }
}

/// All tenants' chains, and what runs them.
pub struct Chains {
    current: Swap<ChainSet>,
    limits: ChainLimits,
    encoding: Encoding,
    tables: Tables,
    breakers: Breakers,
    counts: ChainCounts,
    shadows: Shadows,
}

impl Chains {
    /// Chains that were loaded.
    pub fn new(set: ChainSet, limits: ChainLimits, encoding: Encoding) -> Self {
        Self {
            current: Swap::new(set),
            tables: Tables::new(limits.elements, limits.all_elements_bytes),
            breakers: Breakers::new(limits.breaker_failures, limits.breaker_wait),
            counts: ChainCounts::new(limits.plugin_labels),
            shadows: Shadows::new(limits),
            limits,
            encoding,
        }
    }

    /// From now on batches run through these chains; those under way end on the ones they began with.
    /// Breakers of chains that are what they were stay as they are: somebody else's change mends nothing
    /// of theirs, and what they refused would only be refused again.
    pub fn replace(&self, mut set: ChainSet) {
        let before = self.set();
        set.keep_departed(&before);
        set.keep_counts_of(&before);
        self.current.set(set);
        let now = self.set();
        self.breakers.retain(|watched| {
            let project = &watched.project;
            now.of(project).still_has(watched, before.of(project))
        });
        self.shadows.breakers().retain(|watched| {
            let project = &watched.project;
            let (now, before) = (&now.of(project).shadow, &before.of(project).shadow);
            let (Some(now), Some(before)) = (now, before) else { return false };
            now.chain.still_has(watched, &before.chain)
        });
    }

    /// Removes copies of components that no chain runs, as far as they are too many.
    pub fn clean(&self, registry: &Registry) {
        let set = self.set();
        let shadowed =
            set.all().filter_map(|chain| chain.shadow.as_ref()).flat_map(|shadow| &shadow.chain.stages);
        let stages = set.all().flat_map(|chain| &chain.stages).chain(shadowed);
        let removed = registry.clean(&stages.map(|stage| stage.sha256.as_str()).collect());
        if removed > 0 {
            tracing::info!(removed, "removed copies of components that no chain runs");
        }
    }

    /// The project's chain, or the one that it had when it left the list, or that of the defaults.
    pub fn of(&self, project: &ProjectId) -> Arc<Chain> {
        Arc::clone(self.set().of(project))
    }

    /// Whether a dead letter of this project may hold the original record. Of records whose project is
    /// not known only if nobody's chain redacts: it may be anybody's.
    pub fn letter_may_hold_payload(&self, project: Option<&ProjectId>) -> bool {
        let set = self.set();
        match project {
            Some(project) => !set.remembered.contains(project) && set.of(project).letters_hold_payload,
            None => set.remembered.is_empty() && set.all().all(|chain| chain.letters_hold_payload),
        }
    }

    fn set(&self) -> Arc<ChainSet> {
        self.current.get()
    }

    /// What happened so far.
    pub fn totals(&self) -> ChainTotals {
        ChainTotals { breakers_open: self.breakers.open(Instant::now()), ..self.counts.totals() }
    }

    /// Projects whose breaker closed since the last call: what it dead-lettered can be fed back.
    pub fn take_recovered(&self) -> Vec<ProjectId> {
        self.breakers.take_recovered()
    }

    /// Shows the tenants' shadows what their chains have treated. Never waits for them.
    pub fn watch(&self, jobs: Vec<ShadowJob>) {
        jobs.into_iter().for_each(|job| self.shadows.offer(job));
    }

    /// Compares the batch that waits the longest, on this thread; false if none waits.
    pub fn compare_next(&self, scratch: &mut Scratch) -> bool {
        self.shadows.run_next(scratch)
    }

    /// All comparisons since the start.
    pub fn shadow_totals(&self) -> ShadowTotals {
        self.shadows.totals()
    }

    /// The same chains for stored sessions: what is known of pages, failures and counts apart from
    /// those of the running pipeline. A failure is told, whatever the tenant's policy: what is stored
    /// already must not go because a plugin failed on it.
    #[must_use]
    pub fn for_repair(&self) -> Self {
        let set = self.set();
        let telling = |chain: &Arc<Chain>| {
            let chain = Chain::clone(chain);
            let stages = chain.stages.into_iter().map(Stage::with_counts_of_its_own).collect();
            Arc::new(Chain { on_failure: OnPluginFailure::Quarantine, shadow: None, stages, ..chain })
        };
        let all = |chains: &BTreeMap<ProjectId, Arc<Chain>>| {
            chains.iter().map(|(id, chain)| (id.clone(), telling(chain))).collect()
        };
        let telling = ChainSet {
            defaults: telling(&set.defaults),
            listed: all(&set.listed),
            departed: all(&set.departed),
            remembered: set.remembered.clone(),
        };
        Self::new(telling, self.limits, self.encoding)
    }
}

impl Chain {
    fn is_what_it_was(&self, before: &Self) -> bool {
        (self.revision, &self.digest) == (before.revision, &before.digest)
    }

    /// Whether the plugin is one of this chain, which is what it was.
    fn still_has(&self, watched: &Watched, before: &Self) -> bool {
        let stage = self.stages.get(watched.position);
        self.is_what_it_was(before) && stage.is_some_and(|stage| stage.sha256 == watched.sha256)
    }
}

impl Stage {
    fn with_counts_of_its_own(self) -> Self {
        Self { counts: StageCounts::default(), ..self }
    }
}

impl ChainSet {
    /// Chains that are what they were go on counting where they are.
    fn keep_counts_of(&mut self, before: &Self) {
        keep_counts(&mut self.defaults, &before.defaults);
        for (id, chain) in &mut self.listed {
            // One that left for a moment is what it was, too.
            if let Some(before) = before.listed.get(id).or_else(|| before.departed.get(id)) {
                keep_counts(chain, before);
            }
        }
    }
}

fn keep_counts(chain: &mut Arc<Chain>, before: &Chain) {
    let Some(chain) = Arc::get_mut(chain) else { return };
    if !chain.is_what_it_was(before) {
        return;
    }
    keep_stages(chain, before);
    if let (Some(shadow), Some(before)) = (&mut chain.shadow, &before.shadow)
        && let Some(shadow) = Arc::get_mut(shadow)
        && shadow.chain.digest == before.chain.digest
    {
        keep_stages(&mut shadow.chain, &before.chain);
        shadow.counts = before.counts.clone();
    }
}

fn keep_stages(chain: &mut Chain, before: &Chain) {
    for (stage, before) in chain.stages.iter_mut().zip(&before.stages) {
        stage.counts = before.counts.clone();
    }
}

/// Whether letters hold the original, by the tenant's own word or the general one. A chain that redacts
/// needs the tenant's.
fn letters_hold_payload(redacts: bool, own: Option<DeadLetterPayload>, general: DeadLetterPayload) -> bool {
    match own {
        Some(own) => own == DeadLetterPayload::Include,
        None => !redacts && general == DeadLetterPayload::Include,
    }
}

/// Whether any tenant has a chain.
pub fn any_chain(tenants: &Tenants) -> bool {
    tenants.all().any(|tenant| tenant.components().next().is_some())
}
