//! What a JSON string says, and where each byte of that stands in the string.

/// U+FFFD, which stands for a lone surrogate.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// Appends what `raw` (the bytes between the quotes) says to `out`; false if an escape is none.
pub(in crate::rrweb) fn decode(raw: &[u8], out: &mut Vec<u8>) -> bool {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some(escape) = Escape::at(from) else { return false };
        out.extend_from_slice(escape.text());
        rest = from.get(escape.raw_bytes..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    true
}

/// Walks a JSON string's raw bytes (between its quotes) in step with what they say.
///
/// It only goes forward; offsets that no character begins at are answered with the next one that does.
#[derive(Debug)]
pub(in crate::rrweb) struct RawCursor<'a> {
    raw: &'a [u8],
    escaped: bool,
    at: usize,
    decoded: usize,
}

impl<'a> RawCursor<'a> {
    /// At the start of `raw`; `escaped` tells whether there is any escape in it.
    pub(in crate::rrweb) fn new(raw: &'a [u8], escaped: bool) -> Self {
        Self { raw, escaped, at: 0, decoded: 0 }
    }

    /// Where byte `decoded` of what the string says begins in it, or its end.
    pub(in crate::rrweb) fn offset_of(&mut self, decoded: usize) -> usize {
        if !self.escaped {
            return decoded.min(self.raw.len());
        }
        while self.decoded < decoded {
            let rest = self.raw.get(self.at..).unwrap_or_default();
            let plain = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
            if plain > 0 {
                let step = plain.min(decoded - self.decoded);
                self.at += step;
                self.decoded += step;
                continue;
            }
            let Some(escape) = Escape::at(rest) else { return self.raw.len() };
            self.at += escape.raw_bytes;
            self.decoded += escape.text().len();
        }
        self.at
    }
}

/// One escape, or a surrogate pair of two.
pub(in crate::rrweb) struct Escape {
    utf8: [u8; 4],
    utf8_bytes: usize,
    /// Bytes that spell it.
    pub(in crate::rrweb) raw_bytes: usize,
}

impl Escape {
    /// The escape whose backslash is the first byte of `raw`.
    pub(in crate::rrweb) fn at(raw: &[u8]) -> Option<Self> {
        let plain = match raw.get(1)? {
            b'u' => return Self::unicode(raw),
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            &byte @ (b'"' | b'\\' | b'/') => byte,
            _ => return None,
        };
        Some(Self { utf8: [plain, 0, 0, 0], utf8_bytes: 1, raw_bytes: 2 })
    }

    fn unicode(raw: &[u8]) -> Option<Self> {
        let first = unit(raw.get(2..6)?)?;
        let second = match raw.get(6..12) {
            Some([b'\\', b'u', digits @ ..]) => unit(digits),
            _ => None,
        };
        let (code, raw_bytes) = match (first, second) {
            (0xd800..=0xdbff, Some(low @ 0xdc00..=0xdfff)) => {
                (0x10000 + ((first - 0xd800) << 10) + (low - 0xdc00), 12)
            }
            _ => (first, 6),
        };
        let mut utf8 = [0; 4];
        let utf8_bytes = match char::from_u32(code) {
            Some(character) => character.encode_utf8(&mut utf8).len(),
            None => {
                for (to, from) in utf8.iter_mut().zip(REPLACEMENT) {
                    *to = *from;
                }
                REPLACEMENT.len()
            }
        };
        Some(Self { utf8, utf8_bytes, raw_bytes })
    }

    /// What it says, as UTF-8.
    pub(in crate::rrweb) fn text(&self) -> &[u8] {
        self.utf8.get(..self.utf8_bytes).unwrap_or_default()
    }
}

fn unit(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(raw: &str) -> Option<String> {
        let mut out = Vec::new();
        decode(raw.as_bytes(), &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(decoded(r#"a\/\"\\\b\f\n\r\tz"#).unwrap(), "a/\"\\\x08\x0c\n\r\tz");
        assert_eq!(decoded(r"\u0040\u00E9\ud83d\ude00é").unwrap(), "@\u{e9}\u{1f600}é");
        assert_eq!(decoded(r"\ud83dx\ude00").unwrap(), "\u{fffd}x\u{fffd}");
        assert_eq!(decoded(r"\ud83d\ud83d\ude00").unwrap(), "\u{fffd}\u{1f600}");
        for wrong in [r"\", r"\x", r"\u12", r"\u12g4", r"\u+123"] {
            assert_eq!(decoded(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn offsets_are_found_in_the_raw_string() {
        let raw = r"a\u0040b\ud83d\ude00\ud800é".as_bytes();
        let found: Vec<_> = (0..13).map(|at| RawCursor::new(raw, true).offset_of(at)).collect();
        // a @ b 😀 … U+FFFD … é; inside a character the next one
        assert_eq!(found, [0, 1, 7, 8, 20, 20, 20, 20, 26, 26, 26, 27, 28]);
        assert_eq!(RawCursor::new(raw, true).offset_of(usize::MAX), raw.len());
        assert_eq!(RawCursor::new(br"\u12", true).offset_of(1), 4);
        assert_eq!(RawCursor::new(b"ab", false).offset_of(3), 2);
    }

    proptest! {
        #[test]
        fn every_boundary_maps_to_a_place_that_decodes_to_it(text in ".{0,40}", ascii in any::<bool>()) {
            let mut raw = String::new();
            for unit in text.encode_utf16() {
                match char::from_u32(u32::from(unit)) {
                    Some(plain) if !ascii && plain != '"' && plain != '\\' && plain >= ' ' => raw.push(plain),
                    _ => raw.push_str(&format!("\\u{unit:04x}")),
                }
            }
            prop_assert_eq!(decoded(&raw), Some(text.clone()));
            let mut cursor = RawCursor::new(raw.as_bytes(), true);
            for (at, _) in text.char_indices() {
                let place = cursor.offset_of(at);
                prop_assert_eq!(decoded(&raw[..place]).unwrap(), &text[..at]);
            }
            prop_assert_eq!(cursor.offset_of(text.len()), raw.len());
        }

        #[test]
        fn no_bytes_make_it_panic(raw in prop::collection::vec(any::<u8>(), 0..40), at in 0usize..60) {
            prop_assert!(RawCursor::new(&raw, true).offset_of(at) <= raw.len());
            let _ = decode(&raw, &mut Vec::new());
        }
    }
}
