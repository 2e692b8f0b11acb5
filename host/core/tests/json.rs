//! The JSON walker against `serde_json`: both must accept and refuse the same documents.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;
use replay_core::json::{JsonFault, compact, scan_events, unquote, walk_object};
use serde_json::Value;

const DEPTH: usize = 100;

/// What the walker promises, by way of a tree.
fn expected(bytes: &[u8]) -> Option<(u32, bool)> {
    let Ok(Value::Array(events)) = serde_json::from_slice(bytes) else { return None };
    if events.iter().any(|event| !(event.is_object() || event.is_string())) {
        return None;
    }
    let full = |event: &Value| event.get("type").and_then(Value::as_f64) == Some(2.0);
    Some((events.len() as u32, events.iter().any(full)))
}

fn agree(bytes: &[u8]) -> Result<(), TestCaseError> {
    let walked = scan_events(bytes, DEPTH);
    let summary = walked.ok().map(|summary| (summary.event_count, summary.has_full_snapshot));
    let known_difference = known_difference(bytes);
    prop_assert!(
        summary == expected(bytes) || known_difference,
        "{walked:?} but {:?}: {}",
        expected(bytes),
        String::from_utf8_lossy(bytes)
    );
    let object = walk_object(bytes, DEPTH, |_| {}).map_err(|error| error.fault);
    let known: Result<Value, _> = serde_json::from_slice(bytes);
    let is_object = known.is_ok_and(|value| value.is_object());
    prop_assert!(
        object.is_ok() == is_object || object == Err(JsonFault::DuplicateKey) || known_difference,
        "{object:?}: {}",
        String::from_utf8_lossy(bytes)
    );
    if summary.is_some() && !known_difference {
        let small = compact(bytes);
        let (a, b): (Value, Value) =
            (serde_json::from_slice(&small).unwrap(), serde_json::from_slice(bytes).unwrap());
        prop_assert_eq!(a, b);
        prop_assert_eq!(compact(&small), small.clone());
        prop_assert!(!scan_events(&small, DEPTH).unwrap().has_whitespace);
    }
    Ok(())
}

/// Nested up to `turns` deep: opens and closes by chance, but mostly opens.
fn nested(turns: &[(u8, bool)]) -> String {
    let mut text = String::from("[");
    let mut open = vec![']'];
    for &(how, curly) in turns {
        let in_object = open.last() == Some(&'}');
        let begin = if in_object { "\"k\":" } else { "" };
        if how < 2 && open.len() > 1 {
            text.extend(open.pop());
            continue;
        }
        if text.ends_with([']', '}']) {
            text.push(',');
        }
        text.push_str(begin);
        text.push(if curly { '{' } else { '[' });
        open.push(if curly { '}' } else { ']' });
    }
    text.extend(open.iter().rev());
    text
}

#[test]
fn nesting_is_followed_far_down() {
    for depth in [1, 62, 63, 64, 65, 127, 128, 129, 300] {
        for kinds in [["[", "]"], ["{\"a\":", "}"], ["[{\"a\":", "}]"]] {
            let levels = kinds[0].matches(['[', '{']).count() * depth + 2;
            let text = format!("[{{\"x\":{}1{}}}]", kinds[0].repeat(depth), kinds[1].repeat(depth));
            assert_eq!(scan_events(text.as_bytes(), levels).unwrap().event_count, 1);
            assert_eq!(scan_events(text.as_bytes(), levels - 1).unwrap_err().fault, JsonFault::TooDeep);
            for wrong in
                [text.replacen(']', "}", 1), text.replacen('}', "]", 1), text.replacen("1", "1:2", 1)]
            {
                assert_eq!(
                    scan_events(wrong.as_bytes(), levels).unwrap_err().fault,
                    JsonFault::Syntax,
                    "{wrong}"
                );
            }
        }
    }
}

/// serde_json refuses numbers beyond an f64 and lone surrogates.
fn known_difference(bytes: &[u8]) -> bool {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(_) => false,
        Err(error) => {
            let text = error.to_string();
            text.contains("out of range")
                || text.contains("surrogate")
                || text.contains("unexpected end of hex")
        }
    }
}

/// Documents of all shapes, compact or laid out, as text.
fn documents() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        any::<i32>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        strings(),
    ];
    let value = scalar.prop_recursive(6, 60, 6, |inner| {
        let gap = || "[ ]{0,2}[\n\t]?";
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..6), gap(), gap())
                .prop_map(|(items, a, b)| format!("[{a}{}{b}]", items.join(&format!("{b},{a}")))),
            (prop::collection::vec((keys(), inner), 0..6), gap(), gap()).prop_map(|(pairs, a, b)| {
                let pairs: Vec<String> =
                    pairs.into_iter().map(|(key, value)| format!("{key}{b}:{a}{value}")).collect();
                format!("{{{a}{}{b}}}", pairs.join(&format!("{a},{b}")))
            }),
        ]
    });
    prop_oneof![
        value.clone(),
        prop::collection::vec((keys(), value.clone()), 0..5).prop_map(|pairs| object(&pairs)),
        prop::collection::vec(prop::collection::vec((keys(), value.clone()), 0..4), 0..6).prop_map(
            |events| { format!("[{}]", events.iter().map(|e| object(e)).collect::<Vec<_>>().join(",")) }
        ),
    ]
}

fn object(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(key, value)| format!("{key}:{value}")).collect();
    format!("{{{}}}", pairs.join(","))
}

fn keys() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(r#""type""#.to_owned()),
        Just(r#""\u0074ype""#.to_owned()),
        Just(r#""x\"type""#.to_owned()),
        Just(r#""""#.to_owned()),
        strings(),
    ]
}

fn strings() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{0,80}".prop_map(|text| format!("\"{text}\"")),
        r#"(\\["\\/bfnrt]|\\u[0-9a-f]{4}|[a-zé€😀\[\]{}:, ]){0,40}"#.prop_map(|text| format!("\"{text}\"")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn valid_documents_are_read_alike(text in documents(), pad in 0usize..70) {
        agree(text.as_bytes())?;
        agree(format!("{}{text}", " ".repeat(pad)).as_bytes())?;
    }

    #[test]
    fn damaged_documents_are_judged_alike(
        text in documents(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0u8..4, any::<u8>()), 1..3),
    ) {
        const BYTES: &[u8] = br#"{}[],:"\ 	0123456789-+.eEtfnul/ux"#;
        let mut bytes = text.into_bytes();
        for (at, how, byte) in changes {
            let byte = if how < 3 { BYTES[byte as usize % BYTES.len()] } else { byte };
            let at = at.index(bytes.len() + 1);
            match how {
                0 => bytes.insert(at, byte),
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => bytes.truncate(at),
                _ if at < bytes.len() => bytes[at] = byte,
                _ => {}
            }
        }
        agree(&bytes)?;
    }

    #[test]
    fn deep_documents_are_judged_alike(
        turns in prop::collection::vec((0u8..5, any::<bool>()), 0..160),
        change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
    ) {
        let mut bytes = nested(&turns).into_bytes();
        if let Some((at, byte)) = change {
            let at = at.index(bytes.len());
            bytes[at] = b"[]{},:\""[byte as usize % 7];
        }
        agree(&bytes)?;
    }

    #[test]
    fn soup_is_judged_alike(text in r#"[\[{](\[|\]|\{|\}|,|:|"a"|"type"|"\\\\"|2|-1|0|01|1\.5|true|nul|null| |\n|é){0,40}"#) {
        agree(text.as_bytes())?;
    }

    #[test]
    fn short_soup_is_judged_alike(text in r#"\[(\[|\]|\{|\}|,|:|"a"|"type"|2| ){0,9}\]"#, pad in 50usize..64) {
        agree(text.as_bytes())?;
        agree(format!("{}{text}", " ".repeat(pad)).as_bytes())?;
    }

    #[test]
    fn any_bytes_are_judged_alike(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        agree(&bytes)?;
        agree(&[b"[\"".as_slice(), &bytes, b"\"]"].concat())?;
    }

    #[test]
    fn strings_unquote_as_serde_reads_them(text in strings()) {
        if let Ok(read) = serde_json::from_str::<String>(&text) {
            prop_assert_eq!(unquote(text.as_bytes()).unwrap().into_owned(), read.into_bytes());
        }
    }
}
