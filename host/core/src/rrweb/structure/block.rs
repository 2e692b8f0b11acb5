//! What leaves with an element's inside: of snapshots and mutations what shows it, and the events that
//! speak of it.
//!
//! As rrweb's recorder leaves out what a page blocks: the element itself stays, with what gives it its
//! box; nothing that happens to it or in it is told. A player warns of changes to nodes that it never saw,
//! so these leave too.

use std::collections::BTreeSet;

use super::gaps::Gaps;
use super::tape::{Node, Tape};
use super::topology::Topology;
use super::{FULL_SNAPSHOT, INCREMENTAL, MOVES, MUTATION, SELECTION};
use crate::rrweb::elements::Elements;
use crate::rrweb::scan::Scan;

/// Attributes of a blocked element that stay: what it looks like from outside.
const BOX: [&str; 31] = [
    "align",
    "border",
    "cellpadding",
    "cellspacing",
    "class",
    "cols",
    "colspan",
    "dir",
    "height",
    "hidden",
    "id",
    "multiple",
    "open",
    "part",
    "preserveaspectratio",
    "rows",
    "rowspan",
    "rr_height",
    "rr_left",
    "rr_top",
    "rr_width",
    "size",
    "slot",
    "style",
    "type",
    "valign",
    "viewbox",
    "width",
    "x",
    "xmlns",
    "y",
];

/// Keys of a blocked element that stay, beside its attributes and its (empty) list of children.
const SHAPE: [&str; 8] = ["type", "tagName", "id", "rootId", "isSVG", "isShadow", "isShadowHost", "isCustom"];

/// What a block leaves out of a chunk.
pub(in crate::rrweb) struct Blocked {
    pub(in crate::rrweb) gaps: Gaps,
    /// Positions of the events that leave as a whole.
    pub(in crate::rrweb) events: BTreeSet<u32>,
}

/// Blocks `nodes` in a chunk of which `gaps` and the events `removed` are left out already; `before` is
/// what was known of the page before the chunk. `None` if an event cannot be read, or parents change too often
/// to be followed.
pub(in crate::rrweb) fn block(
    scan: &Scan,
    before: &Elements,
    nodes: &BTreeSet<u32>,
    gaps: Gaps,
    removed: &BTreeSet<u32>,
) -> Option<Blocked> {
    let topology = Topology::new(nodes, before, scan.page, scan.json.len());
    let mut blocking = Blocking { topology, gaps, events: BTreeSet::new() };
    for (number, span) in (0u32..).zip(&scan.events) {
        let may_show = span.event_type.is_none_or(|kind| [FULL_SNAPSHOT, INCREMENTAL].contains(&kind.into()));
        if !may_show || removed.contains(&number) {
            continue;
        }
        blocking.event(number, Tape::read(&scan.json, span.start as usize)?.event());
    }
    (!blocking.topology.is_exhausted())
        .then(|| Blocked { gaps: blocking.gaps.sealed(), events: blocking.events })
}

struct Blocking<'a> {
    topology: Topology<'a>,
    gaps: Gaps,
    events: BTreeSet<u32>,
}

impl Blocking<'_> {
    fn event(&mut self, number: u32, event: Node<'_, '_>) {
        let event_type = event.get("type").and_then(Node::whole);
        for data in event.all("data") {
            match event_type {
                Some(FULL_SNAPSHOT) => self.snapshot(data),
                Some(INCREMENTAL) => self.change(number, data),
                _ => {}
            }
        }
    }

    fn snapshot(&mut self, data: Node<'_, '_>) {
        self.topology.clear();
        for node in data.all("node") {
            self.topology.learn(node, 0);
            self.empty(node);
        }
    }

    fn change(&mut self, number: u32, data: Node<'_, '_>) {
        let leaves = match data.get("source").and_then(Node::whole) {
            Some(MUTATION) => {
                self.mutation(data);
                false
            }
            Some(source) if MOVES.contains(&source) => self.list(data, "positions", &["id"]),
            Some(SELECTION) => self.list(data, "ranges", &["start", "end"]),
            _ => data.all("id").any(|id| self.topology.is_in(id.whole().unwrap_or(0))),
        };
        if leaves {
            self.events.insert(number);
        }
    }

    /// Leaves out what names a blocked node under one of `ids`; true if nothing is left then.
    fn list(&mut self, data: Node<'_, '_>, name: &'static str, ids: &[&'static str]) -> bool {
        let (mut is_changed, mut left) = (false, 0);
        for list in data.all(name) {
            let topology = &mut self.topology;
            let names_blocked = |_, item: Node<'_, '_>| ids.iter().any(|id| topology.is_in(item.id(id)));
            match self.gaps.leave_out(list, names_blocked) {
                Some(count) => {
                    is_changed = true;
                    left += count;
                }
                None => left += list.members().count(),
            }
        }
        is_changed && left == 0
    }

    /// In the order in which a player goes on: removes, adds, texts, attributes.
    fn mutation(&mut self, data: Node<'_, '_>) {
        for list in data.all("removes") {
            let topology = &mut self.topology;
            let is_inside = |_, item: Node<'_, '_>| {
                topology.is_under(item.id("id")) || topology.is_in(item.id("parentId"))
            };
            self.gaps.leave_out(list, is_inside);
        }
        // One may be added to another that comes after it.
        for item in data.all("adds").flat_map(Node::members) {
            let parent = item.id("parentId");
            item.all("node").for_each(|node| self.topology.learn(node, parent));
        }
        for list in data.all("adds") {
            let topology = &mut self.topology;
            self.gaps.leave_out(list, |_, item| topology.is_in(item.id("parentId")));
            let shown = list.members().filter(|item| !self.topology.is_in(item.id("parentId")));
            let shown: Vec<_> = shown.flat_map(|item| item.all("node")).collect();
            shown.into_iter().for_each(|node| self.empty(node));
        }
        for list in data.all("texts") {
            let topology = &mut self.topology;
            self.gaps.leave_out(list, |_, item| topology.is_in(item.id("id")));
        }
        for list in data.all("attributes") {
            let topology = &mut self.topology;
            self.gaps.leave_out(list, |_, item| topology.is_under(item.id("id")));
            let topology = &self.topology;
            let own = list.members().filter(|item| topology.is_blocked(item.id("id")));
            let own: Vec<_> = own.flat_map(|item| item.all("attributes")).collect();
            own.into_iter().for_each(|attributes| self.keep_box(attributes));
        }
    }

    /// Leaves nothing but their boxes of the blocked elements in a tree.
    fn empty(&mut self, node: Node<'_, '_>) {
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            if !self.topology.is_blocked(node.id("id")) {
                open.extend(node.all("childNodes").flat_map(Node::members));
                continue;
            }
            self.gaps.leave_out(node, |_, member| !stays(member));
            for children in node.all("childNodes") {
                self.gaps.leave_out(children, |_, _| true);
            }
            node.all("attributes").for_each(|attributes| self.keep_box(attributes));
        }
    }

    fn keep_box(&mut self, attributes: Node<'_, '_>) {
        self.gaps.leave_out(attributes, |_, attribute| {
            let name = attribute.key().to_ascii_lowercase();
            let is_plain = !attribute.is_array() && (!attribute.is_object() || name == b"style");
            !is_plain || !BOX.iter().any(|kept| kept.as_bytes() == name)
        });
    }
}

/// Whether a member of a blocked node stays, if only as an empty list.
fn stays(member: Node<'_, '_>) -> bool {
    let (is_list, is_object) = (member.is_array(), member.is_object());
    match &*member.key() {
        b"childNodes" => is_list,
        b"attributes" => is_object,
        key => !is_list && !is_object && SHAPE.iter().any(|kept| kept.as_bytes() == key),
    }
}
