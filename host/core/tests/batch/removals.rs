//! Chunks and events that are left out.

use super::*;

fn event(at: u32, removable: bool) -> String {
    let source = if removable { 1 } else { 5 };
    format!(r#"{{"type":3,"timestamp":{at},"data":{{"source":{source},"text":"t{at}"}}}}"#)
}

fn chunk(events: &[bool]) -> String {
    let events: Vec<_> = (0..).zip(events).map(|(at, removable)| event(at, *removable)).collect();
    format!("[{}]", events.join(","))
}

#[test]
fn any_events_leave_with_their_commas() {
    let json = chunk(&[true; 4]);
    for gone in 1u32..16 {
        let removed: Vec<u32> = (0..4).filter(|at| gone >> at & 1 == 1).collect();
        let left: Vec<_> = (0..4).filter(|at| gone >> at & 1 == 0).map(|at| event(at, true)).collect();
        let mut b = batch(&json);
        // One by one, so that each is a plugin's of its own.
        for event in &removed {
            apply(&mut b, vec![remove(&[*event])]).unwrap();
        }
        assert_eq!(events(&b, 0), format!("[{}]", left.join(",")));
        let info = b.info(0).unwrap();
        assert_eq!(info.event_count as usize, left.len());
        let (finished, _) = b.finish();
        if left.is_empty() {
            assert_eq!(finished, [Finished::Dropped { reason: None, plugin: 0 }]);
            continue;
        }
        let (stored, redactions) = changed(&finished[0]);
        assert_eq!(stored, format!("[{}]", left.join(",")));
        assert_eq!(redactions.bytes as usize, removed.iter().map(|at| event(*at, true).len()).sum::<usize>());
    }
}

#[test]
fn an_event_is_removed_once_and_takes_its_edits_along() {
    let mut b = batch(&chunk(&[true, false]));
    let both =
        Changes { edits: vec![mask(row(&b, "t0"), 0, 2)], remove_events: vec![0], ..Changes::default() };
    apply(&mut b, vec![Verdict::Change(both)]).unwrap();
    assert_eq!(texts(&b, 0), ["t1"]);
    assert_eq!(rows(&b, 0, Kinds::ALL)[0].event, 1, "numbers stay those of the source");
    let again = apply(&mut b, vec![remove(&[0])]);
    assert_eq!(again, Err(EditFaultKind::NotRemovable { event: 0 }));
    let (finished, _) = b.finish();
    let (_, redactions) = changed(&finished[0]);
    assert_eq!((redactions.events_removed, redactions.fields), (1, Redactions::default().fields));
    assert_eq!(redactions.bytes as usize, event(0, true).len());
}

#[test]
fn a_dropped_chunk_is_not_shown_again() {
    let json = chunk(&[false]);
    let mut b = batch_of(Kinds::ALL, &[&json, &json, &json]);
    let bytes = b.text_bytes();
    apply(&mut b, vec![Verdict::Keep, Verdict::Drop(0), Verdict::Keep]).unwrap();
    assert_eq!([0, 1, 2].map(|chunk| b.is_dropped(chunk)), [false, true, false]);
    assert_eq!(b.text_bytes(), bytes / 3 * 2);
    let masked = |chunk: usize| change(vec![mask(row_in(&b, chunk, "t0"), 0, chunk)]);
    let verdicts = vec![masked(1), masked(2)];
    let three = b.apply(1, Kinds::ALL, vec![Verdict::Keep; 3], &RULES).unwrap_err();
    assert_eq!(three.kind, EditFaultKind::VerdictCount { got: 3, wanted: 2 });
    let twice = vec![Verdict::Keep, change(vec![mask(9, 0, 1)])];
    let fault = b.apply(1, Kinds::ALL, twice, &RULES).unwrap_err();
    assert_eq!((fault.chunk, fault.kind), (2, EditFaultKind::NoSuchField { edit: 0 }));
    b.apply(1, Kinds::ALL, verdicts, &RULES).unwrap();
    let (finished, _) = b.finish();
    assert!(changed(&finished[0]).0.contains(r#""*0""#));
    assert_eq!(finished[1], Finished::Dropped { reason: Some(0), plugin: 0 });
    assert!(changed(&finished[2]).0.contains(r#""**""#));
}

#[test]
fn the_focus_of_removed_events_is_not_told() {
    let focus = r#"[{"type":3,"timestamp":1,"data":{"source":2,"type":5,"id":4}},{"type":3,"timestamp":2,"data":{"source":2,"type":6,"id":4}}]"#;
    let mut b = batch(focus);
    let rows = |b: &Batch| b.focus(0).unwrap().len() / 12;
    assert_eq!(rows(&b), 2);
    apply(&mut b, vec![remove(&[1])]).unwrap();
    assert_eq!(rows(&b), 1);
}
