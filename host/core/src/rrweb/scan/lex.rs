//! Tokens of JSON that is known to be valid: where a string ends, where a value ends.
//!
//! Nothing here panics on other bytes: it answers `None`, or a place that means nothing.

/// A string that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rrweb) struct Quoted {
    /// Place of the closing quote.
    pub(in crate::rrweb) end: usize,
    /// Whether there is a backslash in it.
    pub(in crate::rrweb) escaped: bool,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The string whose first byte after the quote is at `at`.
///
/// Most strings are short, so eight bytes at a time at first, which costs no call.
#[inline(always)]
pub(in crate::rrweb) fn string(json: &[u8], at: usize) -> Option<Quoted> {
    let mut here = at;
    for _ in 0..4 {
        let Some(chunk) = json.get(here..).and_then(|rest| rest.first_chunk::<8>()) else { break };
        match first_special(u64::from_le_bytes(*chunk)) {
            0 => here += 8,
            found => {
                here += found.trailing_zeros() as usize / 8;
                return match json.get(here) {
                    Some(b'"') => Some(Quoted { end: here, escaped: false }),
                    _ => escaped_string(json, here),
                };
            }
        }
    }
    long_string(json, here)
}

/// The high bit of the first byte that is `"` or `\` (and of others after it).
#[inline(always)]
fn first_special(word: u64) -> u64 {
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    zeros(word ^ (ONES * b'"' as u64)) | zeros(word ^ (ONES * b'\\' as u64))
}

fn long_string(json: &[u8], from: usize) -> Option<Quoted> {
    let at = from + memchr::memchr2(b'"', b'\\', json.get(from..)?)?;
    match json.get(at) {
        Some(b'"') => Some(Quoted { end: at, escaped: false }),
        _ => escaped_string(json, at),
    }
}

/// The rest of a string whose first backslash is at `at`.
fn escaped_string(json: &[u8], mut at: usize) -> Option<Quoted> {
    loop {
        at += 2;
        at += memchr::memchr2(b'"', b'\\', json.get(at..)?)?;
        if json.get(at) == Some(&b'"') {
            return Some(Quoted { end: at, escaped: true });
        }
    }
}

/// The first place from `at` on that is no whitespace.
#[inline(always)]
pub(in crate::rrweb) fn gap(json: &[u8], mut at: usize) -> usize {
    while matches!(json.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

/// One past the number or literal at `at`.
#[inline(always)]
pub(super) fn scalar(json: &[u8], mut at: usize) -> usize {
    while matches!(json.get(at), Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'a'..=b'z' | b'E')) {
        at += 1;
    }
    at
}

/// One past the value that begins at `at`.
pub(in crate::rrweb) fn value(json: &[u8], at: usize) -> Option<usize> {
    match json.get(at)? {
        b'"' => Some(string(json, at + 1)?.end + 1),
        b'{' | b'[' => container(json, at),
        _ => {
            let end = scalar(json, at);
            (end > at).then_some(end)
        }
    }
}

fn container(json: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0usize;
    loop {
        match json.get(at)? {
            b'"' => at = string(json, at + 1)?.end,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// One past the array at `at` if it holds nothing but numbers, and at least one.
pub(super) fn numbers(json: &[u8], at: usize) -> Option<usize> {
    let inner = json.get(at + 1..)?;
    let length = inner.iter().position(|byte| {
        !matches!(byte, b'0'..=b'9' | b',' | b'-' | b'+' | b'.' | b'e' | b'E' | b' ' | b'\t' | b'\n' | b'\r')
    })?;
    let (body, rest) = inner.split_at(length);
    (rest.first() == Some(&b']') && body.iter().any(u8::is_ascii_digit)).then_some(at + 1 + length + 1)
}

/// A whole number of at most `u32::MAX`.
pub(in crate::rrweb) fn whole(number: &[u8]) -> Option<u32> {
    if number.is_empty() || number.len() > 9 || !number.iter().all(u8::is_ascii_digit) {
        // `2.0` and `2e0` are whole numbers too.
        let value: f64 = std::str::from_utf8(number).ok()?.parse().ok()?;
        let is_whole = value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value);
        return is_whole.then_some(value as u32);
    }
    Some(number.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0')))
}

/// Whether a number has so many digits that it may name someone.
pub(super) fn is_telling(number: &[u8]) -> bool {
    number.len() >= 6 && number.iter().filter(|byte| byte.is_ascii_digit()).count() >= 6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_end_at_their_quote() {
        for (json, end, escaped) in [
            (r#""""#, 1, false),
            (r#""abcdefghijklmnop""#, 17, false),
            (r#""abc\"defghijklmnop""#, 19, true),
            (r#""\\""#, 3, true),
            (r#""aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa""#, 51, false),
            (r#""aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\\""#, 49, true),
        ] {
            assert_eq!(string(json.as_bytes(), 1), Some(Quoted { end, escaped }), "{json}");
        }
        assert_eq!(string(br#""abc"#, 1), None);
        assert_eq!(string(br#""abc\"#, 1), None);
    }

    #[test]
    fn values_end() {
        let json = br#"[{"a":"]}","b":[1,2]},"x"]"#;
        assert_eq!(value(json, 0), Some(json.len()));
        assert_eq!(value(json, 1), Some(21));
        assert_eq!(value(b"[1", 0), None);
    }

    #[test]
    fn whole_numbers_are_read() {
        for (text, number) in
            [("0", Some(0)), ("2.0", Some(2)), ("2e0", Some(2)), ("4294967295", Some(u32::MAX))]
        {
            assert_eq!(whole(text.as_bytes()), number);
        }
        for text in ["", "-1", "4294967296", "1.5", "1e99", "true"] {
            assert_eq!(whole(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn arrays_of_numbers_are_told() {
        assert_eq!(numbers(b"[1, -2.5e+3]", 0), Some(12));
        assert_eq!(numbers(b"[]", 0), None);
        assert_eq!(numbers(b"[1,[2]]", 0), None);
        assert_eq!(numbers(b"[1,", 0), None);
    }
}
