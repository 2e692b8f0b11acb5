//! What was erased, and the one question asked of it: does it cover this chunk?

use crate::identity::{ProjectId, SessionId, SessionKey};

/// The mark of an erasure. Written before anything is deleted, and kept so that nothing comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// What was erased.
    pub scope: EraseScope,
    /// When the erasure was asked for, Unix milliseconds.
    pub erased_at_ms: u64,
}

/// What an erasure covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EraseScope {
    /// One session: everything of it, whenever it arrives.
    Session(SessionKey),
    /// A project: everything received up to the moment of the erasure.
    Project(ProjectId),
}

impl EraseScope {
    /// The project concerned.
    pub fn project_id(&self) -> &ProjectId {
        match self {
            Self::Session(key) => &key.project_id,
            Self::Project(project_id) => project_id,
        }
    }

    /// The session, if the erasure is of one.
    pub fn session_id(&self) -> Option<SessionId> {
        match self {
            Self::Session(key) => Some(key.session_id),
            Self::Project(_) => None,
        }
    }
}

impl std::fmt::Display for EraseScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Session(key) => key.fmt(f),
            Self::Project(project_id) => project_id.fmt(f),
        }
    }
}

impl Tombstone {
    /// Whether a chunk of `session`, received at `received_at_ms`, is erased by this.
    pub fn covers(&self, session: &SessionKey, received_at_ms: u64) -> bool {
        match &self.scope {
            EraseScope::Session(erased) => erased == session,
            EraseScope::Project(project_id) => {
                *project_id == session.project_id && received_at_ms <= self.erased_at_ms
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_erased_for_good_and_a_project_up_to_then() {
        let project_id = ProjectId::new("shop").unwrap();
        let session = |n: u128| SessionKey {
            project_id: project_id.clone(),
            session_id: SessionId::new(uuid::Uuid::from_u128(n)).unwrap(),
        };
        let one = Tombstone { scope: EraseScope::Session(session(1)), erased_at_ms: 10 };
        assert!(one.covers(&session(1), 99) && !one.covers(&session(2), 1));
        let all = Tombstone { scope: EraseScope::Project(project_id.clone()), erased_at_ms: 10 };
        assert!(all.covers(&session(2), 10) && !all.covers(&session(2), 11));
    }
}
