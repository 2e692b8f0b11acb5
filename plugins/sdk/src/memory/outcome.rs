//! What a plugin's answer makes of a chunk in memory: as the host would do it.

use std::collections::BTreeSet;
use std::ops::Range;

use super::MemoryChunk;
use super::shown::Shown;
use crate::model::{Batch, Changes, Edit, Item, Move, Replacement, Source, Verdict, ViewError};
use crate::plugin::{ErrorCode, Plugin, run};

/// Attributes that a blocked element keeps.
const BOX: [&str; 6] = ["class", "id", "style", "type", "width", "height"];

/// What is left of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The texts of its fields, without those that left.
    pub texts: Vec<String>,
    /// The positions of its moves, likewise.
    pub moves: Vec<Move>,
    /// Events that left as a whole, ascending.
    pub removed_events: Vec<u32>,
    /// The elements that were blocked, ascending.
    pub blocked_nodes: Vec<u32>,
}

/// Runs a plugin on chunks in memory, fields of other kinds than its manifest's left out: the texts of
/// the fields that are left of each chunk, or `None` for one that was dropped.
pub fn run_in_memory<P: Plugin>(
    plugin: &P,
    chunks: &[MemoryChunk],
) -> Result<Vec<Option<Vec<String>>>, ErrorCode> {
    let outcomes = outcomes_in_memory(plugin, chunks)?;
    Ok(outcomes.into_iter().map(|outcome| outcome.map(|outcome| outcome.texts)).collect())
}

/// As [`run_in_memory`], with all that is left of each chunk.
///
/// Edits and what is left out are applied as the host does, but for numbers, pictures and keys. Of a
/// blocked element's own attributes only the most common of those that the host keeps are kept.
pub fn outcomes_in_memory<P: Plugin>(
    plugin: &P,
    chunks: &[MemoryChunk],
) -> Result<Vec<Option<Outcome>>, ErrorCode> {
    let manifest = plugin.manifest();
    let shown: Vec<Shown<'_>> = chunks.iter().map(|chunk| Shown::new(chunk, manifest.kinds)).collect();
    let batch = Batch::new(shown.iter().map(|chunk| chunk as &dyn Source)).map_err(|ViewError| "bad_view")?;
    let verdicts = run(plugin, &manifest, batch)?;
    let outcome = |(shown, verdict): (&Shown<'_>, Verdict)| match verdict {
        Verdict::Drop(_) => None,
        Verdict::Keep | Verdict::Replace(_) => Some(Answer::new(shown).outcome(Changes::default())),
        Verdict::Change(changes) => Some(Answer::new(shown).outcome(changes)),
    };
    Ok(shown.iter().zip(verdicts).map(outcome).collect())
}

/// An answer on its way into a chunk.
struct Answer<'a> {
    shown: &'a Shown<'a>,
    chunk: &'a MemoryChunk,
    texts: Vec<String>,
    /// Rows of the chunk that left.
    gone: BTreeSet<usize>,
    removed: BTreeSet<u32>,
}

impl<'a> Answer<'a> {
    fn new(shown: &'a Shown<'a>) -> Self {
        let chunk = shown.chunk;
        Self { shown, chunk, texts: chunk.texts.clone(), gone: BTreeSet::new(), removed: BTreeSet::new() }
    }

    fn outcome(mut self, changes: Changes) -> Outcome {
        for edit in changes.edits.iter().rev() {
            if let Some(text) = self.row(edit.field).and_then(|row| self.texts.get_mut(row)) {
                apply(text, edit);
            }
        }
        self.removed.extend(changes.remove_events);
        self.block(&changes.block_nodes);
        for item in &changes.drop_items {
            match *item {
                Item::Position(..) => {}
                Item::Request(field) => self.leave_out(field, &self.chunk.requests),
                Item::Header(field) => self.leave_out(field, &self.chunk.headers),
            }
        }
        let moves = self.moves_left(&changes.drop_items);
        let is_left = |row: &usize| {
            let event = self.chunk.rows.get(*row).map(|columns| columns[0]);
            !self.gone.contains(row) && !event.is_some_and(|event| self.removed.contains(&event))
        };
        let texts = (0..).zip(&self.texts).filter(|(row, _)| is_left(row));
        Outcome {
            texts: texts.map(|(_, text)| text.clone()).collect(),
            moves,
            removed_events: self.removed.into_iter().collect(),
            blocked_nodes: changes.block_nodes,
        }
    }

    fn row(&self, field: u32) -> Option<usize> {
        self.shown.rows.get(field as usize).copied()
    }

    /// What `field` belongs to leaves; one that belongs to nothing is cleared.
    fn leave_out(&mut self, field: u32, items: &[Range<usize>]) {
        let Some(row) = self.row(field) else { return };
        match items.iter().find(|item| item.contains(&row)) {
            Some(item) => self.gone.extend(item.clone()),
            None => self.texts.get_mut(row).into_iter().for_each(String::clear),
        }
    }

    fn block(&mut self, nodes: &[u32]) {
        let chunk = self.chunk;
        for (row, &[_, node, _, name, _, element]) in (0..).zip(&chunk.rows) {
            let name = chunk.names.get(name as usize).map_or("", String::as_str);
            let is_box = node == element && nodes.contains(&element) && BOX.contains(&name);
            if !is_box && self.is_in(element, nodes) {
                self.gone.insert(row);
            }
        }
        let focus = chunk.focus.iter().map(|&[event, node, _]| (event, node));
        let left =
            focus.chain(chunk.interactions.iter().copied()).filter(|(_, node)| self.is_in(*node, nodes));
        self.removed.extend(left.map(|(event, _)| event).collect::<Vec<_>>());
    }

    /// Whether a node is one of `nodes`, or inside one.
    fn is_in(&self, node: u32, nodes: &[u32]) -> bool {
        let mut around = Some(node);
        // No more steps than there are elements: they may go round in circles.
        for _ in 0..=self.chunk.elements.len() {
            let Some(node) = around.filter(|node| *node != 0) else { return false };
            if nodes.contains(&node) {
                return true;
            }
            around = self.chunk.elements.get(&node).map(|element| element.parent);
        }
        false
    }

    fn moves_left(&mut self, items: &[Item]) -> Vec<Move> {
        let is_left = |moved: &&Move| {
            !items.contains(&Item::Position(moved.event, moved.position))
                && !self.removed.contains(&moved.event)
        };
        let left: Vec<Move> = self.chunk.moves.iter().filter(is_left).copied().collect();
        let events = |moves: &[Move]| moves.iter().map(|moved| moved.event).collect::<BTreeSet<_>>();
        self.removed.extend(events(&self.chunk.moves).difference(&events(&left)));
        left
    }
}

fn apply(text: &mut String, edit: &Edit) {
    let range = edit.start as usize..edit.end as usize;
    let new = match &edit.replacement {
        Replacement::Mask(mask) => {
            let masked = |char: char| if char.is_whitespace() { char } else { *mask };
            text.get(range.clone()).unwrap_or_default().chars().map(masked).collect()
        }
        Replacement::Text(new) => new.clone(),
        Replacement::Blank => {
            text.clear();
            return;
        }
    };
    text.replace_range(range, &new);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChunkInfo, Kind, Kinds, Manifest};

    /// Does to each chunk what it was made with.
    struct Doing(fn(&crate::Chunk<'_>));

    impl Plugin for Doing {
        type Config = ();

        fn configure((): ()) -> Result<Self, String> {
            Ok(Self(|_| {}))
        }

        fn manifest(&self) -> Manifest {
            Manifest::new("doing", "1.0.0").kinds(Kinds::ALL).needs_elements()
        }

        fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
            batch.chunks().iter().for_each(self.0);
            Ok(())
        }
    }

    fn outcome(chunk: MemoryChunk, doing: fn(&crate::Chunk<'_>)) -> Outcome {
        outcomes_in_memory(&Doing(doing), &[chunk]).unwrap().remove(0).unwrap()
    }

    fn page() -> MemoryChunk {
        MemoryChunk::new()
            .info(ChunkInfo { chunk_index: 3, ..ChunkInfo::default() })
            .element(4, "form", 0, &[("class", "secret")])
            .element(5, "p", 4, &[])
            .field(Kind::Markup, 4, "class", "secret")
            .field(Kind::Attribute, 4, "title", "read")
            .field(Kind::Text, 5, "", "inside")
            .field(Kind::Text, 9, "", "outside")
            .interaction(5)
            .focus(9, true)
    }

    #[test]
    fn a_blocked_element_keeps_its_box() {
        let out = outcome(page(), |chunk| {
            assert_eq!(chunk.nodes(), [4, 5, 9]);
            assert!(chunk.block_node(4) && !chunk.block_node(9));
        });
        assert_eq!(out.texts, ["secret", "outside"]);
        assert_eq!((out.removed_events, out.blocked_nodes), (vec![4], vec![4]));
    }

    #[test]
    fn a_field_of_an_element_that_nobody_knows_is_cleared() {
        let out = outcome(page(), |chunk| chunk.fields().for_each(|field| field.block()));
        assert_eq!(out.texts, ["secret", ""]);
    }

    #[test]
    fn requests_and_headers_leave_with_all_their_fields() {
        let chunk = || {
            MemoryChunk::new()
                .request(&[("url", "/a")], &[("cookie", "k=v"), ("accept", "*/*")])
                .request(&[("url", "/b")], &[])
                .field(Kind::Text, 1, "cookie", "is a cookie")
        };
        let out = outcome(chunk(), |chunk| {
            let cookies = chunk.fields().filter(|field| field.name() == "cookie");
            cookies.for_each(|field| field.drop_header());
        });
        assert_eq!(out.texts, ["/a", "accept", "*/*", "/b", ""]);
        let out = outcome(chunk(), |chunk| {
            chunk.fields().filter(|field| field.text() == "/a").for_each(|field| field.drop_request());
        });
        assert_eq!(out.texts, ["/b", "is a cookie"]);
    }

    #[test]
    fn an_event_leaves_with_its_last_position() {
        let chunk = MemoryChunk::new().moves(&[0, 40, 90]).moves(&[120]);
        let out = outcome(chunk, |chunk| {
            chunk.moves().iter().filter(|moved| moved.at_ms != 40).for_each(|moved| chunk.drop_move(*moved));
        });
        assert_eq!(out.moves, [Move { event: 0, position: 1, at_ms: 40 }]);
        assert_eq!(out.removed_events, [1]);
    }
}
