//! Masks: of text, of numbers, and of JSON in a string that would not parse any more.

use std::ops::Range;

use crate::json::walk_object;
use crate::rrweb::splice::Pieces;

/// What takes the place of a string whose JSON was broken.
const REPAIR: char = '*';

/// `text` with `mask` for each character but white space.
pub(super) fn masked(text: &str, mask: char) -> String {
    text.chars().map(|character| if character.is_whitespace() { character } else { mask }).collect()
}

/// What `range` of the JSON number `number` is masked with: 0 for each digit, but 1 for the first of
/// several before the point, because JSON has no leading zeros.
pub(super) fn masked_number(number: &str, range: Range<usize>) -> String {
    let whole_start = usize::from(number.starts_with('-'));
    let whole = number.get(whole_start..).unwrap_or_default();
    let is_long = whole.bytes().take_while(u8::is_ascii_digit).count() > 1;
    let first = is_long.then_some(whole_start);
    let text = number.get(range.clone()).unwrap_or_default();
    let digit = |(at, character): (usize, char)| match character {
        '0'..='9' if Some(range.start + at) == first => '1',
        '0'..='9' => '0',
        other => other,
    };
    text.char_indices().map(digit).collect()
}

/// `after`, or, if `before` was a JSON object or array and `after` is none, `before` masked as a whole.
pub(super) fn repaired(before: &Pieces, after: Pieces, max_depth: usize) -> Pieces {
    if !is_container(before.text(), max_depth) || is_container(after.text(), max_depth) {
        return after;
    }
    let whole = 0..before.text().len();
    before.edited(&[(whole, masked(before.text(), REPAIR))]).unwrap_or(after)
}

/// Whether `text` is a JSON object or array.
fn is_container(text: &str, max_depth: usize) -> bool {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    if !text.starts_with(['{', '[']) {
        return false;
    }
    // The walker takes objects with distinct keys and arrays of objects; inside a value, anything.
    let wrapped = [b"{\"\":", text.as_bytes(), b"}"].concat();
    let mut members = 0;
    let mut is_whole = false;
    let walked = walk_object(&wrapped, max_depth.saturating_add(1), |member| {
        members += 1;
        is_whole = member.value.len() == text.len();
    });
    walked.is_ok() && members == 1 && is_whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_numbers() {
        for (number, range, expected) in [
            ("4111111111111111", 0..16, "1000000000000000"),
            ("4111", 0..1, "1"),
            ("4111", 1..4, "000"),
            ("-1234.567e89", 0..12, "-1000.000e00"),
            ("7", 0..1, "0"),
            ("0.25", 0..4, "0.00"),
            ("12", 2..2, ""),
        ] {
            assert_eq!(masked_number(number, range), expected, "{number}");
        }
    }

    #[test]
    fn containers_are_told_from_text() {
        for good in ["{}", " [1, \"x\"]\n", r#"{"a":{"b":[null]},"a":1}"#, "[[[]]]"] {
            assert!(is_container(good, 50), "{good}");
        }
        for bad in ["", "1", "\"x\"", "{", "{}},{\"y\":{}", "{},\"y\":{}", "[1]]", "{*}", "[1] 2", "[x]"] {
            assert!(!is_container(bad, 50), "{bad}");
        }
        assert!(!is_container("[[[]]]", 2));
    }
}
