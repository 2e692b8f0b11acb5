//! The nodes of one page, in blocks of neighbouring ids: rrweb counts them up.
//!
//! A clone shares every block until one of the two writes to it, so that a table as it was is cheap to
//! keep.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::attributes::latest;
use super::history::{Histories, MAX_ELEMENT_BYTES, Told};

const BLOCK: usize = 64;

/// What is known of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::rrweb) struct NodeFact {
    /// The parent node's id, 0 if it has none.
    pub(in crate::rrweb) parent: u32,
    /// Row of the tag; 0 for what is no element.
    pub(in crate::rrweb) tag: u16,
    /// Whether there is such a node.
    pub(in crate::rrweb) is_known: bool,
    /// Whether it left the page: forgotten when the batch is over, and until then what chunks before
    /// that are asked about.
    pub(in crate::rrweb) is_gone: bool,
    /// Encoded by [`super::Attributes`]: the first that were told in this batch, or before it.
    pub(in crate::rrweb) attributes: Option<Arc<[u8]>>,
}

/// Nodes by id.
#[derive(Clone, Debug, Default)]
pub(in crate::rrweb) struct Table {
    blocks: Arc<BTreeMap<u32, Arc<[NodeFact; BLOCK]>>>,
    /// Of the nodes in the blocks.
    attribute_bytes: usize,
    histories: Histories,
    /// The highest node that was forgotten though the batch goes on, 0 for none: what is told of nodes up to it
    /// may not be all that was.
    forgotten: u32,
    /// Whether there was no room for some node.
    is_incomplete: bool,
}

const BLOCK_BYTES: usize = BLOCK * size_of::<NodeFact>() + 32;

impl Table {
    pub(in crate::rrweb) fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK_BYTES + self.attribute_bytes + self.histories.bytes()
    }

    /// Whether there may be nodes that are not in it though it was told of them.
    pub(in crate::rrweb) fn is_incomplete(&self) -> bool {
        self.is_incomplete
    }

    pub(in crate::rrweb) fn get(&self, node: u32) -> Option<&NodeFact> {
        let block = self.blocks.get(&(node / BLOCK as u32))?;
        block.get(node as usize % BLOCK).filter(|known| known.is_known)
    }

    /// Whether all is known that was true of a known element within the batch.
    pub(super) fn is_clear(&self, node: u32) -> bool {
        self.histories.is_clear(node)
    }

    /// The attributes of a node, and those that it had earlier in the batch.
    pub(super) fn attributes(&self, node: u32) -> Vec<(String, String)> {
        self.histories.read(node, self.get(node).and_then(|known| known.attributes.as_deref()))
    }

    /// `node` if it is a known element, else 0.
    pub(in crate::rrweb) fn element_of(&self, node: u32) -> u32 {
        if self.get(node).is_some_and(|known| known.tag != 0) { node } else { 0 }
    }

    /// A new snapshot: whatever it does not show is gone.
    pub(in crate::rrweb) fn clear(&mut self) {
        self.is_incomplete = false;
        for block in Arc::make_mut(&mut self.blocks).values_mut() {
            Arc::make_mut(block).iter_mut().for_each(|fact| fact.is_gone = true);
        }
    }

    pub(in crate::rrweb) fn remove(&mut self, node: u32) {
        if self.get(node).is_none() {
            return;
        }
        let block = Arc::make_mut(&mut self.blocks).get_mut(&(node / BLOCK as u32)).map(Arc::make_mut);
        if let Some(fact) = block.and_then(|block| block.get_mut(node as usize % BLOCK)) {
            fact.is_gone = true;
        }
    }

    /// Forgets nodes that are gone, within a batch.
    pub(in crate::rrweb) fn forget_gone(&mut self) {
        let Self { blocks, attribute_bytes, histories, forgotten, .. } = self;
        Arc::make_mut(blocks).retain(|number, block| {
            if block.iter().any(|fact| fact.is_gone) {
                let places = (number * BLOCK as u32..).zip(Arc::make_mut(block));
                for (node, fact) in places.filter(|(_, fact)| fact.is_gone) {
                    *attribute_bytes -= length(fact);
                    *fact = NodeFact::default();
                    histories.forget(node);
                    *forgotten = node.max(*forgotten);
                }
            }
            block.iter().any(|fact| fact.is_known)
        });
    }

    /// The batch is over: forgets what is gone, and what else was true earlier.
    pub(super) fn settle(&mut self) {
        self.forget_gone();
        self.forgotten = 0;
        let Self { blocks, attribute_bytes, histories, .. } = self;
        let blocks = Arc::make_mut(blocks);
        histories.settle(|node, told| {
            let block = blocks.get_mut(&(node / BLOCK as u32)).map(Arc::make_mut);
            let Some(fact) = block.and_then(|block| block.get_mut(node as usize % BLOCK)) else { return };
            *attribute_bytes -= length(fact);
            fact.attributes = latest(fact.attributes.as_deref(), told);
            *attribute_bytes += length(fact);
        });
    }

    /// Sets what is known of `nodes`, of which neighbours come together; `room` bytes may be added.
    pub(in crate::rrweb) fn extend(&mut self, nodes: impl Iterator<Item = (u32, NodeFact)>, room: usize) {
        let limit = self.bytes().saturating_add(room);
        let mut nodes = nodes.peekable();
        while let Some(&(first, _)) = nodes.peek() {
            let number = first / BLOCK as u32;
            let is_new = !self.blocks.contains_key(&number);
            if is_new && limit.saturating_sub(self.bytes()) < BLOCK_BYTES {
                self.is_incomplete = true;
                nodes.next();
                continue;
            }
            let block_bytes = (self.blocks.len() + usize::from(is_new)) * BLOCK_BYTES;
            let block = Arc::make_mut(&mut self.blocks)
                .entry(number)
                .or_insert_with(|| Arc::new(std::array::from_fn(|_| NodeFact::default())));
            let block = Arc::make_mut(block);
            while let Some((node, fact)) = nodes.next_if(|(node, _)| node / BLOCK as u32 == number) {
                let Some(place) = block.get_mut(node as usize % BLOCK) else { continue };
                let bytes = block_bytes + self.attribute_bytes + self.histories.bytes();
                self.attribute_bytes -= length(place);
                let room = limit.saturating_sub(bytes);
                if place.is_known && (place.tag != 0 || fact.tag != 0) {
                    tell_again(node, place, fact, &mut self.histories, room);
                } else {
                    let is_forgotten = node <= self.forgotten && fact.tag != 0;
                    tell(node, place, fact, &mut self.histories, room, is_forgotten);
                }
                self.attribute_bytes += length(place);
            }
        }
    }

    /// Changes attributes of a known element: `changes` is encoded like the attributes themselves. `room` bytes
    /// may be added.
    pub(in crate::rrweb) fn change(&mut self, node: u32, changes: &[u8], room: usize) {
        if self.get(node).is_none() {
            return;
        }
        let block = Arc::make_mut(&mut self.blocks).get_mut(&(node / BLOCK as u32)).map(Arc::make_mut);
        let Some(fact) = block.and_then(|block| block.get_mut(node as usize % BLOCK)) else { return };
        self.attribute_bytes -= length(fact);
        let told = Told { is_all: false, bytes: changes.into() };
        self.histories.tell(node, &mut fact.attributes, told, room);
        self.attribute_bytes += length(fact);
    }
}

/// Sets what is known of a node of which nothing is; `is_forgotten` if something may have been.
fn tell(
    node: u32,
    place: &mut NodeFact,
    mut fact: NodeFact,
    histories: &mut Histories,
    room: usize,
    is_forgotten: bool,
) {
    if length(&fact) > room.min(MAX_ELEMENT_BYTES) {
        // Where it stands is known all the same.
        fact.attributes = None;
        histories.lose(node);
    } else if is_forgotten {
        histories.set_unclear(node);
    }
    *place = fact;
}

/// Sets what is known of a node that was known before, in this batch or ahead of it.
fn tell_again(node: u32, place: &mut NodeFact, mut fact: NodeFact, histories: &mut Histories, room: usize) {
    if (place.parent, place.tag) != (fact.parent, fact.tag) {
        // It was inside of something else, and only one parent can be told.
        histories.set_unclear(node);
    }
    let told = Told { is_all: true, bytes: fact.attributes.take().unwrap_or_default() };
    let mut attributes = place.attributes.take();
    histories.tell(node, &mut attributes, told, room);
    *place = NodeFact { attributes, ..fact };
}

fn length(fact: &NodeFact) -> usize {
    fact.attributes.as_ref().map_or(0, |bytes| bytes.len())
}
