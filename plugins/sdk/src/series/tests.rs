//! Series, prefix by prefix.

use super::*;
use crate::memory::{MemoryChunk, run_in_memory};
use crate::{ErrorCode, Manifest, Plugin};

/// Marks what holds an `@`.
struct MarkAt;

impl Plugin for MarkAt {
    type Config = ();

    fn configure((): ()) -> Result<Self, String> {
        Ok(Self)
    }

    fn manifest(&self) -> Manifest {
        Manifest::new("mark-at", "0").kinds(Kinds::ALL)
    }

    fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
        let joined: Vec<Joined<'_>> = batch.chunks().iter().map(Joined::new).collect();
        let mut series = Series::new(batch);
        batch.fields().filter(|field| field.text().contains('@')).for_each(|field| series.mark(field));
        series.mask(&joined, true, MaskChar::default());
        Ok(())
    }
}

const EMAIL: &str = "anna.smith@example.com";

fn typed(mut chunk: MemoryChunk, kind: Kind, node: u32, name: &str, value: &str) -> MemoryChunk {
    for end in 1..=value.len() {
        chunk = chunk.field(kind, node, name, &value[..end]);
    }
    chunk
}

fn texts(chunks: &[MemoryChunk]) -> Vec<String> {
    run_in_memory(&MarkAt, chunks).unwrap().into_iter().flatten().flatten().collect()
}

fn is_masked(text: &str) -> bool {
    text.chars().all(|char| char == '*' || char.is_whitespace())
}

#[test]
fn every_prefix_of_an_input_is_masked() {
    let chunk = typed(MemoryChunk::new(), Kind::Input, 7, "text", EMAIL).focus(7, false);
    assert!(texts(&[chunk]).iter().all(|text| is_masked(text)));
}

#[test]
fn over_chunks_and_in_the_mirrored_attribute() {
    let first = MemoryChunk::new().field(Kind::Input, 7, "text", "an").field(Kind::Input, 7, "value", "ann");
    let second = MemoryChunk::new().field(Kind::Input, 7, "text", EMAIL).focus(7, false);
    assert!(texts(&[first, second]).iter().all(|text| is_masked(text)));
}

#[test]
fn another_page_is_another_node() {
    let first = MemoryChunk::new().field(Kind::Input, 7, "text", "an").focus(7, false);
    let second = MemoryChunk::new().page(1).field(Kind::Input, 7, "text", EMAIL).focus(7, false);
    assert_eq!(texts(&[first, second])[0], "an");
}

#[test]
fn an_input_that_was_not_left_is_masked() {
    let typing = MemoryChunk::new().focus(7, true).field(Kind::Input, 7, "text", "ann");
    assert_eq!(texts(std::slice::from_ref(&typing)), ["***"]);
    assert_eq!(texts(&[typing.clone().focus(7, false)]), ["ann"]);
    assert_eq!(texts(&[typing.clone().focus(8, true)]), ["ann"]);
    assert_eq!(texts(&[typing.clone(), MemoryChunk::new().focus(8, true)]), ["ann"]);
    assert_eq!(texts(&[typing.clone(), MemoryChunk::new().page(1).field(Kind::Text, 1, "", "x")])[0], "ann");
    assert_eq!(texts(&[typing, MemoryChunk::new().field(Kind::Text, 1, "", "x")])[0], "***");
}

#[test]
fn a_live_preview_is_masked_from_its_first_letter() {
    let chunk = MemoryChunk::new().field(Kind::Text, 9, "", "No address yet");
    let chunk = typed(chunk, Kind::Text, 9, "", EMAIL).field(Kind::Text, 9, "", "Thank you!");
    let texts = texts(&[chunk]);
    assert_eq!((texts[0].as_str(), texts.last().unwrap().as_str()), ("No address yet", "Thank you!"));
    assert!(texts[1..texts.len() - 1].iter().all(|text| is_masked(text)));
}

#[test]
fn prefixes_of_four_are_masked_as_values_and_nowhere_else() {
    for end in 1..EMAIL.len() {
        let prefix = &EMAIL[..end];
        let chunk = typed(MemoryChunk::new(), Kind::Input, 7, "text", EMAIL)
            .focus(7, false)
            .field(Kind::Network, 0, "url", &format!("/search?q={prefix}&page=2"))
            .field(Kind::Console, 0, "", &format!("{{\\\"q\\\":\\\"{prefix}\\\"}}"))
            .field(Kind::Text, 3, "", prefix)
            .field(Kind::Style, 4, "style", prefix);
        let texts = texts(&[chunk]);
        let [network, console, text, style] = texts.last_chunk().unwrap();
        assert_eq!(network.contains(&format!("q={prefix}&")), end < 4, "{network}");
        assert_eq!(console.contains(&format!("\"{prefix}\\")), end < 4, "{console}");
        assert_eq!(is_masked(text), end >= 4, "{text}");
        assert!(style == prefix || prefix.contains('@'));
    }
}

#[test]
fn a_value_that_stood_in_the_page_does_not_spread() {
    let chunk = MemoryChunk::new()
        .field(Kind::Text, 3, "", "anna@x.io")
        .field(Kind::Text, 4, "", "anna")
        .field(Kind::Url, 5, "href", "/anna");
    assert_eq!(texts(&[chunk]), ["anna@x.io", "anna", "/anna"]);
}

#[test]
fn any_spelling_of_a_prefix() {
    let chunk = typed(MemoryChunk::new(), Kind::Input, 7, "text", "Ann Be@x")
        .focus(7, false)
        .field(Kind::Url, 0, "href", "/find?q=ann+be")
        .field(Kind::Url, 0, "href", "/find?q=Ann%20Be%40&x")
        .field(Kind::Text, 0, "", "Ａｎｎ\u{A0}Ｂ");
    assert_eq!(
        texts(&[chunk]).last_chunk().unwrap(),
        &["/find?q=******", "/find?q=***********&x", "***\u{A0}*"]
    );
}
