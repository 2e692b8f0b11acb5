//! Which brackets belong together: nesting, its depth, and whether a byte is in an object or an array.

use super::bits::{fill, ones};
use super::{JsonError, JsonFault};

/// The open containers.
pub(super) struct Nest {
    depth: usize,
    max_depth: usize,
    /// Whether they are objects, the innermost in the lowest bit; what does not fit, in words of 64.
    kinds: u64,
    outer_kinds: Vec<u64>,
}

/// The brackets of one block.
#[derive(Clone, Copy)]
pub(super) struct Brackets {
    pub(super) open: u64,
    pub(super) close: u64,
    /// Which of them are curly; says nothing of other bytes.
    pub(super) curly: u64,
}

/// What the brackets of a block say of each of its bytes.
pub(super) struct Nesting {
    /// Its innermost container is an object (for a bracket: the one around it, or closed by it).
    pub(super) in_object: u64,
    /// It is directly inside `levels` containers or fewer.
    pub(super) shallow: u64,
    /// Closing brackets of the wrong kind.
    pub(super) mismatched: u64,
    /// Bytes after the document.
    pub(super) beyond: u64,
}

impl Nest {
    pub(super) fn new(max_depth: usize) -> Self {
        Self { depth: 0, max_depth, kinds: 0, outer_kinds: Vec::new() }
    }

    /// Whether every container is closed again.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.depth == 0
    }

    /// Follows the brackets of the block at offset `base`.
    #[inline(always)]
    pub(super) fn follow(
        &mut self,
        brackets: Brackets,
        levels: usize,
        base: usize,
    ) -> Result<Nesting, JsonError> {
        let opening = brackets.open.count_ones() as usize;
        let closing = brackets.close.count_ones() as usize;
        let level = self.depth % 64;
        // Neither the document can end here, nor a word of kinds, nor the depth allowed.
        if level > closing && level + opening < 63 && self.depth + opening <= self.max_depth {
            let nesting = self.follow_easily(brackets, levels, levels + closing);
            self.depth = self.depth + opening - closing;
            return Ok(nesting);
        }
        self.follow_carefully(brackets, levels, base)
    }

    #[inline(always)]
    fn follow_easily(&mut self, brackets: Brackets, levels: usize, shallow_from: usize) -> Nesting {
        let all = brackets.open | brackets.close;
        let before = self.kinds;
        let mut kinds = before;
        let (mut objects, mut shallow) = (0, 0);
        if self.depth > shallow_from {
            for at in ones(all) {
                kinds = next_kinds(kinds, at, brackets);
                objects |= (kinds & 1) << at;
            }
        } else {
            let mut depth = self.depth;
            for at in ones(all) {
                kinds = next_kinds(kinds, at, brackets);
                objects |= (kinds & 1) << at;
                depth = depth + 2 * (brackets.open >> at & 1) as usize - 1;
                shallow |= u64::from(depth <= levels) << at;
            }
            shallow = fill(shallow, u64::from(self.depth <= levels), all);
        }
        self.kinds = kinds;
        let in_object = fill(objects, before & 1, all);
        Nesting { in_object, shallow, mismatched: brackets.close & (in_object ^ brackets.curly), beyond: 0 }
    }

    #[cold]
    fn follow_carefully(
        &mut self,
        brackets: Brackets,
        levels: usize,
        base: usize,
    ) -> Result<Nesting, JsonError> {
        let all = brackets.open | brackets.close;
        let (was_in_object, was_shallow) = (self.kinds & 1, u64::from(self.depth <= levels));
        let (mut objects, mut shallow, mut beyond) = (0, 0, 0);
        for at in ones(all) {
            if brackets.open >> at & 1 == 1 {
                if self.depth == self.max_depth {
                    return Err(JsonError { fault: JsonFault::TooDeep, offset: base + at });
                }
                if self.depth % 64 == 63 {
                    self.outer_kinds.push(self.kinds);
                    self.kinds = 0;
                }
                self.kinds = next_kinds(self.kinds, at, brackets);
                self.depth += 1;
            } else {
                self.kinds = next_kinds(self.kinds, at, brackets);
                if self.depth.is_multiple_of(64) {
                    self.kinds = self.outer_kinds.pop().unwrap_or_default();
                }
                self.depth -= 1;
                if self.depth == 0 {
                    beyond = (u64::MAX << at) << 1;
                    break;
                }
            }
            objects |= (self.kinds & 1) << at;
            shallow |= u64::from(self.depth <= levels) << at;
        }
        let in_object = fill(objects, was_in_object, all);
        Ok(Nesting {
            in_object,
            shallow: fill(shallow, was_shallow, all),
            mismatched: brackets.close & (in_object ^ brackets.curly),
            beyond,
        })
    }
}

/// Follows one bracket, without a branch: which way it goes is as good as random.
#[inline(always)]
fn next_kinds(kinds: u64, at: usize, brackets: Brackets) -> u64 {
    let is_open = brackets.open >> at & 1;
    (kinds << is_open) >> (is_open ^ 1) | (is_open & brackets.curly >> at)
}
