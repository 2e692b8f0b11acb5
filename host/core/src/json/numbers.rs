//! Whether the runs of other bytes outside strings are numbers or literals.

use super::bits::{fail, skip};
use super::scalar::{check_scalar, ends_scalar};
use super::{JsonError, JsonFault};

/// What is carried from block to block.
#[derive(Default)]
pub(super) struct Numbers {
    /// 1 if the block may go on with digits after a lone `0`.
    after_zero: u64,
    /// 1 if the block may go on with digits after a decimal point.
    after_point: u64,
    /// How far scalars were checked.
    checked: usize,
}

/// The scalars of one block.
pub(super) struct Scalars {
    /// All their bytes (or those of nothing that is JSON).
    pub(super) all: u64,
    /// The first byte of each.
    pub(super) start: u64,
    pub(super) digit: u64,
    pub(super) zero: u64,
    pub(super) minus: u64,
    pub(super) point: u64,
}

impl Numbers {
    /// Checks the scalars of the block at offset `base` of `bytes`.
    ///
    /// Digits, with a sign before or a point among them, need no visit.
    #[inline(always)]
    pub(super) fn check(&mut self, bytes: &[u8], scalars: &Scalars, base: usize) -> Result<(), JsonError> {
        let digit = scalars.digit;
        let mut unusual = scalars.all & !digit;
        let mut first_digit = scalars.start;
        if unusual != 0 {
            // Signs and points at the edge of the block stay unusual.
            let sign = scalars.minus & scalars.start & (digit >> 1);
            let point = scalars.point & (digit << 1) & (digit >> 1);
            let begin = point << 1 | self.after_point;
            self.after_point = 0;
            let second_point = skip(begin, digit, &mut self.after_point) & point;
            unusual &= !(sign | (point & !second_point));
            first_digit |= sign << 1;
        } else {
            self.after_point &= u64::from(digit == u64::MAX);
        }
        let lone_zero = first_digit & scalars.zero;
        fail((lone_zero << 1 | self.after_zero) & digit, JsonFault::Scalar, base)?;
        self.after_zero = lone_zero >> 63;
        if unusual != 0 {
            self.visit(bytes, unusual, scalars.start, base)?;
        }
        Ok(())
    }

    /// Not 0: the next block needs [`Numbers::check`].
    #[inline(always)]
    pub(super) fn unfinished(&self) -> u64 {
        self.after_point
    }

    /// [`Numbers::check`] of a block whose scalars are nothing but digits; answers which are wrong.
    #[inline(always)]
    pub(super) fn follow_digits(&mut self, digit: u64, lone_zero: u64) -> u64 {
        let wrong = (lone_zero << 1 | self.after_zero) & digit;
        self.after_zero = lone_zero >> 63;
        wrong
    }

    /// Checks, one by one, the scalars that have an unusual byte.
    #[inline(never)]
    fn visit(&mut self, bytes: &[u8], mut unusual: u64, starts: u64, base: usize) -> Result<(), JsonError> {
        while unusual != 0 {
            let at = unusual.trailing_zeros();
            let start = match starts & (u64::MAX >> (63 - at)) {
                0 => scalar_start(bytes, base),
                before => base + 63 - before.leading_zeros() as usize,
            };
            if base + at as usize >= self.checked {
                self.checked = check_scalar(bytes, start)?;
            }
            let done = self.checked - base;
            unusual = if done < 64 { unusual & (u64::MAX << done) } else { 0 };
        }
        Ok(())
    }
}

/// Where the scalar that runs into the block at `base` begins.
#[cold]
fn scalar_start(bytes: &[u8], base: usize) -> usize {
    let before = bytes.get(..base).unwrap_or_default();
    before.iter().rposition(|&byte| ends_scalar(byte)).map_or(0, |at| at + 1)
}
