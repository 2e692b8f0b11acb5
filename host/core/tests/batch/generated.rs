//! Events of most types with any text in them, in any spelling.

use proptest::prelude::*;
use serde_json::{Value, json};

/// Spelled in the end as a lone surrogate, which no string of Rust's can hold.
const LONE: char = '¤';

const ATTRIBUTES: [&str; 10] =
    ["title", "class", "href", "src", "style", "value", "onclick", "srcdoc", "data-x", "rr_dataURL"];

/// Keys that are no JSON themselves: those are masked as they are, where a string is repaired.
const KEYS: &str = r#"[a-c@"\\é😀¤/ \n]{0,12}"#;

/// A chunk of events; `timestamp` counts up.
pub(super) fn chunk() -> impl Strategy<Value = String> {
    prop::collection::vec(event(), 1..6).prop_map(|mut events| {
        for (at, event) in events.iter_mut().enumerate() {
            event["timestamp"] = json!(1_700_000_000_000_u64 + at as u64);
        }
        let json = Value::Array(events).to_string();
        let spelled = |(from, to): &(char, &str)| (from.to_string(), (*to).to_owned());
        let spellings = [('@', "\\u0040"), ('😀', "\\ud83d\\ude00"), ('/', "\\/"), (LONE, "\\ud800")];
        spellings.iter().map(spelled).fold(json, |json, (from, to)| json.replace(&from, &to))
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        KEYS,
        Just(r#"{"mail":"a@b.c","n":[1,"x"]}"#.to_owned()),
        Just("https://shop.example/a?b=c".to_owned()),
        any::<String>(),
    ]
}

fn payload() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((KEYS, inner), 0..4)
                .prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Value> {
    let value = prop_oneof![text(), Just("data:image/png;base64,AAAA".to_owned())];
    prop::collection::vec((prop::sample::select(&ATTRIBUTES[..]), value), 0..4)
        .prop_map(|all| all.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect())
}

fn node() -> impl Strategy<Value = Value> {
    let leaf = (text(), 2u32..99).prop_map(|(text, id)| json!({"type": 3, "textContent": text, "id": id}));
    let tags = prop::sample::select(&["div", "style", "script", "textarea", "img"][..]);
    leaf.prop_recursive(3, 12, 4, move |inner| {
        (tags.clone(), attributes(), prop::collection::vec(inner, 0..4), 2u32..99).prop_map(
            |(tag, attributes, nodes, id)| {
                json!({"type": 2, "tagName": tag, "attributes": attributes, "childNodes": nodes, "id": id})
            },
        )
    })
}

fn event() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(|href| json!({"type": 4, "data": {"href": href, "width": 1, "height": 2}})),
        node().prop_map(
            |node| json!({"type": 2, "data": {"node": {"type": 0, "childNodes": [node], "id": 1}}})
        ),
        (text(), node(), attributes(), 2u32..99).prop_map(|(text, node, attributes, id)| {
            json!({"type": 3, "data": {"source": 0, "texts": [{"id": id, "value": text}],
                "attributes": [{"id": id, "attributes": attributes}],
                "removes": [{"parentId": 1, "id": id}],
                "adds": [{"parentId": id, "nextId": null, "node": node}]}})
        }),
        Just(
            json!({"type": 3, "data": {"source": 1, "positions": [{"x": 1, "y": 2, "id": 3, "timeOffset": -4}]}})
        ),
        text().prop_map(
            |text| json!({"type": 3, "data": {"source": 5, "text": text, "isChecked": false, "id": 3}})
        ),
        (text(), payload()).prop_map(|(tag, all)| json!({"type": 5, "data": {"tag": tag, "payload": all}})),
        prop::collection::vec(text(), 0..3).prop_map(|all| {
            json!({"type": 6, "data": {"plugin": "rrweb/console@1",
                "payload": {"level": "log", "trace": [], "payload": all}}})
        }),
        payload().prop_map(|all| json!({"type": 99, "data": {"more": all}})),
    ]
}
