//! What is masked, and what is excepted.

use replay_plugin::memory::{MemoryChunk, run_in_memory};
use replay_plugin::{Kind, parse_config};

use super::*;

fn plugin(config: &str) -> Result<MaskText, String> {
    MaskText::configure(parse_config(config)?)
}

fn texts(config: &str, chunk: MemoryChunk) -> Vec<String> {
    run_in_memory(&plugin(config).unwrap(), &[chunk]).unwrap().remove(0).unwrap()
}

#[test]
fn text_becomes_blocks_of_the_same_length_and_white_space_stays() {
    let chunk = MemoryChunk::new()
        .field(Kind::Text, 3, "", "  Dear Zoë,\n thank\u{A0}you ")
        .field(Kind::Text, 4, "", "\n    ")
        .field(Kind::Input, 5, "value", "Send")
        .field(Kind::Attribute, 5, "title", "a card")
        .field(Kind::Attribute, 5, "data-user", "ann")
        .field(Kind::Html, 6, "srcdoc", "<p>hi</p>")
        .field(Kind::Canvas, 7, "fillText", "Ann")
        .field(Kind::Pixels, 8, "rr_dataURL", "2048")
        .field(Kind::Markup, 9, "class", "wide")
        .field(Kind::Console, 0, "payload", "\"a log\"");
    let blocks = ["  ████ ████\n █████\u{A0}███ ", "\n    ", "████", "█ ████", "███", "█████████", "███"];
    assert_eq!(texts("{}", chunk), [&blocks[..], &["2048", "wide", "\"a log\""]].concat());
}

#[test]
fn exceptions() {
    let config = r#"{"keep_texts": ["Add to cart", " OK ", "Page ?", "* items"],
        "keep_selectors": ["nav, .public"], "keep_attributes": ["DATA-theme"], "mask_char": "x"}"#;
    let chunk = MemoryChunk::new()
        .element(1, "html", 0, &[])
        .element(2, "nav", 1, &[])
        .element(3, "a", 2, &[])
        .element(4, "p", 1, &[])
        .element(5, "b", 99, &[])
        .field(Kind::Text, 4, "", " Add to cart\n")
        .field(Kind::Text, 4, "", "OK")
        .field(Kind::Text, 4, "", "Add to carts")
        .field(Kind::Text, 4, "", "Page 2")
        .field(Kind::Text, 4, "", "Page 23")
        .field(Kind::Text, 4, "", "12 items")
        .field(Kind::Text, 3, "", "Home")
        .field(Kind::Text, 5, "", "who knows where")
        .field(Kind::Attribute, 4, "data-theme", "dark")
        .field(Kind::Attribute, 3, "title", "Home")
        .field(Kind::Attribute, 4, "title", "Ann");
    let wanted = [
        " Add to cart\n",
        "OK",
        "xxx xx xxxxx",
        "Page 2",
        "xxxx xx",
        "12 items",
        "Home",
        "xxx xxxxx xxxxx",
        "dark",
        "Home",
        "xxx",
    ];
    assert_eq!(texts(config, chunk), wanted);
}

#[test]
fn attributes_that_people_read() {
    let chunk = MemoryChunk::new()
        .field(Kind::Attribute, 3, "aria-label", "Ann")
        .field(Kind::Attribute, 3, "placeholder", "Ann")
        .field(Kind::Attribute, 3, "data-user", "Ann")
        .field(Kind::Attribute, 3, "hx-vals", "Ann");
    assert_eq!(texts(r#"{"attributes": "read"}"#, chunk), ["███", "███", "Ann", "Ann"]);
}

#[test]
fn of_a_payload_the_values_and_not_the_keys() {
    let custom = |name: &'static str, text: &'static str| (Kind::Custom, 0, 0, name, text);
    let chunk = MemoryChunk::new()
        .fields(&[
            custom("tag", "checkout"),
            custom("payload", "user"),
            custom("user", "name"),
            custom("name", "Ann B"),
            // What a small number is called looks like a text.
            custom("payload", "count"),
        ])
        .field(Kind::Pixels, 3, "src", "99");
    let wanted = ["████████", "user", "name", "███ █", "█████", ""];
    assert_eq!(texts(r#"{"field_kinds": ["custom", "pixels"]}"#, chunk), wanted);
}

#[test]
fn elements_are_asked_for_only_where_they_decide() {
    assert!(!plugin("{}").unwrap().manifest().needs_elements);
    assert!(plugin(r#"{"keep_selectors": ["nav"]}"#).unwrap().manifest().needs_elements);
}

#[test]
fn errors_of_the_config() {
    for (config, said) in [
        (r#"{"field_kinds": []}"#, "nothing would be masked"),
        (r#"{"field_kinds": ["text", "style", "url"]}"#, "has url, style"),
        (r#"{"keep_texts": ["OK", "* ?"]}"#, "`keep_texts`: `* ?` keeps whatever there is"),
        (r#"{"keep_selectors": ["a:hover"]}"#, "`keep_selectors`: selector `a:hover`, character 2"),
        (r#"{"attributes": "some"}"#, "some"),
        (r#"{"mask_char": "q"}"#, "does not mask"),
        (r#"{"keep_text": []}"#, "keep_texts"),
    ] {
        let error = plugin(config).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}
