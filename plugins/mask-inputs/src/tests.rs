//! Which inputs are masked, and what repeats them.

use replay_plugin::memory::{MemoryChunk, run_in_memory};
use replay_plugin::parse_config;

use super::*;

fn texts(config: &str, chunk: MemoryChunk) -> Vec<String> {
    let plugin = MaskInputs::configure(parse_config(config).unwrap()).unwrap();
    run_in_memory(&plugin, &[chunk]).unwrap().remove(0).unwrap()
}

fn one_input(config: &str, tag: &str, attributes: &[(&str, &str)]) -> bool {
    let chunk = MemoryChunk::new().element(7, tag, 0, attributes).field(Kind::Input, 7, "text", "value");
    texts(config, chunk) == ["*****"]
}

#[test]
fn all_inputs_but_what_stands_in_the_page() {
    for (tag, kind, masked) in [
        ("input", "text", true),
        ("input", "hidden", true),
        ("input", "PASSWORD", true),
        ("input", "submit", false),
        ("input", "checkbox", false),
        ("textarea", "", true),
        ("select", "", true),
        ("option", "", false),
        ("x-field", "", true),
    ] {
        assert_eq!(one_input("{}", tag, &[("type", kind)]), masked, "{tag} {kind}");
    }
}

#[test]
fn an_unknown_element_is_masked() {
    let chunk = MemoryChunk::new().field(Kind::Input, 7, "text", "value");
    assert_eq!(texts("{\"maskAllInputs\": false}", chunk), ["*****"]);
}

#[test]
fn without_all_by_type_and_by_name() {
    let config = "{\"maskAllInputs\": false}";
    assert!(one_input(config, "input", &[("type", "email")]));
    assert!(one_input(config, "input", &[("autocomplete", "cc-number")]));
    assert!(one_input(config, "input", &[("data-card", "")]));
    assert!(one_input(config, "input", &[("type", "hidden")]));
    assert!(!one_input(config, "input", &[("name", "city")]));
}

#[test]
fn one_that_was_of_several_types_is_masked_as_any_of_them() {
    let config = "{\"maskAllInputs\": false}";
    assert!(one_input(config, "input", &[("type", "password"), ("type", "text")]));
    assert!(one_input(config, "input", &[("type", "submit"), ("type", "email"), ("type", "button")]));
    assert!(!one_input(config, "input", &[("type", "text"), ("type", "search"), ("name", "city")]));
    let editable = |values: [&str; 2]| {
        let attributes = values.map(|value| ("contenteditable", value));
        let chunk = MemoryChunk::new().element(7, "div", 0, &attributes).field(Kind::Text, 7, "", "value");
        texts("{}", chunk) == ["*****"]
    };
    assert!(editable(["true", "false"]) && editable(["false", ""]) && !editable(["false", "False"]));
}

#[test]
fn a_typeahead_repeats_the_value() {
    let mut chunk = MemoryChunk::new().element(7, "input", 0, &[]);
    for end in 1..=8 {
        let prefix = &"Quillham"[..end];
        chunk = chunk.field(Kind::Input, 7, "text", prefix).field(
            Kind::Network,
            0,
            "url",
            &format!("/s?q={prefix}"),
        );
    }
    for (at, pair) in texts("{}", chunk).chunks(2).enumerate() {
        assert!(!pair[0].contains('Q') && pair[1].contains('Q') == (at < 3), "{pair:?}");
    }
}

#[test]
fn an_editable_element_is_an_input() {
    let chunk = MemoryChunk::new()
        .element(1, "html", 0, &[])
        .element(3, "div", 1, &[("contenteditable", "true")])
        .element(4, "b", 3, &[])
        .element(5, "label", 1, &[])
        .field(Kind::Text, 4, "", "Anneliese")
        .field(Kind::Text, 5, "", "a label")
        .field(Kind::Text, 6, "", "who knows where");
    assert_eq!(texts("{}", chunk), ["*********", "a label", "*** ***** *****"]);
}

#[test]
fn an_unknown_option_is_refused() {
    assert!(parse_config::<Config>("{\"maskAllInput\": true}").unwrap_err().contains("maskAllInputs"));
}
