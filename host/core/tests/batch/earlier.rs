//! What elements were earlier in a batch, which is what text of that time was inside of.

use replay_core::rrweb::Element;

use super::*;

/// A form (5) with a text (6), inside a `div` (4) beside another (3), and a paragraph (7).
fn page(class: &str, parent_of_form: u32) -> String {
    let form = format!(
        r#"{{"type":2,"tagName":"form","attributes":{{"class":"{class}","id":"f"}},"childNodes":[{{"type":3,"textContent":"4111","id":6}}],"id":5}}"#
    );
    let div = |id: u32| {
        let inside = if id == parent_of_form { form.as_str() } else { "" };
        format!(
            r#"{{"type":2,"tagName":"div","attributes":{{"id":"d{id}"}},"childNodes":[{inside}],"id":{id}}}"#
        )
    };
    format!(
        r#"[{{"type":2,"timestamp":1,"data":{{"node":{{"type":0,"childNodes":[{{"type":2,"tagName":"html","attributes":{{}},"childNodes":[{},{}],"id":2}}],"id":1}}}}}}]"#,
        div(3),
        div(4)
    )
}

fn mutation(data: &str) -> String {
    format!(r#"[{{"type":3,"timestamp":2,"data":{{"source":0,{data}}}}}]"#)
}

fn change_class(class: &str) -> String {
    mutation(&format!(r#""attributes":[{{"id":5,"attributes":{{"class":{class}}}}}]"#))
}

fn classes_of(element: Option<Element>) -> Option<Vec<String>> {
    let attributes = element?.attributes.into_iter();
    Some(attributes.filter(|(name, _)| name == "class").map(|(_, value)| value).collect())
}

/// The classes that the form has for the first chunk; `None` if it is not known.
fn classes(batch: &Batch) -> Option<Vec<String>> {
    classes_of(batch.element(0, 5))
}

/// The form when the batch is over.
fn afterwards(batch: Batch) -> Option<Element> {
    let page = batch.info(0).unwrap().page;
    let mut elements = batch.finish().1;
    elements.forget_old_pages();
    elements.element(page, 5)
}

#[test]
fn a_class_that_was_changed_or_taken_away_is_still_told() {
    let page = page("payment-form", 4);
    for (later, all, last) in [
        (
            change_class(r#""payment-form--done""#),
            &["payment-form", "payment-form--done"][..],
            &["payment-form--done"][..],
        ),
        (change_class("null"), &["payment-form"], &[]),
        (self::page("done", 4), &["payment-form", "done"], &["done"]),
        (mutation(r#""removes":[{"parentId":4,"id":5}]"#), &["payment-form"], &[]),
    ] {
        let b = batch_of(Kinds::ALL, &[&page, &later]);
        assert_eq!(classes(&b).unwrap(), all, "{later}");
        assert_eq!(classes_of(afterwards(b)).unwrap_or_default(), last, "{later}");
    }
}

#[test]
fn what_was_moved_to_another_parent_is_inside_of_nobody_knows_what() {
    let form = r#"{"type":2,"tagName":"form","attributes":{"class":"payment-form"},"childNodes":[],"id":5}"#;
    let add =
        |parent: u32| mutation(&format!(r#""adds":[{{"parentId":{parent},"nextId":null,"node":{form}}}]"#));
    for later in [add(3), page("payment-form", 3)] {
        let b = batch_of(Kinds::ALL, &[&page("payment-form", 4), &later]);
        assert_eq!(b.element(0, 5), None, "{later}");
        assert_eq!((b.element(0, 3).unwrap().node, b.element(0, 4).unwrap().node), (3, 4));
        assert_eq!(afterwards(b).unwrap().parent, 3, "that is all there is to know once the batch is over");
    }
    let b = batch_of(Kinds::ALL, &[&page("payment-form", 4), &add(4)]);
    assert_eq!(b.element(0, 5).unwrap().parent, 4, "it came back to where it was");
}

#[test]
fn few_values_are_kept_however_often_they_change_and_many_are_not() {
    let toggles: Vec<String> =
        (0..1_000).map(|turn| change_class(["\"open\"", "\"shut\""][turn % 2])).collect();
    let counts: Vec<String> = (0..200).map(|turn| change_class(&format!("\"c{turn}\""))).collect();
    let first = page("payment-form", 4);
    let all = |later: &[String]| {
        let mut chunks = vec![first.as_str()];
        chunks.extend(later.iter().map(String::as_str));
        batch_of(Kinds::ALL, &chunks)
    };
    let b = all(&toggles);
    assert_eq!(classes(&b).unwrap(), ["payment-form", "open", "shut"]);
    assert_eq!(classes_of(afterwards(b)).unwrap(), ["shut"]);
    let b = all(&counts);
    assert_eq!(classes(&b), None, "more than are kept");
    assert_eq!(classes_of(afterwards(b)).unwrap(), ["c199"]);
}

#[test]
fn an_element_that_says_more_than_is_kept_is_not_known_and_its_place_is() {
    let long = "x".repeat(300 << 10);
    for chunks in [
        vec![page(&long, 4)],
        vec![page("a", 4), change_class(&format!("\"{long}\""))],
        vec![page(&long, 4), page("a", 4)],
    ] {
        let chunks: Vec<&str> = chunks.iter().map(String::as_str).collect();
        let b = batch_of(Kinds::ALL, &chunks);
        assert_eq!(b.element(0, 5), None);
        assert!(b.element(0, 4).is_some());
        assert_eq!(nodes(&b, 0), [2, 3, 4, 5]);
        assert_eq!(afterwards(b).is_some(), chunks.len() == 2 && chunks[0].len() > long.len());
    }
}

/// Each of these changes as a copy of all attributes would be terabytes.
#[test]
fn many_small_changes_of_an_element_that_says_much() {
    for class_bytes in [3_500_000, 250_000] {
        let change = r#"{"id":5,"attributes":{"id":""}},{"id":5,"attributes":{"id":"x"}}"#;
        let changes = mutation(&format!(r#""attributes":[{}]"#, vec![change; 100_000].join(",")));
        let b = batch_of(Kinds::ALL, &[&page(&"x".repeat(class_bytes), 4), &changes]);
        assert_eq!(b.element(0, 5).is_some(), class_bytes < 256 << 10);
    }
    let counts: Vec<String> =
        (0..100_000).map(|turn| format!(r#"{{"id":5,"attributes":{{"data-x":"{turn}"}}}}"#)).collect();
    let changes = mutation(&format!(r#""attributes":[{}]"#, counts.join(",")));
    let b = batch_of(Kinds::ALL, &[&page(&"x".repeat(100_000), 4), &changes]);
    assert_eq!(b.element(0, 5), None);
    let last = afterwards(b).unwrap().attributes.pop();
    assert_eq!(last, Some(("data-x".to_owned(), "99999".to_owned())));
}

#[test]
fn what_was_forgotten_within_a_batch_is_not_known_when_it_is_told_again() {
    // A table that has room for little more than this page.
    let small = || Elements::new(ElementLimits { max_bytes: 3_000 });
    let mut b = Batch::new(Kinds::ALL, small());
    let gone = r#"[{"type":2,"timestamp":1,"data":{"node":{"type":0,"childNodes":[],"id":1}}}]"#;
    for (at, chunk) in [page("payment-form", 4).as_str(), gone, &page("done", 4)].into_iter().enumerate() {
        b.add(&head(at as u32, at as u64 + 1), chunk.into(), &LIMITS).unwrap();
    }
    assert_eq!(classes(&b), None, "it may have had another class");
    assert_eq!(classes_of(afterwards(b)).unwrap(), ["done"]);
}
