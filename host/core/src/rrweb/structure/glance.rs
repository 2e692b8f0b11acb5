//! What plugins ask of a chunk beside its fields: where the mouse went, and which elements are named.

use std::collections::BTreeSet;

use super::gaps::Gaps;
use super::items::move_list;
use super::tape::{Node, Tape};
use super::topology::{Around, Parents};
use super::{FULL_SNAPSHOT, INCREMENTAL, MOVES};
use crate::rrweb::elements::Elements;
use crate::rrweb::scan::{EventSpan, Scan};

/// Lists of an incremental event's data that name nodes, and under which keys.
const LISTS: [(&str, &[&str]); 6] = [
    ("texts", &["id"]),
    ("attributes", &["id"]),
    ("removes", &["id", "parentId"]),
    ("adds", &["parentId"]),
    ("positions", &["id"]),
    ("ranges", &["start", "end"]),
];

/// The positions that are left of moves: event, position in its list, milliseconds since `start_ms`. `None` if
/// an event cannot be read.
pub(in crate::rrweb) fn moves(
    scan: &Scan,
    gaps: &Gaps,
    removed: &BTreeSet<u32>,
    start_ms: u64,
) -> Option<Vec<[u32; 3]>> {
    let mut out = Vec::new();
    for (number, span) in (0u32..).zip(&scan.events) {
        let is_move = span.source.is_some_and(|source| MOVES.contains(&source.into()));
        if !is_move || removed.contains(&number) {
            continue;
        }
        let tape = Tape::read(&scan.json, span.start as usize)?;
        let event = tape.event();
        let Some(list) = move_list(event) else { continue };
        let at_ms = event.get("timestamp").and_then(Node::number).unwrap_or(0.0) - start_ms as f64;
        for (position, item) in (0u32..).zip(list.members()).filter(|(_, item)| !gaps.hides(item.start())) {
            let offset_ms = item.get("timeOffset").and_then(Node::number).unwrap_or(0.0);
            // Out of range it is the nearest that is in range.
            out.push([number, position, (at_ms + offset_ms) as u32]);
        }
    }
    Some(out)
}

/// The elements that events name which are left, and all those around them at the time; a text or a
/// document names those around it. What is not known is named as it stands. `None` if an event cannot be
/// read: who goes by them must not take some for all.
pub(in crate::rrweb) fn nodes(
    scan: &Scan,
    gaps: &Gaps,
    removed: &BTreeSet<u32>,
    before: &Elements,
    now: &Elements,
) -> Option<BTreeSet<u32>> {
    let mut reader = Reader { gaps, parents: Parents::new(before, scan.page), around: Around::default() };
    for (number, span) in (0u32..).zip(&scan.events) {
        if removed.contains(&number) || !names_nodes(span) {
            continue;
        }
        reader.event(Tape::read(&scan.json, span.start as usize)?.event());
    }
    let mut all = reader.around.into_all();
    all.retain(|node| !now.is_no_element(scan.page, *node));
    Some(all)
}

fn names_nodes(span: &EventSpan) -> bool {
    span.event_type.is_some_and(|kind| [FULL_SNAPSHOT, INCREMENTAL].contains(&kind.into()))
}

struct Reader<'a> {
    gaps: &'a Gaps,
    parents: Parents<'a>,
    around: Around,
}

impl Reader<'_> {
    fn event(&mut self, event: Node<'_, '_>) {
        let mut named = BTreeSet::new();
        event.all("data").for_each(|data| self.data(data, &mut named));
        // Around where they were, and around where they are now.
        self.add(&named);
        if event.id("type") == FULL_SNAPSHOT {
            self.parents.clear();
            self.around.clear_parents();
        }
        let mut moved = Vec::new();
        for data in event.all("data") {
            data.all("node").for_each(|node| self.parents.learn(node, 0, |id| moved.push(id)));
            for item in data.all("adds").flat_map(Node::members) {
                let parent = item.id("parentId");
                item.all("node").for_each(|node| self.parents.learn(node, parent, |id| moved.push(id)));
            }
        }
        self.around.moved(&self.parents, &moved);
        self.add(&named);
    }

    fn add(&mut self, named: &BTreeSet<u32>) {
        named.iter().for_each(|node| self.around.add(&self.parents, *node));
    }

    fn data(&self, data: Node<'_, '_>, named: &mut BTreeSet<u32>) {
        named.insert(data.id("id"));
        data.all("node").for_each(|node| self.tree(node, named));
        for (name, ids) in LISTS {
            for item in data.all(name).flat_map(Node::members) {
                if !self.gaps.hides(item.start()) {
                    named.extend(ids.iter().map(|id| item.id(id)));
                    item.all("node").for_each(|node| self.tree(node, named));
                }
            }
        }
    }

    fn tree(&self, node: Node<'_, '_>, named: &mut BTreeSet<u32>) {
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            if !self.gaps.hides(node.start()) {
                named.insert(node.id("id"));
                open.extend(node.all("childNodes").flat_map(Node::members));
            }
        }
    }
}
