//! `replace`: whole new events in the place of the old.

use super::*;

/// As JSON, to be changed and written again.
fn parsed(json: &str) -> serde_json::Value {
    // The one lone surrogate is not for Rust's strings.
    serde_json::from_str(&json.replace("\\ud800", "?")).unwrap()
}

/// The events of a batch of which nobody holds a lone surrogate.
fn source() -> String {
    parsed(EVENTS).to_string()
}

fn replace(b: &mut Batch, new: &serde_json::Value) -> Result<(), EditFaultKind> {
    apply(b, vec![Verdict::Replace(new.to_string().into())])
}

#[test]
fn later_plugins_see_and_edit_what_one_replaced() {
    let json = source();
    let mut b = batch(&json);
    let mut new = parsed(&json);
    new[2]["data"]["text"] = "[typed]".into();
    new[4]["data"]["payload"]["mail"] = "[mail]".into();
    replace(&mut b, &new).unwrap();
    let typed = row(&b, "[typed]");
    assert!(!texts(&b, 0).iter().any(|text| text == "é"));
    b.apply(1, Kinds::ALL, vec![change(vec![mask(typed, 0, 7)])], &RULES).unwrap();
    b.apply(2, Kinds::ALL, vec![remove(&[4])], &RULES).unwrap();
    assert_eq!(b.info(0).unwrap().event_count, 4);
    let (finished, _) = b.finish();
    new[2]["data"]["text"] = "*******".into();
    new.as_array_mut().unwrap().pop();
    let (stored, redactions) = changed(&finished[0]);
    assert_eq!(parsed(stored), new);
    assert_eq!(redactions.bytes as usize, json.len(), "all of the source counts");
    assert_eq!((redactions.events_removed, redactions.fields[Kind::Input as usize]), (1, 1));
}

#[test]
fn white_space_is_taken_out_and_the_same_is_no_change() {
    let mut b = batch(&source());
    let pretty = serde_json::to_string_pretty(&parsed(&source())).unwrap();
    apply(&mut b, vec![Verdict::Replace(source().into())]).unwrap();
    assert_eq!(events(&b, 0), source());
    apply(&mut b, vec![Verdict::Replace(pretty.into())]).unwrap();
    assert_eq!(events(&b, 0), source());
}

#[test]
fn only_what_playback_can_miss_may_be_missing() {
    let json = source();
    for event in 0..5 {
        let mut b = batch(&json);
        let mut new = parsed(&json);
        new.as_array_mut().unwrap().remove(event);
        let expected = if matches!(event, 1 | 4) { Ok(()) } else { Err(EditFaultKind::BadReplace) };
        assert_eq!(replace(&mut b, &new), expected, "{event}");
    }
}

#[test]
fn what_is_another_recording_is_refused() {
    type Change = fn(&mut serde_json::Value);
    let changes: [(&str, Change); 11] = [
        ("another time", |new| new[2]["timestamp"] = 4.into()),
        ("another type", |new| new[0]["type"] = 5.into()),
        ("another source", |new| new[2]["data"]["source"] = 3.into()),
        ("one more event", |new| {
            let event = new[4].clone();
            new.as_array_mut().unwrap().push(event);
        }),
        ("another order", |new| new.as_array_mut().unwrap().swap(1, 2)),
        ("an address", |new| new[0]["data"]["href"] = "https://evil.com/".into()),
        ("a source", |new| {
            new[3]["data"]["node"]["childNodes"][0]["attributes"]["src"] = "//evil.com".into()
        }),
        ("new code", |new| new[3]["data"]["node"]["childNodes"][0]["attributes"]["onclick"] = "g()".into()),
        ("new markup", |new| {
            new[3]["data"]["node"]["childNodes"][0]["attributes"]["srcdoc"] = "<img>".into();
        }),
        ("new style", |new| {
            new[3]["data"]["node"]["childNodes"][0]["attributes"]["style"] = "background:url(/x)".into();
        }),
        ("no array", |new| *new = new[0].clone()),
    ];
    for (what, change) in changes {
        let mut b = batch(&source());
        let mut new = parsed(&source());
        change(&mut new);
        assert_eq!(replace(&mut b, &new), Err(EditFaultKind::BadReplace), "{what}");
        assert_eq!(b.finish().0, [Finished::Unchanged], "{what}");
    }
}

#[test]
fn code_and_addresses_may_go() {
    let mut b = batch(&source());
    let mut new = parsed(&source());
    new[0]["data"]["href"] = "https://a.com/[path]".into();
    new[3]["data"]["node"]["childNodes"][0]["attributes"] = serde_json::json!({"onclick": "***"});
    replace(&mut b, &new).unwrap();
    assert_eq!(b.info(0).unwrap().page_url.as_deref(), Some("https://a.com/[path]"));
}

#[test]
fn elements_are_those_that_were_recorded() {
    let text = r#"[{"type":3,"timestamp":9,"data":{"source":0,"texts":[{"id":8,"value":"a{}"}]}}]"#;
    let nodes = r#"{"type":0,"childNodes":[{"type":2,"tagName":"style","attributes":{"id":"s"},"childNodes":[{"type":3,"textContent":"b{}","id":8}],"id":7}],"id":1}"#;
    let snapshot = format!(r#"[{{"type":2,"timestamp":1,"data":{{"node":{nodes}}}}}]"#);
    let mut b = batch_of(Kinds::ALL, &[&snapshot, text, text]);
    assert_eq!(rows(&b, 1, Kinds::ALL)[0].kind, Kind::Style);
    let tagless = snapshot.replace("style", "div");
    let css = text.replace("a{}", "c{}");
    let verdicts = [tagless, css].map(|json| Verdict::Replace(json.into()));
    apply(&mut b, verdicts.into_iter().chain([Verdict::Keep]).collect()).unwrap();
    for chunk in 0..3 {
        assert_eq!(b.element(chunk, 7).unwrap().tag, "style");
    }
    let style = rows(&b, 1, Kinds::ALL).remove(0);
    assert_eq!((style.kind, style.text.as_str()), (Kind::Style, "c{}"), "its element is still known");
    let mut next = Batch::new(Kinds::ALL, b.finish().1);
    next.add(&head(3, 100), text.into(), &LIMITS).unwrap();
    assert_eq!(rows(&next, 0, Kinds::ALL)[0].kind, Kind::Style, "and to the next batch");
}
