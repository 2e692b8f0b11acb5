//! Phone numbers: international ones, national ones in their usual groups; US social security numbers.

use std::ops::Range;

use super::digits::{lengths, values};
use super::{before, is_word};

/// Digits of an international number (ITU-T E.164).
const INTERNATIONAL_DIGITS: std::ops::RangeInclusive<usize> = 8..=15;

/// National numbers with a trunk 0, by their groups.
const TRUNK_SHAPES: [&[usize]; 13] = [
    &[2, 2, 2, 2, 2],
    &[3, 4, 4],
    &[4, 3, 4],
    &[5, 6],
    &[5, 3, 3],
    &[4, 3, 3],
    &[4, 3, 2, 2],
    &[4, 6],
    &[4, 7],
    &[4, 8],
    &[3, 8],
    &[2, 4, 4],
    &[3, 3, 4],
];

/// The international number from the `+` (or the first 0 of `00`) at `at` on: up to 15 digits, in
/// groups with up to two of ` -./()` between them.
pub(crate) fn find_international(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let start = if bytes.get(at) == Some(&b'+') { at + 1 } else { at + 2 };
    if is_word(before(bytes, at)) || !matches!(bytes.get(start), Some(b'1'..=b'9')) {
        return None;
    }
    let (mut digits, mut end, mut gap) = (0, start, 0);
    let mut groups = 1;
    for (offset, byte) in bytes.get(start..)?.iter().enumerate() {
        if byte.is_ascii_digit() {
            digits += 1;
            groups += usize::from(gap > 0);
            gap = 0;
            end = start + offset + 1;
        } else if b" -./()".contains(byte) && gap < 2 {
            gap += 1;
        } else {
            break;
        }
        if digits > 15 {
            return None;
        }
    }
    let enough = INTERNATIONAL_DIGITS.contains(&digits);
    // Without a `+` it must be written as one writes a number.
    let is_clear = bytes.get(at) == Some(&b'+') || groups > 1 && digits >= 10;
    (enough && is_clear && !is_word(bytes.get(end).copied())).then_some(at..end)
}

/// The national number in the groups: `(415) 555-0132`, `415-555-0132`, `020 7946 0958`.
pub(crate) fn find_national(bytes: &[u8], groups: &[Range<usize>]) -> Option<Range<usize>> {
    let first = groups.first()?.clone();
    let end = groups.last()?.end;
    if is_word(bytes.get(end).copied()) || groups.len() < 2 && before(bytes, first.start) != Some(b':') {
        return None;
    }
    let is = |shape: &[usize]| lengths(groups).eq(shape.iter().copied());
    let is_trunk = bytes.get(first.start) == Some(&b'0')
        && bytes.get(first.start + 1) != Some(&b'0')
        && TRUNK_SHAPES.iter().any(|shape| is(shape));
    let is_american = match groups {
        [_] => {
            (is(&[10]) || is(&[11])) && bytes.get(..first.start).is_some_and(|text| text.ends_with(b"tel:"))
        }
        [_, rest @ ..] if is(&[1, 3, 3, 4]) => bytes.get(first.start) == Some(&b'1') && american(bytes, rest),
        _ => is(&[3, 3, 4]) && american(bytes, groups),
    };
    let clear = !matches!(before(bytes, first.start), Some(b'.' | b'-' | b'/' | b'+'));
    (clear && !is_word(before(bytes, first.start)) && (is_trunk || is_american)).then_some(first.start..end)
}

/// The number from the `(` at `at` on: `(415) 555-0132`.
pub(crate) fn find_bracketed(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let text = bytes.get(at..)?;
    let gap = usize::from(text.get(5) == Some(&b' '));
    let digits =
        |range: Range<usize>| text.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let shaped = text.first() == Some(&b'(')
        && digits(1..4)
        && text.get(4) == Some(&b')')
        && digits(5 + gap..8 + gap)
        && matches!(text.get(8 + gap), Some(b'-' | b' ' | b'.'))
        && digits(9 + gap..13 + gap);
    let groups = [at + 1..at + 4, at + 5 + gap..at + 8 + gap];
    (shaped && american(bytes, &groups) && !is_word(bytes.get(at + 13 + gap).copied()))
        .then_some(at..at + 13 + gap)
}

/// Area and exchange of the North American plan begin with 2 to 9.
fn american(bytes: &[u8], groups: &[Range<usize>]) -> bool {
    groups.iter().take(2).all(|group| matches!(bytes.get(group.start), Some(b'2'..=b'9')))
}

/// The US social security number in the groups: `078-05-1120`, with numbers that are given out.
pub(crate) fn find_us_ssn(bytes: &[u8], groups: &[Range<usize>]) -> Option<Range<usize>> {
    let [area, group, serial] = groups else { return None };
    if (area.len(), group.len(), serial.len()) != (3, 2, 4) || bytes.get(area.end) != bytes.get(group.end) {
        return None;
    }
    let number = |range: &Range<usize>| {
        values(bytes, std::slice::from_ref(range)).fold(0_u32, |number, digit| number * 10 + u32::from(digit))
    };
    let given = !matches!(number(area), 0 | 666 | 900..) && number(group) != 0 && number(serial) != 0;
    let alone = !is_word(before(bytes, area.start))
        && !matches!(before(bytes, area.start), Some(b'.' | b'-' | b'+'))
        && !is_word(bytes.get(serial.end).copied())
        && bytes.get(serial.end) != Some(&b'-');
    (given && alone).then_some(area.start..serial.end)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// As [`find_national`], by the shape as a list.
    pub(crate) fn find_national_slowly(bytes: &[u8], groups: &[Range<usize>]) -> Option<Range<usize>> {
        let first = groups.first()?.clone();
        let end = groups.last()?.end;
        if is_word(bytes.get(end).copied()) || groups.len() < 2 && before(bytes, first.start) != Some(b':') {
            return None;
        }
        let shape: Vec<usize> = lengths(groups).collect();
        let is_trunk = bytes.get(first.start) == Some(&b'0')
            && bytes.get(first.start + 1) != Some(&b'0')
            && TRUNK_SHAPES.contains(&shape.as_slice());
        let is_american = match shape.as_slice() {
            [1, 3, 3, 4] => bytes.get(first.start) == Some(&b'1') && american(bytes, groups.get(1..)?),
            [3, 3, 4] => american(bytes, groups),
            [10 | 11] => bytes.get(..first.start).is_some_and(|text| text.ends_with(b"tel:")),
            _ => false,
        };
        let clear = !matches!(before(bytes, first.start), Some(b'.' | b'-' | b'/' | b'+'));
        (clear && !is_word(before(bytes, first.start)) && (is_trunk || is_american))
            .then_some(first.start..end)
    }
}
