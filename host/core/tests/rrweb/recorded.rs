//! Recorded visits: what stands in them is in a field.

use super::*;
use replay_core::codec::{Codec, Encoding, Recompress, Scratch, decompress};
use replay_core::decode::{DecodeLimits, decode};
use serde_json::Value;
use std::path::{Path, PathBuf};

#[derive(serde::Deserialize)]
struct Canary {
    id: String,
    text: String,
    visits: Vec<String>,
    #[serde(default)]
    parts: Vec<String>,
    note: Option<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/recordings")
}

/// The events of each chunk of `visit`, in the order of arrival.
pub(super) fn chunks(visit: &str) -> Vec<Vec<u8>> {
    let encoding = Encoding { codec: Codec::Gzip, level: 1, recompress: Recompress::ChangedOnly };
    let records = std::fs::read_to_string(folder().join(format!("{visit}.ndjson"))).unwrap();
    let mut scratch = Scratch::new();
    records
        .lines()
        .map(|record| {
            let decoded =
                decode(record.as_bytes(), &DecodeLimits::default(), &encoding, &mut scratch).ok().unwrap();
            decompress(&mut scratch, decoded.codec, &decoded.data, 64 << 20).unwrap().to_vec()
        })
        .collect()
}

/// Every visit: project and name.
pub(super) fn visits() -> Vec<String> {
    let manifest = std::fs::read(folder().join("MANIFEST.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let visits = manifest["visits"].as_array().unwrap();
    visits.iter().map(|visit| visit["visit"].as_str().unwrap().to_owned()).collect()
}

/// How often each of `texts` stands in an event: in a string or a key, or as a whole number.
fn count(value: &Value, texts: &[String], counts: &mut [usize]) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => count_number(&number.to_string(), texts, counts),
        Value::String(said) => count_text(said, texts, counts),
        Value::Array(values) => values.iter().for_each(|value| count(value, texts, counts)),
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            count_text(key, texts, counts);
            count(value, texts, counts);
        }),
    }
}

fn count_text(said: &str, texts: &[String], counts: &mut [usize]) {
    texts.iter().zip(counts).for_each(|(text, count)| *count += said.matches(text.as_str()).count());
}

fn count_number(number: &str, texts: &[String], counts: &mut [usize]) {
    texts.iter().zip(counts).for_each(|(text, count)| *count += usize::from(number == text));
}

#[test]
fn every_recorded_canary_is_in_a_field() {
    let canaries: Vec<Canary> =
        serde_json::from_slice(&std::fs::read(folder().join("canaries.json")).unwrap()).unwrap();
    let mut seen = vec![0; canaries.len()];
    for visit in visits() {
        let here = canaries.iter().enumerate().filter(|(_, canary)| canary.visits.contains(&visit));
        let (rows, texts): (Vec<_>, Vec<_>) = here
            .flat_map(|(row, canary)| {
                let whole = std::slice::from_ref(&canary.text);
                let texts = if canary.parts.is_empty() { whole } else { &canary.parts };
                texts.iter().map(move |text| (row, text.clone()))
            })
            .unzip();
        for (chunk, json) in chunks(&visit).iter().enumerate() {
            let events: Vec<Value> = serde_json::from_slice(json).unwrap();
            let scan = run(json).unwrap();
            for (number, event) in events.iter().enumerate() {
                let mut expected = vec![0; texts.len()];
                count(event, &texts, &mut expected);
                let mut found = vec![0; texts.len()];
                for field in scan.fields.iter().filter(|field| field.event == number as u32) {
                    match field.shape {
                        Shape::String | Shape::Key => count_text(text(&scan, field), &texts, &mut found),
                        Shape::Number => count_number(text(&scan, field), &texts, &mut found),
                        Shape::Numbers => {}
                    }
                }
                for ((row, expected), found) in rows.iter().zip(expected).zip(found) {
                    let id = &canaries[*row].id;
                    assert_eq!(found, expected, "{id} in event {number} of chunk {chunk} of {visit}");
                    seen[*row] += expected;
                }
            }
        }
    }
    // Not in plain spelling: the list says how else.
    for (canary, seen) in canaries.iter().zip(seen) {
        assert!(seen > 0 || canary.note.is_some(), "{} was never met", canary.id);
    }
}
