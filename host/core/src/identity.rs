//! Who a chunk belongs to and which chunk it is: identity and order of play.

use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

/// A tenant: matches `[A-Za-z0-9][A-Za-z0-9._-]{0,127}`, compared byte for byte.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProjectId(Arc<str>);

impl ProjectId {
    /// The longest project id, in bytes.
    pub const MAX_LEN: usize = 128;

    /// `None` if `text` does not match the pattern above.
    pub fn new(text: &str) -> Option<Self> {
        let first_is_alnum = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        let all_allowed = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        (first_is_alnum && all_allowed && text.len() <= Self::MAX_LEN).then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ProjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One visit of one browser: a UUID that is not nil.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Uuid);

impl SessionId {
    /// `None` for the nil UUID.
    pub fn new(uuid: Uuid) -> Option<Self> {
        (!uuid.is_nil()).then_some(Self(uuid))
    }

    /// Reads any of the usual spellings of a UUID; `None` for anything else, and for nil.
    pub fn parse(text: &str) -> Option<Self> {
        Uuid::try_parse(text).ok().and_then(Self::new)
    }

    /// The UUID itself.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

/// A session of a project.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    /// The tenant.
    pub project_id: ProjectId,
    /// The visit.
    pub session_id: SessionId,
}

impl SessionKey {
    /// Reads `project/session`.
    pub fn parse(text: &str) -> Option<Self> {
        let (project_id, session_id) = text.split_once('/')?;
        Some(Self { project_id: ProjectId::new(project_id)?, session_id: SessionId::parse(session_id)? })
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.project_id, self.session_id)
    }
}

/// Which chunk of a session. Orders as it plays: by start, then by index.
///
/// The index alone is no identity: it restarts on every page load of one visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkKey {
    /// First event, Unix milliseconds by the browser's clock: orders play and nothing else.
    pub timestamp_start_ms: u64,
    /// Position on its page.
    pub chunk_index: u32,
}

/// The latest timestamp that a record may carry: 2200-01-01, Unix milliseconds.
pub const MAX_TIMESTAMP_MS: u64 = 7_258_118_400_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn project_ids_are_safe_as_path_segments() {
        for good in ["a", "A", "0", "shop", "a.b_c-d", &"x".repeat(128)] {
            assert!(ProjectId::new(good).is_some(), "{good}");
        }
        for bad in ["", ".", "..", "-a", "_a", "a/b", "a b", "ä", "a\0", &"x".repeat(129)] {
            assert!(ProjectId::new(bad).is_none(), "{bad}");
        }
        assert_ne!(ProjectId::new("A"), ProjectId::new("a"));
    }

    #[test]
    fn nil_is_no_session() {
        assert!(SessionId::parse("00000000-0000-0000-0000-000000000000").is_none());
        assert!(SessionId::parse("not a uuid").is_none());
        let id = SessionId::parse("0191F0C4-7e1a-7c3b-9d55-0123456789ab").unwrap();
        assert_eq!(id.to_string(), "0191f0c4-7e1a-7c3b-9d55-0123456789ab");
    }

    #[test]
    fn chunks_order_as_they_play() {
        let early = ChunkKey { timestamp_start_ms: 1, chunk_index: 9 };
        let late = ChunkKey { timestamp_start_ms: 2, chunk_index: 0 };
        assert!(early < late);
    }
}
