//! Tenants' chains: loaded from the config, run over sealed batches, watched while they run.
//!
//! `load` makes them ready, `transform` runs one over a batch and applies the tenant's policy to what
//! failed, `attempt` is one try of it. `breakers` stop a plugin that fails again and again, `tables`
//! keep what is known of open pages, `revisions` see that a changed chain has a new number, and
//! `counts` is what metrics say of all this.

mod attempt;
mod breakers;
mod counts;
mod load;
mod revisions;
mod tables;
#[cfg(test)]
mod tests;
mod transform;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use replay_core::codec::Encoding;
use replay_core::identity::ProjectId;
use replay_core::rrweb::{Batch, ElementLimits, Kinds, ScanLimits};
use replay_sandbox::{Answer, Manifest, Plugin, PluginFailure};

use crate::config::{DeadLetterPayload, OnPluginFailure, Tenants};
use breakers::Breakers;
use tables::Tables;

use counts::ChainCounts;
pub use counts::{ChainTotals, PluginCounts};
pub use load::{ChainProblems, Loading, check_components, component_path};
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
}

/// One tenant's chain.
#[derive(Clone)]
pub struct Chain {
    /// Its number.
    pub revision: u16,
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
}

/// The chains of one config.
pub struct ChainSet {
    /// Of projects that are not listed.
    pub defaults: Arc<Chain>,
    /// Of the others.
    pub listed: BTreeMap<ProjectId, Arc<Chain>>,
}

/// All tenants' chains, and what runs them.
pub struct Chains {
    current: RwLock<Arc<ChainSet>>,
    limits: ChainLimits,
    encoding: Encoding,
    tables: Tables,
    breakers: Breakers,
    counts: ChainCounts,
}

impl Chains {
    /// Chains that were loaded.
    pub fn new(set: ChainSet, limits: ChainLimits, encoding: Encoding) -> Self {
        Self {
            current: RwLock::new(Arc::new(set)),
            tables: Tables::new(limits.elements, limits.all_elements_bytes),
            breakers: Breakers::new(limits.breaker_failures, limits.breaker_wait),
            counts: ChainCounts::default(),
            limits,
            encoding,
        }
    }

    /// From now on batches run through these chains; those under way end on the ones they began with.
    pub fn replace(&self, set: ChainSet) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(set);
        self.breakers.start_over();
    }

    /// The project's chain, or that of the defaults.
    pub fn of(&self, project: &ProjectId) -> Arc<Chain> {
        let set = self.set();
        Arc::clone(set.listed.get(project).unwrap_or(&set.defaults))
    }

    /// Whether a dead letter of this project may hold the original record. Of records whose project is
    /// not known only if nobody's chain redacts: it may be anybody's.
    pub fn letter_may_hold_payload(&self, project: Option<&ProjectId>) -> bool {
        match project {
            Some(project) => self.of(project).letters_hold_payload,
            None => {
                let set = self.set();
                let mut all = std::iter::once(&set.defaults).chain(set.listed.values());
                all.all(|chain| chain.letters_hold_payload)
            }
        }
    }

    fn set(&self) -> Arc<ChainSet> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What happened so far.
    pub fn totals(&self) -> ChainTotals {
        ChainTotals { breakers_open: self.breakers.open(Instant::now()), ..self.counts.totals() }
    }

    /// Projects whose breaker closed since the last call: what it dead-lettered can be fed back.
    pub fn take_recovered(&self) -> Vec<ProjectId> {
        self.breakers.take_recovered()
    }

    /// The same chains for stored sessions: what is known of pages, failures and counts apart from
    /// those of the running pipeline. A failure is told, whatever the tenant's policy: what is stored
    /// already must not go because a plugin failed on it.
    #[must_use]
    pub fn for_repair(&self) -> Self {
        let set = self.set();
        let telling = |chain: &Arc<Chain>| {
            Arc::new(Chain { on_failure: OnPluginFailure::Quarantine, ..Chain::clone(chain) })
        };
        let telling = ChainSet {
            defaults: telling(&set.defaults),
            listed: set.listed.iter().map(|(id, chain)| (id.clone(), telling(chain))).collect(),
        };
        Self::new(telling, self.limits, self.encoding)
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
    tenants.all().any(|tenant| !tenant.plugins.is_empty())
}
