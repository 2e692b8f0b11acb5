//! Which fields are values of one thing.

use std::cmp::Ordering;

use crate::model::{Field, Kind};

/// One node's input (its events and its `value` alike), text, or attribute.
#[derive(Clone, Copy, Debug, Eq)]
pub(super) struct Key<'b> {
    page: u32,
    node: u32,
    kind: Kind,
    name: &'b str,
}

impl<'b> Key<'b> {
    /// `None` for what belongs to no node.
    pub(super) fn of(field: Field<'b>) -> Option<Self> {
        let (page, node, kind) = (field.page(), field.node(), field.kind());
        let name = if matches!(kind, Kind::Input | Kind::Text) { "" } else { field.name() };
        (node != 0).then_some(Self { page, node, kind, name })
    }

    pub(super) fn is_input(&self) -> bool {
        self.kind == Kind::Input
    }

    fn place(&self) -> (u64, u32) {
        (u64::from(self.page) << 32 | u64::from(self.node), self.kind as u32)
    }
}

impl Ord for Key<'_> {
    /// By page, node, kind, name. Names are compared only where all else is equal: a search without
    /// branches would compare them each time.
    fn cmp(&self, other: &Self) -> Ordering {
        #[cold]
        fn by_name(one: &str, other: &str) -> Ordering {
            one.cmp(other)
        }
        match self.place().cmp(&other.place()) {
            Ordering::Equal if self.name.is_empty() && other.name.is_empty() => Ordering::Equal,
            Ordering::Equal => by_name(self.name, other.name),
            unequal @ (Ordering::Less | Ordering::Greater) => unequal,
        }
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A quick no for most fields.
pub(super) struct KeyFilter(Vec<bool>);

/// Of node ids, the bits that the filter looks at.
const FILTER_BITS: u32 = 12;

impl Default for KeyFilter {
    fn default() -> Self {
        Self(vec![false; 1 << FILTER_BITS])
    }
}

impl KeyFilter {
    pub(super) fn insert(&mut self, key: &Key<'_>) {
        if let Some(slot) = self.0.get_mut(slot(key.node)) {
            *slot = true;
        }
    }

    #[inline]
    pub(super) fn may_contain(&self, field: Field<'_>) -> bool {
        self.0.get(slot(field.node())).copied().unwrap_or_default()
    }
}

fn slot(node: u32) -> usize {
    (node & ((1 << FILTER_BITS) - 1)) as usize
}
