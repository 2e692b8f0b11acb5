//! Each rule by what it masks and what it leaves alone.

use replay_plugin::memory::{MemoryChunk, run_in_memory};
use replay_plugin::{Kind, Plugin, parse_config};

use super::*;

fn plugin(config: &str) -> Result<MaskPii, String> {
    MaskPii::configure(parse_config(config)?)
}

fn masked_in(kind: Kind, name: &str, text: &str) -> String {
    let chunk = MemoryChunk::new().field(kind, 0, name, text);
    run_in_memory(&plugin("{}").unwrap(), &[chunk]).unwrap().remove(0).unwrap().remove(0)
}

/// `text` with all between `‹` and `›` to be masked, and nothing else.
fn check(kind: Kind, marked: &str) {
    let (mut text, mut wanted, mut inside) = (String::new(), String::new(), false);
    for char in marked.chars() {
        match char {
            '‹' | '›' => inside = char == '‹',
            char => {
                text.push(char);
                wanted.push(if inside && !char.is_whitespace() { '*' } else { char });
            }
        }
    }
    assert_eq!(masked_in(kind, "", &text), wanted);
}

fn check_all(marked: &[&str]) {
    marked.iter().for_each(|marked| check(Kind::Text, marked));
}

#[test]
fn emails() {
    check_all(&[
        "write to ‹anna.smith+x@mail.example.com›, or not",
        "<a href=mailto:‹a@b.co›>",
        "?from=‹meta.link%40mail.example›&campaign=spring",
        "‹srcdoc.entity&#64;letters.example› and {\\\"a\\\":\\\"‹x\\u0040y.io›\\\"}",
        "to:\\n‹anna@x.io›\\n",
        "@media print {} icon@2x.png lodash@4.17.21 a@b user@ @host.com",
    ]);
    check(Kind::Style, "/* by ‹css.byline@gazette.example› */");
}

#[test]
fn cards() {
    check_all(&[
        "‹4111 1111 1111 1111› ‹5105\u{AD}1051\u{AD}0510\u{AD}5100› ‹4111\u{A0}1111\u{A0}1111\u{A0}1111›",
        "‹4111-1111-1111-1111›. ‹3782 822463 10005› ‹3530111333300000›",
        "‹４０１２８８８８８８８８１８８１›",
        "4111111111111112 1795486611201 0.4111111111111111 41111111111111110000 id4111111111111111",
        "0000000000000000 5f4111111111111111 2026-11-24 15:42:29 4111 1111",
    ]);
    assert_eq!(masked_in(Kind::Custom, "card", "5555555555554444"), "****************");
}

#[test]
fn phones() {
    check_all(&[
        "‹+44 20 7946 0958› ‹+1 (303) 555-0199› ‹+1 415-555-0132›",
        "call ‹415-555-0132›, ‹(415) 555-0132› or ‹020 7946 0958›; ‹01 23 45 67 89›",
        "href=tel:‹4155550132›",
        "1795486611201 2026-11-24 12-34-56 1+12345678 415-155-0132 123-456-7890 +1 +12px",
        "order 4155550132, 1.415.555 and 10 20 30 40",
    ]);
    check(Kind::Style, "width: 415-555-0132; margin: +44 20 7946 0958");
}

#[test]
fn addresses_of_machines() {
    check_all(&[
        "from ‹198.51.100.23›:443, http://‹192.0.2.146›/x and ‹2001:db8::8a2e:370:7334›.",
        "Chrome/148.0.0.0 v1.2.3.4 version 1.2.3.4 lib-1.2.3.4.js 1.2.3 1.2.3.4.5 256.1.1.1 127.0.0.1 0.0.0.0",
        "a::before std::fmt 12:34:56 00:1a:2b:3c:4d:5e ::1",
    ]);
}

#[test]
fn numbers_of_people_and_accounts() {
    check_all(&[
        "‹078-05-1120› ‹219-09-9999› 000-12-3456 666-12-3456 900-12-3456 078-05-11201 2078-05-1120",
        "‹DE89 3704 0044 0532 0130 00› ‹FR1420041010050500013M02606› ‹GB82 WEST 1234 5698 7654 32›",
        "DE88 3704 0044 0532 0130 00 ID12345678 AB12 3456",
    ]);
}

#[test]
fn secrets_of_programs() {
    check_all(&[
        "‹AKIAIOSFODNN7EXAMPLE› ‹sk_live_51H8abcdef› pk_live_shop",
        "failed: token=‹tok_fixture_5f0c2b7d9e1a4836› at x",
        "Authorization: Bearer ‹7d41c0aa92be4f5f8e6301fixture›",
        "{\"access_token\":\"‹abc-123-def›\",\"token_type\":\"text\"}",
        "‹eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJmaXh0dXJlIn0.c2lnbmF0dXJl›",
        "token: string, password: true, bearer of news, a token= b",
    ]);
    assert_eq!(masked_in(Kind::Network, "x-csrf-token", "abc123def"), "*********");
    assert_eq!(masked_in(Kind::Network, "token_count", "123456"), "123456");
}

#[test]
fn own_patterns_and_kinds() {
    let plugin = plugin(
        r#"{"kinds": ["card"], "patterns": [{"name": "order", "regex": "ORD-[0-9]+"}], "mask_char": "x"}"#,
    )
    .unwrap();
    let chunk =
        MemoryChunk::new().field(Kind::Text, 0, "", "ORD-12 a@b.io").field(Kind::Url, 0, "", "/ORD%2D12/");
    let texts = run_in_memory(&plugin, &[chunk]).unwrap().remove(0).unwrap();
    assert_eq!(texts, ["xxxxxx a@b.io", "/xxxxxxxx/"]);
}

#[test]
fn errors_of_the_config_say_what_and_where() {
    for (config, said) in [
        (r#"{"kind": []}"#, "unknown field `kind`"),
        (r#"{"kinds": ["emial"]}"#, "emial"),
        (r#"{"kinds": []}"#, "nothing would be masked"),
        (r#"{"mask_char": "q"}"#, "does not mask"),
        (r#"{"patterns": [{"name": "p", "regex": "("}]}"#, "pattern `p`"),
        (r#"{"patterns": [{"name": "p", "regex": "a*"}]}"#, "empty text"),
        (r#"{"field_kinds": ["pixels"]}"#, "pixels"),
    ] {
        let error = plugin(config).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_card_typed_digit_by_digit() {
    let card = "4000 0566 5566 5556";
    let mut chunk = MemoryChunk::new();
    for end in 1..=card.len() {
        chunk = chunk.field(Kind::Input, 7, "text", &card[..end]);
    }
    let texts = run_in_memory(&plugin("{}").unwrap(), &[chunk.focus(7, false)]).unwrap().remove(0).unwrap();
    assert!(texts.iter().all(|text| !text.contains(|char: char| char.is_ascii_digit())));
}

/// Texts of one event: node, parent, text; what is left of them.
fn split_texts(config: &str, texts: &[(u32, u32, &str)]) -> Vec<String> {
    let texts: Vec<_> =
        texts.iter().map(|&(node, parent, text)| (Kind::Text, node, parent, "", text)).collect();
    let chunk = MemoryChunk::new().fields(&texts);
    run_in_memory(&plugin(config).unwrap(), &[chunk]).unwrap().remove(0).unwrap()
}

/// Spans side by side, each with a text.
fn spans(texts: &[&'static str]) -> Vec<(u32, u32, &'static str)> {
    (10..).step_by(2).zip(texts).map(|(parent, text)| (parent + 1, parent, *text)).collect()
}

#[test]
fn an_address_and_a_card_in_several_text_nodes() {
    for parts in [
        &["anna", "@", "example.com"][..],
        &["anna.smith", "@example.com"],
        &["a", "n", "n", "a", "@", "x", ".", "i", "o"],
        &["4111", "1111", "1111", "1111"],
        &["3782", "822463", "10005"],
        &["4", "2", "4", "2", "4", "2", "4", "2", "4", "2", "4", "2", "4", "2", "4", "2"],
        &["DE89", "3704", "0044", "0532", "0130", "00"],
    ] {
        let stars: Vec<String> = parts.iter().map(|part| "*".repeat(part.len())).collect();
        assert_eq!(split_texts("{}", &spans(parts)), stars, "{parts:?}");
        let siblings: Vec<_> = (20..).zip(parts).map(|(node, part)| (node, 9, *part)).collect();
        assert_eq!(split_texts("{}", &siblings), stars, "{parts:?}");
    }
    let siblings = [(20, 9, "call +44 20"), (21, 9, " 7946 "), (22, 9, "0958, or 078-05"), (23, 9, "-1120")];
    assert_eq!(split_texts("{}", &siblings), ["call *** **", " **** ", "****, or ******", "*****"]);
    let own = r#"{"kinds": ["email"], "patterns": [{"name": "order", "regex": "ORD-[0-9]+"}]}"#;
    assert_eq!(split_texts(own, &[(20, 9, "no. ORD"), (21, 9, "-12")]), ["no. ***", "***"]);
}

#[test]
fn cells_side_by_side_are_left_alone() {
    for cells in [
        &["anna", "berlin", "@", "home"][..],
        // Luhn and issuer would fit.
        &["41", "1111", "11111111", "11"],
        &["415", "555", "0132"],
        &["078-05", "-1120"],
        &["203.0", ".113.7"],
        &["2021", "2022", "2023", "2024"],
    ] {
        assert_eq!(split_texts("{}", &spans(cells)), cells, "{cells:?}");
    }
    assert_eq!(split_texts("{}", &spans(&["anna@x.io", ".next"])), ["*********", ".next"]);
}

#[test]
fn a_card_and_other_numbers_in_boxes() {
    for (boxes, masked) in [
        (&["6011", "0009", "9013", "9424"][..], true),
        (&["3782", "822463", "10005"], true),
        (&["415", "555", "0132"], true),
        (&["078", "05", "1120"], true),
        (&["6", "0", "1", "1", "0", "0", "0", "9", "9", "0", "1", "3", "9", "4", "2", "4"], true),
        (&["6011", "0009", "9013", "9425"], false),
        (&["24", "11", "2026"], false),
    ] {
        let mut chunk = MemoryChunk::new();
        for (node, value) in (30..).step_by(3).zip(boxes) {
            chunk = (1..=value.len()).fold(chunk, |c, end| c.field(Kind::Input, node, "text", &value[..end]));
        }
        // Left: else what is not finished is masked.
        let texts =
            run_in_memory(&plugin("{}").unwrap(), &[chunk.focus(99, true)]).unwrap().remove(0).unwrap();
        let is_masked = |text: &String| text.chars().all(|char| char == '*');
        assert!(texts.iter().all(|text| is_masked(text) == masked), "{boxes:?}: {texts:?}");
    }
}

#[test]
fn a_card_drawn_digit_by_digit() {
    let glyphs: Vec<_> = "No 4242 4242 4242 4242!".split("").filter(|glyph| !glyph.is_empty()).collect();
    let drawn: Vec<_> = glyphs.iter().map(|glyph| (Kind::Canvas, 5, 5, "args", *glyph)).collect();
    let texts =
        run_in_memory(&plugin("{}").unwrap(), &[MemoryChunk::new().fields(&drawn)]).unwrap().remove(0);
    assert_eq!(texts.unwrap().concat(), "No **** **** **** ****!");
}
