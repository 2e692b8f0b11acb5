//! The plugins that are mapped right now; the least recently used go when they are too many bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cache::Key;
use crate::call::Linked;
use crate::manifest::Manifest;

/// A plugin that can be called.
pub(crate) struct Program {
    pub(crate) linked: Linked,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) snapshotted: bool,
    pub(crate) code_bytes: usize,
}

pub(crate) struct Loaded {
    max_bytes: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    programs: HashMap<Key, (Arc<Program>, u64)>,
    bytes: usize,
    uses: u64,
}

impl Loaded {
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self { max_bytes, held: Mutex::default() }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Program>> {
        let mut held = self.lock();
        held.uses += 1;
        let uses = held.uses;
        let (program, last_use) = held.programs.get_mut(key)?;
        *last_use = uses;
        Some(Arc::clone(program))
    }

    /// Keeps `program`, whatever its size, and lets others go for it. Calls that run keep theirs.
    pub(crate) fn put(&self, key: Key, program: Arc<Program>) {
        let mut held = self.lock();
        held.uses += 1;
        let uses = held.uses;
        held.bytes += program.code_bytes;
        if let Some((old, _)) = held.programs.insert(key.clone(), (program, uses)) {
            held.bytes -= old.code_bytes;
        }
        while held.bytes > self.max_bytes {
            let oldest =
                held.programs.iter().filter(|(other, _)| **other != key).min_by_key(|(_, (_, use_))| *use_);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { return };
            held.remove(&oldest);
        }
    }

    pub(crate) fn remove(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// Bytes of code that are mapped.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// The books are whole after any panic: nothing here panics half way.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn remove(&mut self, key: &Key) {
        if let Some((program, _)) = self.programs.remove(key) {
            self.bytes -= program.code_bytes;
        }
    }
}
