//! What lifecycle runs report; the same structs travel over the admin endpoint and to `--output json`.

use std::collections::BTreeMap;

use replay_core::identity::ProjectId;
use replay_core::lifecycle::{Retention, RetentionPolicy};
use serde::{Deserialize, Serialize};

/// Of `session erase` and `project erase`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseReport {
    /// `project` or `project/session`.
    pub target: String,
    /// Stored bytes deleted in all places.
    pub bytes: u64,
    /// Whether reading back found nothing any more.
    pub verified: bool,
}

/// Of `migrate run`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveReport {
    /// Sessions moved.
    pub sessions_moved: u64,
    /// Chunks that their objects gained.
    pub chunks_moved: u64,
    /// Stored bytes of the copies that were moved.
    pub bytes_moved: u64,
    /// Hot copies deleted after the move.
    pub copies_deleted: u64,
    /// Hot copies deleted because their time was over.
    pub copies_expired: u64,
    /// Objects deleted because their time was over.
    pub objects_expired: u64,
    /// Dead letters deleted because their time was over.
    pub letters_expired: u64,
    /// Sessions that failed, with why; they are tried again.
    pub failures: Vec<(String, String)>,
}

/// One line of `migrate plan`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedMove {
    /// The tenant.
    pub project_id: String,
    /// The visit.
    pub session_id: String,
    /// Receipt of its oldest copy, Unix milliseconds.
    pub oldest_received_at: u64,
    /// Receipt of its newest copy, Unix milliseconds.
    pub newest_received_at: u64,
}

/// How long what stays where, as a running service has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyReport {
    /// Of projects not named: milliseconds hot, then cold.
    pub default: [u64; 2],
    /// Of those that have their own, or keep what they had when they left the config.
    pub projects: BTreeMap<String, [u64; 2]>,
}

impl From<&RetentionPolicy> for PolicyReport {
    fn from(policy: &RetentionPolicy) -> Self {
        let of = |retention: &Retention| [retention.hot_ms, retention.cold_ms];
        let projects = policy.projects.iter().map(|(project, own)| (project.to_string(), of(own)));
        Self { default: of(&policy.default), projects: projects.collect() }
    }
}

impl From<PolicyReport> for RetentionPolicy {
    fn from(report: PolicyReport) -> Self {
        let of = |[hot_ms, cold_ms]: [u64; 2]| Retention { hot_ms, cold_ms };
        let own = report.projects.into_iter();
        let projects = own.filter_map(|(project, own)| Some((ProjectId::new(&project)?, of(own))));
        Self { default: of(report.default), projects: projects.collect() }
    }
}

/// Of `migrate reconcile`: what is wrong, one line each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconcileReport {
    /// Objects compared.
    pub objects: u64,
    /// Archive rows compared.
    pub rows: u64,
    /// What did not fit: the object's key and what is wrong with it.
    pub findings: Vec<(String, String)>,
    /// How many there are; at most 10,000 are named.
    pub found: u64,
    /// How many were mended.
    pub repaired: u64,
}
