//! Two chains on the same chunks: what each changed, kind by kind, and no word of it.

use replay_core::rrweb::{Batch, Comparison, Kind, Kinds, Sides, Verdict};

use super::*;

fn of(found: &Comparison, kind: Kind) -> Sides {
    found.fields[kind as usize]
}

fn compared(first: &Batch, second: &Batch) -> Comparison {
    let mut found = Comparison::default();
    for (first, second) in first.traces().iter().zip(&second.traces()) {
        found.add(first, second);
    }
    found
}

#[test]
fn a_place_is_the_same_whatever_kinds_each_chain_asked_for() {
    let mut first = batch(EVENTS);
    let masks = vec![mask(row(&first, "é"), 0, 2), mask(row(&first, "a@b\u{fffd}c"), 0, 1)];
    apply(&mut first, vec![change(masks)]).unwrap();
    // A chain that is shown nothing but inputs: the same field is its first.
    let inputs: Kinds = [Kind::Input].into_iter().collect();
    let mut second = Batch::new(inputs, elements());
    second.add(&head(0, 1), EVENTS.into(), &LIMITS).unwrap();
    second.apply(0, inputs, vec![change(vec![mask(0, 0, 1)])], &RULES).unwrap();
    let found = compared(&first, &second);
    assert_eq!(of(&found, Kind::Input), Sides { alike: 1, ..Sides::default() });
    assert_eq!(of(&found, Kind::Custom), Sides { first_only: 1, ..Sides::default() });
    assert_eq!(found.fates[1][1], 1);
}

#[test]
fn the_same_field_changed_in_another_way_differs() {
    let (mut first, mut second) = (batch(EVENTS), batch(EVENTS));
    let field = row(&first, "é");
    apply(&mut first, vec![change(vec![mask(field, 0, 2)])]).unwrap();
    apply(&mut second, vec![change(vec![edit(field, 0, 2, say("e"))])]).unwrap();
    let found = compared(&first, &second);
    assert_eq!(of(&found, Kind::Custom), Sides { differing: 1, ..Sides::default() });
    assert!(!format!("{:?}", (first.traces(), found)).contains('é'));
}

#[test]
fn an_answer_is_counted_as_it_is_carried_out() {
    let mut b = Batch::new(Kinds::ALL, elements());
    for index in 0..3 {
        b.add(&head(index, u64::from(index) + 1), EVENTS.into(), &LIMITS).unwrap();
    }
    let masks = vec![mask(row(&b, "é"), 0, 2), mask(row(&b, "411111"), 0, 6)];
    // The number lies in the event that goes.
    let changes = Changes {
        remove_events: vec![1],
        ..match change(masks) {
            Verdict::Change(changes) => changes,
            other @ (Verdict::Keep | Verdict::Drop(_) | Verdict::Replace(_)) => panic!("{other:?}"),
        }
    };
    let verdicts = vec![Verdict::Change(changes), Verdict::Drop(0), Verdict::Keep];
    let applied = b.apply(0, Kinds::ALL, verdicts, &RULES).unwrap();
    assert_eq!((applied.changed, applied.dropped, applied.kept, applied.replaced), (1, 1, 1, 0));
    assert_eq!((applied.fields.iter().sum::<u32>(), applied.events_removed), (1, 1));
    let (finished, _) = b.finish();
    let (_, redactions) = changed(&finished[0]);
    assert_eq!((applied.fields, applied.events_removed), (redactions.fields, redactions.events_removed));
}

#[test]
fn what_is_left_out_with_its_element_is_gone_on_that_side() {
    let page = concat!(
        r#"[{"type":2,"timestamp":1,"data":{"node":{"type":0,"id":1,"childNodes":[{"type":2,"tagName":"p","#,
        r#""attributes":{},"id":2,"childNodes":[{"type":3,"textContent":"anna","id":3}]}]},"#,
        r#""initialOffset":{"left":0,"top":0}}}]"#
    );
    let block = || Verdict::Change(Changes { block_nodes: vec![2], ..Changes::default() });
    let (mut blocked, mut masked, kept) = (batch(page), batch(page), batch(page));
    apply(&mut blocked, vec![block()]).unwrap();
    let field = row(&masked, "anna");
    apply(&mut masked, vec![change(vec![mask(field, 0, 4)])]).unwrap();
    let text = |first: &Batch, second: &Batch| of(&compared(first, second), Kind::Text);
    assert_eq!(text(&blocked, &kept), Sides { first_only: 1, ..Sides::default() });
    assert_eq!(text(&masked, &blocked), Sides { differing: 1, ..Sides::default() });
    assert_eq!(text(&blocked, &masked), Sides { differing: 1, ..Sides::default() });
    let mut again = batch(page);
    apply(&mut again, vec![block()]).unwrap();
    assert_eq!(text(&blocked, &again), Sides { alike: 1, ..Sides::default() });
}

#[test]
fn what_was_left_out_of_lists_has_its_weight() {
    let positions = vec![r#"{"x":1,"y":1,"id":3,"timeOffset":0}"#; 1_000].join(",");
    let events = format!(r#"[{{"type":3,"timestamp":1,"data":{{"source":1,"positions":[{positions}]}}}}]"#);
    let mut b = batch(&events);
    let before = b.traces()[0].bytes();
    apply(&mut b, vec![drop_items(&[Item::Position(0, 7)])]).unwrap();
    let after = b.traces()[0].bytes();
    assert!(after - before >= 1_000 * 8, "the places of its members are kept: {before} {after}");
}
