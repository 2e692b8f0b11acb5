//! Every way in which an answer can be wrong; and that a wrong one changes nothing.

use super::*;

#[test]
fn each_fault_is_found_and_changes_nothing() {
    use EditFaultKind as K;
    let b = batch(EVENTS);
    let (text, url) = (row(&b, "a@b\u{fffd}c"), row(&b, "https://a.com/x"));
    let (code, mail, picture) = (row(&b, "f()"), row(&b, "é"), row(&b, "24"));
    let strict = EditRules { mask_only: true, ..RULES };
    let closed = EditRules { allow_replace: false, ..RULES };
    let blank = |field| edit(field, 0, 1, Replacement::Blank);
    for (verdicts, rules, kind) in [
        (vec![], RULES, K::VerdictCount { got: 0, wanted: 1 }),
        (vec![Verdict::Keep, Verdict::Keep], RULES, K::VerdictCount { got: 2, wanted: 1 }),
        (vec![change(vec![mask(text, 0, 1); 99])], RULES, K::TooMuch),
        (vec![change(vec![edit(text, 0, 1, say(&"x".repeat(1001)))])], RULES, K::TooMuch),
        (vec![change(vec![mask(text, 0, 1), mask(99, 0, 1)])], RULES, K::NoSuchField { edit: 1 }),
        (vec![change(vec![mask(text, 0, 99)])], RULES, K::OutOfRange { edit: 0 }),
        (vec![change(vec![mask(text, 2, 1)])], RULES, K::OutOfRange { edit: 0 }),
        (vec![change(vec![mask(mail, 0, 1)])], RULES, K::OffBoundary { edit: 0 }),
        (vec![change(vec![mask(text, 1, 3), mask(text, 0, 2)])], RULES, K::Overlap { edit: 0 }),
        (vec![change(vec![edit(text, 1, 1, say("x")); 2])], RULES, K::Overlap { edit: 1 }),
        (vec![change(vec![blank(picture); 2])], RULES, K::Overlap { edit: 1 }),
        (vec![change(vec![blank(text), mask(text, 1, 2)])], RULES, K::Overlap { edit: 1 }),
        (vec![change(vec![edit(text, 0, 99, Replacement::Blank)])], RULES, K::OutOfRange { edit: 0 }),
        (vec![change(vec![mask(picture, 0, 1)])], RULES, K::WrongReplacement { edit: 0 }),
        (vec![change(vec![edit(picture, 0, 1, say("x"))])], RULES, K::WrongReplacement { edit: 0 }),
        (vec![change(vec![edit(code, 0, 1, say("g"))])], RULES, K::WrongReplacement { edit: 0 }),
        (
            vec![change(vec![edit(text, 0, 1, Replacement::Mask('y'))])],
            RULES,
            K::WrongReplacement { edit: 0 },
        ),
        (vec![change(vec![edit(url, 8, 8, say("b."))])], RULES, K::ForeignOrigin { edit: 0 }),
        (vec![remove(&[0])], RULES, K::NotRemovable { event: 0 }),
        (vec![remove(&[2])], RULES, K::NotRemovable { event: 2 }),
        (vec![remove(&[3])], RULES, K::NotRemovable { event: 3 }),
        (vec![remove(&[1, 1])], RULES, K::NotRemovable { event: 1 }),
        (vec![remove(&[9])], RULES, K::NotRemovable { event: 9 }),
        // The document is no element, and nobody knows 5.
        (vec![block(&[4, 1])], RULES, K::NotBlockable { node: 1 }),
        (vec![block(&[5])], RULES, K::NotBlockable { node: 5 }),
        (vec![block(&[0])], RULES, K::NotBlockable { node: 0 }),
        (vec![block(&[4, u32::MAX])], RULES, K::NotBlockable { node: u32::MAX }),
        (vec![block(&[4; 99])], RULES, K::TooMuch),
        (vec![drop_items(&[Item::Position(2, 0)])], RULES, K::NoSuchItem { item: 0 }),
        (vec![drop_items(&[Item::Position(1, 0)])], RULES, K::NoSuchItem { item: 0 }),
        (vec![drop_items(&[Item::Position(99, 0)])], RULES, K::NoSuchItem { item: 0 }),
        (vec![drop_items(&[Item::Header(text), Item::Header(99)])], RULES, K::NoSuchItem { item: 1 }),
        (vec![drop_items(&[Item::Request(u32::MAX)])], RULES, K::NoSuchItem { item: 0 }),
        (vec![drop_items(&[Item::Header(text); 99])], RULES, K::TooMuch),
        (vec![block(&[4])], strict, K::OnlyMasks),
        (vec![drop_items(&[Item::Header(text)])], strict, K::OnlyMasks),
        (vec![Verdict::Replace(b"[]".into())], closed, K::ReplaceNotAllowed),
        (vec![Verdict::Replace(b"[]".into())], RULES, K::BadReplace),
        (vec![Verdict::Replace(b"[".into())], RULES, K::BadReplace),
        (vec![change(vec![edit(text, 0, 1, say("x"))])], strict, K::OnlyMasks),
        (vec![remove(&[1])], strict, K::OnlyMasks),
        (vec![Verdict::Drop(0)], strict, K::OnlyMasks),
        (vec![Verdict::Replace(EVENTS.into())], strict, K::OnlyMasks),
        (vec![Verdict::Drop(1)], RULES, K::NoSuchReason),
    ] {
        let mut b = batch(EVENTS);
        assert_eq!(b.apply(0, Kinds::ALL, verdicts, &rules).map_err(|fault| fault.kind), Err(kind));
        assert_eq!(b.finish().0, [Finished::Unchanged], "{kind}");
    }
}

#[test]
fn no_key_becomes_one_that_a_player_knows() {
    let json = concat!(
        r#"[{"type":2,"timestamp":1,"data":{"node":{"type":2,"tagName":"img","#,
        r#""attributes":{"@click":"x"},"childNodes":[],"id":4}},"extra":{"y":1}},"#,
        r#"{"type":5,"timestamp":2,"data":{"tag":"t","payload":{"anna":1}}}]"#,
    );
    for (key, new, is_refused) in [
        ("@click", "onload", true),
        ("@click", "SRC", true),
        ("@click", "@c", false),
        ("@click", "xxx", false),
        ("extra", "data", true),
        ("extra", "", true),
        ("extra", "[key]", false),
        ("anna", "data", false),
    ] {
        let mut b = batch(json);
        let at = row(&b, key);
        let applied = apply(&mut b, vec![change(vec![edit(at, 0, key.len(), say(new))])]);
        let expected = if is_refused { Err(EditFaultKind::WrongReplacement { edit: 0 }) } else { Ok(()) };
        assert_eq!(applied, expected, "{key} {new}");
    }
}

#[test]
fn one_bad_verdict_refuses_those_of_the_other_chunks() {
    let mut b = batch_of(Kinds::ALL, &[EVENTS, EVENTS]);
    let text = row(&b, "a@b\u{fffd}c");
    let verdicts = vec![change(vec![mask(text, 0, 1)]), change(vec![mask(text, 0, 99)])];
    let fault = b.apply(0, Kinds::ALL, verdicts, &RULES).unwrap_err();
    assert_eq!((fault.chunk, fault.kind), (1, EditFaultKind::OutOfRange { edit: 0 }));
    assert_eq!(b.finish().0, [Finished::Unchanged, Finished::Unchanged]);
}

#[test]
fn a_chunk_that_cannot_be_scanned_leaves_nothing_behind() {
    let mut b = batch(EVENTS);
    // Before the packed event that does not open, all is well and would be learnt.
    let bad = EVENTS.replace(r#""id":4"#, r#""id":9"#).replacen("a.com", "b.com", 1);
    let bad = format!("{},\"x\"]", bad.strip_suffix(']').unwrap());
    let added = b.add(&head(0, 50), bad.into(), &LIMITS);
    assert!(matches!(added, Err(ScanError::PackedUnreadable { event: 5 })), "{added:?}");
    let next = r#"[{"type":3,"timestamp":9,"data":{"source":5,"text":"t","id":4}}]"#;
    b.add(&head(1, 60), next.into(), &LIMITS).unwrap();
    assert_eq!((b.len(), b.info(1).unwrap().page_url.as_deref()), (2, Some("https://a.com/x")));
    assert_eq!(b.element(1, 4).unwrap().tag, "img");
    assert_eq!(b.element(1, 9), None);
}
