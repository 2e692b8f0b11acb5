//! Compiled plugins on disk: `<key>.cwasm` is the code, `<key>.json` its hash and manifest under a hash
//! of their own. Files are written beside and renamed; what does not fit together is compiled again.
//!
//! Both hold their tenant's config. What a process used last and uses no more goes at once; what nobody
//! used for a day goes when the cache is swept. Another process may still use that: what it has mapped
//! stays, and what it maps again it compiles again.

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::failure::{LoadError, SandboxError};
use crate::inspect::{hex, sha256_hex};
use crate::limits::Limits;
use crate::manifest::Manifest;
use crate::prepare::Compiled;
use crate::{engine, trusted, wit};

/// Moves on when what a cached plugin holds, or how it was tried out, changes.
const FORMAT: &str = "1";
/// A half-written file of a process that died is removed after this long.
const LEFTOVER_AGE: Duration = Duration::from_secs(3600);
/// A plugin that nobody loaded for this long is nobody's, for all that a sweep can know.
const UNUSED_AGE: Duration = Duration::from_secs(24 * 3600);
/// Hexadecimal digits of a key.
const KEY_DIGITS: usize = 64;
/// Bytes of a `<key>.json`.
const MAX_NOTE_BYTES: u64 = 1 << 20;

/// A plugin's files.
const EXTENSIONS: [&str; 2] = ["json", "cwasm"];

/// Names a plugin with its config, on this engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(String);

/// What is known of the code.
#[derive(Serialize, Deserialize)]
struct Note {
    code_sha256: String,
    code_bytes: usize,
    snapshotted: bool,
    manifest: Manifest,
}

/// A plugin out of the cache.
pub(crate) struct Cached {
    pub(crate) component: Component,
    pub(crate) manifest: Manifest,
    pub(crate) snapshotted: bool,
    pub(crate) code_bytes: usize,
}

pub(crate) struct Cache {
    dir: PathBuf,
    /// What every key begins with: engine, interface, limits.
    common: Sha256,
    written: AtomicU64,
}

impl Cache {
    /// Makes the directory if it is not there; refuses one that others can look into.
    pub(crate) fn open(dir: &Path, engine: &Engine, limits: &Limits) -> Result<Self, SandboxError> {
        let unusable = |reason: String| SandboxError::CacheDir { path: dir.to_owned(), reason };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| unusable(error.to_string()))?;
        let metadata = fs::symlink_metadata(dir).map_err(|error| unusable(error.to_string()))?;
        let ours = metadata.uid() == rustix::process::geteuid().as_raw();
        if !metadata.is_dir() || !ours || metadata.mode() & 0o077 != 0 {
            return Err(unusable(
                "it holds code that is run and tenants' configs: make it a directory of the service's user, \
                 mode 0700"
                    .to_owned(),
            ));
        }
        remove_leftovers(dir);
        let mut common = Sha256::new();
        engine::digest_compatibility(engine, &mut common);
        for part in [FORMAT, wit::VERSION, &limits.memory_bytes.to_string(), &limits.stack_bytes.to_string()]
        {
            common.update(part);
            common.update([0]);
        }
        Ok(Self { dir: dir.to_owned(), common, written: AtomicU64::new(0) })
    }

    /// `sha256` is the component's.
    pub(crate) fn key(&self, sha256: &str, config_json: &str) -> Key {
        let mut digest = self.common.clone();
        digest.update(sha256);
        digest.update(Sha256::digest(config_json));
        Key(hex(&digest.finalize()))
    }

    /// The plugin, if it is there and whole. Whatever is wrong with it, it is to be compiled again.
    pub(crate) fn find(&self, engine: &Engine, key: &Key) -> Option<Cached> {
        let note = read_note(&self.path(key, "json"))?;
        let component = trusted::load(engine, &self.path(key, "cwasm"), &note.code_sha256).ok()?;
        EXTENSIONS.iter().for_each(|extension| mark_used(&self.path(key, extension)));
        Some(Cached {
            component,
            manifest: note.manifest,
            snapshotted: note.snapshotted,
            code_bytes: note.code_bytes,
        })
    }

    pub(crate) fn store(&self, key: &Key, compiled: &Compiled) -> Result<(), LoadError> {
        let failed = |error: std::io::Error| LoadError::Cache(error.to_string());
        let note = Note {
            code_sha256: sha256_hex(&compiled.code),
            code_bytes: compiled.code.len(),
            snapshotted: compiled.snapshotted,
            manifest: compiled.manifest.clone(),
        };
        let json = serde_json::to_string(&note).map_err(|error| failed(error.into()))?;
        self.write(&self.path(key, "cwasm"), &[&compiled.code]).map_err(failed)?;
        let hash = sha256_hex(json.as_bytes());
        self.write(&self.path(key, "json"), &[hash.as_bytes(), b"\n", json.as_bytes()]).map_err(failed)
    }

    /// Removes a plugin: it holds its tenant's config.
    pub(crate) fn forget(&self, key: &Key) -> std::io::Result<()> {
        for extension in EXTENSIONS {
            match fs::remove_file(self.path(key, extension)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Removes plugins that are not of `used` and that nobody loaded for a day; how many.
    pub(crate) fn sweep(&self, used: &HashSet<Key>) -> usize {
        sweep(&self.dir, |key| used.contains(key))
    }

    fn path(&self, key: &Key, extension: &str) -> PathBuf {
        self.dir.join(format!("{}.{extension}", key.0))
    }

    fn write(&self, path: &Path, parts: &[&[u8]]) -> std::io::Result<()> {
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        let beside = self.dir.join(format!("{}-{number}.tmp", std::process::id()));
        // One of a process with this number that died: it is nobody's.
        let _ = fs::remove_file(&beside);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        let written =
            parts.iter().try_for_each(|part| file.write_all(part)).and_then(|()| fs::rename(&beside, path));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written
    }
}

fn read_note(path: &Path) -> Option<Note> {
    let mut text = String::new();
    trusted::open_private(path).ok()?.take(MAX_NOTE_BYTES).read_to_string(&mut text).ok()?;
    let (hash, json) = text.split_once('\n')?;
    if sha256_hex(json.as_bytes()) != hash {
        return None;
    }
    serde_json::from_str(json).ok()
}

/// Removes the plugins of a cache that nobody loaded for a day, for a process that has none. There may be
/// no such directory.
pub fn sweep_unused(dir: &Path) -> usize {
    sweep(dir, |_| false)
}

/// Only files that a cache wrote, and best effort: what stays is swept the next time.
fn sweep(dir: &Path, is_used: impl Fn(&Key) -> bool) -> usize {
    let mut removed = 0;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(key) = key_of(&path).filter(|key| !is_used(key)) else { continue };
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && is_older(&entry, UNUSED_AGE) && fs::remove_file(&path).is_ok() {
            removed += usize::from(path == dir.join(format!("{}.cwasm", key.0)));
        }
    }
    removed
}

/// Whose file it is, if a cache wrote it.
fn key_of(path: &Path) -> Option<Key> {
    let extension = path.extension()?.to_str()?;
    let stem = path.file_stem()?.to_str()?;
    let is_key =
        stem.len() == KEY_DIGITS && stem.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (is_key && EXTENSIONS.contains(&extension)).then(|| Key(stem.to_owned()))
}

fn is_older(entry: &fs::DirEntry, age: Duration) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|since| since > age))
}

/// Best effort: what looks unused is compiled again one day.
fn mark_used(path: &Path) {
    if let Ok(file) = trusted::open_private(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}

/// Best effort: a leftover costs space only.
fn remove_leftovers(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if is_older(&entry, LEFTOVER_AGE) && path.extension().is_some_and(|extension| extension == "tmp") {
            let _ = fs::remove_file(path);
        }
    }
}
