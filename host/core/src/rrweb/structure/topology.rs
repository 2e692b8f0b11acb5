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

    /// Takes in where `node` is that an event shows, and all that is in it.
    pub(super) fn learn(&mut self, node: Node<'_, '_>, parent: u32) {
        let mut open = vec![(node, parent)];
        while let Some((node, parent)) = open.pop() {
            let id = node.id("id");
            let around = if id == 0 {
                parent
            } else {
                self.said.insert(id, parent);
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

    /// Adds a node and all those around it to `all`, of which each has those around it already.
    pub(super) fn add_with_around(&self, node: u32, all: &mut BTreeSet<u32>) {
        let mut at = node;
        while at != 0 && all.insert(at) {
            at = self.of(at).unwrap_or(0);
        }
    }
}

/// Which nodes are inside of those that are blocked.
#[derive(Debug)]
pub(super) struct Topology<'a> {
    blocked: &'a BTreeSet<u32>,
    parents: Parents<'a>,
    /// Answers that hold until a parent changes.
    answers: BTreeMap<u32, bool>,
}

impl<'a> Topology<'a> {
    pub(super) fn new(blocked: &'a BTreeSet<u32>, before: &'a Elements, page: u32) -> Self {
        Self { blocked, parents: Parents::new(before, page), answers: BTreeMap::new() }
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
        self.parents.learn(node, parent);
        self.answers.clear();
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
            if path.len() >= MAX_DEPTH {
                break true;
            }
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
