//! The nodes of one page, in blocks of neighbouring ids: rrweb counts them up.
//!
//! A clone shares every block until one of the two writes to it, so that a table as it was is cheap to
//! keep.

use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// Encoded by [`Attributes`].
    pub(in crate::rrweb) attributes: Option<Arc<[u8]>>,
}

/// Nodes by id.
#[derive(Clone, Debug, Default)]
pub(in crate::rrweb) struct Table {
    blocks: Arc<BTreeMap<u32, Arc<[NodeFact; BLOCK]>>>,
    attribute_bytes: usize,
    /// Whether there was no room for some node.
    is_incomplete: bool,
}

const BLOCK_BYTES: usize = BLOCK * size_of::<NodeFact>() + 32;

impl Table {
    pub(in crate::rrweb) fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK_BYTES + self.attribute_bytes
    }

    /// Whether there may be nodes that are not in it though it was told of them.
    pub(in crate::rrweb) fn is_incomplete(&self) -> bool {
        self.is_incomplete
    }

    pub(in crate::rrweb) fn get(&self, node: u32) -> Option<&NodeFact> {
        let block = self.blocks.get(&(node / BLOCK as u32))?;
        block.get(node as usize % BLOCK).filter(|known| known.is_known)
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

    /// Forgets nodes that are gone.
    pub(in crate::rrweb) fn forget_gone(&mut self) {
        let attribute_bytes = &mut self.attribute_bytes;
        Arc::make_mut(&mut self.blocks).retain(|_, block| {
            if block.iter().any(|fact| fact.is_gone) {
                for fact in Arc::make_mut(block).iter_mut().filter(|fact| fact.is_gone) {
                    *attribute_bytes -= fact.attributes.as_ref().map_or(0, |bytes| bytes.len());
                    *fact = NodeFact::default();
                }
            }
            block.iter().any(|fact| fact.is_known)
        });
    }

    /// Sets what is known of `nodes`, of which neighbours come together; `room` bytes may be added.
    pub(in crate::rrweb) fn extend(&mut self, nodes: impl Iterator<Item = (u32, NodeFact)>, mut room: usize) {
        let mut nodes = nodes.peekable();
        while let Some(&(first, _)) = nodes.peek() {
            let number = first / BLOCK as u32;
            if !self.blocks.contains_key(&number) {
                if room < BLOCK_BYTES {
                    self.is_incomplete = true;
                    nodes.next();
                    continue;
                }
                room -= BLOCK_BYTES;
            }
            let block = Arc::make_mut(&mut self.blocks)
                .entry(number)
                .or_insert_with(|| Arc::new(std::array::from_fn(|_| NodeFact::default())));
            let block = Arc::make_mut(block);
            while let Some((node, fact)) = nodes.next_if(|(node, _)| node / BLOCK as u32 == number) {
                let Some(place) = block.get_mut(node as usize % BLOCK) else { continue };
                let bytes = fact.attributes.as_ref().map_or(0, |bytes| bytes.len());
                let before = place.attributes.as_ref().map_or(0, |bytes| bytes.len());
                self.attribute_bytes -= before;
                room = room.saturating_add(before);
                // Better nothing than what was true of another node.
                self.is_incomplete |= bytes > room;
                *place = if bytes <= room { fact } else { NodeFact::default() };
                let kept = place.attributes.as_ref().map_or(0, |bytes| bytes.len());
                self.attribute_bytes += kept;
                room -= kept;
            }
        }
    }

    /// Changes attributes of a known element: `changes` is encoded like the attributes themselves.
    pub(in crate::rrweb) fn change(&mut self, node: u32, changes: &[u8], room: usize) {
        let Some(fact) = self.get(node) else { return };
        let mut all = fact.attributes.as_deref().map(Attributes::iter_owned).unwrap_or_default();
        for (name, value) in Attributes::iter(changes) {
            all.retain(|(other, _)| other != name);
            if let Some(value) = value {
                all.push((name.to_vec(), value.to_vec()));
            }
        }
        let mut encoded = Vec::new();
        for (name, value) in &all {
            Attributes::push(&mut encoded, name, Some(value));
        }
        let attributes = (!encoded.is_empty()).then(|| encoded.into());
        let fact = NodeFact { attributes, ..*fact };
        self.extend(std::iter::once((node, fact)), room);
    }
}

/// Attributes as bytes: name and value in turn, each after its length; a value that is not there (the
/// attribute was taken away) has the length `u32::MAX`.
pub(in crate::rrweb) struct Attributes;

impl Attributes {
    pub(in crate::rrweb) fn push(to: &mut Vec<u8>, name: &[u8], value: Option<&[u8]>) {
        to.extend_from_slice(&(name.len() as u32).to_le_bytes());
        to.extend_from_slice(name);
        to.extend_from_slice(&value.map_or(u32::MAX, |value| value.len() as u32).to_le_bytes());
        to.extend_from_slice(value.unwrap_or_default());
    }

    pub(super) fn read(bytes: &[u8]) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self::iter(bytes).filter_map(|(name, value)| Some((text(name), text(value?)))).collect()
    }

    fn iter_owned(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        Self::iter(bytes).filter_map(|(name, value)| Some((name.to_vec(), value?.to_vec()))).collect()
    }

    fn iter(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        std::iter::from_fn(move || {
            let name = take(&mut bytes)?.unwrap_or_default();
            Some((name, take(&mut bytes)?))
        })
    }
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = match u32::from_le_bytes(*length) {
        u32::MAX => {
            *bytes = rest;
            return Some(None);
        }
        length => length as usize,
    };
    let (text, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(Some(text))
}
