//! Whole visits under blocks: whatever is blocked, a player builds the same page without what is inside,
//! misses nothing new, and no word from inside is left.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::player::Player;
use super::*;

/// One thing that happens to a page: what, to which of its nodes, and with which other.
type Step = (u8, prop::sample::Index, prop::sample::Index);

/// A page that grows and is recorded as it does. Every text says where it stood when it was recorded:
/// `«n» in «a» «b»`, the elements around it.
struct Page {
    player: Player,
    next: u64,
    events: Vec<Value>,
}

impl Page {
    fn new() -> Self {
        let mut page = Self { player: Player::default(), next: 4, events: Vec::new() };
        let body = json!({"type": 2, "tagName": "body", "attributes": {}, "childNodes": [], "id": 3});
        let html = json!({"type": 2, "tagName": "html", "attributes": {}, "childNodes": [body], "id": 2});
        page.emit(json!({"type": 2, "data": {"node": {"type": 0, "childNodes": [html], "id": 1}}}));
        page
    }

    fn emit(&mut self, mut event: Value) {
        event["timestamp"] = json!(1000 + self.events.len());
        self.player.play(&json!([event]).to_string());
        self.events.push(event);
    }

    fn change(&mut self, source: u8, mut data: Value) {
        data["source"] = json!(source);
        self.emit(json!({"type": 3, "data": data}));
    }

    fn new_id(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// What is said at a node: those around it, itself included.
    fn word(&self, node: u64) -> Value {
        json!(self.player.around(node).iter().map(|id| format!("«{id}»")).collect::<Vec<_>>().join(" "))
    }

    fn step(&mut self, (what, first, second): &Step) {
        let (elements, all) = (self.player.elements(), self.player.all());
        let element = elements[first.index(elements.len())];
        let node = all[second.index(all.len())];
        let other = elements[second.index(elements.len())];
        match what % 14 {
            0 | 1 => self.add_element(element, second.index(2) == 0),
            2 | 3 => self.add_text(element),
            4 => self.add_frame(element),
            5 | 6 => self.relocate(node, element),
            7 if node > 3 => self.change(0, json!({"removes": [{"parentId": self.player.around(node)[1], "id": node}]})),
            8 => self.say(node),
            9 => self.change(0, json!({"attributes": [{"id": element, "attributes": {"title": self.word(element), "class": "c"}}]})),
            10 => self.change(5, json!({"text": self.word(element), "isChecked": true, "id": element})),
            11 => self.change(2 + (second.index(2) as u8), json!({"type": 2, "x": 1, "y": 2, "id": node})),
            12 => {
                let positions = [element, node, other].map(|id| json!({"x": id, "y": 1, "id": id, "timeOffset": -3}));
                self.change([1, 6, 12][second.index(3)], json!({"positions": positions}));
            }
            13 if second.index(3) > 0 => self.change(14, json!({"ranges": [{"start": node, "startOffset": 0, "end": element, "endOffset": 0}]})),
            13 => {
                let node = self.whole(1);
                self.emit(json!({"type": 2, "data": {"node": node}}));
            }
            _ => {}
        }
    }

    fn add_element(&mut self, parent: u64, is_first: bool) {
        let id = self.new_id();
        let next = self.player.children(parent).first().copied().filter(|_| is_first);
        let word = self.word(parent).as_str().unwrap().to_owned() + &format!(" «{id}»");
        let node = json!({"type": 2, "tagName": "div", "attributes": {"title": word, "id": "x"}, "childNodes": [], "id": id});
        self.change(0, json!({"adds": [{"parentId": parent, "nextId": next, "node": node}]}));
    }

    fn add_text(&mut self, parent: u64) {
        let id = self.new_id();
        let node = json!({"type": 3, "textContent": self.word(parent), "id": id});
        self.change(0, json!({"adds": [{"parentId": parent, "nextId": null, "node": node}]}));
    }

    /// A frame and its document, which comes in an event of its own and with all that is in it.
    fn add_frame(&mut self, parent: u64) {
        let [frame, document, inner] = [(); 3].map(|()| self.new_id());
        let node = json!({"type": 2, "tagName": "iframe", "attributes": {}, "childNodes": [], "id": frame});
        self.change(0, json!({"adds": [{"parentId": parent, "nextId": null, "node": node}]}));
        let text = json!({"type": 3, "textContent": self.word(frame), "id": inner});
        let node = json!({"type": 0, "childNodes": [text], "id": document});
        self.change(
            0,
            json!({"adds": [{"parentId": frame, "nextId": null, "node": node}], "isAttachIframe": true}),
        );
    }

    /// As a recorder writes a move: it leaves, and comes again with all that is in it, one by one.
    fn relocate(&mut self, node: u64, to: u64) {
        if node <= 3 || self.player.around(to).contains(&node) {
            return;
        }
        let from = self.player.around(node)[1];
        let mut adds = Vec::new();
        let mut open = vec![(node, to)];
        while let Some((node, parent)) = open.pop() {
            let mut serialized = self.player.serialized(node);
            // It is read anew where it is now.
            if serialized.get("textContent").is_some() {
                serialized["textContent"] = self.word(to);
            } else if serialized.get("attributes").is_some() {
                serialized["attributes"]["title"] = self.word(to);
            }
            adds.push(json!({"parentId": parent, "nextId": null, "node": serialized}));
            open.extend(self.player.children(node).into_iter().map(|child| (child, node)));
        }
        self.change(0, json!({"removes": [{"parentId": from, "id": node}], "adds": adds}));
    }

    fn say(&mut self, node: u64) {
        if self.player.serialized(node).get("textContent").is_some() {
            self.change(0, json!({"texts": [{"id": node, "value": self.word(node)}]}));
        }
    }

    /// A tree as a snapshot shows it.
    fn whole(&self, id: u64) -> Value {
        let mut node = self.player.serialized(id);
        let children: Vec<Value> =
            self.player.children(id).into_iter().map(|child| self.whole(child)).collect();
        if node.get("textContent").is_some() {
            node["textContent"] = self.word(id);
        } else {
            if id > 3 && node.get("attributes").is_some() {
                node["attributes"]["title"] = self.word(id);
            }
            node["childNodes"] = json!(children);
        }
        node
    }
}

/// Blocks in each chunk what `is_blocked` says of the elements named there, as an author would.
fn block_all(batch: &mut Batch, chunks: usize, is_blocked: &dyn Fn(usize, u64) -> bool) {
    let verdicts = (0..chunks).map(|chunk| {
        let named = nodes(batch, chunk).into_iter();
        let found: Vec<u32> = named
            .filter(|node| is_blocked(chunk, u64::from(*node)) && batch.element(chunk, *node).is_some())
            .collect();
        if found.is_empty() { Verdict::Keep } else { block(&found) }
    });
    let verdicts = verdicts.collect();
    let rules = EditRules { extra_edits: 100_000, ..RULES };
    batch.apply(0, Kinds::ALL, verdicts, &rules).unwrap();
}

/// Plays the chunks as they came and as they are left, and compares.
fn compare(batch: &Batch, chunks: &[&str], is_blocked: &dyn Fn(u64) -> bool) {
    let (mut before, mut after) = (Player::default(), Player::default());
    for (at, chunk) in chunks.iter().enumerate() {
        let left = events(batch, at);
        before.play(chunk);
        after.play(&left);
        assert_eq!(after.tree(&|_| false), before.tree(is_blocked), "chunk {at}\n{chunk}\n{left}");
        let mut known = before.missing.clone();
        for miss in &after.missing {
            let at = known.iter().position(|known| known == miss);
            known.swap_remove(at.unwrap_or_else(|| panic!("{miss:?} is missed\n{chunk}\n{left}")));
        }
        // The fields are those of what is left.
        let alone = batch_at(&left);
        let all = |batch: &Batch, chunk| {
            let rows = rows(batch, chunk, Kinds::ALL).into_iter();
            rows.filter(|row| row.kind != Kind::Pixels).map(|row| (row.name, row.text)).collect::<Vec<_>>()
        };
        assert_eq!(all(&alone, 0), all(batch, at));
    }
}

fn batch_at(json: &str) -> Batch {
    batch_of(Kinds::ALL, &[json])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_page_plays_without_what_is_blocked(
        steps in prop::collection::vec(any::<Step>(), 1..60),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        blocked in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let mut page = Page::new();
        steps.iter().for_each(|step| page.step(step));
        prop_assert!(page.player.missing.is_empty(), "{:?}", page.player.missing);
        let blocked: BTreeSet<u64> = blocked.iter().map(|at| 2 + at.index(page.next as usize - 2) as u64).collect();
        let mut ends: Vec<usize> = cuts.iter().map(|at| 1 + at.index(page.events.len())).collect();
        ends.push(page.events.len());
        ends.sort_unstable();
        ends.dedup();
        let mut start = 0;
        let chunk = |end: usize| {
            let chunk = Value::from(page.events[start..end].to_vec()).to_string();
            start = end;
            chunk
        };
        let chunks: Vec<String> = ends.into_iter().map(chunk).collect();
        let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
        let mut batch = batch_of(Kinds::ALL, &chunks);
        // What is known to be no element when the batch is over cannot be asked for.
        let is_known = |node: &u64| batch.element(0, *node as u32).is_some();
        let blocked: BTreeSet<u64> = blocked.into_iter().filter(is_known).collect();
        let is_blocked = |node: u64| blocked.contains(&node);
        block_all(&mut batch, chunks.len(), &|_, node| is_blocked(node));
        compare(&batch, &chunks, &is_blocked);
        for (at, chunk) in chunks.iter().enumerate() {
            let left = events(&batch, at);
            for node in &blocked {
                prop_assert!(!left.contains(&format!("«{node}»")), "{node}: {left}");
            }
            if left == *chunk {
                continue;
            }
            prop_assert!(left.len() < chunk.len());
        }
    }
}

#[test]
fn recorded_visits_play_without_what_is_blocked() {
    let mut blocked = 0;
    for session in recordings::SESSIONS.iter() {
        for remainder in 0..3 {
            let is_blocked = move |node: u64| node > 8 && node % 11 == remainder;
            let mut batch = recordings::batch_of(session);
            block_all(&mut batch, session.len(), &|_, node| is_blocked(node));
            let chunks: Vec<&str> =
                session.iter().map(|chunk| std::str::from_utf8(&chunk.json).unwrap()).collect();
            let known = |node: u64| is_blocked(node);
            compare(&batch, &chunks, &known);
            blocked += (0..chunks.len()).filter(|at| events(&batch, *at) != chunks[*at]).count();
        }
    }
    assert!(blocked > 50, "{blocked}");
}

#[test]
fn a_block_of_a_recorded_root_leaves_its_events_to_play() {
    for session in recordings::SESSIONS.iter() {
        let mut batch = recordings::batch_of(session);
        let roots = |batch: &Batch, chunk: usize| -> Vec<u32> {
            let tag = |node: &u32| batch.element(chunk, *node).is_some_and(|element| element.tag == "html");
            nodes(batch, chunk).into_iter().filter(tag).collect()
        };
        let verdicts = (0..session.len()).map(|chunk| block(&roots(&batch, chunk))).collect();
        batch.apply(0, Kinds::ALL, verdicts, &RULES).unwrap();
        for (chunk, recorded) in session.iter().enumerate() {
            let has_snapshot = batch.info(chunk).unwrap().has_full_snapshot;
            let left = events(&batch, chunk);
            assert!(left.len() < recorded.json.len());
            let mut player = Player::default();
            player.play(&left);
            assert!(!has_snapshot || player.missing.is_empty());
            assert!(player.elements().len() <= 1, "{left}");
        }
    }
}
