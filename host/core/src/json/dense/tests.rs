//! The dense walk against the plain one: the same documents, and the same separators for a sink.

use fearless_simd::Level;
use proptest::prelude::*;

use super::walk_dense;
use crate::json::walk::{Layout, Sink, walk_plain};

#[derive(Default)]
struct Seen<const LEVELS: usize>(Vec<(usize, u8)>);

impl<const LEVELS: usize> Sink for Seen<LEVELS> {
    const LEVELS: usize = LEVELS;
    fn separator(&mut self, at: usize, byte: u8) {
        self.0.push((at, byte));
    }
}

fn agree_at<const LEVELS: usize>(bytes: &[u8], max_depth: usize) -> Result<(), TestCaseError> {
    let Some(simd) = Level::new().as_avx512() else { return Ok(()) };
    let (mut dense_sink, mut plain_sink) = (Seen::<LEVELS>::default(), Seen::<LEVELS>::default());
    let dense = walk_dense(simd, bytes, max_depth, &mut dense_sink);
    let plain = walk_plain(bytes, max_depth, &mut plain_sink);
    let text = String::from_utf8_lossy(bytes);
    prop_assert_eq!(layout(dense), layout(plain.ok()), "{:?}: {}", plain, text);
    if dense.is_some() {
        prop_assert_eq!(dense_sink.0, plain_sink.0, "{}", text);
    }
    Ok(())
}

fn layout(layout: Option<Layout>) -> Option<(bool, bool)> {
    layout.map(|layout| (layout.has_whitespace, layout.has_newline))
}

fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    // The caller sees to the first bracket.
    if !matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
        return Ok(());
    }
    agree_at::<2>(bytes, 200)?;
    agree_at::<3>(bytes, 9)?;
    agree_at::<0>(bytes, 70)
}

/// A document of about `size` values, by a script of choices.
fn document(choices: &[u8], spaced: bool) -> String {
    let mut text = String::from("[");
    let mut open = vec![b']'];
    let mut is_first = true;
    let gap = if spaced { " " } else { "" };
    for &choice in choices {
        let in_object = open.last() == Some(&b'}');
        if choice % 8 < 3 && open.len() > 1 {
            text.extend(open.pop().map(char::from));
            is_first = false;
            continue;
        }
        if !is_first {
            text.push(',');
            text.push_str(gap);
        }
        if in_object {
            text.push_str(["\"k\":", "\"\":", "\"a{,\":", "\"\\\"\":"][usize::from(choice >> 6)]);
        }
        is_first = false;
        match choice % 8 {
            3 | 4 => {
                let curly = choice & 8 != 0;
                text.push(if curly { '{' } else { '[' });
                open.push(if curly { b'}' } else { b']' });
                is_first = true;
            }
            5 => text.push_str(["1", "-2.5", "0", "1e9"][usize::from(choice >> 4 & 3)]),
            6 => {
                text.push_str(["true", "null", "12345678901234567890", "0.125"][usize::from(choice >> 4 & 3)])
            }
            _ => text.push_str(
                ["\"\"", "\"a long string, with: [all] of {it}\"", "\"é\"", "\"\\n\""]
                    [usize::from(choice >> 4 & 3)],
            ),
        }
    }
    text.extend(open.iter().rev().map(|&bracket| char::from(bracket)));
    text
}

fn documents(choices: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    (prop::collection::vec(any::<u8>(), choices), prop::bool::weighted(0.2))
        .prop_map(|(choices, spaced)| document(&choices, spaced))
}

/// Nested `depth` deep, in kinds that `kinds` tells.
fn tower(depth: usize, kinds: u64) -> String {
    let curly = |at: usize| kinds >> (at % 61) & 1 == 1;
    let opening: String = (0..depth).map(|at| if curly(at) { "{\"a\":" } else { "[" }).collect();
    let closing: String = (0..depth).rev().map(|at| if curly(at) { '}' } else { ']' }).collect();
    format!("[{opening}1{closing}]")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn documents_are_walked_alike(text in documents(0..1500), pad in 0usize..66) {
        agree(text.as_bytes())?;
        agree(format!("{}{text}\n", " ".repeat(pad)).as_bytes())?;
        let cut = text.len() - 1 - pad.min(text.len() - 1);
        agree(text.get(..cut).unwrap_or_default().as_bytes())?;
        agree(format!("{text}{}", &text[..1]).as_bytes())?;
    }

    #[test]
    fn damaged_documents_are_judged_alike(
        text in documents(0..700),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, any::<u8>()), 1..3),
    ) {
        const BYTES: &[u8] = br#"{}[],:"\ 	0123456789-+.eEtfnul/ux"#;
        let mut bytes = text.into_bytes();
        for (at, how, byte) in changes {
            let byte = if how < 3 { BYTES[usize::from(byte) % BYTES.len()] } else { byte };
            let at = at.index(bytes.len());
            match how {
                0 => bytes.insert(at, byte),
                1 => drop(bytes.remove(at)),
                _ => bytes[at] = byte,
            }
            if bytes.is_empty() {
                return Ok(());
            }
        }
        agree(&bytes)?;
    }

    #[test]
    fn a_wrong_bracket_is_found_in_any_depth(
        depth in 1usize..190, kinds in any::<u64>(), at in any::<prop::sample::Index>(), byte in 0usize..7,
    ) {
        let mut bytes = tower(depth, kinds).into_bytes();
        agree(&bytes)?;
        let at = at.index(bytes.len());
        bytes[at] = b"{}[],:\""[byte];
        agree(&bytes)?;
    }

    #[test]
    fn soup_is_judged_alike(text in r#"\[(\[|\]|\{|\}|,|:|"a"|"a":|1|\{"a":|\},|\[\]|\{\}|true| ){0,60}\]"#, pad in 0usize..64) {
        agree(text.as_bytes())?;
        agree(format!("{}{text}", " ".repeat(pad)).as_bytes())?;
        // In the company of others, so that the soup is met in every place of a word of brackets.
        agree(format!("[{}{text},{text}]", "[{}],".repeat(pad)).as_bytes())?;
    }
}

/// Every claim and every bracket of a short document, replaced by every other: none is overlooked.
#[test]
fn every_change_of_a_token_is_judged_alike() {
    let text = br#"[{"a":[1,"b",{"c":{}}],"d":[[],{}],"e":"f"},[["x"],{"y":-1,"z":null}],"w"]"#;
    for pad in [0, 7, 40, 63] {
        for at in 0..text.len() {
            for byte in *br#"{}[],:"0a "# {
                let mut bytes = vec![b' '; pad];
                bytes.extend(text);
                bytes[pad + at] = byte;
                agree(&bytes).unwrap();
                // Twice, with many brackets before.
                let filled = [b"[".as_slice(), &b"{},".repeat(pad), &bytes, b",", text, b"]"].concat();
                agree(&filled).unwrap();
            }
        }
    }
}
