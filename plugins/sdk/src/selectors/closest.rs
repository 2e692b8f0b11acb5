//! Whether elements are within something that matches, each asked for once.

use std::collections::BTreeMap;

use super::{MAX_DEPTH, Selectors, is_root};
use crate::model::Chunk;

/// Where an element stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Within {
    /// It, or an element around it, matches: this one.
    Matching(u32),
    /// None does.
    None,
    /// None that is known does, but not all around it is known.
    Unknown,
}

/// The elements of one chunk, asked about `N` lists of selectors at once: the host is asked for each
/// element once.
pub struct Closest<'a, const N: usize> {
    lists: [&'a Selectors; N],
    chunk: &'a Chunk<'a>,
    known: BTreeMap<u32, [Within; N]>,
}

impl<'a, const N: usize> Closest<'a, N> {
    /// Nothing is asked yet.
    pub fn new(lists: [&'a Selectors; N], chunk: &'a Chunk<'a>) -> Self {
        Self { lists, chunk, known: BTreeMap::new() }
    }

    /// For each list where the element with this node id stands; 0, for one that is not known, is
    /// [`Within::Unknown`].
    pub fn of(&mut self, node: u32) -> [Within; N] {
        let none = self.lists.map(|list| if list.is_empty() { Within::None } else { Within::Unknown });
        if none.iter().all(|within| *within == Within::None) {
            return none;
        }
        let (mut path, mut at) = (Vec::new(), node);
        let mut around = loop {
            if let Some(known) = self.known.get(&at) {
                break *known;
            }
            let element = if at == 0 || path.len() >= MAX_DEPTH { None } else { self.chunk.element(at) };
            let Some(element) = element else {
                self.known.insert(at, none);
                break none;
            };
            let is_root = is_root(&element);
            at = element.parent;
            path.push(element);
            if is_root {
                break [Within::None; N];
            }
        };
        // From the outside in: what is around an element is around what is in it.
        for element in path.iter().rev() {
            for (within, list) in around.iter_mut().zip(self.lists) {
                match list.matches(self.chunk, element) {
                    Some(true) => *within = Within::Matching(element.node),
                    Some(false) => {}
                    None if *within == Within::None => *within = Within::Unknown,
                    None => {}
                }
            }
            self.known.insert(element.node, around);
        }
        around
    }
}
