//! How long a tenant's chunks stay where, and which sessions are due to move.

use std::collections::BTreeMap;

use super::ask::SessionAge;
use crate::identity::ProjectId;

/// How long chunks stay hot, then cold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// From receipt to the move, milliseconds.
    pub hot_ms: u64,
    /// From the move to the deletion, milliseconds.
    pub cold_ms: u64,
}

impl Retention {
    /// Hot and cold together, milliseconds.
    pub fn total_ms(self) -> u64 {
        self.hot_ms.saturating_add(self.cold_ms)
    }

    /// Whether a session is due to move at `now_ms` (Unix milliseconds): its newest copy was received
    /// more than `hot_ms` ago, or its oldest more than twice that, so that a session that never ends
    /// moves too.
    pub fn is_due(self, age: &SessionAge, now_ms: u64) -> bool {
        let older_than = |received_at_ms: u64, limit_ms| now_ms.saturating_sub(received_at_ms) > limit_ms;
        older_than(age.newest_received_at_ms, self.hot_ms)
            || older_than(age.oldest_received_at_ms, self.hot_ms.saturating_mul(2))
    }
}

/// Retention by project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionPolicy {
    /// For projects not named.
    pub default: Retention,
    /// For those that have their own.
    pub projects: BTreeMap<ProjectId, Retention>,
}

impl RetentionPolicy {
    /// One for all.
    pub fn new(default: Retention) -> Self {
        Self { default, projects: BTreeMap::new() }
    }

    /// A project's.
    pub fn of(&self, project_id: &ProjectId) -> Retention {
        self.projects.get(project_id).copied().unwrap_or(self.default)
    }

    /// A session that is due at `now_ms` has a copy received before this (both Unix milliseconds):
    /// what to list sessions by.
    pub fn due_before_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.shortest_ms(|retention| retention.hot_ms))
    }

    /// The shortest of any project, by whatever of it is asked: what to list by.
    pub(super) fn shortest_ms(&self, of: impl Fn(Retention) -> u64) -> u64 {
        self.projects.values().map(|retention| of(*retention)).fold(of(self.default), u64::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{SessionId, SessionKey};

    #[test]
    fn a_session_is_due_by_its_newest_or_by_twice_its_oldest() {
        let retention = Retention { hot_ms: 100, cold_ms: 1 };
        let project_id = ProjectId::new("shop").unwrap();
        let session_id = SessionId::new(uuid::Uuid::from_u128(1)).unwrap();
        let due = |oldest_received_at_ms, newest_received_at_ms| {
            let session = SessionKey { project_id: project_id.clone(), session_id };
            retention.is_due(&SessionAge { session, oldest_received_at_ms, newest_received_at_ms }, 1_000)
        };
        assert!(due(899, 899));
        assert!(!due(900, 900));
        assert!(!due(850, 900));
        assert!(!due(800, 1_000));
        assert!(due(799, 1_000));
        assert!(!due(2_000, 2_000), "clocks may differ");
    }

    #[test]
    fn projects_may_have_their_own() {
        let mut policy = RetentionPolicy::new(Retention { hot_ms: 30, cold_ms: 90 });
        let shop = ProjectId::new("shop").unwrap();
        policy.projects.insert(shop.clone(), Retention { hot_ms: 7, cold_ms: 900 });
        assert_eq!(policy.of(&shop).hot_ms, 7);
        assert_eq!(policy.of(&ProjectId::new("other").unwrap()).hot_ms, 30);
        assert_eq!(policy.shortest_ms(|retention| retention.hot_ms), 7);
        assert_eq!(policy.shortest_ms(Retention::total_ms), 120);
    }
}
