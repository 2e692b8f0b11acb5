//! The nodes that one event speaks of. rrweb writes a node's id after its children, so who belongs to
//! whom is known only when the event is over.

use std::borrow::Cow;

use super::Field;
use super::slot::Role;
use crate::rrweb::elements::{Attributes, Elements, NodeFact, SCRIPT, STYLE, TEXTAREA};
use crate::rrweb::kind::{Kind, Kinds};

/// A place among the event's nodes; 0 is none.
pub(super) type Place = u32;

/// Set in an owner's place: the field is the text of a node.
pub(super) const NODE_TEXT: u32 = 1 << 31;

/// What an event says of one node.
#[derive(Clone, Copy, Debug)]
struct Record {
    role: Role,
    id: u32,
    /// The node around it.
    parent: Place,
    /// Of a node that is added: the id of the parent.
    parent_id: u32,
    tag: u16,
    /// The run of its attributes that was told last; 0 is none.
    attributes: u32,
    mouse_type: Option<u32>,
}

/// Attributes of one node that stand next to one another.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: u32,
    end: u32,
    /// Its run before this one, if another node's attributes stand between; 0 is none.
    before: u32,
}

/// What one event says of nodes.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    records: Vec<Record>,
    attributes: Vec<u8>,
    /// Linked rather than moved together: `attributes` may stand on a node as often as there is room, each
    /// time after a child's, and a copy each time would make the square of the event's length of it.
    runs: Vec<Run>,
    removed: Vec<u32>,
}

impl Nodes {
    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.attributes.clear();
        self.runs.clear();
        self.removed.clear();
    }

    /// Begins what is said of a node inside of what is said of `parent`.
    pub(super) fn open(&mut self, role: Role, parent: Place) -> Place {
        self.records.push(Record {
            role,
            id: 0,
            parent,
            parent_id: 0,
            tag: 0,
            attributes: 0,
            mouse_type: None,
        });
        self.records.len() as u32
    }

    pub(super) fn set_id(&mut self, place: Place, id: u32) {
        if let Some(record) = self.record_mut(place) {
            record.id = id;
        }
    }

    pub(super) fn set_parent_id(&mut self, place: Place, id: u32) {
        if let Some(record) = self.record_mut(place) {
            record.parent_id = id;
        }
    }

    pub(super) fn set_tag(&mut self, place: Place, tag: u16) {
        if let Some(record) = self.record_mut(place) {
            record.tag = tag;
        }
    }

    pub(super) fn set_mouse_type(&mut self, place: Place, mouse_type: Option<u32>) {
        if let Some(record) = self.record_mut(place) {
            record.mouse_type = mouse_type;
        }
    }

    pub(super) fn remove(&mut self, id: u32) {
        self.removed.push(id);
    }

    pub(super) fn set_attribute(&mut self, place: Place, name: &[u8], value: Option<&[u8]>) {
        let Some(record) = place.checked_sub(1).and_then(|row| self.records.get_mut(row as usize)) else {
            return;
        };
        let begin = self.attributes.len() as u32;
        Attributes::push(&mut self.attributes, name, value);
        let end = self.attributes.len() as u32;
        let before = record.attributes;
        match before.checked_sub(1).and_then(|row| self.runs.get_mut(row as usize)) {
            Some(run) if run.end == begin => run.end = end,
            _ => {
                self.runs.push(Run { start: begin, end, before });
                record.attributes = self.runs.len() as u32;
            }
        }
    }

    /// Where the focus went, if this is what the event says: node, and whether it came.
    pub(super) fn focus(&self) -> Option<(u32, bool)> {
        let record = self.records.first()?;
        let came = match record.mouse_type? {
            5 => true,
            6 => false,
            _ => return None,
        };
        (record.id != 0).then_some((record.id, came))
    }

    /// Tells `elements` what the event said.
    pub(super) fn teach(&self, elements: &mut Elements, page: u32, is_snapshot: bool) {
        if self.records.is_empty() && self.removed.is_empty() {
            return;
        }
        let is_node = |record: &&Record| record.role == Role::Node && record.id != 0;
        let nodes = || self.records.iter().filter(is_node).map(|record| (record.id, self.fact(record)));
        if is_snapshot
            && self.records.iter().any(|record| is_node(&record))
            && let Some((page, room)) = elements.page_mut(page)
        {
            let table = page.nodes_mut();
            table.clear();
            if room < table.bytes() {
                // What is there now matters more than what was; what is still there first, so that what it said
                // before is kept.
                let again: Vec<(u32, NodeFact)> =
                    nodes().filter(|(node, _)| table.get(*node).is_some()).collect();
                table.extend(again.into_iter(), room);
                table.forget_gone();
            }
        }
        let Some((page, room)) = elements.page_mut(page) else { return };
        let table = page.nodes_mut();
        let limit = table.bytes().saturating_add(room);
        self.removed.iter().for_each(|node| table.remove(*node));
        table.extend(nodes(), room);
        for record in self.records.iter().filter(|record| record.role == Role::AttributeChange) {
            let changes = self.attributes_of(record);
            if !changes.is_empty() {
                table.change(record.id, &changes, limit.saturating_sub(table.bytes()));
            }
        }
    }

    fn fact(&self, record: &Record) -> NodeFact {
        let attributes = self.attributes_of(record);
        NodeFact {
            parent: self.parent_of(record),
            tag: record.tag,
            is_known: true,
            is_gone: false,
            attributes: (!attributes.is_empty()).then(|| attributes.as_ref().into()),
        }
    }

    /// All attributes of a node, in the order in which they stand.
    fn attributes_of(&self, record: &Record) -> Cow<'_, [u8]> {
        let Some(last) = self.run(record.attributes) else { return Cow::Borrowed(&[]) };
        let bytes = |run: &Run| self.attributes.get(run.start as usize..run.end as usize).unwrap_or_default();
        if last.before == 0 {
            return Cow::Borrowed(bytes(last));
        }
        let mut runs: Vec<&Run> = std::iter::successors(Some(last), |run| self.run(run.before)).collect();
        runs.reverse();
        Cow::Owned(runs.into_iter().flat_map(bytes).copied().collect())
    }

    fn run(&self, place: u32) -> Option<&Run> {
        self.runs.get(place.checked_sub(1)? as usize)
    }

    /// The id of the node around a node; 0 if there is none.
    fn parent_of(&self, record: &Record) -> u32 {
        match self.record(record.parent) {
            Some(Record { role: Role::Node, id, .. }) => *id,
            Some(Record { role: Role::Add, parent_id, .. }) => *parent_id,
            _ => 0,
        }
    }

    /// Completes a field once all ids are known; false if it is not of `kinds` after all.
    pub(super) fn complete(
        &self,
        field: &mut Field,
        owner: u32,
        kinds: Kinds,
        elements: &Elements,
        page: u32,
    ) -> bool {
        let Some(record) = self.record(owner & !NODE_TEXT) else { return true };
        let is_node_text = owner & NODE_TEXT != 0;
        let is_inside = match record.role {
            Role::Node => record.tag == 0,
            Role::TextChange => true,
            Role::Add | Role::AttributeChange | Role::Holder => false,
        };
        let (parent, parent_tag) =
            if is_inside || is_node_text { self.parent_element(record, elements, page) } else { (0, 0) };
        (field.node, field.element) = match record.role {
            Role::Node | Role::TextChange if is_inside => (record.id, parent),
            Role::Add => (0, record.parent_id),
            Role::Node | Role::TextChange | Role::AttributeChange | Role::Holder => (record.id, record.id),
        };
        if !is_node_text {
            return true;
        }
        field.kind = match parent_tag {
            SCRIPT => Kind::Code,
            STYLE => Kind::Style,
            TEXTAREA => Kind::Input,
            _ => Kind::Text,
        };
        kinds.contains(field.kind)
    }

    /// The parent element of a node, and its tag: from this event, else from what was said before.
    fn parent_element(&self, record: &Record, elements: &Elements, page: u32) -> (u32, u16) {
        if let Some(parent) = self.record(record.parent)
            && parent.role == Role::Node
        {
            return (if parent.tag == 0 { 0 } else { parent.id }, parent.tag);
        }
        let Some(table) = elements.page(page).map(|page| page.nodes()) else { return (0, 0) };
        let parent = match record.role {
            Role::Node => self.parent_of(record),
            Role::TextChange => table.get(record.id).map_or(0, |known| known.parent),
            Role::Add | Role::AttributeChange | Role::Holder => 0,
        };
        match table.get(parent) {
            Some(known) if known.tag != 0 => (parent, known.tag),
            _ => (0, 0),
        }
    }

    fn record(&self, place: Place) -> Option<&Record> {
        self.records.get(place.checked_sub(1)? as usize)
    }

    fn record_mut(&mut self, place: Place) -> Option<&mut Record> {
        self.records.get_mut(place.checked_sub(1)? as usize)
    }
}
