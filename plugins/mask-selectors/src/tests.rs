//! What is masked, what is blocked, and what nobody knows.

use replay_plugin::memory::{MemoryChunk, Outcome, outcomes_in_memory};
use replay_plugin::parse_config;

use super::*;

fn plugin(config: &str) -> Result<MaskSelectors, String> {
    MaskSelectors::configure(parse_config(config)?)
}

fn outcome(config: &str, chunk: MemoryChunk) -> Outcome {
    outcomes_in_memory(&plugin(config).unwrap(), &[chunk]).unwrap().remove(0).unwrap()
}

/// Elements, each with its number: `html` 1, `body` 2, a masked `div` 3 with a `p` 4, a blocked `form` 5 with
/// an `input` 6, a `p` 7.
fn page() -> MemoryChunk {
    MemoryChunk::new()
        .element(1, "html", 0, &[])
        .element(2, "body", 1, &[])
        .element(3, "div", 2, &[("class", "card gosight-mask")])
        .element(4, "p", 3, &[("id", "inside")])
        .element(5, "form", 2, &[("data-gosight-block", "")])
        .element(6, "input", 5, &[("type", "text")])
        .element(7, "p", 2, &[("id", "outside")])
}

#[test]
fn marked_elements_and_what_is_in_them() {
    let chunk = page()
        .field(Kind::Text, 4, "", "Ann B")
        .field(Kind::Attribute, 3, "title", "Ann")
        .field(Kind::Attribute, 5, "title", "pay")
        .field(Kind::Input, 6, "text", "4111")
        .field(Kind::Text, 7, "", "Hello")
        .interaction(6)
        .interaction(7);
    let out = outcome("{}", chunk);
    assert_eq!(out.texts, ["*** *", "***", "Hello"]);
    assert_eq!((out.blocked_nodes, out.removed_events), (vec![5], vec![5]));
}

#[test]
fn many_blocked_elements_with_many_fields() {
    let mut chunk = page();
    let nodes = 10..2_010;
    for node in nodes.clone() {
        chunk = chunk.element(node, "i", 2, &[("class", "rr-block")]);
        for text in ["a", "b"] {
            chunk = chunk.field(Kind::Text, node, "", text);
        }
    }
    assert_eq!(outcome("{}", chunk).blocked_nodes, nodes.collect::<Vec<_>>(), "each once, in order");
}

#[test]
fn marks_can_be_off_and_own_selectors_added() {
    let chunk = || {
        page().field(Kind::Text, 4, "", "inside").field(Kind::Text, 7, "", "outside").field(
            Kind::Input,
            6,
            "text",
            "4111",
        )
    };
    let own = r##"{"marks": false, "maskSelectors": ["#outside", "form input"], "mask_char": "x"}"##;
    assert_eq!(outcome(own, chunk()).texts, ["inside", "xxxxxxx", "xxxx"]);
    let own = r##"{"blockSelectors": ["body > p"]}"##;
    let out = outcome(own, chunk());
    assert_eq!((out.texts, out.blocked_nodes), (vec!["******".to_owned()], vec![5, 7]));
}

#[test]
fn an_element_that_is_not_known_is_masked_and_cleared_if_anything_is_blocked() {
    let chunk = || {
        MemoryChunk::new()
            .element(8, "p", 99, &[])
            .field(Kind::Text, 8, "", "within what")
            .field(Kind::Text, 9, "", "nobody knows")
            .field(Kind::Pixels, 9, "rr_dataURL", "2048")
            .interaction(9)
    };
    let only_masks = r#"{"marks": false, "maskSelectors": ["div"]}"#;
    assert_eq!(outcome(only_masks, chunk()).texts, ["****** ****", "****** *****", "2048"]);
    assert_eq!(outcome("{}", chunk()).texts, ["", "", ""]);
}

#[test]
fn a_mark_that_was_set_later_counts_where_it_is_known() {
    let before = page().field(Kind::Text, 7, "", "Hello");
    let after = page().element(7, "p", 2, &[("class", "rr-mask")]).field(Kind::Text, 7, "", "Hello");
    let outcomes = outcomes_in_memory(&plugin("{}").unwrap(), &[before, after]).unwrap();
    let texts: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().texts.concat()).collect();
    assert_eq!(texts, ["Hello", "*****"]);
}

#[test]
fn errors_of_the_config() {
    for (config, said) in [
        (r#"{"marks": false}"#, "nothing would be masked"),
        (r#"{"maskSelectors": ["a:hover"]}"#, "`maskSelectors`: selector `a:hover`, character 2"),
        (
            r#"{"maskSelectors": ["a+b"], "blockSelectors": ["[href]"]}"#,
            "; `blockSelectors`: selector `[href]`",
        ),
        (r#"{"maskSelector": []}"#, "maskSelectors"),
        (r#"{"mask_char": "q"}"#, "does not mask"),
    ] {
        let error = plugin(config).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}
