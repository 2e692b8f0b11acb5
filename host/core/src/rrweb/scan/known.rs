//! Keys that were met before in the chunk: what stands under each, and the row of its name.
//!
//! rrweb says the same few keys over and over. Finding one here costs a comparison of two words, where
//! the schema goes through its lists and the names are hashed.

use super::schema::Member;
use super::slot::{Inner, Slot};

/// Bytes of a key that is remembered at most.
const MAX_KEY_BYTES: usize = 16;

const ENTRIES: usize = 256;

/// A key's place among the known ones; 0 is none.
pub(super) type Place = u16;

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: [u64; 2],
    length: u8,
    /// What the key stands in.
    at: Slot,
    member: Member,
    name: Option<u32>,
}

/// Each place is one key's for good: who holds a place may rely on it until the walk is over.
#[derive(Debug)]
pub(super) struct Known {
    entries: Vec<Option<Entry>>,
}

impl Default for Known {
    fn default() -> Self {
        Self { entries: vec![None; ENTRIES] }
    }
}

impl Known {
    /// What stands under the key at `start..end` of `json` in an object that stands at `at`; asks
    /// `member` the first time.
    ///
    /// Inlined, so that a member does not go over the stack, where it is written by bytes and read as one.
    #[inline(always)]
    pub(super) fn member(
        &mut self,
        json: &[u8],
        start: usize,
        end: usize,
        at: Slot,
        member: impl FnOnce() -> Member,
    ) -> (Member, Place) {
        let length = end - start;
        let Some(key) = words(json, start, length) else { return (member(), 0) };
        let index = index(key, at);
        if let Some(Some(entry)) = self.entries.get(index)
            && entry.key == key
            && usize::from(entry.length) == length
            && entry.at.inner == at.inner
            && entry.at.text == at.text
        {
            return (entry.member, index as Place + 1);
        }
        self.meet(index, key, length, at, member)
    }

    #[cold]
    #[inline(never)]
    fn meet(
        &mut self,
        index: usize,
        key: [u64; 2],
        length: usize,
        at: Slot,
        member: impl FnOnce() -> Member,
    ) -> (Member, Place) {
        let member = member();
        // An event's own keys depend on more than where they stand.
        let depends = matches!(at.inner, Inner::Event | Inner::Plugin);
        match self.entries.get_mut(index) {
            Some(free @ None) if !depends => {
                *free = Some(Entry { key, length: length as u8, at, member, name: None });
                (member, index as Place + 1)
            }
            _ => (member, 0),
        }
    }

    /// The row of the name of the key at `place`, if it was told.
    #[inline]
    pub(super) fn name(&self, place: Place) -> Option<u32> {
        self.entries.get(usize::from(place).wrapping_sub(1))?.as_ref()?.name
    }

    pub(super) fn set_name(&mut self, place: Place, row: u32) {
        if let Some(Some(entry)) = self.entries.get_mut(usize::from(place).wrapping_sub(1)) {
            entry.name = Some(row);
        }
    }
}

/// The bytes of a short key as two words, filled up with zeros.
#[inline(always)]
fn words(json: &[u8], start: usize, length: usize) -> Option<[u64; 2]> {
    let bytes: &[u8; MAX_KEY_BYTES] = json.get(start..)?.first_chunk()?;
    let ([low, high], _) = bytes.as_chunks::<8>() else { return None };
    let (low, high) = (u64::from_le_bytes(*low), u64::from_le_bytes(*high));
    // The first so many bytes of a word, for 1 to 8 of them.
    let first = |bytes: usize| u64::MAX >> (64 - 8 * bytes as u32);
    match length {
        0 => Some([0, 0]),
        1..=8 => Some([low & first(length), 0]),
        9..=MAX_KEY_BYTES => Some([low, high & first(length - 8)]),
        _ => None,
    }
}

#[inline(always)]
fn index(key: [u64; 2], at: Slot) -> usize {
    const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
    let place = at.inner as u64;
    ((key[0] ^ key[1].rotate_left(23) ^ place << 40).wrapping_mul(MIX) >> (64 - ENTRIES.ilog2())) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rrweb::kind::Kind;
    use crate::rrweb::scan::head::Head;
    use crate::rrweb::scan::schema;
    use proptest::prelude::*;

    const KEYS: [&str; 12] = [
        "",
        "id",
        "type",
        "tagName",
        "attributes",
        "childNodes",
        "textContent",
        "class",
        "x",
        "value",
        "a-key-of-16-byte",
        "a-key-of-17-bytes",
    ];
    const PLACES: [Inner; 8] = [
        Inner::Node,
        Inner::Attributes,
        Inner::Event,
        Inner::Plugin,
        Inner::Payload,
        Inner::Numbers,
        Inner::Console,
        Inner::Mutation,
    ];

    proptest! {
        #[test]
        fn a_known_key_means_what_the_schema_says(
            met in prop::collection::vec((0..KEYS.len(), "[a-z]{0,3}", 0..PLACES.len(), any::<bool>()), 0..400),
        ) {
            let (mut known, head) = (Known::default(), Head::default());
            for (key, more, place, is_console) in met {
                let text = [KEYS[key], &more, "\":12345678901234567890"].concat();
                let kind = if is_console { Kind::Console } else { Kind::Other };
                let at = Slot { inner: PLACES[place], ..Slot::payload(kind) };
                let key = &text.as_bytes()[..KEYS[key].len() + more.len()];
                let ask = || schema::member(&head, at, key);
                let (member, place) = known.member(text.as_bytes(), 0, key.len(), at, ask);
                prop_assert_eq!(member, ask());
                if place != 0 {
                    // Whoever holds a place holds it for this key.
                    let row = key.iter().fold(7, |row: u32, byte| row.wrapping_mul(31) + u32::from(*byte));
                    let name = known.name(place);
                    prop_assert!(name.is_none() || name == Some(row));
                    known.set_name(place, row);
                }
            }
        }
    }
}
