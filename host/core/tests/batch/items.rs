//! Positions, requests and headers that leave one by one; and fields that are cleared.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Two requests, the second with headers as lists; then moves.
const EVENTS: &str = concat!(
    r#"[{"type":6,"timestamp":1000,"data":{"plugin":"rrweb/network@1","payload":{"requests":["#,
    r#"{"url":"/a","requestHeaders":{"cookie":"k=v","accept":["a","b"]},"responseHeaders":{"server":"s"},"requestBody":"{\"cookie\":1}"},"#,
    r#"{"url":"/b","requestHeaders":[{"name":"cookie","value":"w"},["x-user","anna"]],"status":200}],"more":"beside"}}},"#,
    r#"{"type":5,"timestamp":1001,"data":{"tag":"t","payload":{"cookie":"custom"}}},"#,
    r#"{"type":3,"timestamp":1500,"data":{"source":1,"positions":[{"x":1,"y":1,"id":3,"timeOffset":-450},{"x":2,"y":2,"id":3,"timeOffset":-600},{"x":3,"y":3,"id":3,"timeOffset":0}]}},"#,
    r#"{"type":3,"timestamp":1600,"data":{"source":6,"positions":[{"x":4,"y":4,"id":3}]}}]"#,
);

fn b() -> Batch {
    let mut batch = Batch::new(Kinds::ALL, elements());
    batch.add(&head(0, 1000), EVENTS.into(), &LIMITS).unwrap();
    batch
}

/// What is left of the events when the items of the fields that say so leave.
fn without(item: fn(u32) -> Item, said: &[&str]) -> String {
    let mut b = b();
    let items: Vec<Item> = said.iter().map(|said| item(row(&b, said))).collect();
    apply(&mut b, vec![drop_items(&items)]).unwrap();
    let left = events(&b, 0);
    serde_json::from_str::<&serde_json::value::RawValue>(&left).unwrap();
    let again = batch(&left);
    assert_eq!(texts(&again, 0), texts(&b, 0), "what is stored says what is left");
    left
}

#[test]
fn a_header_leaves_with_its_name() {
    for (said, gone) in [
        (&["k=v"][..], r#""cookie":"k=v","#),
        (&["cookie"], r#""cookie":"k=v","#),
        (&["b"], r#","accept":["a","b"]"#),
        (&["k=v", "a", "accept"], r#""cookie":"k=v","accept":["a","b"]"#),
        (&["s"], r#""server":"s""#),
        (&["w"], r#"{"name":"cookie","value":"w"},"#),
        (&["anna"], r#",["x-user","anna"]"#),
    ] {
        assert_eq!(EVENTS.matches(gone).count(), 1);
        assert_eq!(without(Item::Header, said), EVENTS.replace(gone, ""), "{said:?}");
    }
}

#[test]
fn a_request_leaves_with_all_that_is_known_of_it() {
    let first = EVENTS.find(r#"{"url":"/a""#).unwrap()..EVENTS.find(r#"{"url":"/b""#).unwrap();
    let second = first.end - 1..EVENTS.find(r#"],"more"#).unwrap();
    for said in [&["/a"][..], &["s", "k=v"], &["{\"cookie\":1}"]] {
        assert_eq!(without(Item::Request, said), EVENTS.replace(&EVENTS[first.clone()], ""));
    }
    assert_eq!(without(Item::Request, &["w"]), EVENTS.replace(&EVENTS[second.clone()], ""));
    let both = without(Item::Request, &["anna", "/a"]);
    assert_eq!(both, EVENTS.replace(&EVENTS[first.start..second.end], ""));
}

#[test]
fn a_field_that_belongs_to_no_item_is_cleared() {
    for (item, said) in [
        (Item::Header as fn(u32) -> Item, "/a"),
        (Item::Header, "{\"cookie\":1}"),
        (Item::Header, "custom"),
        (Item::Request, "custom"),
        (Item::Request, "beside"),
    ] {
        let spelled = format!(r#""{}""#, said.replace('"', "\\\""));
        assert_eq!(without(item, &[said]), EVENTS.replace(&spelled, r#""""#), "{said}");
    }
}

#[test]
fn later_plugins_drop_what_is_left_in_one_splice() {
    let mut b = b();
    let both = Changes {
        edits: vec![mask(row(&b, "k=v"), 0, 3), mask(row(&b, "/a"), 0, 2)],
        drop_items: vec![Item::Header(row(&b, "k=v"))],
        ..Changes::default()
    };
    apply(&mut b, vec![Verdict::Change(both)]).unwrap();
    let accept = Item::Header(row(&b, "accept"));
    apply(&mut b, vec![drop_items(&[accept])]).unwrap();
    let expected = EVENTS.replace(r#""cookie":"k=v","accept":["a","b"]"#, "").replace(r#""/a""#, r#""**""#);
    assert_eq!(events(&b, 0), expected);
    for said in ["**", "/b"] {
        let request = Item::Request(row(&b, said));
        apply(&mut b, vec![drop_items(&[request])]).unwrap();
    }
    let requests = EVENTS.find(r#"{"url":"/a""#).unwrap()..EVENTS.find(r#"],"more"#).unwrap();
    assert_eq!(events(&b, 0), EVENTS.replace(&EVENTS[requests], ""));
}

#[test]
fn moves_are_told_by_event_position_and_time() {
    let mut b = b();
    assert_eq!(moves(&b, 0), [[2, 0, 50], [2, 1, 0], [2, 2, 500], [3, 0, 600]]);
    apply(&mut b, vec![drop_items(&[Item::Position(2, 2), Item::Position(2, 0), Item::Position(2, 0)])])
        .unwrap();
    assert_eq!(moves(&b, 0), [[2, 1, 0], [3, 0, 600]], "numbers stay");
    assert!(events(&b, 0).contains(r#""positions":[{"x":2,"y":2,"id":3,"timeOffset":-600}]"#));
    let again = apply(&mut b, vec![drop_items(&[Item::Position(2, 1), Item::Position(2, 0)])]);
    assert_eq!(again, Err(EditFaultKind::NoSuchItem { item: 1 }));
    apply(&mut b, vec![drop_items(&[Item::Position(2, 1), Item::Position(3, 0)])]).unwrap();
    assert_eq!(moves(&b, 0).len(), 0);
    assert_eq!(b.info(0).unwrap().event_count, 2, "an event leaves with its last position");
    let gone = apply(&mut b, vec![drop_items(&[Item::Position(3, 0)])]);
    assert_eq!(gone, Err(EditFaultKind::NoSuchItem { item: 0 }));
    let (finished, _) = b.finish();
    let (stored, redactions) = changed(&finished[0]);
    assert_eq!(stored, format!("{}]", &EVENTS[..EVENTS.find(r#",{"type":3"#).unwrap()]));
    assert_eq!(redactions.events_removed, 2);
}

#[test]
fn any_field_can_be_cleared() {
    let json = concat!(
        r#"[{"type":3,"timestamp":1,"data":{"source":5,"text":"typed","isChecked":false,"id":5}},"#,
        r#"{"type":3,"timestamp":2,"data":{"source":0,"attributes":[{"id":5,"attributes":{"href":"https://a.b/","onclick":"f()","srcdoc":"<p>","style":"a:b","rr_dataURL":"data:image/png;base64,AAAA"}}]}},"#,
        r#"{"type":5,"timestamp":3,"data":{"tag":"t","payload":{"log":"{\"k\":[1]}","long":-4111111.5}},"key one":{}}]"#,
    );
    let mut b = batch(json);
    let all = rows(&b, 0, Kinds::ALL);
    let edits = (0u32..).zip(&all).map(|(field, row)| edit(field, 0, row.text.len(), Replacement::Blank));
    apply(&mut b, vec![change(edits.collect())]).unwrap();
    let picture = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";
    let expected = json
        .replace("typed", "")
        .replace("https://a.b/", "")
        .replace("f()", "")
        .replace("<p>", "")
        .replace("a:b", "")
        .replace("data:image/png;base64,AAAA", picture)
        .replace(r#""tag":"t""#, r#""tag":"""#)
        .replace(r#""log":"{\"k\":[1]}","long":-4111111.5"#, r#""":"","":0"#)
        .replace("key one", "*** ***");
    assert_eq!(events(&b, 0), expected);
    let before = events(&b, 0);
    let all = rows(&b, 0, Kinds::ALL);
    let again = (0u32..).zip(&all).map(|(field, _)| edit(field, 0, 0, Replacement::Blank));
    apply(&mut b, vec![change(again.collect())]).unwrap();
    assert_eq!(events(&b, 0), before, "what is empty stays so");
}

/// What a request's headers are: an object, a list of pairs, a list of objects, a string, nothing.
type Headers = (u8, u8);

/// Events in which each string is one of its own.
fn made(requests: &[Vec<(Headers, Headers)>], moves: &[u8]) -> Value {
    let mut count = 0;
    let mut token = || {
        count += 1;
        format!("t{count}.")
    };
    let mut headers = |(shape, count): Headers| match shape % 5 {
        0 => Value::Object((0..count % 3).map(|_| (token(), json!(token()))).collect()),
        1 => (0..count % 3).map(|_| json!([token(), token()])).collect(),
        2 => (0..count % 3).map(|_| json!({"name": token(), "value": [token()]})).collect(),
        3 => json!(token()),
        _ => Value::Null,
    };
    let mut events = Vec::new();
    for requests in requests {
        let made = requests.iter().map(|(sent, got)| {
            let (sent, got) = (headers(*sent), headers(*got));
            json!({"requestHeaders": sent, "status": 200, "responseHeaders": got})
        });
        let mut made: Vec<Value> = made.collect();
        for (at, request) in made.iter_mut().enumerate() {
            request["url"] = json!(format!("u{}-{at}.", events.len()));
        }
        let payload = json!({"requests": made});
        events.push(
            json!({"type": 6, "timestamp": 1000, "data": {"plugin": "rrweb/network@1", "payload": payload}}),
        );
    }
    for count in moves {
        let positions: Vec<Value> =
            (0..count % 4).map(|at| json!({"x": at, "y": events.len(), "id": 1})).collect();
        events.push(json!({"type": 3, "timestamp": 1000, "data": {"source": 1, "positions": positions}}));
    }
    Value::Array(events)
}

/// Whether a string of `value` says `text`; also a key.
fn says(value: &Value, text: &str) -> bool {
    value.to_string().contains(&format!("\"{text}\""))
}

/// The slow way: takes the item of the string `text` out of the events as a tree.
fn take(events: &mut Value, is_header: bool, text: &str) {
    for event in events.as_array_mut().unwrap() {
        let requests = event.pointer_mut("/data/payload/requests").and_then(Value::as_array_mut);
        let Some(requests) = requests else { continue };
        let Some(at) = requests.iter().position(|request| says(request, text)) else { continue };
        if !is_header {
            requests.remove(at);
            return;
        }
        for name in ["requestHeaders", "responseHeaders"] {
            match &mut requests[at][name] {
                Value::Object(all) => all.retain(|key, value| key != text && !says(value, text)),
                Value::Array(all) => all.retain(|value| !says(value, text)),
                Value::String(said) if said == text => said.clear(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        if requests[at]["url"] == text {
            requests[at]["url"] = json!("");
        }
        return;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_items_leave_as_they_would_leave_a_tree(
        requests in prop::collection::vec(prop::collection::vec(any::<(Headers, Headers)>(), 0..4), 1..4),
        moved in prop::collection::vec(any::<u8>(), 0..4),
        chain in prop::collection::vec(prop::collection::vec((any::<prop::sample::Index>(), 0u8..3), 0..6), 1..4),
    ) {
        let mut tree = made(&requests, &moved);
        let mut b = batch(&tree.to_string());
        let mut positions_gone = Vec::new();
        for wishes in &chain {
            let all = rows(&b, 0, Kinds::ALL);
            let left = moves(&b, 0);
            let (mut items, mut taken) = (Vec::new(), Vec::new());
            for (at, what) in wishes {
                // What `name` and `value` say of the list's objects is one key for all of them.
                let words: Vec<usize> = (0..all.len()).filter(|row| all[*row].text.ends_with('.')).collect();
                match what {
                    0 if !left.is_empty() => {
                        let [event, position, _] = left[at.index(left.len())];
                        items.push(Item::Position(event, position));
                        positions_gone.push((event, position));
                    }
                    1 | 2 if !words.is_empty() => {
                        let row = words[at.index(words.len())];
                        items.push(if *what == 1 { Item::Request(row as u32) } else { Item::Header(row as u32) });
                        taken.push((*what == 2, all[row].text.clone()));
                    }
                    _ => {}
                }
            }
            apply(&mut b, vec![drop_items(&items)]).unwrap();
            // Requests first: then nothing is left in them that could leave on its own.
            taken.sort_by_key(|(is_header, _)| *is_header);
            taken.iter().for_each(|(is_header, text)| take(&mut tree, *is_header, text));
        }
        let mut expected = Vec::new();
        for (number, event) in (0u32..).zip(tree.as_array().unwrap()) {
            let mut event = event.clone();
            if let Some(all) = event.pointer_mut("/data/positions").and_then(Value::as_array_mut) {
                let before = all.len();
                let mut at = 0u32..;
                all.retain(|_| !positions_gone.contains(&(number, at.next().unwrap())));
                if all.is_empty() && before > 0 {
                    continue;
                }
            }
            expected.push(event);
        }
        let left = events(&b, 0);
        prop_assert_eq!(serde_json::from_str::<Value>(&left).unwrap(), Value::Array(expected));
        let again: Vec<String> = texts(&batch(&left), 0);
        prop_assert_eq!(again, texts(&b, 0));
    }
}
