//! Strings and gaps between tokens, in JSON that the walker has already found valid.

use std::borrow::Cow;

/// `bytes` without JSON whitespace at either end.
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let mut bytes = trim_start(bytes);
    while let [rest @ .., b' ' | b'\t' | b'\n' | b'\r'] = bytes {
        bytes = rest;
    }
    bytes
}

/// `bytes` without JSON whitespace at the start.
pub(super) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// What a string says: `quoted` with its quotes taken off and its escapes resolved.
///
/// `None` if it is no string. A lone surrogate becomes its three bytes as if it were a character
/// (WTF-8), so that different spellings stay different and the answer may not be UTF-8.
pub fn unquote(quoted: &[u8]) -> Option<Cow<'_, [u8]>> {
    let inner = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if memchr::memchr(b'\\', inner).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    let mut text = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        text.extend_from_slice(rest.get(..at)?);
        let escape = rest.get(at + 1)?;
        let mut used = at + 2;
        match escape {
            b'b' => text.push(0x08),
            b'f' => text.push(0x0c),
            b'n' => text.push(b'\n'),
            b'r' => text.push(b'\r'),
            b't' => text.push(b'\t'),
            b'u' => {
                let (code, length) = code_point(rest.get(used..)?)?;
                push_code_point(&mut text, code);
                used += length;
            }
            &other => text.push(other),
        }
        rest = rest.get(used..)?;
    }
    text.extend_from_slice(rest);
    Some(Cow::Owned(text))
}

/// Whether the string `quoted` says exactly `name`, however it is spelled.
pub(super) fn says(quoted: &[u8], name: &[u8]) -> bool {
    match quoted {
        [b'"', inner @ .., b'"'] if inner == name => true,
        // An escape is at least two bytes for one.
        _ => quoted.len() > name.len() + 2 && unquote(quoted).is_some_and(|text| *text == *name),
    }
}

/// The code point of a `\u` whose digits are at the start of `text`, and the bytes it takes.
fn code_point(text: &[u8]) -> Option<(u32, usize)> {
    let unit = |from: usize| {
        let digits = std::str::from_utf8(text.get(from..from + 4)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    };
    let first = unit(0)?;
    let second = (text.get(4..6) == Some(br"\u")).then(|| unit(6)).flatten();
    Some(match (first, second) {
        (0xd800..=0xdbff, Some(second @ 0xdc00..=0xdfff)) => {
            (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 10)
        }
        _ => (first, 4),
    })
}

fn push_code_point(text: &mut Vec<u8>, code: u32) {
    match char::from_u32(code) {
        Some(character) => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            let tail = |shift: u32| 0x80 | (code >> shift & 0x3f) as u8;
            text.extend_from_slice(&[0xe0 | (code >> 12) as u8, tail(6), tail(0)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read() {
        let read = |quoted: &str| unquote(quoted.as_bytes()).map(Cow::into_owned);
        assert_eq!(read(r#""plain""#), Some(b"plain".to_vec()));
        assert_eq!(read(r#""\/\"\\\b\f\n\r\t""#), Some(b"/\"\\\x08\x0c\n\r\t".to_vec()));
        assert_eq!(read(r#""\u0074\u00e9\ud83d\ude00""#), Some("t\u{e9}\u{1f600}".as_bytes().to_vec()));
        assert_eq!(read(r#""\ud800""#), Some(vec![0xed, 0xa0, 0x80]));
        assert_eq!(read(r#""\ud800\u0041""#), Some(vec![0xed, 0xa0, 0x80, b'A']));
        assert_eq!(read("12"), None);
        assert_eq!(read("\""), None);
    }

    #[test]
    fn names_are_compared_by_what_they_say() {
        assert!(says(br#""type""#, b"type"));
        assert!(says(br#""\u0074ype""#, b"type"));
        assert!(!says(br#""typ""#, b"type"));
        assert!(!says(br#""x\"type""#, b"type"));
    }
}
