//! What the splice writes: text as it is escaped in JSON, and raw parts of strings that meet anew.

use crate::rrweb::scan::decoded::Escape;

/// Whether `raw`, decoded, begins with `prefix` (ASCII, lower case), in any case and spelling.
pub(super) fn begins_with(mut raw: &[u8], prefix: &str) -> bool {
    prefix.bytes().all(|wanted| {
        let escape = if raw.first() == Some(&b'\\') { Escape::at(raw) } else { None };
        let said = escape.as_ref().map_or(raw.get(..1).unwrap_or_default(), Escape::text);
        let is_wanted = said.eq_ignore_ascii_case(&[wanted]);
        raw = raw.get(escape.map_or(1, |escape| escape.raw_bytes)..).unwrap_or_default();
        is_wanted
    })
}

/// Writes `text` as the inside of a JSON string.
pub(super) fn write_escaped(text: &str, out: &mut Vec<u8>) {
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend(br"\n"),
            b'\r' => out.extend(br"\r"),
            b'\t' => out.extend(br"\t"),
            0..0x20 => {
                let hex = |digit: u8| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
                out.extend([b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
}

/// Copies raw bytes behind what is in `out`; two halves of a surrogate pair that were apart do not
/// become a character: the second is written as U+FFFD, which is what a plugin saw.
pub(super) fn write_raw(raw: &[u8], out: &mut Vec<u8>) {
    let opens = |unit: u16| (0xd800..0xdc00).contains(&unit);
    let joins = unit(raw).is_some_and(|second| (0xdc00..0xe000).contains(&second))
        && out.len() >= 6
        && out.get(out.len() - 6..).and_then(unit).is_some_and(opens)
        && !is_escaped(out, out.len() - 6);
    if joins {
        out.extend(br"\ufffd");
    }
    out.extend_from_slice(raw.get(if joins { 6 } else { 0 }..).unwrap_or_default());
}

/// Whether the byte at `at` is the second half of an escape.
fn is_escaped(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(..at).unwrap_or_default();
    before.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// The UTF-16 unit that the `\u` escape at the start of `raw` is.
fn unit(raw: &[u8]) -> Option<u16> {
    let [b'\\', b'u', digits @ ..] = raw else { return None };
    let digits = std::str::from_utf8(digits.get(..4)?).ok()?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rrweb::scan::decoded::RawCursor;
    use proptest::prelude::*;

    /// One character as it may be spelled, with what it says.
    fn unit_of_text() -> impl Strategy<Value = (String, String)> {
        prop_oneof![
            any::<char>().prop_map(|c| {
                let mut raw = Vec::new();
                write_escaped(c.encode_utf8(&mut [0; 4]), &mut raw);
                (String::from_utf8(raw).unwrap(), c.to_string())
            }),
            any::<char>().prop_map(|c| {
                let units = c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect();
                (units, c.to_string())
            }),
            // Low first, so that no two of them make a pair.
            Just(("\\udc00x".into(), "\u{fffd}x".into())),
            Just(("\\ud800x".into(), "\u{fffd}x".into())),
            Just(("\\/".into(), "/".into())),
        ]
    }

    proptest! {
        #[test]
        fn offsets_are_those_of_the_characters(units in prop::collection::vec(unit_of_text(), 0..30)) {
            let raw: String = units.iter().map(|unit| unit.0.as_str()).collect();
            let (mut raw_at, mut decoded_at) = (0, 0);
            let mut cursor = RawCursor::new(raw.as_bytes(), true);
            for (spelled, said) in &units {
                prop_assert_eq!(cursor.offset_of(decoded_at), raw_at);
                raw_at += spelled.len();
                decoded_at += said.len();
            }
            prop_assert_eq!(cursor.offset_of(decoded_at), raw.len());
            prop_assert_eq!(cursor.offset_of(usize::MAX), raw.len());
        }

        #[test]
        fn what_is_escaped_reads_back(text in any::<String>()) {
            let mut quoted = vec![b'"'];
            write_escaped(&text, &mut quoted);
            quoted.push(b'"');
            prop_assert_eq!(serde_json::from_slice::<String>(&quoted).unwrap(), text);
        }

        #[test]
        fn no_bytes_make_it_panic(raw in prop::collection::vec(any::<u8>(), 0..40)) {
            begins_with(&raw, "data:");
        }
    }

    #[test]
    fn a_prefix_is_found_in_any_spelling() {
        assert!(begins_with(br"data:x", "data:"));
        assert!(begins_with(br"\u0044ATA:", "data:"));
        assert!(!begins_with(br"dat", "data:"));
        assert!(!begins_with(br"\u00", "data:"));
    }

    #[test]
    fn two_halves_that_meet_stay_two() {
        let join = |first: &str, second: &str| {
            let mut out = first.as_bytes().to_vec();
            write_raw(second.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(join(r"a\ud83d", r"\ude00b"), r"a\ud83d\ufffdb");
        assert_eq!(join(r"a\\ud83d", r"\ude00b"), r"a\\ud83d\ude00b");
        assert_eq!(join(r"a\ud83d", r"b\ude00"), r"a\ud83db\ude00");
        assert_eq!(join(r"\ude00", r"\ud83d"), r"\ude00\ud83d");
    }
}
