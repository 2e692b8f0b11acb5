//! For any edits of any plugins on any chunk: the bytes that come out are those edits and no more.

use proptest::prelude::*;

use super::model::{Model, Wishes, wishes};
use super::outline::outline;
use super::*;

#[test]
fn what_nobody_edits_comes_out_as_it_came() {
    for session in recordings::SESSIONS.iter() {
        let batch = recordings::batch_of(session);
        for (chunk, recorded) in session.iter().enumerate() {
            assert_eq!(batch.events(chunk).unwrap(), recorded.json);
        }
        assert!(batch.finish().0.iter().all(|finished| *finished == Finished::Unchanged));
    }
}

/// Runs up to three plugins over one chunk, and compares all that comes out with plain strings.
fn check(json: &str, chain: &[Wishes]) {
    let mut b = batch(json);
    let mut model = Model::new(&b);
    for wishes in chain {
        model.apply(&mut b, wishes);
        assert_eq!(shown(rows(&b, 0, Kinds::ALL).iter(), &[]), shown(model.left().into_iter(), &[]));
    }
    let out = events(&b, 0);
    // Not into strings: some hold lone surrogates.
    serde_json::from_str::<&serde_json::value::RawValue>(&out).unwrap();
    let outlines = outline(json);
    let was = (0u32..).zip(&outlines).filter(|(event, _)| !model.removed.contains(event));
    let is = outline(&out);
    assert_eq!(is.len(), was.clone().count());
    was.zip(&is).for_each(|((_, was), is)| assert_eq!(is, was));
    let again = batch(&out);
    assert_eq!(
        shown(rows(&again, 0, Kinds::ALL).iter(), &[]),
        shown(model.left().into_iter(), &model.removed),
        "what is stored says what the last plugin left"
    );
    let (finished, _) = b.finish();
    match &finished[0] {
        Finished::Unchanged => assert_eq!(out, json),
        Finished::Dropped { reason: None, .. } => assert_eq!(out, "[]"),
        Finished::Changed { json: stored, event_count, redactions, .. } => {
            assert_eq!(stored, out.as_bytes());
            assert_eq!(*event_count as usize, is.len());
            assert_eq!(redactions.events_removed as usize, model.removed.len());
            assert!(redactions.bytes as usize <= json.len());
        }
        Finished::Dropped { .. } | Finished::Failed => panic!("{finished:?}"),
    }
}

/// Event, kind and text; events are counted without those `gone`, and a picture's size is left out.
fn shown<'a>(rows: impl Iterator<Item = &'a Row>, gone: &[u32]) -> Vec<(usize, Kind, &'a str)> {
    let event = |row: &Row| row.event as usize - gone.iter().filter(|gone| **gone < row.event).count();
    rows.map(|row| (event(row), row.kind, if row.kind == Kind::Pixels { "" } else { row.text.as_str() }))
        .collect()
}

fn chain() -> impl Strategy<Value = Vec<Wishes>> {
    prop::collection::vec(wishes(), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_chain_on_generated_events(json in generated::chunk(), chain in chain()) {
        check(&json, &chain);
    }

    #[test]
    fn any_chain_on_recorded_events(at in any::<prop::sample::Index>(), chain in chain()) {
        let chunks = recordings::chunks();
        // The few large ones take long unoptimised, and hold nothing that others do not.
        let small = chunks.iter().filter(|chunk| chunk.json.len() < 60_000).count();
        let chunk = chunks[at.index(small)];
        check(std::str::from_utf8(&chunk.json).unwrap(), &chain);
    }
}

#[test]
fn each_recorded_chunk_can_be_masked_as_a_whole() {
    for recorded in recordings::chunks() {
        let json = std::str::from_utf8(&recorded.json).unwrap();
        let mut b = batch(json);
        let all = rows(&b, 0, Kinds::ALL);
        let edits = (0u32..).zip(&all).map(|(field, row)| {
            let new = if row.kind == Kind::Pixels { Replacement::Blank } else { Replacement::Mask('*') };
            edit(field, 0, row.text.len(), new)
        });
        apply(&mut b, vec![change(edits.collect())]).unwrap();
        let (finished, _) = b.finish();
        if finished == [Finished::Unchanged] {
            assert!(all.iter().all(|row| row.text.trim().is_empty()), "there was nothing to mask");
            continue;
        }
        let (stored, _) = changed(&finished[0]);
        assert_eq!(outline(stored), outline(json));
        let is_masked = |c: char| c == '*' || c.is_whitespace();
        for row in rows(&batch(stored), 0, Kinds::ALL) {
            let is_number =
                row.text.bytes().all(|byte| matches!(byte, b'0' | b'1' | b'-' | b'.' | b'e' | b'+'));
            assert!(row.kind == Kind::Pixels || is_number || row.text.chars().all(is_masked), "{row:?}");
        }
    }
}
