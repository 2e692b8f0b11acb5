//! What is read as one text, and what is not.

use std::cell::RefCell;

use regex::Regex;

use super::*;
use crate::memory::{MemoryChunk, run_in_memory};
use crate::{Batch, ChunkInfo, ErrorCode, Kind, Manifest, Plugin};

/// Masks what it finds split, and says how.
struct Probe {
    find: Regex,
    joints: RefCell<Vec<Joint>>,
}

impl Plugin for Probe {
    type Config = ();

    fn configure((): ()) -> Result<Self, String> {
        Err("made by hand".into())
    }

    fn manifest(&self) -> Manifest {
        Manifest::new("probe", "1").kinds([Kind::Text, Kind::Input, Kind::Canvas])
    }

    fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
        let joined: Vec<Joined<'_>> = batch.chunks().iter().map(Joined::new).collect();
        Runs::of(&joined).search(&self.find, &mut |split, ()| {
            self.joints.borrow_mut().push(split.joint);
            split.parts.iter().for_each(|part| part.field.mask(part.range.clone()));
        });
        Ok(())
    }
}

fn found(find: &str, chunks: &[MemoryChunk]) -> (Vec<String>, Vec<Joint>) {
    let probe = Probe { find: Regex::new(find).unwrap(), joints: RefCell::default() };
    let texts = run_in_memory(&probe, chunks).unwrap().into_iter().flat_map(Option::unwrap).collect();
    (texts, probe.joints.into_inner())
}

const EMAIL: &str = "[a-z.]+@[a-z]+[.][a-z]+";
const DIGITS: &str = "(?:[0-9][ -]?){15}[0-9]";

/// Texts of one event: node, parent, text.
fn texts(texts: &[(u32, u32, &str)]) -> MemoryChunk {
    let fields: Vec<_> =
        texts.iter().map(|&(node, parent, text)| (Kind::Text, node, parent, "", text)).collect();
    MemoryChunk::new().fields(&fields)
}

fn snapshot(chunk: MemoryChunk) -> MemoryChunk {
    chunk.info(ChunkInfo { has_full_snapshot: true, ..ChunkInfo::default() })
}

#[test]
fn siblings_are_close() {
    let (texts, joints) = found(EMAIL, &[texts(&[(7, 3, "by ann.b"), (8, 3, "@"), (9, 3, "x.io, today")])]);
    assert_eq!(texts, ["by *****", "*", "****, today"]);
    assert_eq!(joints, [Joint::Close]);
}

#[test]
fn spans_are_loose() {
    let chunk = texts(&[(7, 6, "ann"), (9, 8, "@"), (11, 10, "x.io")]);
    assert_eq!(found(EMAIL, &[chunk]), (["***", "*", "****"].map(str::to_owned).into(), vec![Joint::Loose]));
    let letters: Vec<_> =
        "a@b.io".char_indices().map(|(at, _)| (10 + 2 * at as u32, 9 + 2 * at as u32)).collect();
    let letters: Vec<_> = letters
        .iter()
        .zip(["a", "@", "b", ".", "i", "o"])
        .map(|(&(node, parent), text)| (node, parent, text))
        .collect();
    assert_eq!(found(EMAIL, &[texts(&letters)]).0, ["*"; 6]);
    let groups =
        [(7, 6, "4111"), (8, 3, "\n  "), (10, 9, "1111"), (11, 3, " "), (13, 12, "1111 1"), (15, 14, "111")];
    let (texts, _) = found(DIGITS, &[texts(&groups)]);
    assert_eq!(texts, ["****", "\n  ", "****", " ", "**** *", "***"]);
}

#[test]
fn a_mutation_is_read_backwards_too_and_a_snapshot_is_not() {
    let chunk = texts(&[(20, 3, "x.io"), (21, 3, "@"), (22, 3, "ann")]);
    assert_eq!(found(EMAIL, std::slice::from_ref(&chunk)).0, ["****", "*", "***"]);
    assert_eq!(found(EMAIL, &[snapshot(chunk)]).0, ["x.io", "@", "ann"]);
}

#[test]
fn what_is_apart_is_not_joined() {
    for apart in [
        // White space at the joint, words that only stand side by side, far nodes.
        vec![(7, 6, "ann "), (9, 8, "@x.io")],
        vec![(7, 6, "ann"), (8, 3, " "), (10, 9, "@x.io")],
        vec![(7, 6, "ann"), (30, 29, "@x.io")],
    ] {
        assert_eq!(found(EMAIL, &[snapshot(texts(&apart))]).1, [], "{apart:?}");
    }
    let words = [(7, 6, "ann"), (9, 8, "smith")];
    assert_eq!(found("annsmith", &[texts(&words)]).1, []);
    // Two events.
    let chunk = MemoryChunk::new().field(Kind::Text, 7, "", "ann").field(Kind::Text, 8, "", "@x.io");
    assert_eq!(found(EMAIL, &[chunk]).1, []);
    // In one field it is found already.
    assert_eq!(found(EMAIL, &[texts(&[(7, 3, "ann@x.io"), (8, 3, " "), (9, 3, "there")])]).1, []);
}

#[test]
fn the_parts_are_masked_as_they_are_written() {
    let chunk = texts(&[(7, 3, "to ann%40"), (8, 3, "x\u{AD}.i"), (9, 3, "o!")]);
    assert_eq!(found(EMAIL, &[chunk]).0, ["to ******", "****", "*!"]);
    let chunk = texts(&[(7, 6, "４１１１"), (9, 8, "１１１１"), (11, 10, "１１１１"), (13, 12, "１１１１")]);
    assert_eq!(found(DIGITS, &[chunk]).0, ["****"; 4]);
}

#[test]
fn of_long_texts_the_ends() {
    let long = format!("x.io{} ann@", " lorem".repeat(200));
    let chunk = texts(&[(6, 3, "bob@"), (7, 3, &long), (8, 3, "y.io")]);
    let masked = format!("****{} ****", " lorem".repeat(200));
    assert_eq!(found(EMAIL, &[chunk]).0, ["****", &masked, "****"]);
    let far = format!("x.io{}", "é".repeat(END_BYTES));
    assert_eq!(found("b@x[.]ioé+", &[texts(&[(6, 3, "b@"), (7, 3, &far)])]).1, [Joint::Close]);
}

#[test]
fn boxes_by_their_last_values() {
    let typed = |node: u32, values: &[&str], chunk: MemoryChunk| {
        values.iter().fold(chunk, |chunk, value| chunk.field(Kind::Input, node, "text", value))
    };
    let first = typed(33, &["4", "41", "411", "4111"], typed(30, &["4", "40", "4000"], MemoryChunk::new()));
    let second = typed(39, &["1111"], typed(36, &["1", "1111", ""], MemoryChunk::new()));
    let (texts, joints) = found(DIGITS, &[first, second]);
    assert_eq!(texts, ["4", "40", "****", "4", "41", "411", "****", "1", "****", "", "****"]);
    assert_eq!(joints[0], Joint::Box);

    let one =
        (0..16).fold(MemoryChunk::new(), |chunk, at| chunk.field(Kind::Input, 40 + 2 * at, "text", "4"));
    assert_eq!(found(DIGITS, std::slice::from_ref(&one)).0, ["*"; 16]);
    // Another form, another page, a field of another width.
    let far =
        (0..16).fold(MemoryChunk::new(), |chunk, at| chunk.field(Kind::Input, 40 + 9 * at, "text", "4"));
    assert_eq!(found(DIGITS, &[far]).1, []);
    let pages =
        (0..16).fold(MemoryChunk::new(), |c, at| c.page(at / 8).field(Kind::Input, 40 + at, "text", "4"));
    assert_eq!(found(DIGITS, &[pages]).1, []);
    assert_eq!(found("4-?10115", &[one.field(Kind::Input, 72, "text", "10115")]).1, []);
}

#[test]
fn glyphs_of_one_canvas() {
    let glyphs = |node: u32, text: &[&'static str]| -> MemoryChunk {
        let drawn: Vec<_> = text.iter().map(|text| (Kind::Canvas, node, node, "args", *text)).collect();
        MemoryChunk::new().fields(&drawn)
    };
    let chunk = glyphs(5, &["A", "total", "a", "@", "#ff0000", "b", ".", "i", "o"]);
    assert_eq!(found(EMAIL, &[chunk]).0, ["A", "total", "*", "*", "#ff0000", "*", "*", "*", "*"]);
    assert_eq!(found("ab", &[glyphs(5, &["a", "word", "b"])]).1, []);
}
