//! Payment cards: 13 to 19 digits of a known issuer whose check digit is right (ISO/IEC 7812).

use std::ops::Range;

use super::digits::{digits_end, lengths, values};
use super::{before, is_word};

/// Digits of a card at most.
const MAX_DIGITS: usize = 19;

/// The card in the groups, which begin a run of digits: all of a group or none, and nothing that only
/// looks like one inside a longer number.
pub(crate) fn find(bytes: &[u8], groups: &[Range<usize>]) -> Option<Range<usize>> {
    let first = groups.first()?;
    if is_fraction(bytes, first.start) {
        return None;
    }
    (1..=groups.len()).rev().find_map(|count| {
        let groups = groups.get(..count)?;
        let last = groups.last()?;
        let ends = !is_word(bytes.get(last.end).copied()) && !is_continued(bytes, last.end);
        (ends && is_plausible(groups) && is_card(bytes, groups)).then_some(first.start..last.end)
    })
}

/// Whether the digits at `at` stand after a decimal point or inside a word.
fn is_fraction(bytes: &[u8], at: usize) -> bool {
    let point = before(bytes, at);
    is_word(point)
        || point == Some(b'.')
            && at.checked_sub(1).is_some_and(|at| before(bytes, at).is_some_and(|byte| byte.is_ascii_digit()))
}

/// Whether a decimal fraction follows.
fn is_continued(bytes: &[u8], at: usize) -> bool {
    bytes.get(at) == Some(&b'.') && digits_end(bytes, at + 1) > at + 1
}

/// Cards are written as one group, or in groups of three to seven.
fn is_plausible(groups: &[Range<usize>]) -> bool {
    let digits: usize = lengths(groups).sum();
    let whole = groups.len() == 1;
    let (last, rest) = match groups.split_last() {
        Some((last, rest)) => (last.len(), rest),
        None => return false,
    };
    (13..=MAX_DIGITS).contains(&digits)
        && (whole || groups.len() <= 6 && last <= 7 && lengths(rest).all(|group| (3..=7).contains(&group)))
}

/// Whether the digits are a card's.
fn is_card(bytes: &[u8], groups: &[Range<usize>]) -> bool {
    let mut digits = [0; MAX_DIGITS];
    let mut count = 0;
    for (slot, digit) in digits.iter_mut().zip(values(bytes, groups)) {
        *slot = digit;
        count += 1;
    }
    let digits = digits.get(..count).unwrap_or_default();
    has_issuer(digits) && luhn(digits) && digits.windows(2).any(|pair| pair.first() != pair.last())
}

/// Whether a known issuer's cards begin and are long like this.
fn has_issuer(digits: &[u8]) -> bool {
    let head = digits.iter().take(4).fold(0, |head, digit| head * 10 + u32::from(*digit));
    let lengths = match head {
        // Diners, American Express, JCB
        3000..=3059 | 3095 | 3600..=3699 | 3800..=3999 => 14..=19,
        3400..=3499 | 3700..=3799 => 15..=15,
        3528..=3589 => 16..=19,
        // Visa, Mastercard, Maestro, Discover, UnionPay, RuPay, Mir, Troy
        4000..=4999 => return matches!(digits.len(), 13 | 16 | 19),
        2200..=2204 | 2221..=2720 | 5100..=5599 => 16..=19,
        5000..=5099 | 5600..=5899 => 13..=19,
        6000..=6999 => 13..=19,
        8100..=8171 => 16..=19,
        9792 => 16..=16,
        _ => return false,
    };
    lengths.contains(&digits.len())
}

/// The check of ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let value = u32::from(*digit) * if at % 2 == 1 { 2 } else { 1 };
            value / 10 + value % 10
        })
        .sum();
    sum.is_multiple_of(10)
}
