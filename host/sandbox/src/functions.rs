//! Compiled functions of one component, by what the compiler made them from. Nearly all are the same
//! whatever the config: with them, a further config of a component is ready in a fraction of the time.
//!
//! Never shared between components, so that whatever a stranger's component might do to its compiler, it
//! does to itself. Bytes: for each function the key (32 bytes), the length (little-endian u32), the
//! function.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wasmtime::CacheStore;

use crate::limits::Limits;

/// The part of the memory for making a component ready that they may take.
const PART_OF_MEMORY: u64 = 8;
/// Bytes of a key, a SHA-256.
const KEY_BYTES: usize = 32;

type Key = [u8; KEY_BYTES];

/// What the compiler asks before it compiles, and tells what it compiled.
#[derive(Debug)]
pub(crate) struct Functions {
    max_bytes: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    functions: HashMap<Key, Vec<u8>>,
    bytes: usize,
    has_new: bool,
}

impl Functions {
    /// Those that [`Self::to_bytes`] wrote; what is cut short is left out.
    pub(crate) fn new(mut bytes: &[u8], limits: &Limits) -> Self {
        let max_bytes = Self::max_bytes(limits);
        let mut held = Held::default();
        while let Some((key, function, rest)) = split(bytes) {
            held.keep(key, function.to_vec(), max_bytes);
            bytes = rest;
        }
        held.has_new = false;
        Self { max_bytes, held: Mutex::new(held) }
    }

    /// What is kept of one component.
    pub(crate) fn max_bytes(limits: &Limits) -> usize {
        usize::try_from(limits.compile_memory_bytes / PART_OF_MEMORY).unwrap_or(usize::MAX)
    }

    /// All of them, if there are any that it was not made with, and memory to say so; else nothing.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let held = self.lock();
        let mut bytes = Vec::new();
        if !held.has_new || bytes.try_reserve_exact(held.bytes).is_err() {
            return bytes;
        }
        for (key, function) in &held.functions {
            bytes.extend_from_slice(key);
            bytes.extend_from_slice(&(function.len() as u32).to_le_bytes());
            bytes.extend_from_slice(function);
        }
        bytes
    }

    /// Each change is whole: nothing here panics half way.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CacheStore for Functions {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.lock().functions.get(key).map(|function| Cow::Owned(function.clone()))
    }

    fn insert(&self, key: &[u8], function: Vec<u8>) -> bool {
        key.try_into().is_ok_and(|key| self.lock().keep(key, function, self.max_bytes))
    }
}

impl Held {
    /// Whether there was room.
    fn keep(&mut self, key: Key, function: Vec<u8>, max_bytes: usize) -> bool {
        let bytes = self.bytes + KEY_BYTES + size_of::<u32>() + function.len();
        let fits = bytes <= max_bytes && u32::try_from(function.len()).is_ok();
        if fits && self.functions.insert(key, function).is_none() {
            self.bytes = bytes;
            self.has_new = true;
        }
        fits
    }
}

/// The first function, and what follows it.
fn split(bytes: &[u8]) -> Option<(Key, &[u8], &[u8])> {
    let (key, rest) = bytes.split_first_chunk::<KEY_BYTES>()?;
    let (length, rest) = rest.split_first_chunk::<{ size_of::<u32>() }>()?;
    let (function, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((*key, function, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(max_bytes: u64) -> Limits {
        Limits { compile_memory_bytes: max_bytes * PART_OF_MEMORY, ..Limits::default() }
    }

    #[test]
    fn what_was_written_is_read_and_what_is_cut_short_is_left_out() {
        let first = Functions::new(&[], &limits(1000));
        assert!(first.to_bytes().is_empty());
        assert!(first.insert(&[1; 32], b"one".to_vec()) && first.insert(&[2; 32], Vec::new()));
        let bytes = first.to_bytes();
        let again = Functions::new(&bytes, &limits(1000));
        assert_eq!(again.get(&[1; 32]).as_deref(), Some(&b"one"[..]));
        assert_eq!(again.get(&[2; 32]).as_deref(), Some(&b""[..]));
        assert_eq!((again.get(&[3; 32]), again.get(b"short")), (None, None));
        assert!(again.to_bytes().is_empty(), "nothing is new");
        for cut in 0..bytes.len() {
            let part = Functions::new(&bytes[..cut], &limits(1000));
            assert!(part.lock().functions.len() < 2, "{cut}");
        }
        assert!(again.insert(&[3; 32], b"three".to_vec()));
        assert_eq!(Functions::new(&again.to_bytes(), &limits(1000)).lock().functions.len(), 3);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let functions = Functions::new(&[], &limits(100));
        assert!(functions.insert(&[1; 32], vec![0; 64]));
        assert!(!functions.insert(&[2; 32], Vec::new()));
        let bytes = functions.to_bytes();
        assert_eq!(bytes.len(), 100);
        assert!(Functions::new(&bytes, &limits(99)).lock().functions.is_empty());
        assert!(!functions.insert(b"short", Vec::new()));
    }
}
