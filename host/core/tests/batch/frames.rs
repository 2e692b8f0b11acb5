//! What is around the document of a frame.

use super::*;

/// A frame's document (60), its `html` (61) and a text, attached to element 50.
const ATTACHED: &str = r#"[{"type":3,"timestamp":2,"data":{"source":0,"isAttachIframe":true,"adds":[{"parentId":50,"nextId":null,"node":{"type":0,"id":60,"childNodes":[{"type":2,"tagName":"html","attributes":{},"childNodes":[{"type":2,"tagName":"p","attributes":{},"childNodes":[{"type":3,"textContent":"4111","id":63}],"id":62}],"id":61}]}}]}}]"#;

#[test]
fn a_frame_in_nobody_knows_what_has_no_outermost_element() {
    let b = batch(ATTACHED);
    assert_eq!(b.element(0, 61), None);
    assert_eq!(
        b.element(0, 62).unwrap().parent,
        61,
        "so what is inside of it is inside of nobody knows what"
    );
    let html = r#"[{"type":3,"timestamp":2,"data":{"source":0,"adds":[{"parentId":1,"nextId":null,"node":{"type":2,"tagName":"html","attributes":{},"childNodes":[],"id":70}}]}}]"#;
    assert_eq!(batch(html).element(0, 70), None, "its document is not known");
}

#[test]
fn a_frame_in_an_element_that_is_known_has_one() {
    let page = r#"[{"type":2,"timestamp":1,"data":{"node":{"type":0,"childNodes":[{"type":2,"tagName":"html","attributes":{},"childNodes":[{"type":2,"tagName":"iframe","attributes":{},"childNodes":[],"id":50}],"id":2}],"id":1}}}]"#;
    let b = batch_of(Kinds::ALL, &[page, ATTACHED]);
    for (node, parent) in [(2, 0), (50, 2), (61, 0), (62, 61)] {
        assert_eq!(b.element(1, node).unwrap().parent, parent, "{node}");
    }
}
