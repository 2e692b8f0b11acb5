//! Who may send, and how long what they send is kept.

use std::collections::BTreeMap;

use replay_core::identity::ProjectId;
use replay_core::time::DAY_MS;

/// What the config says of one tenant, with the defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// Rank of the tenant's chain; raised with every change of it.
    pub chain_revision: u16,
    /// Days in the hot store.
    pub hot_retention_days: u32,
    /// Days in the cold store, counted from the move.
    pub cold_retention_days: u32,
}

impl Tenant {
    /// Milliseconds in the hot store.
    pub fn hot_ms(&self) -> u64 {
        u64::from(self.hot_retention_days) * DAY_MS
    }

    /// Milliseconds in the cold store.
    pub fn cold_ms(&self) -> u64 {
        u64::from(self.cold_retention_days) * DAY_MS
    }

    /// Milliseconds from receipt to the end.
    pub fn kept_ms(&self) -> u64 {
        self.hot_ms() + self.cold_ms()
    }
}

/// All tenants of the config.
#[derive(Clone, Debug)]
pub struct Tenants {
    listed: BTreeMap<ProjectId, Tenant>,
    /// For projects that are not listed; `None`: they are refused.
    unlisted: Option<Tenant>,
    keys: BTreeMap<String, ProjectId>,
}

impl Tenants {
    /// Tenants by project, what goes for all others, and projects by SDK key.
    pub fn new(
        listed: BTreeMap<ProjectId, Tenant>,
        unlisted: Option<Tenant>,
        keys: BTreeMap<String, ProjectId>,
    ) -> Self {
        Self { listed, unlisted, keys }
    }

    /// What goes for this project; `None` if it is refused.
    pub fn get(&self, project_id: &ProjectId) -> Option<&Tenant> {
        self.listed.get(project_id).or(self.unlisted.as_ref())
    }

    /// The project of an SDK key.
    pub fn project_of_key(&self, key: &str) -> Option<&ProjectId> {
        self.keys.get(key)
    }

    /// The shortest hot retention of all, milliseconds: nothing younger can be due.
    pub fn shortest_hot_ms(&self) -> u64 {
        self.all().map(Tenant::hot_ms).min().unwrap_or(0)
    }

    fn all(&self) -> impl Iterator<Item = &Tenant> {
        self.listed.values().chain(&self.unlisted)
    }
}
