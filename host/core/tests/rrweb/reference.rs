//! The scanner against a slow reader that parses each event and takes every string but those of
//! rrweb's own vocabulary.

use super::*;
use serde_json::Value;

/// Whether a string stands at a place of rrweb's own words, and looks like one. The path has keys only.
fn is_vocabulary(event: &Value, path: &[&str], said: &str) -> bool {
    let number = |value: &Value| value.as_f64().filter(|number| number.fract() == 0.0);
    let (kind, source) = (number(&event["type"]), number(&event["data"]["source"]));
    let incremental = |wanted: f64| kind == Some(3.0) && source == Some(wanted);
    let Some((&last, around)) = path.split_last() else { return false };
    match (last, around) {
        ("v", []) => is_token(said),
        ("tagName" | "name", ["data", "node", inner @ ..]) if kind == Some(2.0) => {
            only(inner, &["childNodes"]) && is_token(said)
        }
        ("tagName" | "name", ["data", "adds", "node", inner @ ..]) if incremental(0.0) => {
            only(inner, &["childNodes"]) && is_token(said)
        }
        ("rr_type", ["data", "commands", "args", inner @ ..] | ["data", "args", inner @ ..])
            if incremental(9.0) =>
        {
            only(inner, &["args", "data"]) && is_token(said)
        }
        ("rr_type", ["data", "payload", inner @ ..]) if kind == Some(7.0) => {
            only(inner, &["args", "data"]) && is_token(said)
        }
        ("property", ["data"] | ["data", "commands"]) if incremental(9.0) => is_token(said),
        ("level", ["data"]) if incremental(11.0) => is_token(said),
        ("level", ["data", "payload"]) if kind == Some(6.0) => {
            let plugin = event["data"]["plugin"].as_str().unwrap_or_default();
            plugin.starts_with("rrweb/console@") && is_token(said)
        }
        ("plugin", ["data"]) if kind == Some(6.0) => {
            let (name, version) = said.rsplit_once('@').unwrap_or((said, ""));
            let digits = version.chars().all(|c| c.is_ascii_digit() || c == '.') && version.len() <= 5;
            said.len() <= 64 && digits && name.split('/').all(is_token)
        }
        _ => false,
    }
}

fn only(path: &[&str], names: &[&str]) -> bool {
    path.iter().all(|name| names.contains(name))
}

fn is_token(said: &str) -> bool {
    let digits = said.chars().filter(char::is_ascii_digit).count();
    let fits = said.chars().all(|c| c.is_ascii_alphanumeric() || "-_:.".contains(c));
    fits && said.len() <= 64 && digits <= 5
}

fn strings<'a>(event: &Value, value: &'a Value, path: &mut Vec<&'a str>, found: &mut Vec<String>) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(said) if is_vocabulary(event, path, said) => {}
        Value::String(said) => found.push(said.clone()),
        Value::Array(values) => values.iter().for_each(|value| strings(event, value, path, found)),
        Value::Object(members) => {
            for (key, value) in members {
                path.push(key);
                strings(event, value, path, found);
                path.pop();
            }
        }
    }
}

/// Compares what both find in each event; answers how many strings that were.
fn compare(json: &[u8], what: &str) -> usize {
    let scan = run(json).unwrap();
    let events: Vec<Value> = serde_json::from_slice(&scan.json).unwrap();
    assert_eq!(events.len(), scan.events.len(), "{what}");
    let mut fields = scan.fields.iter().peekable();
    let mut total = 0;
    for (number, event) in (0..).zip(&events) {
        let mut found = Vec::new();
        while let Some(field) = fields.next_if(|field| field.event == number) {
            if field.shape != Shape::String {
                continue;
            }
            // A picture's text is its size: what it covers is compared.
            let raw = &scan.json[field.raw_start as usize - 1..=field.raw_end as usize];
            let said: String = serde_json::from_slice(raw).unwrap();
            assert!(field.kind == Kind::Pixels || said == text(&scan, field), "{what}, event {number}");
            found.push(said);
        }
        let mut expected = Vec::new();
        strings(event, event, &mut Vec::new(), &mut expected);
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{what}, event {number}");
        total += found.len();
    }
    assert!(fields.next().is_none(), "{what}: a field of no event");
    total
}

#[test]
fn recorded_chunks_are_read_alike() {
    let mut total = 0;
    for visit in recorded::visits() {
        for (number, chunk) in recorded::chunks(&visit).iter().enumerate() {
            total += compare(chunk, &format!("chunk {number} of {visit}"));
        }
    }
    assert!(total > 10_000, "{total} strings");
}

#[test]
fn every_position_is_read_alike() {
    let file = positions::file();
    let mut total = 0;
    for line in positions::lines(&file) {
        // A parsed object keeps one of two equal keys.
        if !line.has_doubled_keys() {
            total += compare(&line.chunk(), line.position);
        }
    }
    assert!(total > 1000, "{total} strings");
}
