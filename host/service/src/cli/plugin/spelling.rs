//! The many spellings of one text (JSON escapes, percent-encoding, entities, full-width characters,
//! invisible ones) as one, with the way back to where each character stood.
//!
//! Not shared with the plugins' own matching, which it judges.

use std::ops::Range;

/// JSON in JSON in a string: each layer hides the one below.
const MAX_LAYERS: usize = 4;

/// A text in one spelling.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spelled {
    pub(super) chars: Vec<char>,
    /// For each character, where it stood: characters of the original.
    places: Vec<Range<usize>>,
}

impl Spelled {
    pub(super) fn new(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let places = (0..chars.len()).map(|at| at..at + 1).collect();
        let mut spelled = Self { chars, places };
        for _ in 0..MAX_LAYERS {
            let next = spelled.without_a_layer();
            if next.chars == spelled.chars {
                break;
            }
            spelled = next;
        }
        spelled
    }

    /// Where these characters stood: characters of the original.
    pub(super) fn place(&self, range: Range<usize>) -> Range<usize> {
        match self.places.get(range).unwrap_or_default() {
            [] => 0..0,
            [one] => one.clone(),
            [first, .., last] => first.start..last.end,
        }
    }

    fn without_a_layer(&self) -> Self {
        let mut next = Self::default();
        let mut at = 0;
        while let Some(&first) = self.chars.get(at) {
            let rest = self.chars.get(at..).unwrap_or_default();
            let (character, used) = match first {
                '\\' => escape(rest),
                '%' => percent(rest),
                '&' => entity(rest),
                other => (other, 1),
            };
            if let Some(character) = one_form(character) {
                next.chars.push(character);
                next.places.push(self.place(at..at + used));
            }
            at += used;
        }
        next
    }
}

fn one_form(character: char) -> Option<char> {
    match character {
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => None,
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{3000}' => Some(' '),
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0),
        other => Some(other),
    }
}

/// What an escape at the start says, and how many characters it takes.
fn escape(text: &[char]) -> (char, usize) {
    match text.get(1) {
        Some('u') => match text.get(2..6).and_then(|digits| number(digits, 16)).and_then(char::from_u32) {
            Some(character) => (character, 6),
            None => ('\\', 1),
        },
        Some(&next @ ('"' | '\\' | '/')) => (next, 2),
        Some(_) | None => ('\\', 1),
    }
}

fn percent(text: &[char]) -> (char, usize) {
    let mut bytes = Vec::new();
    for triple in text.chunks_exact(3).take(4) {
        let [sign, digits @ ..] = triple else { break };
        let Some(byte) = number(digits, 16).filter(|_| *sign == '%') else { break };
        bytes.push(byte as u8);
        if let Ok(done) = std::str::from_utf8(&bytes)
            && let Some(character) = done.chars().next()
        {
            return (character, bytes.len() * 3);
        }
    }
    ('%', 1)
}

fn entity(text: &[char]) -> (char, usize) {
    let Some(end) = text.iter().take(12).position(|character| *character == ';') else { return ('&', 1) };
    let name = text.get(1..end).unwrap_or_default();
    let code = match name {
        ['#', 'x' | 'X', digits @ ..] => number(digits, 16),
        ['#', digits @ ..] => number(digits, 10),
        ['a', 'm', 'p'] => Some(u32::from('&')),
        ['c', 'o', 'm', 'm', 'a', 't'] => Some(u32::from('@')),
        _ => None,
    };
    code.and_then(char::from_u32).map_or(('&', 1), |character| (character, end + 1))
}

fn number(digits: &[char], radix: u32) -> Option<u32> {
    let digits: String = digits.iter().collect();
    u32::from_str_radix(&digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_one_and_leads_back() {
        for (text, place) in [
            ("to a@b.c", 3..8),
            ("to a%40b.c", 3..10),
            ("to a&#64;b.c", 3..12),
            (r"to a\\u0040b.c", 3..14),
            ("to \u{ff41}\u{ad}@b.c", 3..9),
        ] {
            let spelled = Spelled::new(text);
            assert_eq!(spelled.chars.iter().collect::<String>(), "to a@b.c", "{text}");
            assert_eq!(spelled.place(3..8), place, "{text}");
        }
        assert_eq!(Spelled::new("%EF%BC%94%zz&lt").chars.iter().collect::<String>(), "4%zz&lt");
    }
}
