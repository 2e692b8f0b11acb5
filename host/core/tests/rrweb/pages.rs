//! Elements by page load: what is known of them, and for how long.

use super::*;

const SNAPSHOT: &str = r#"{"type":2,"data":{"node":{"type":0,"childNodes":[{"type":2,"tagName":"FORM","attributes":{"id":"f","title":"no"},"childNodes":[{"type":2,"tagName":"input","attributes":{"type":"text","class":"a","data-x":"y"},"childNodes":[],"id":3},{"type":2,"tagName":"style","attributes":{},"childNodes":[{"type":3,"textContent":"css","id":5}],"id":4}],"id":2}],"id":1}}}"#;

fn feed(elements: &mut Elements, chunk_index: u32, start_ms: u64, events: &str) -> Scan {
    scan(format!("[{events}]").into_bytes(), place(chunk_index, start_ms), Kinds::ALL, elements, &LIMITS)
        .unwrap()
}

fn meta(href: &str) -> String {
    format!(r#"{{"type":4,"data":{{"href":"{href}"}}}}"#)
}

#[test]
fn elements_are_known_and_change() {
    let mut elements = elements();
    let page = feed(&mut elements, 0, 10, SNAPSHOT).page;
    let form = elements.element(page, 2).unwrap();
    assert_eq!((form.parent, form.tag.as_str()), (0, "form"));
    assert_eq!(form.attributes, [("id".to_owned(), "f".to_owned())]);
    assert_eq!(elements.element(page, 3).unwrap().parent, 2);
    assert_eq!(elements.element(page, 1), None, "a document is no element");
    assert_eq!(elements.element(page, 5), None, "a text is no element");
    feed(
        &mut elements,
        1,
        20,
        r#"{"type":3,"data":{"source":0,"texts":[],"attributes":[{"id":3,"attributes":{"class":null,"type":"password"}}],"removes":[{"parentId":2,"id":4}],"adds":[]}}"#,
    );
    let input = elements.element(page, 3).unwrap();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let earlier = [pair("type", "text"), pair("class", "a"), pair("data-x", "y"), pair("type", "password")];
    assert_eq!(input.attributes, earlier, "chunks before the change still ask about it");
    assert!(elements.element(page, 4).is_some(), "chunks before its removal still ask about it");
    elements.forget_old_pages();
    assert_eq!(elements.element(page, 4), None);
    let input = elements.element(page, 3).unwrap();
    assert_eq!(input.attributes, [pair("data-x", "y"), pair("type", "password")]);
}

#[test]
fn a_page_ends_where_the_next_begins() {
    let mut elements = elements();
    let text = r#"{"type":3,"data":{"source":0,"texts":[{"id":5,"value":"x"}]}}"#;
    let first = feed(&mut elements, 0, 10, &format!("{},{SNAPSHOT}", meta("https://a/")));
    assert_eq!(first.page_url.as_deref(), Some("https://a/"));
    let second = feed(&mut elements, 1, 20, text);
    assert_eq!((second.page, second.fields[0].kind), (first.page, Kind::Style));
    assert_eq!((second.page_url.as_deref(), second.page_url_field), (Some("https://a/"), None));
    assert_eq!(feed(&mut elements, 1, 20, text).page, first.page, "a duplicate");
    let next = feed(&mut elements, 0, 30, &format!("{text},{}", meta("https://b/")));
    assert_ne!(next.page, first.page);
    assert_eq!(next.fields[0].kind, Kind::Text, "an unknown parent is no style");
    assert_eq!(next.page_url, None, "the address came after content");
    assert!(elements.element(first.page, 3).is_some(), "older pages stay readable");
    let late = feed(&mut elements, 2, 25, SNAPSHOT);
    assert_eq!(late.page, first.page, "as long as the batch remembers it");
    let stray = feed(&mut elements, 7, 26, text);
    assert!(stray.page != first.page && stray.page != next.page, "after a gap nobody knows");
    let after = feed(&mut elements, 1, 40, text);
    assert_eq!((after.page, after.page_url.as_deref()), (next.page, Some("https://b/")));
    assert_eq!(after.fields[0].kind, Kind::Text, "a late chunk says nothing of the present page");
    elements.forget_old_pages();
    assert_eq!((elements.element(first.page, 3), elements.element(late.page, 3)), (None, None));
    assert_eq!(feed(&mut elements, 3, 27, text).page_url, None, "a late chunk of a forgotten page");
    elements.set_page_url(next.page, Some("https://masked/".to_owned()));
    assert_eq!(feed(&mut elements, 2, 50, text).page_url.as_deref(), Some("https://masked/"));
}

#[test]
fn the_table_is_bounded() {
    let mut elements = Elements::new(ElementLimits { max_bytes: 10_000 });
    let page = feed(&mut elements, 0, 1, SNAPSHOT).page;
    let adds: Vec<String> = (6..3000)
        .map(|id| format!(r#"{{"parentId":2,"node":{{"type":2,"tagName":"p","attributes":{{"class":"c-{id}"}},"id":{}}}}}"#, id * 50))
        .collect();
    feed(&mut elements, 1, 2, &format!(r#"{{"type":3,"data":{{"source":0,"adds":[{}]}}}}"#, adds.join(",")));
    assert!(elements.bytes() <= 10_000, "{}", elements.bytes());
    assert!(elements.element(page, 3).is_some());
    assert_eq!(elements.element(page, 2999 * 50), None);
    feed(&mut elements, 2, 3, SNAPSHOT);
    assert!(elements.element(page, 3).is_some(), "a snapshot makes room for itself");
    elements.forget_old_pages();
    assert!(elements.bytes() < 4_000);
}

#[test]
fn the_page_url_is_known_without_url_fields() {
    let json = format!("[{},{}]", meta("https://a/"), meta("https://b/"));
    let mut elements = elements();
    let kinds = Kinds::from_iter([Kind::Text]);
    let found = scan(json.into_bytes(), place(0, 1), kinds, &mut elements, &LIMITS).unwrap();
    assert_eq!((found.page_url.as_deref(), found.page_url_field), (Some("https://a/"), None));
    assert_eq!(elements.page_url(found.page), Some("https://b/"));
}
