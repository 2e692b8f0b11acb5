//! A record that could not be stored, kept so that somebody can look, mend and feed it back.

use bytes::Bytes;

use crate::identity::{ProjectId, SessionId, SessionKey};
use crate::reject::Reason;
use crate::tombstone::{EraseScope, Tombstone};

/// The source position of the record: a letter's identity. Written again, it replaces itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterId {
    /// Topic, or `local` for the local log.
    pub topic: String,
    /// Partition of the topic.
    pub partition: u32,
    /// Offset in the partition.
    pub offset: u64,
}

impl LetterId {
    /// Reads `topic/partition/offset`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, '/');
        let offset = parts.next()?.parse().ok()?;
        let partition = parts.next()?.parse().ok()?;
        let topic = parts.next().filter(|topic| !topic.is_empty())?.to_owned();
        Some(Self { topic, partition, offset })
    }
}

impl std::fmt::Display for LetterId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// A dead letter. An unredacted copy of what arrived, so it lives apart from the replays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Position of the original record.
    pub id: LetterId,
    /// Why.
    pub reason: Reason,
    /// What and where, never payload text.
    pub detail: String,
    /// The tenant, if the record got that far.
    pub project_id: Option<ProjectId>,
    /// The visit, if the record got that far.
    pub session_id: Option<SessionId>,
    /// When the source received the record, Unix milliseconds.
    pub received_at_ms: u64,
    /// When it became a letter, Unix milliseconds.
    pub dead_at_ms: u64,
    /// How often it was tried, 1 for the first time; to meet an open breaker is no further try.
    pub attempts: u32,
    /// Bytes of the original record.
    pub payload_size: u64,
    /// The original record, or `None`: look it up in the source at `id`.
    pub payload: Option<Bytes>,
}

impl DeadLetter {
    /// Whether an erasure covers this letter.
    ///
    /// A record that never got as far as its ids is searched for the session's id as text: better
    /// one broken letter too many erased than one too few. A project erasure takes letters without
    /// a project only if they name it.
    pub fn erased_by(&self, tombstone: &Tombstone) -> bool {
        let names = |text: &str| {
            let payload = self.payload.as_deref().unwrap_or_default();
            memchr::memmem::find(payload, text.as_bytes()).is_some()
        };
        match (&tombstone.scope, &self.project_id, self.session_id) {
            (_, Some(project_id), Some(session_id)) => tombstone
                .covers(&SessionKey { project_id: project_id.clone(), session_id }, self.received_at_ms),
            (EraseScope::Session(key), _, None) => names(&key.session_id.to_string()),
            (EraseScope::Session(key), None, Some(session_id)) => session_id == key.session_id,
            (EraseScope::Project(erased), Some(project_id), None) => {
                erased == project_id && self.received_at_ms <= tombstone.erased_at_ms
            }
            (EraseScope::Project(erased), None, _) => {
                self.received_at_ms <= tombstone.erased_at_ms && names(&format!("\"{erased}\""))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back() {
        let id = LetterId { topic: "a/b".into(), partition: 3, offset: 17 };
        assert_eq!(LetterId::parse(&id.to_string()), Some(id));
        assert_eq!(LetterId::parse("3/17"), None);
        assert_eq!(LetterId::parse("/3/17"), None);
    }
}
