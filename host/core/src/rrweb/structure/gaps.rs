//! What is left out of the events' arrays and objects.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::tape::Node;

/// Members that are left out, each of an array or object that may be anywhere in the events, also
/// inside of what is left out itself.
#[derive(Clone, Debug, Default)]
pub(in crate::rrweb) struct Gaps {
    /// By where the array or object begins.
    lists: BTreeMap<u32, List>,
    /// Where the members are that are left out, in order, none inside another.
    hidden: Vec<Range<u32>>,
}

/// An array or object of which something is left out.
#[derive(Clone, Debug)]
struct List {
    /// Where each of its members is, with its key.
    members: Vec<Range<u32>>,
    gone: BTreeSet<usize>,
}

impl Gaps {
    pub(in crate::rrweb) fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// About how many bytes it takes.
    pub(in crate::rrweb) fn bytes(&self) -> usize {
        // A place in a tree takes about twice what it holds.
        let list = |list: &List| {
            2 * (size_of::<u32>() + size_of::<List>())
                + list.members.len() * size_of::<Range<u32>>()
                + list.gone.len() * 2 * size_of::<usize>()
        };
        self.lists.values().map(list).sum::<usize>() + self.hidden.len() * size_of::<Range<u32>>()
    }

    /// Whether what begins at byte `at` of the events is left out.
    pub(in crate::rrweb) fn hides(&self, at: u32) -> bool {
        let after = self.hidden.partition_point(|range| range.start <= at);
        after.checked_sub(1).and_then(|before| self.hidden.get(before)).is_some_and(|range| at < range.end)
    }

    /// Each array or object: its members, and which of them are left out.
    pub(in crate::rrweb) fn lists(&self) -> impl Iterator<Item = (&[Range<u32>], &BTreeSet<usize>)> {
        self.lists.values().map(|list| (&*list.members, &list.gone))
    }

    /// Leaves out those members of `list` of which `leaves` says so; answers how many are left, `None` if
    /// nothing is left out of it.
    pub(super) fn leave_out<'t, 'a: 't>(
        &mut self,
        list: Node<'t, 'a>,
        mut leaves: impl FnMut(usize, Node<'t, 'a>) -> bool,
    ) -> Option<usize> {
        let found = list.members().enumerate().filter(|(at, member)| leaves(*at, *member));
        let found: Vec<usize> = found.map(|(at, _)| at).collect();
        if found.is_empty() && !self.lists.contains_key(&list.start()) {
            return None;
        }
        let empty = || List { members: list.members().map(Node::span).collect(), gone: BTreeSet::new() };
        let known = self.lists.entry(list.start()).or_insert_with(empty);
        known.gone.extend(found);
        Some(known.members.len() - known.gone.len())
    }

    /// Ready to be asked, once all is known that is left out.
    pub(super) fn sealed(mut self) -> Self {
        let gone =
            self.lists.values().flat_map(|list| list.gone.iter().filter_map(|at| list.members.get(*at)));
        let mut all: Vec<Range<u32>> = gone.cloned().collect();
        all.sort_unstable_by_key(|range| range.start);
        let mut end = 0;
        all.retain(|range| {
            let is_outermost = range.start >= end;
            end = end.max(range.end);
            is_outermost
        });
        self.hidden = all;
        self
    }
}
