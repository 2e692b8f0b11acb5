//! Compiled plugins on disk: `<key>.cwasm` is the code, `<key>.json` says whose it is, its hash and its
//! manifest, under a hash of its own. `<key>.functions`, of a component without a config, helps to compile
//! the next. Files are written beside and renamed; what does not fit together, or is another plugin's, is
//! said in the log and compiled again.
//!
//! The first two hold their tenant's config. What a process used last and uses no more goes at once; what nobody
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
use crate::limits::{Class, Limits, Settings};
use crate::manifest::Manifest;
use crate::prepare::Compiled;
use crate::trusted::Distrust;
use crate::{engine, trusted, wit};

/// Moves on when what a cached plugin holds, or how it was tried out, changes.
const FORMAT: &str = "2";
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
/// A component's.
const FUNCTIONS: &str = "functions";

/// Names a plugin with its config, on this engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key(String);

/// What is known of the code.
#[derive(Serialize, Deserialize)]
struct Note {
    /// The key that it was compiled for: a pair of files that was put under another is refused.
    key: String,
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
    /// What every key of a class begins with: engine, interface, limits.
    compiled: Sha256,
    script: Sha256,
    written: AtomicU64,
}

impl Cache {
    /// Makes the directory if it is not there; refuses one that others can look into.
    pub(crate) fn open(dir: &Path, engine: &Engine, settings: &Settings) -> Result<Self, SandboxError> {
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
        let [compiled, script] = Class::ALL.map(|class| beginning(engine, class, settings.limits_of(class)));
        Ok(Self { dir: dir.to_owned(), compiled, script, written: AtomicU64::new(0) })
    }

    /// `sha256` is the component's.
    pub(crate) fn key(&self, class: Class, sha256: &str, config_json: &str) -> Key {
        let mut digest = match class {
            Class::Compiled => self.compiled.clone(),
            Class::Script => self.script.clone(),
        };
        digest.update(sha256);
        digest.update(Sha256::digest(config_json));
        Key(hex(&digest.finalize()))
    }

    /// `sha256` is the component's, whatever its config.
    fn functions_key(&self, class: Class, sha256: &str) -> Key {
        self.key(class, sha256, FUNCTIONS)
    }

    /// Functions of a component that were compiled before: at most `max_bytes`, or none.
    pub(crate) fn functions(&self, class: Class, sha256: &str, max_bytes: usize) -> Vec<u8> {
        let path = self.path(&self.functions_key(class, sha256), FUNCTIONS);
        if !path.exists() {
            return Vec::new();
        }
        match read_functions(&path, max_bytes) {
            Ok(functions) => {
                mark_used(&path);
                functions
            }
            Err(why) => {
                tracing::warn!(sha256, %why, "a component's compiled functions are refused, and compiled again");
                Vec::new()
            }
        }
    }

    /// Best effort: without them the next config takes longer.
    pub(crate) fn store_functions(&self, class: Class, sha256: &str, functions: &[u8]) {
        let path = self.path(&self.functions_key(class, sha256), FUNCTIONS);
        let hash = sha256_hex(functions);
        if let Err(error) = self.write(&path, &[hash.as_bytes(), b"\n", functions]) {
            tracing::warn!(sha256, %error, "a component's compiled functions cannot be kept");
        }
    }

    /// The plugin, if it is there and whole. Whatever is wrong with it, it is to be compiled again.
    pub(crate) fn find(&self, engine: &Engine, key: &Key) -> Option<Cached> {
        self.read(engine, key).unwrap_or_else(|why| {
            tracing::warn!(key = key.0, %why, "a compiled plugin in the cache is refused, and compiled again");
            None
        })
    }

    fn read(&self, engine: &Engine, key: &Key) -> Result<Option<Cached>, Distrust> {
        let path = self.path(key, "json");
        // The note is written last, and removed first.
        if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return Ok(None);
        }
        let note = read_note(&path)?;
        if note.key != key.0 {
            return Err(Distrust::Another);
        }
        let component = trusted::load(engine, &self.path(key, "cwasm"), &note.code_sha256)?;
        EXTENSIONS.iter().for_each(|extension| mark_used(&self.path(key, extension)));
        Ok(Some(Cached {
            component,
            manifest: note.manifest,
            snapshotted: note.snapshotted,
            code_bytes: note.code_bytes,
        }))
    }

    pub(crate) fn store(&self, key: &Key, compiled: &Compiled) -> Result<(), LoadError> {
        let failed = |error: std::io::Error| LoadError::Cache(error.to_string());
        let note = Note {
            key: key.0.clone(),
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

/// What decides whether code that was compiled before can run now.
fn beginning(engine: &Engine, class: Class, limits: &Limits) -> Sha256 {
    let mut digest = Sha256::new();
    engine::digest_compatibility(engine, &mut digest);
    let (memory_bytes, stack_bytes) = (limits.memory_bytes.to_string(), limits.stack_bytes.to_string());
    for part in [FORMAT, wit::VERSION, class.as_str(), &memory_bytes, &stack_bytes] {
        digest.update(part);
        digest.update([0]);
    }
    digest
}

fn read_note(path: &Path) -> Result<Note, Distrust> {
    let mut text = String::new();
    let read = trusted::open_private(path)?.take(MAX_NOTE_BYTES).read_to_string(&mut text);
    read.map_err(|_| Distrust::Unreadable)?;
    let (hash, json) = text.split_once('\n').ok_or(Distrust::Changed)?;
    if sha256_hex(json.as_bytes()) != hash {
        return Err(Distrust::Changed);
    }
    serde_json::from_str(json).map_err(|_| Distrust::Changed)
}

fn read_functions(path: &Path, max_bytes: usize) -> Result<Vec<u8>, Distrust> {
    let mut file = trusted::open_private(path)?;
    let mut hash = [0; KEY_DIGITS + 1];
    file.read_exact(&mut hash).map_err(|_| Distrust::Changed)?;
    let mut functions = Vec::new();
    file.take(max_bytes as u64).read_to_end(&mut functions).map_err(|_| Distrust::Unreadable)?;
    let whole = hash.strip_suffix(b"\n").is_some_and(|hash| hash == sha256_hex(&functions).as_bytes());
    whole.then_some(functions).ok_or(Distrust::Changed)
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
    (is_key && (EXTENSIONS.contains(&extension) || extension == FUNCTIONS)).then(|| Key(stem.to_owned()))
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
