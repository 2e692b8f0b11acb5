//! What is no configuration at all, and what is built to cost: refused, and cheaply.

use std::time::{Duration, Instant};

use super::{BASE, one, parse};
use crate::config::{ConfigErrors, Settings};

/// Generous, for busy machines: what is not bounded takes longer than anybody waits.
const FAR_TOO_LONG: Duration = Duration::from_secs(30);

fn refused(text: &str) -> ConfigErrors {
    let began = Instant::now();
    let errors = parse(text).expect_err("should be refused");
    assert!(began.elapsed() < FAR_TOO_LONG, "took {:?}", began.elapsed());
    errors
}

fn first(text: &str) -> String {
    let errors = refused(text);
    let p = &errors.problems()[0];
    format!("{}:{} {} → {}", p.line.unwrap_or(0), p.column.unwrap_or(0), p.message, p.help)
}

#[test]
fn empty_files_say_how_to_begin() {
    for text in ["", "\n\n", "# nothing\n", "---\n", "~\n"] {
        let errors = refused(text);
        assert!(
            errors.to_string().contains("kind") || errors.to_string().contains("empty"),
            "{text:?} {errors}"
        );
    }
    assert!(first("").contains("config/embedded.yaml"));
}

#[test]
fn other_shapes_are_refused() {
    assert!(first("- a\n- b\n").contains("a mapping belongs here"));
    assert!(first("just text\n").contains("a mapping belongs here"));
    assert!(first(&format!("{BASE}---\na: 1\n")).contains("second YAML document"));
    assert!(first("replay:\n\tenabled: true\n").contains("begins with a tab"));
    assert!(first("replay: {enabled: true\nhot: sqlite\n").contains("not YAML"));
    assert!(first("a: \"open\n").contains("not YAML"));
    assert!(first("? [a, b]\n: c\n").contains("cannot be a key"));
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_place() {
    let errors = Settings::parse("x.yaml", b"replay:\n  en\xffabled: true\n", &|_| None).unwrap_err();
    assert!(errors.to_string().contains("line 2, column 5: this is not UTF-8"), "{errors}");
    let utf16: Vec<u8> = "replay:".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(Settings::parse("x.yaml", &utf16, &|_| None).is_err());
    assert!(Settings::parse("x.yaml", &[0; 64], &|_| None).is_err());
}

#[test]
fn a_byte_order_mark_is_no_harm() {
    assert!(parse(&format!("\u{feff}{BASE}")).is_ok());
}

#[test]
fn files_that_are_no_files_are_refused() {
    let load = |path: &str| Settings::load(path.as_ref(), &|_| None).unwrap_err().to_string();
    assert!(load("/no/such/file.yaml").contains("/no/such/file.yaml"));
    assert!(load("/").contains("cannot be read"));
    if std::path::Path::new("/dev/zero").exists() {
        assert!(load("/dev/zero").contains("longer than 4MiB"));
    }
}

#[test]
fn doubled_keys_are_all_reported() {
    let errors = refused(&format!("{BASE}replay:\n  enabled: true\n  enabled: false\nreplay: {{}}\n"));
    let places: Vec<_> = errors.problems().iter().map(|p| (p.line, p.column)).collect();
    assert_eq!(places, [(Some(6), Some(3)), (Some(7), Some(1))], "{errors}");
    assert!(errors.to_string().contains("the first is on line 5"));
}

#[test]
fn anchors_aliases_merges_and_tags_are_refused() {
    let report =
        refused(&format!("{BASE}replay: &r {{enabled: true}}\napi: *r\nlimits:\n  <<: *r\n")).to_string();
    assert!(report.contains("anchors") && report.contains("aliases"), "{report}");
    assert!(refused(&format!("{BASE}api: *nowhere\n")).to_string().contains("aliases"));
    one("replay:\n  enabled: !!bool true\n", 2, 12, &["tags"]);
}

#[test]
fn a_billion_laughs_fall_flat() {
    let mut text = String::from("a0: &a0 [lol, lol]\n");
    for n in 1..60 {
        let refs = vec![format!("*a{}", n - 1); 10].join(", ");
        text.push_str(&format!("a{n}: &a{n} [{refs}]\n"));
    }
    assert!(refused(&text).to_string().contains("anchors"));
}

#[test]
fn depth_and_number_are_bounded() {
    for text in [
        "[".repeat(1_000_000),
        "{a: ".repeat(500_000),
        "- ".repeat(500_000),
        (0..1000).map(|n| format!("{}a:\n", " ".repeat(n))).collect(),
        format!("a: [{}]", "1,".repeat(600_000)),
        (0..300_000).map(|n| format!("k{n}: 1\n")).collect(),
        "replay: {}\n".repeat(100_000),
        "#\n".repeat(1_000_000),
        format!("a: \"{}\"", "x".repeat(4_000_000)),
        "${A:-".repeat(400_000),
        "x".repeat(5 << 20),
    ] {
        let report = refused(&text).to_string();
        assert!(report.len() < 200_000, "a report of {} bytes", report.len());
    }
}

#[test]
fn thousands_of_tenants_are_fine() {
    let mut text = format!("{BASE}tenants:\n  defaults: {{plugins: []}}\n");
    for n in 0..5000 {
        text.push_str(&format!(
            "  shop-{n}:\n    keys: [pk_{n}]\n    plugins: []\n    hot_retention_days: 7\n"
        ));
    }
    let began = Instant::now();
    assert_eq!(parse(&text).unwrap().tenants.listed.len(), 5000);
    assert!(began.elapsed() < FAR_TOO_LONG, "took {:?}", began.elapsed());
}
