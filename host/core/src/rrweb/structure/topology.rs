//! Who is inside whom while a chunk plays: what was known before it, and what its events said so far.

use std::collections::{BTreeMap, BTreeSet};

use super::tape::Node;
use crate::rrweb::elements::{Elements, Table};

/// Nodes around one another: pages do not nest deeper, and what does counts as inside.
const MAX_DEPTH: usize = 1024;

/// The parent of each node.
#[derive(Debug)]
pub(super) struct Parents<'a> {
    /// The page's nodes as they were before the chunk; gone with a snapshot, which shows all there are.
    before: Option<&'a Table>,
    /// What the chunk's events said; 0 for none.
    said: BTreeMap<u32, u32>,
}

impl<'a> Parents<'a> {
    /// As they were before a chunk of `page`.
    pub(super) fn new(before: &'a Elements, page: u32) -> Self {
        Self { before: before.page(page).map(|page| page.nodes()), said: BTreeMap::new() }
    }

    /// A snapshot begins: only what it shows is there.
    pub(super) fn clear(&mut self) {
        self.before = None;
        self.said.clear();
    }

    /// Takes in where `node` is that an event shows, and all that is in it; `moved` is told of each node
    /// whose parent is another one now.
    pub(super) fn learn(&mut self, node: Node<'_, '_>, parent: u32, mut moved: impl FnMut(u32)) {
        let mut open = vec![(node, parent)];
        while let Some((node, parent)) = open.pop() {
            let id = node.id("id");
            let around = if id == 0 {
                parent
            } else {
                if self.of(id) != Some(parent) {
                    self.said.insert(id, parent);
                    moved(id);
                }
                id
            };
            let mut children: Vec<_> = node.all("childNodes").flat_map(Node::members).collect();
            // In the order in which a player builds them: what comes last is what an id means.
            children.reverse();
            open.extend(children.into_iter().map(|child| (child, around)));
        }
    }

    /// The parent of a node, 0 if it has none; `None` if that is not known.
    pub(super) fn of(&self, node: u32) -> Option<u32> {
        let said = self.said.get(&node).copied();
        said.or_else(|| self.before.and_then(|table| table.get(node)).map(|known| known.parent))
    }
}

/// Nodes that were named, with all that were around them at the time.
///
/// What was found around a node holds for later events too, so that all walks together make no more steps
/// than there are nodes and changes of parents, however deep they nest.
#[derive(Debug, Default)]
pub(super) struct Around {
    all: BTreeSet<u32>,
    /// Nodes of which the present parent is here too, and so are all those around it.
    told: BTreeSet<u32>,
}

impl Around {
    /// Names a node.
    pub(super) fn add(&mut self, parents: &Parents<'_>, node: u32) {
        let mut at = node;
        while at != 0 && self.told.insert(at) {
            self.all.insert(at);
            at = parents.of(at).unwrap_or(0);
        }
    }

    /// A snapshot begins: no parent holds any more.
    pub(super) fn clear_parents(&mut self) {
        self.told.clear();
    }

    /// These nodes have other parents now.
    pub(super) fn moved(&mut self, parents: &Parents<'_>, nodes: &[u32]) {
        let again: Vec<u32> = nodes.iter().copied().filter(|node| self.told.remove(node)).collect();
        again.into_iter().for_each(|node| self.add(parents, node));
    }

    /// All of them.
    pub(super) fn into_all(self) -> BTreeSet<u32> {
        self.all
    }
}

/// Which nodes are inside of those that are blocked.
#[derive(Debug)]
pub(super) struct Topology<'a> {
    blocked: &'a BTreeSet<u32>,
    parents: Parents<'a>,
    /// Answers that hold until the parent changes of a node that is among them.
    answers: BTreeMap<u32, bool>,
    /// Steps from a node to its parent that may still be made.
    steps_left: usize,
}

/// Steps from node to parent for each byte of a chunk. No change of a parent takes less than 100 bytes with
/// its event, and pages rarely nest that deep: only what was made for it is ever stopped.
const STEPS_A_BYTE: usize = 1;
/// Steps beside those.
const STEPS: usize = 1 << 20;

impl<'a> Topology<'a> {
    /// For a chunk of so many bytes.
    pub(super) fn new(blocked: &'a BTreeSet<u32>, before: &'a Elements, page: u32, bytes: usize) -> Self {
        let steps_left = STEPS.saturating_add(bytes.saturating_mul(STEPS_A_BYTE));
        Self { blocked, parents: Parents::new(before, page), answers: BTreeMap::new(), steps_left }
    }

    /// Whether there were too many steps to make: not all answers are right then.
    pub(super) fn is_exhausted(&self) -> bool {
        self.steps_left == 0
    }

    pub(super) fn is_blocked(&self, node: u32) -> bool {
        self.blocked.contains(&node)
    }

    /// As [`Parents::clear`].
    pub(super) fn clear(&mut self) {
        self.parents.clear();
        self.answers.clear();
    }

    /// As [`Parents::learn`].
    pub(super) fn learn(&mut self, node: Node<'_, '_>, parent: u32) {
        let answers = &mut self.answers;
        self.parents.learn(node, parent, |moved| {
            // What is inside of it hangs on it, and every node on the way to an answer has one too.
            if answers.contains_key(&moved) {
                answers.clear();
            }
        });
    }

    /// Whether a node is blocked or inside of one that is.
    pub(super) fn is_in(&mut self, node: u32) -> bool {
        let (mut path, mut at) = (Vec::new(), node);
        let answer = loop {
            if at == 0 {
                break false;
            }
            if self.is_blocked(at) {
                break true;
            }
            if let Some(known) = self.answers.get(&at) {
                break *known;
            }
            if path.len() >= MAX_DEPTH || self.steps_left == 0 {
                break true;
            }
            self.steps_left -= 1;
            path.push(at);
            match self.parents.of(at) {
                Some(parent) => at = parent,
                // Where no node had to be left out of the table, what is not in it is inside of nothing
                // that is.
                None => break self.parents.before.is_some_and(Table::is_incomplete),
            }
        };
        self.answers.extend(path.into_iter().map(|node| (node, answer)));
        answer
    }

    /// Whether a node is inside of a blocked one, itself blocked or not.
    pub(super) fn is_under(&mut self, node: u32) -> bool {
        match self.parents.of(node) {
            Some(parent) => self.is_in(parent),
            None => !self.is_blocked(node) && self.is_in(node),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_around_is_found_as_if_each_walk_were_made(
            events in prop::collection::vec((1u32..12, prop::collection::vec((1u32..12, 0u32..12), 0..4)), 0..30),
        ) {
            let mut parents = Parents { before: None, said: BTreeMap::new() };
            let (mut around, mut slow) = (Around::default(), BTreeSet::new());
            for (named, moves) in events {
                let mut walk = |said: &BTreeMap<u32, u32>, named: u32| {
                    let (mut seen, mut at) = (BTreeSet::new(), named);
                    while at != 0 && seen.insert(at) {
                        at = said.get(&at).copied().unwrap_or(0);
                    }
                    slow.extend(seen);
                };
                // An event names what it moves, and is named around where that was and where it is.
                let all: Vec<u32> = moves.iter().map(|(node, _)| *node).chain([named]).collect();
                all.iter().for_each(|node| walk(&parents.said, *node));
                all.iter().for_each(|node| around.add(&parents, *node));
                parents.said.extend(moves.iter().copied());
                let moved: Vec<u32> = moves.iter().map(|(node, _)| *node).collect();
                around.moved(&parents, &moved);
                all.iter().for_each(|node| walk(&parents.said, *node));
                all.iter().for_each(|node| around.add(&parents, *node));
            }
            prop_assert_eq!(around.into_all(), slow);
        }
    }
}
