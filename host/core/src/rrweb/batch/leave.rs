//! What an answer leaves out beside text: events, what is inside of elements, items of lists.

use std::collections::BTreeSet;

use super::chunk::{ChunkState, Rows};
use crate::rrweb::edit::{Changes, EditFaultKind, Item};
use crate::rrweb::elements::Elements;
use crate::rrweb::structure::{Gaps, Items, block};

/// Bytes of events for which one more element or item may be left out: no position takes less.
const BYTES_AN_ITEM: usize = 16;

/// How many elements and items events of so many bytes may leave out.
pub(super) fn items_of(json_bytes: usize) -> usize {
    json_bytes / BYTES_AN_ITEM
}

/// What leaves a chunk.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    /// Events, beside those that had left before.
    pub(super) removed: BTreeSet<u32>,
    /// All that is left out, what had left before included; `None` if that is all.
    pub(super) gaps: Option<Gaps>,
    /// Fields, by row of the scan, that belong to no item that could leave.
    pub(super) cleared: BTreeSet<u32>,
}

/// Checks what `changes` leave out of a chunk of which a plugin is shown `rows`; `elements` is what is known
/// of them now.
pub(super) fn plan(
    state: &ChunkState,
    elements: &Elements,
    rows: &Rows,
    changes: &Changes,
) -> Result<Leaving, EditFaultKind> {
    let mut leaving = Leaving { removed: removals(state, &changes.remove_events)?, ..Leaving::default() };
    if !changes.block_nodes.is_empty() {
        let nodes: BTreeSet<u32> = changes.block_nodes.iter().copied().collect();
        let is_known = |node: &&u32| elements.element(state.scan.page, **node).is_some();
        if let Some(&node) = nodes.iter().find(|node| !is_known(node)) {
            return Err(EditFaultKind::NotBlockable { node });
        }
        let blocked = block(&state.scan, &state.before, &nodes, state.gaps.clone(), &state.removed);
        let first = nodes.first().copied().unwrap_or_default();
        let blocked = blocked.ok_or(EditFaultKind::NotBlockable { node: first })?;
        leaving.removed.extend(blocked.events);
        leaving.gaps = Some(blocked.gaps);
    }
    if !changes.drop_items.is_empty() {
        drop_items(state, rows, &changes.drop_items, &mut leaving)?;
    }
    Ok(leaving)
}

fn removals(state: &ChunkState, events: &[u32]) -> Result<BTreeSet<u32>, EditFaultKind> {
    let mut removed = BTreeSet::new();
    for &event in events {
        let is_there = !state.removed.contains(&event) && removed.insert(event);
        if !is_there || !state.is_removable(event) {
            return Err(EditFaultKind::NotRemovable { event });
        }
    }
    Ok(removed)
}

fn drop_items(
    state: &ChunkState,
    rows: &Rows,
    asked: &[Item],
    leaving: &mut Leaving,
) -> Result<(), EditFaultKind> {
    let mut items = Items::default();
    let mut fields = Vec::new();
    for (at, item) in asked.iter().enumerate() {
        let missing = EditFaultKind::NoSuchItem { item: at };
        if let Item::Position(event, position) = *item {
            if state.removed.contains(&event) {
                return Err(missing);
            }
            items.position(event, position);
            continue;
        }
        let (Item::Request(shown) | Item::Header(shown) | Item::Position(shown, _)) = *item;
        let row = rows.get(shown).ok_or(missing)?;
        let field = state.scan.fields.get(row as usize).ok_or(missing)?;
        if matches!(item, Item::Request(_)) {
            items.request(field)
        } else {
            items.header(field)
        }
        fields.push((row, field.raw_start));
    }
    let known = leaving.gaps.clone().unwrap_or_else(|| state.gaps.clone());
    // A position may leave with what is blocked in the same answer, and is there all the same.
    let dropped = items.drop_from(&state.scan, &state.gaps, known).map_err(|(event, position)| {
        let is_it = |item: &Item| *item == Item::Position(event, position);
        EditFaultKind::NoSuchItem { item: asked.iter().position(is_it).unwrap_or_default() }
    })?;
    leaving.removed.extend(dropped.events);
    leaving.gaps = Some(dropped.gaps);
    let without = fields.into_iter().filter(|(_, start)| dropped.without.contains(start));
    leaving.cleared.extend(without.map(|(row, _)| row));
    Ok(())
}
