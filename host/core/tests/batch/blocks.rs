//! Elements of which nothing but the box is left: what stays of them, byte for byte.

use super::*;

/// A document with a form (4) that holds an input (5), a text (6), and a paragraph (7) beside it.
const PAGE: &str = concat!(
    r#"[{"type":2,"timestamp":1,"data":{"node":{"type":0,"childNodes":[{"type":2,"tagName":"html","attributes":{},"childNodes":["#,
    r#"{"type":2,"tagName":"form","attributes":{"title":"Anna","class":"secret box","style":"width:9px","value":"v"},"childNodes":["#,
    r#"{"type":2,"tagName":"input","attributes":{"value":"typed"},"childNodes":[],"id":5},{"type":3,"textContent":"inside","id":6}],"#,
    r#""isShadowHost":true,"more":"Anna","id":4},{"type":2,"tagName":"p","attributes":{},"childNodes":[],"id":7}],"id":2}],"id":1}}}]"#,
);

/// What is left of it.
const BLOCKED: &str = concat!(
    r#"[{"type":2,"timestamp":1,"data":{"node":{"type":0,"childNodes":[{"type":2,"tagName":"html","attributes":{},"childNodes":["#,
    r#"{"type":2,"tagName":"form","attributes":{"class":"secret box","style":"width:9px"},"childNodes":[],"#,
    r#""isShadowHost":true,"id":4},{"type":2,"tagName":"p","attributes":{},"childNodes":[],"id":7}],"id":2}],"id":1}}}]"#,
);

/// The data of one incremental event, in a chunk after [`PAGE`], under a block of the form; what is left
/// of all events.
fn later(data: &str) -> String {
    let chunk =
        format!(r#"[{{"type":3,"timestamp":2,"data":{data}}},{{"type":4,"timestamp":3,"data":{{}}}}]"#);
    let mut b = batch_of(Kinds::ALL, &[PAGE, &chunk]);
    apply(&mut b, vec![Verdict::Keep, block(&[4])]).unwrap();
    assert_eq!(events(&b, 0), PAGE, "a block is a chunk's");
    let left = events(&b, 1);
    match left.strip_prefix(r#"[{"type":3,"timestamp":2,"data":"#) {
        Some(left) => left.strip_suffix(r#"},{"type":4,"timestamp":3,"data":{}}]"#).unwrap().to_owned(),
        None => {
            assert_eq!(left, r#"[{"type":4,"timestamp":3,"data":{}}]"#);
            String::new()
        }
    }
}

#[test]
fn an_element_keeps_its_box_and_nothing_else() {
    let mut b = batch(PAGE);
    assert_eq!(nodes(&b, 0), [2, 4, 5, 7]);
    apply(&mut b, vec![block(&[4, 4, 5])]).unwrap();
    assert_eq!(events(&b, 0), BLOCKED);
    assert_eq!(nodes(&b, 0), [2, 4, 7], "later plugins do not see what left");
    assert_eq!(texts(&b, 0), ["secret box", "width:9px"]);
    assert_eq!(b.view(0, Kinds::ALL).unwrap().names, ["", "", "class", "style", "", "", "", ""]);
    assert_eq!(b.element(0, 5).unwrap().parent, 4, "what is known of the page is still known");
    let (finished, _) = b.finish();
    let (stored, redactions) = changed(&finished[0]);
    assert_eq!(stored, BLOCKED);
    let commas = 4;
    assert_eq!(redactions.bytes as usize, PAGE.len() - BLOCKED.len() - commas);
    assert_eq!((redactions.events_removed, redactions.fields), (0, [0; 14]));
}

#[test]
fn later_plugins_edit_and_block_what_is_left() {
    let mut b = batch(PAGE);
    apply(&mut b, vec![block(&[5])]).unwrap();
    let masks = change(vec![mask(row(&b, "inside"), 0, 6), mask(row(&b, "Anna"), 0, 4)]);
    apply(&mut b, vec![masks]).unwrap();
    apply(&mut b, vec![block(&[4])]).unwrap();
    assert_eq!(events(&b, 0), BLOCKED);
    let masks = change(vec![mask(row(&b, "secret box"), 0, 6)]);
    apply(&mut b, vec![masks]).unwrap();
    apply(&mut b, vec![block(&[2])]).unwrap();
    let root = r#"{"type":2,"tagName":"html","attributes":{},"childNodes":[],"id":2}"#;
    let all = format!(
        r#"[{{"type":2,"timestamp":1,"data":{{"node":{{"type":0,"childNodes":[{root}],"id":1}}}}}}]"#
    );
    assert_eq!(events(&b, 0), all, "of a blocked root there is an empty page to play");
}

#[test]
fn changes_inside_leave_and_those_beside_stay() {
    for (data, left) in [
        (
            r#"{"source":0,"texts":[{"id":6,"value":"x"},{"id":8,"value":"y"}],"attributes":[],"removes":[],"adds":[]}"#,
            r#"{"source":0,"texts":[{"id":8,"value":"y"}],"attributes":[],"removes":[],"adds":[]}"#,
        ),
        (
            r#"{"source":0,"attributes":[{"id":5,"attributes":{"value":"x"}},{"id":4,"attributes":{"title":"x","class":"y","style":{"color":"red"}}},{"id":7,"attributes":{"title":"z"}}]}"#,
            r#"{"source":0,"attributes":[{"id":4,"attributes":{"class":"y","style":{"color":"red"}}},{"id":7,"attributes":{"title":"z"}}]}"#,
        ),
        (
            r#"{"source":0,"removes":[{"parentId":4,"id":6},{"parentId":2,"id":4},{"parentId":4,"id":99}],"adds":[]}"#,
            r#"{"source":0,"removes":[{"parentId":2,"id":4}],"adds":[]}"#,
        ),
        // One that is added before what it is added to, into the form; and a move out of it.
        (
            r#"{"source":0,"removes":[{"parentId":4,"id":5}],"adds":[{"parentId":9,"nextId":null,"node":{"type":3,"textContent":"x","id":10}},{"parentId":4,"nextId":null,"node":{"type":2,"tagName":"b","attributes":{},"childNodes":[],"id":9}},{"parentId":7,"nextId":null,"node":{"type":2,"tagName":"input","attributes":{"value":"typed"},"childNodes":[],"id":5}}],"texts":[{"id":10,"value":"x"}],"attributes":[{"id":5,"attributes":{"title":"out"}}]}"#,
            r#"{"source":0,"removes":[],"adds":[{"parentId":7,"nextId":null,"node":{"type":2,"tagName":"input","attributes":{"value":"typed"},"childNodes":[],"id":5}}],"texts":[],"attributes":[{"id":5,"attributes":{"title":"out"}}]}"#,
        ),
        // The form once more, with all that is in it, and a frame's document.
        (
            r#"{"source":0,"adds":[{"parentId":2,"nextId":7,"node":{"type":2,"tagName":"form","attributes":{"title":"x"},"childNodes":[{"type":3,"textContent":"x","id":6}],"id":4}},{"parentId":5,"nextId":null,"node":{"type":0,"childNodes":[],"id":20}}],"isAttachIframe":true}"#,
            r#"{"source":0,"adds":[{"parentId":2,"nextId":7,"node":{"type":2,"tagName":"form","attributes":{},"childNodes":[],"id":4}}],"isAttachIframe":true}"#,
        ),
        (r#"{"source":5,"text":"typed","isChecked":false,"id":5}"#, ""),
        (r#"{"source":5,"text":"typed","isChecked":false,"id":4}"#, ""),
        (r#"{"source":2,"type":2,"x":1,"y":2,"id":5}"#, ""),
        (r#"{"source":3,"x":1,"y":2,"id":4}"#, ""),
        (r#"{"source":8,"adds":[{"rule":"a{}"}],"id":5}"#, ""),
        (r#"{"source":77,"what":"x","id":5}"#, ""),
        (r#"{"id":7,"source":5,"text":"x","\u0069d":5}"#, ""),
        (
            r#"{"source":5,"text":"typed","isChecked":false,"id":7}"#,
            r#"{"source":5,"text":"typed","isChecked":false,"id":7}"#,
        ),
        (
            r#"{"source":1,"positions":[{"x":1,"y":1,"id":5},{"x":2,"y":2,"id":7},{"x":3,"y":3,"id":4}]}"#,
            r#"{"source":1,"positions":[{"x":2,"y":2,"id":7}]}"#,
        ),
        (r#"{"source":6,"positions":[{"x":1,"y":1,"id":5},{"x":3,"y":3,"id":4}]}"#, ""),
        (r#"{"source":12,"positions":[]}"#, r#"{"source":12,"positions":[]}"#),
        (
            r#"{"source":14,"ranges":[{"start":7,"startOffset":0,"end":6,"endOffset":1},{"start":7,"startOffset":0,"end":7,"endOffset":1}]}"#,
            r#"{"source":14,"ranges":[{"start":7,"startOffset":0,"end":7,"endOffset":1}]}"#,
        ),
        (r#"{"source":14,"ranges":[{"start":6,"startOffset":0,"end":7,"endOffset":1}]}"#, ""),
    ] {
        assert_eq!(later(data), left, "{data}");
    }
}

#[test]
fn what_nobody_could_tell_apart_counts_as_inside() {
    // Room for the snapshot's nodes, and not for those that come later.
    let grown = r#"[{"type":3,"timestamp":2,"data":{"source":0,"adds":[{"parentId":4,"nextId":null,"node":{"type":2,"tagName":"b","attributes":{},"childNodes":[],"id":900}}]}}]"#;
    let said = r#"[{"type":3,"timestamp":3,"data":{"source":0,"texts":[{"id":901,"value":"x"},{"id":8,"value":"y"}]}}]"#;
    let left = |max_bytes: usize| {
        let mut batch = Batch::new(Kinds::ALL, Elements::new(ElementLimits { max_bytes }));
        for (index, json) in (0u32..).zip([PAGE, grown, said]) {
            batch.add(&head(index, u64::from(index) + 1), json.into(), &LIMITS).unwrap();
        }
        apply(&mut batch, vec![block(&[4]), block(&[4]), block(&[4])]).unwrap();
        events(&batch, 2)
    };
    assert_eq!(left(8 << 20), said);
    assert!(left(3000).contains(r#""texts":[]"#));
}

#[test]
fn a_block_is_asked_for_in_each_batch_and_the_page_is_known_there() {
    let typed = r#"[{"type":3,"timestamp":9,"data":{"source":5,"text":"t","isChecked":false,"id":5}},{"type":4,"timestamp":9,"data":{}}]"#;
    let (_, elements) = batch(PAGE).finish();
    let mut next = Batch::new(Kinds::ALL, elements);
    next.add(&head(1, 2), typed.into(), &LIMITS).unwrap();
    assert_eq!(nodes(&next, 0), [2, 4, 5]);
    apply(&mut next, vec![block(&[4])]).unwrap();
    let (finished, _) = next.finish();
    let (stored, redactions) = changed(&finished[0]);
    assert_eq!((stored, redactions.events_removed), (r#"[{"type":4,"timestamp":9,"data":{}}]"#, 1));
}

#[test]
fn keys_that_stand_twice_hide_nothing() {
    let twice = PAGE
        .replace(r#""more":"Anna","#, r#""childNodes":[{"type":3,"textContent":"again","id":61}],"attributes":{"title":"again"},"childNodes":"again","#)
        .replacen(r#"{"type":2,"timestamp"#, r#"{"type":9,"type":2,"timestamp"#, 1);
    let mut b = batch(&twice);
    // An event of two types teaches nothing: its elements are those of the chunk before.
    assert_eq!(apply(&mut b, vec![block(&[4])]), Err(EditFaultKind::NotBlockable { node: 4 }));
    let mut b = batch_of(Kinds::ALL, &[PAGE, &twice]);
    apply(&mut b, vec![block(&[4]), block(&[4])]).unwrap();
    let left = events(&b, 1);
    for gone in ["again", "Anna", "inside", "typed"] {
        assert!(!left.contains(gone), "{left}");
    }
    serde_json::from_str::<&serde_json::value::RawValue>(&left).unwrap();
}
