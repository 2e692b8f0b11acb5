//! Private copies of components, by their hash: `components/<sha256>.wasm` in the plugins' cache.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use replay_sandbox::sha256_hex;
use rustix::fs::OFlags;

/// A half-written file of a process that died is removed after this long.
const LEFTOVER_AGE: Duration = Duration::from_secs(3600);

/// Tells the files that threads write at a time apart.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

pub(super) struct Store {
    dir: PathBuf,
}

impl Store {
    /// Touches nothing yet.
    pub(super) fn new(cache_dir: &Path) -> Self {
        Self { dir: cache_dir.join("components") }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The copy, if it is there and whole. One that is not is said to be, and written anew.
    pub(super) fn get(&self, sha256: &str, max_bytes: u64) -> Option<PathBuf> {
        let path = self.path(sha256);
        match check(&path, sha256, max_bytes) {
            Ok(file) => {
                // Best effort: what looks unused goes first.
                let _ = file.set_modified(SystemTime::now());
                Some(path)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the copy of a component is refused");
                None
            }
        }
    }

    /// Writes a copy of bytes that have this hash.
    pub(super) fn put(&self, sha256: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        self.make_private()?;
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let beside = self.dir.join(format!("{}-{number}.tmp", std::process::id()));
        // One of a process with this number that died: it is nobody's.
        let _ = fs::remove_file(&beside);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        let path = self.path(sha256);
        let written = file.write_all(bytes).and_then(|()| fs::rename(&beside, &path));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written.map(|()| path)
    }

    /// Removes copies that are not `used`, the oldest first, until the rest takes at most `kept_bytes`.
    pub(super) fn clean(&self, used: &HashSet<&str>, kept_bytes: u64) -> usize {
        let mut unused = Vec::new();
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let (path, Ok(metadata)) = (entry.path(), entry.metadata()) else { continue };
            let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let extension = path.extension().and_then(|extension| extension.to_str());
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            match extension {
                Some("wasm") if !used.contains(stem) => unused.push((modified, metadata.len(), path)),
                Some("tmp") if modified.elapsed().is_ok_and(|age| age > LEFTOVER_AGE) => {
                    let _ = fs::remove_file(path);
                }
                Some(_) | None => {}
            }
        }
        // The newest stay.
        unused.sort_unstable_by(|a, b| b.cmp(a));
        let mut bytes = 0_u64;
        let too_many = unused.into_iter().filter(|(_, size, _)| {
            bytes = bytes.saturating_add(*size);
            bytes > kept_bytes
        });
        too_many.filter(|(_, _, path)| fs::remove_file(path).is_ok()).count()
    }

    fn path(&self, sha256: &str) -> PathBuf {
        self.dir.join(format!("{sha256}.wasm"))
    }

    fn make_private(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.dir)?;
        let metadata = fs::symlink_metadata(&self.dir)?;
        if !metadata.is_dir() || !is_ours(&metadata) {
            return Err(io::Error::other(
                "it has to be a directory of the service's user, mode 0700; remove it",
            ));
        }
        Ok(())
    }
}

/// Opens a copy that only this user can have written and that has the hash; follows no link.
fn check(path: &Path, sha256: &str, max_bytes: u64) -> io::Result<File> {
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(no_follow).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || !is_ours(&metadata) {
        return Err(io::Error::other("it is not a file of this user's alone"));
    }
    let mut bytes = Vec::new();
    (&file).take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if sha256_hex(&bytes) != sha256 {
        return Err(io::Error::other("its hash is another than its name says"));
    }
    Ok(file)
}

fn is_ours(metadata: &fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o077 == 0
}
