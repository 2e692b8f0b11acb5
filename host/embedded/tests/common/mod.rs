//! What the tests of the embedded stores' files share.

#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part; this is test code")]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::row::{ChunkMeta, ChunkRow, Codec};
use replay_core::winner::{ContentHash, Version};
use uuid::Uuid;

/// 2026-01-05, Unix milliseconds.
pub(crate) const T0: u64 = 1_767_571_200_000;

/// A session of a project.
pub(crate) fn session(project: &str, number: u128) -> SessionKey {
    SessionKey {
        project_id: ProjectId::new(project).unwrap(),
        session_id: SessionId::new(Uuid::from_u128(number)).unwrap(),
    }
}

/// A chunk of a session.
pub(crate) fn row(session: &SessionKey, index: u32, data: impl Into<Bytes>) -> ChunkRow {
    let data = data.into();
    let content_hash = ContentHash::of(&data);
    ChunkRow {
        meta: ChunkMeta {
            project_id: session.project_id.clone(),
            session_id: session.session_id,
            key: ChunkKey { timestamp_start_ms: T0, chunk_index: index },
            timestamp_end_ms: T0 + 10,
            received_at_ms: T0 + u64::from(index),
            codec: Codec::Gzip,
            data_size: data.len() as u64,
            compressed_size: data.len() as u64,
            event_count: 3,
            has_full_snapshot: false,
            version: Version::new(1, 0, content_hash),
            content_hash,
        },
        data,
    }
}

/// Numbers that look random and repeat (xorshift64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// Below `below`.
    pub(crate) fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// Every file below a folder, sorted.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// How often a text stands in the raw bytes of any file below a folder.
pub(crate) fn occurrences(folder: &Path, text: &str) -> usize {
    let count = |path: PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        memchr::memmem::find_iter(&bytes, text).count()
    };
    files(folder).into_iter().map(count).sum()
}

/// Copies a folder as a crash would leave it: whatever is in the files now.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for path in files(from) {
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
