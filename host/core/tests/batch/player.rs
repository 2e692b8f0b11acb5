//! A player, as far as trees go: what rrweb's Replayer builds of events, and what it warns of.

use std::collections::BTreeMap;

use serde_json::Value;

/// Attributes that a blocked element keeps, of those that the tests meet.
const BOX: [&str; 9] = ["class", "id", "style", "type", "width", "height", "rows", "cols", "dir"];

/// A node that was built.
#[derive(Clone, Debug, Default, PartialEq)]
struct Built {
    parent: u64,
    children: Vec<u64>,
    /// Its type, its tag.
    label: String,
    text: Option<Value>,
    attributes: BTreeMap<String, Value>,
}

/// The page as it is built.
#[derive(Debug, Default)]
pub(super) struct Player {
    nodes: BTreeMap<u64, Built>,
    root: u64,
    /// What was spoken of and was not there: how, and which node.
    pub(super) missing: Vec<(&'static str, u64)>,
}

impl Player {
    /// Plays all events of a chunk.
    pub(super) fn play(&mut self, json: &str) {
        let events: Vec<Value> = serde_json::from_str(&json.replace("\\ud800", "?")).unwrap();
        events.iter().for_each(|event| self.event(event));
    }

    fn event(&mut self, event: &Value) {
        let data = &event["data"];
        match (event["type"].as_u64(), data["source"].as_u64()) {
            (Some(2), _) => {
                self.nodes.clear();
                self.root = id(&data["node"]);
                self.build(&data["node"], 0, None);
            }
            (Some(3), Some(0)) => self.mutation(data),
            (Some(3), Some(1 | 6 | 12)) => {
                let positions = list(data, "positions");
                // A player reads the last one without asking whether there is any.
                assert!(!positions.is_empty(), "a move without a position");
                positions.iter().for_each(|position| self.name("position", id(position)));
            }
            (Some(3), Some(14)) => {
                for range in list(data, "ranges") {
                    self.name("range", range["start"].as_u64().unwrap_or(0));
                    self.name("range", range["end"].as_u64().unwrap_or(0));
                }
            }
            (Some(3), Some(_)) if data.get("id").is_some() => self.name("event", id(data)),
            _ => {}
        }
    }

    fn name(&mut self, what: &'static str, id: u64) {
        if !self.nodes.contains_key(&id) {
            self.missing.push((what, id));
        }
    }

    fn build(&mut self, node: &Value, parent: u64, next: Option<u64>) {
        let id = id(node);
        let attributes = node["attributes"].as_object().cloned().unwrap_or_default();
        let label = format!("{}:{}", node["type"], node["tagName"].as_str().unwrap_or_default());
        let text = node.get("textContent").cloned();
        let built =
            Built { parent, label, text, attributes: attributes.into_iter().collect(), children: Vec::new() };
        self.nodes.insert(id, built);
        if let Some(around) = self.nodes.get_mut(&parent) {
            let at = next.and_then(|next| around.children.iter().position(|child| *child == next));
            around.children.insert(at.unwrap_or(around.children.len()), id);
        }
        list(node, "childNodes").iter().for_each(|child| self.build(child, id, None));
    }

    fn mutation(&mut self, data: &Value) {
        let removes: Vec<u64> = list(data, "removes").iter().map(id).collect();
        for &id in &removes {
            match self.nodes.get(&id).map(|node| node.parent) {
                None => self.missing.push(("remove", id)),
                Some(parent) => {
                    if let Some(around) = self.nodes.get_mut(&parent) {
                        around.children.retain(|child| *child != id);
                    }
                    self.forget(id);
                }
            }
        }
        let mut waiting: Vec<&Value> = list(data, "adds").iter().collect();
        loop {
            let before = waiting.len();
            waiting.retain(|add| {
                let parent = add["parentId"].as_u64().unwrap_or(0);
                let next = add["nextId"].as_u64();
                let is_ready = self.nodes.contains_key(&parent)
                    && next.is_none_or(|next| self.nodes.contains_key(&next));
                if is_ready {
                    self.build(&add["node"], parent, next);
                }
                !is_ready
            });
            if waiting.len() == before {
                break;
            }
        }
        self.missing.extend(waiting.iter().map(|add| ("add", id(&add["node"]))));
        for change in list(data, "texts") {
            match self.nodes.get_mut(&id(change)) {
                Some(node) => node.text = Some(change["value"].clone()),
                None if removes.contains(&id(change)) => {}
                None => self.missing.push(("text", id(change))),
            }
        }
        for change in list(data, "attributes") {
            match self.nodes.get_mut(&id(change)) {
                Some(node) => {
                    for (name, value) in change["attributes"].as_object().into_iter().flatten() {
                        node.attributes.insert(name.clone(), value.clone());
                    }
                }
                None if removes.contains(&id(change)) => {}
                None => self.missing.push(("attribute", id(change))),
            }
        }
    }

    fn forget(&mut self, id: u64) {
        if let Some(node) = self.nodes.remove(&id) {
            node.children.into_iter().for_each(|child| self.forget(child));
        }
    }

    /// The tree, without what is inside of the elements that are blocked.
    pub(super) fn tree(&self, is_blocked: &dyn Fn(u64) -> bool) -> Vec<String> {
        let mut lines = Vec::new();
        self.branch(self.root, 0, is_blocked, &mut lines);
        lines
    }

    fn branch(&self, id: u64, depth: usize, is_blocked: &dyn Fn(u64) -> bool, lines: &mut Vec<String>) {
        let Some(node) = self.nodes.get(&id) else { return };
        let is_element = node.label.starts_with("2:");
        let is_blocked_here = is_element && is_blocked(id);
        let mut attributes = node.attributes.clone();
        if is_blocked_here {
            attributes.retain(|name, _| BOX.contains(&name.as_str()));
        }
        let text = node.text.as_ref().map(Value::to_string).unwrap_or_default();
        lines.push(format!("{depth} {id} {} {text} {attributes:?}", node.label));
        if !is_blocked_here {
            node.children.iter().for_each(|child| self.branch(*child, depth + 1, is_blocked, lines));
        }
    }

    /// The elements, by id.
    pub(super) fn elements(&self) -> Vec<u64> {
        let elements = self.nodes.iter().filter(|(_, node)| node.label.starts_with("2:"));
        elements.map(|(id, _)| *id).collect()
    }

    /// All nodes, by id.
    pub(super) fn all(&self) -> Vec<u64> {
        self.nodes.keys().copied().collect()
    }

    /// A node and those around it, from the inside out.
    pub(super) fn around(&self, id: u64) -> Vec<u64> {
        let parent = |id: &u64| self.nodes.get(id).map(|node| node.parent).filter(|parent| *parent != 0);
        std::iter::successors(Some(id), parent).collect()
    }

    /// The children of a node.
    pub(super) fn children(&self, id: u64) -> Vec<u64> {
        self.nodes.get(&id).map(|node| node.children.clone()).unwrap_or_default()
    }

    /// A node as a recorder writes it, without its children.
    pub(super) fn serialized(&self, id: u64) -> Value {
        let node = &self.nodes[&id];
        match &node.text {
            Some(text) => serde_json::json!({"type": 3, "textContent": text, "id": id}),
            None if node.label == "0:" => serde_json::json!({"type": 0, "childNodes": [], "id": id}),
            None => serde_json::json!({
                "type": 2,
                "tagName": node.label.strip_prefix("2:").unwrap(),
                "attributes": node.attributes,
                "childNodes": [],
                "id": id,
            }),
        }
    }
}

fn id(of: &Value) -> u64 {
    of["id"].as_u64().unwrap_or(0)
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of[name].as_array().map_or(&[], Vec::as_slice)
}
