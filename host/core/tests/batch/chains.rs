//! What comes out of a chain: one splice of all that its plugins changed.

use super::*;

#[test]
fn a_chain_is_spliced_once() {
    let mut b = batch(EVENTS);
    let edits =
        [("a@b\u{fffd}c", 0, 1), ("411111", 0, 4), ("https://a.com/x", 14, 15), (r#"{"k":[1]}"#, 6, 7)];
    let mut edits: Vec<_> =
        edits.iter().map(|(text, start, end)| mask(row(&b, text), *start, *end)).collect();
    edits.push(edit(row(&b, "24"), 0, 1, Replacement::Blank));
    apply(&mut b, vec![change(edits)]).unwrap();
    let json = events(&b, 0);
    assert!(json.contains(r#""text":"*\u0040b\ud800c""#) && json.contains(r#""n":100011"#), "{json}");
    assert!(json.contains(r#""log":"*********""#) && json.contains("data:image/gif"), "{json}");
    apply(&mut b, vec![remove(&[1])]).unwrap();
    let (finished, _) = b.finish();
    let (json, redactions) = changed(&finished[0]);
    assert!(!json.contains("source\":1,"));
    assert_eq!((redactions.events_removed, redactions.fields.iter().sum::<u32>()), (1, 4));
    let removed = r#"{"type":3,"timestamp":2,"data":{"source":1,"positions":[],"n":411111}}"#.len();
    let rest = 1 + 1 + r#"{\"k\":[1]}"#.len() + "data:image/png;base64,AA".len();
    assert_eq!(redactions.bytes as usize, removed + rest);
}

#[test]
fn keys_that_become_one_stay_two() {
    let json = r#"[{"type":5,"timestamp":1,"data":{"tag":"t","payload":{"anna":1,"bert":2}}}]"#;
    let mut b = batch(json);
    let keys = ["anna", "bert"].map(|key| mask(row(&b, key), 0, 4));
    apply(&mut b, vec![change(keys.to_vec())]).unwrap();
    let again = rows(&b, 0, Kinds::ALL);
    assert_eq!(again.iter().filter(|row| row.text == "****").count(), 2);
    let (finished, _) = b.finish();
    assert!(changed(&finished[0]).0.contains(r#"{"****":1,"****":2}"#));
}

#[test]
fn names_do_not_say_what_was_masked() {
    let json = r#"[{"type":5,"timestamp":1,"data":{"tag":"t","payload":{"anna":"x"}}}]"#;
    let mut b = batch(json);
    let name = |b: &Batch| rows(b, 0, Kinds::ALL).into_iter().find(|row| row.text == "x").unwrap().name;
    assert_eq!(name(&b), "anna");
    let edits = vec![mask(row(&b, "anna"), 0, 4)];
    apply(&mut b, vec![change(edits)]).unwrap();
    assert_eq!(name(&b), "****");
}

#[test]
fn what_leaves_does_not_renumber_what_stays() {
    let json = concat!(
        r#"[{"type":5,"timestamp":1,"data":{"tag":"a","payload":{}}},"#,
        r#"{"type":5,"timestamp":2,"data":{"tag":"b","payload":{"anna":"x"}}}]"#,
    );
    let mut b = batch(json);
    let all = rows(&b, 0, Kinds::ALL).len() as u32;
    assert_eq!(b.numbers(0, Kinds::ALL), Some((0..all).collect()));
    let number = |b: &Batch, text: &str| {
        let shown = rows(b, 0, Kinds::ALL).iter().position(|row| row.text == text).unwrap();
        (shown, b.numbers(0, Kinds::ALL).unwrap()[shown])
    };
    let (shown_before, before) = number(&b, "x");
    let edits = vec![mask(row(&b, "anna"), 0, 4)];
    apply(&mut b, vec![change(edits)]).unwrap();
    apply(&mut b, vec![remove(&[0])]).unwrap();
    let (shown, after) = number(&b, "x");
    assert!(shown < shown_before && after == before, "{shown} {shown_before}");
    assert_eq!(b.numbers(0, Kinds::ALL).unwrap().len(), rows(&b, 0, Kinds::ALL).len());
    assert_eq!(b.numbers(1, Kinds::ALL), None);

    let mut b = batch(json);
    apply(&mut b, vec![Verdict::Replace(json.replace(r#""x""#, r#""y""#).into())]).unwrap();
    assert_eq!(b.numbers(0, Kinds::ALL), None);
}

#[test]
fn numbers_stay_numbers() {
    let json = r#"[{"type":5,"timestamp":1,"data":{"tag":"t","payload":[4111111,-123456.75]}}]"#;
    let mut b = batch(json);
    let edits = vec![mask(row(&b, "4111111"), 0, 7), edit(row(&b, "-123456.75"), 0, 10, say("x"))];
    let strict = EditRules { mask_only: true, ..RULES };
    b.apply(0, Kinds::ALL, vec![change(edits)], &strict).unwrap();
    assert!(events(&b, 0).contains("[1000000,-100000.00]"), "{}", events(&b, 0));
}

#[test]
fn packed_events_are_stored_unpacked_though_nobody_edits_them() {
    let plain = r#"{"type":3,"timestamp":1,"data":{"source":5,"text":"typed"}}"#;
    // An event that is a string of its JSON is unpacked like one that is compressed.
    let packed = format!("[{}]", serde_json::to_string(plain).unwrap());
    let mut b = batch_of(Kinds::ALL, &[&packed, &packed]);
    let edits = vec![mask(row_in(&b, 1, "typed"), 0, 5)];
    apply(&mut b, vec![Verdict::Keep, change(edits)]).unwrap();
    let (finished, _) = b.finish();
    assert_eq!(changed(&finished[0]), (format!("[{plain}]").as_str(), Redactions::default()));
    let (stored, redactions) = changed(&finished[1]);
    assert_eq!((stored, redactions.bytes), (format!("[{plain}]").replace("typed", "*****").as_str(), 5));
}

#[test]
fn what_is_stored_holds_no_white_space_between_tokens() {
    let json = "[ {\"type\": 3,\n \"timestamp\":1,\r\n\"data\": {\"source\":5, \"text\" :\"a \\n b\"}} ,\n\
                {\"type\":3,\"timestamp\":2,\"data\":{\"source\":1}} ]\n";
    let mut b = batch(json);
    assert_eq!(events(&b, 0), json, "as it came as long as nothing changes");
    let edits = vec![mask(row(&b, "a \n b"), 0, 1)];
    apply(&mut b, vec![change(edits)]).unwrap();
    apply(&mut b, vec![remove(&[1])]).unwrap();
    let (finished, _) = b.finish();
    let compact = r#"[{"type":3,"timestamp":1,"data":{"source":5,"text":"* \n b"}}]"#;
    assert_eq!(changed(&finished[0]).0, compact);
    assert_eq!(batch(json).finish().0, [Finished::Unchanged]);
}

#[test]
fn plugins_see_only_the_kinds_that_they_asked_for() {
    let mut b = batch(EVENTS);
    let kinds = Kinds::from_iter([Kind::Input]);
    assert_eq!(rows(&b, 0, kinds).len(), 1);
    // Row 0 of what was shown, which is another of all.
    b.apply(0, kinds, vec![change(vec![mask(0, 0, 1)])], &RULES).unwrap();
    assert_eq!(rows(&b, 0, kinds)[0].text, "*@b\u{fffd}c");
    let fault = b.apply(1, kinds, vec![change(vec![mask(1, 0, 1)])], &RULES).unwrap_err();
    assert_eq!(fault.kind, EditFaultKind::NoSuchField { edit: 0 });
    assert_eq!(rows(&b, 0, Kinds::ALL)[0].text, "https://a.com/x");
}
