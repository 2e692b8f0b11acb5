//! Which fields are values of one thing.

use crate::model::{Field, Kind};

/// One node's input (its events and its `value` alike), text, or attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
