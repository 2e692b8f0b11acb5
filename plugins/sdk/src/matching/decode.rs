//! One character, written otherwise: percent-encoded, as an HTML entity, as a JSON escape, or as a
//! Unicode character that reads like an ASCII one.

use super::bytes::ByteSet;

/// Bytes that may begin something to decode or fold: `% & + \` and the first bytes of the UTF-8 of
/// what [`folded`] knows.
pub(super) const MAY_FOLD: ByteSet = ByteSet::of(b"%&+\\\xC2\xD9\xDB\xE2\xE3\xEF");

/// What stands at the beginning of `text`, if it is written otherwise: the character (`None` for one
/// that is not seen) and the bytes that it takes. `form`: whether `+` is a space.
pub(super) fn decode(text: &str, form: bool) -> Option<(Option<char>, usize)> {
    let (decoded, bytes) = match *text.as_bytes().first()? {
        b'%' => percent(text.as_bytes())?,
        b'&' => entity(text)?,
        b'\\' => escape(text.as_bytes())?,
        b'+' if form => (' ', 1),
        first if first.is_ascii() => return None,
        _ => {
            let char = text.chars().next()?;
            return folded(char).map(|to| (to, char.len_utf8()));
        }
    };
    Some((folded(decoded).unwrap_or(Some(decoded)), bytes))
}

/// What a character reads like, if that is another: `Some(None)` is nothing at all.
fn folded(char: char) -> Option<Option<char>> {
    let code = char as u32;
    let digit = |zero: u32| char::from_digit(code - zero, 10);
    Some(match code {
        0xA0 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Some(' '),
        0xAD | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x2064 | 0xFEFF => None,
        0x2010..=0x2015 | 0x2212 | 0xFE63 => Some('-'),
        0xFE6B => Some('@'),
        0x3002 => Some('.'),
        0x0660..=0x0669 => digit(0x0660),
        0x06F0..=0x06F9 => digit(0x06F0),
        0xFF01..=0xFF5E => char::from_u32(code - 0xFF01 + 0x21),
        _ => return None,
    })
}

/// `%40`, or up to four such bytes that make one character.
fn percent(bytes: &[u8]) -> Option<(char, usize)> {
    let byte = |at: usize| match bytes.get(at..at + 3)? {
        [b'%', high, low] => Some(hex(*high)? << 4 | hex(*low)?),
        _ => None,
    };
    let mut utf8 = [0; 4];
    for length in 1..=4 {
        utf8[length - 1] = u8::try_from(byte(3 * (length - 1))?).ok()?;
        if let Some(char) = std::str::from_utf8(&utf8[..length]).ok().and_then(|text| text.chars().next()) {
            return Some((char, 3 * length));
        }
    }
    None
}

fn hex(digit: u8) -> Option<u32> {
    (digit as char).to_digit(16)
}

/// The entities that turn up in what people write, and in addresses and numbers.
const ENTITIES: [(&str, char); 20] = [
    ("amp;", '&'),
    ("lt;", '<'),
    ("gt;", '>'),
    ("quot;", '"'),
    ("apos;", '\''),
    ("nbsp;", '\u{A0}'),
    ("shy;", '\u{AD}'),
    ("commat;", '@'),
    ("period;", '.'),
    ("plus;", '+'),
    ("hyphen;", '\u{2010}'),
    ("dash;", '\u{2010}'),
    ("ndash;", '\u{2013}'),
    ("lowbar;", '_'),
    ("colon;", ':'),
    ("equals;", '='),
    ("sol;", '/'),
    ("lpar;", '('),
    ("rpar;", ')'),
    ("NewLine;", '\n'),
];

/// `&#64;`, `&#x40;`, `&commat;`.
fn entity(text: &str) -> Option<(char, usize)> {
    let name = text.get(1..)?;
    let Some(number) = name.strip_prefix('#') else {
        return ENTITIES.iter().find(|(known, _)| name.starts_with(known)).map(|(n, c)| (*c, 1 + n.len()));
    };
    let (digits, radix, before) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16, 3),
        None => (number, 10, 2),
    };
    let length = digits.bytes().take(7).take_while(|byte| (*byte as char).is_digit(radix)).count();
    let char = char::from_u32(u32::from_str_radix(digits.get(..length)?, radix).ok()?)?;
    let semicolon = usize::from(digits.as_bytes().get(length) == Some(&b';'));
    Some((char, before + length + semicolon))
}

/// `\u0040`, `\x40`, `\n`, `\"`: of JSON and of scripts.
fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    let simple = match *bytes.get(1)? {
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'b' => '\u{8}',
        b'f' => '\u{C}',
        byte @ (b'"' | b'\\' | b'/' | b'\'') => byte as char,
        b'x' => return Some((char::from_u32(number(bytes.get(2..4)?)?)?, 4)),
        b'u' => return unicode_escape(bytes),
        _ => return None,
    };
    Some((simple, 2))
}

fn unicode_escape(bytes: &[u8]) -> Option<(char, usize)> {
    let first = number(bytes.get(2..6)?)?;
    if let Some(char) = char::from_u32(first) {
        return Some((char, 6));
    }
    let second = match bytes.get(6..12)? {
        [b'\\', b'u', digits @ ..] => number(digits)?,
        _ => return None,
    };
    let mut pair = char::decode_utf16([u16::try_from(first).ok()?, u16::try_from(second).ok()?]);
    Some((pair.next()?.ok()?, 12))
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | hex(*digit)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_character_in_its_spellings() {
        for (spelling, char) in [
            ("%40", '@'),
            ("%C3%A9", 'é'),
            ("%F0%9F%98%80", '😀'),
            ("&#64;", '@'),
            ("&#x40;", '@'),
            ("&commat;", '@'),
            ("\\u0040", '@'),
            ("\\x40", '@'),
            ("\\ud83d\\ude00", '😀'),
            ("\\n", '\n'),
            ("４", '4'),
            ("＠", '@'),
            ("\u{A0}", ' '),
            ("%C2%A0", ' '),
            ("٤", '4'),
            ("\u{2011}", '-'),
        ] {
            assert_eq!(decode(spelling, false), Some((Some(char), spelling.len())), "{spelling}");
            assert!(MAY_FOLD.contains(spelling.as_bytes()[0]), "{spelling}");
        }
    }

    #[test]
    fn what_is_not_seen_is_nothing() {
        for spelling in ["\u{AD}", "\u{200B}", "&shy;", "%E2%80%8B", "\\u00ad"] {
            assert_eq!(decode(spelling, false), Some((None, spelling.len())), "{spelling}");
        }
    }

    #[test]
    fn what_only_looks_like_an_escape_stays() {
        for text in [
            "%4",
            "%zz",
            "%C3%41",
            "%FF",
            "&foo;",
            "&#;",
            "&#x110000;",
            "\\u004",
            "\\ud83d",
            "\\q",
            "\\",
            "é",
        ] {
            assert_eq!(decode(text, false), None, "{text}");
        }
        assert_eq!((decode("+", false), decode("+", true)), (None, Some((Some(' '), 1))));
    }
}
