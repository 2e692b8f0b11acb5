//! What is erased is gone everywhere, stays gone, and takes nothing else with it.

use super::*;
use crate::dead_letter::{DeadLetter, LetterId};
use crate::reject::Reason;

fn letter(offset: u64, of: &SessionKey, received_at_ms: u64) -> DeadLetter {
    DeadLetter {
        id: LetterId { topic: "replay".into(), partition: 0, offset },
        reason: Reason::NotEvents,
        detail: String::new(),
        project_id: Some(of.project_id.clone()),
        session_id: Some(of.session_id),
        received_at_ms,
        dead_at_ms: received_at_ms,
        attempts: 1,
        payload_size: 10,
        payload: None,
    }
}

/// Sessions 1 to 3, cold and hot, with letters.
fn full() -> Model {
    let mut model = Model::default();
    for n in 1..=3 {
        model.store(&session(n), day(1), day(1));
        model.store(&session(n), day(2), day(1));
        run(&mut session_move(n), &mut model, at(40, 0));
        model.store(&session(n), day(3), day(40));
        model.letters.push(letter(n as u64, &session(n), day(40)));
    }
    model
}

fn one_session() -> EraseScope {
    EraseScope::Session(session(2))
}

fn whole_project() -> EraseScope {
    EraseScope::Project(project())
}

fn erased(end: ErasureEnd) -> ErasureReport {
    match end {
        ErasureEnd::Erased(report) => report,
        ErasureEnd::Incomplete { what, .. } => panic!("{what}"),
    }
}

#[test]
fn a_session_is_erased_and_its_neighbours_are_not() {
    let mut model = full();
    let report = erased(run(&mut erasure(one_session()), &mut model, at(41, 0)));
    assert_eq!((report.objects_deleted, report.letter_bytes, report.passes), (1, 10, 2));
    assert!(report.copy_bytes > 0 && report.object_bytes > 0);
    assert_eq!(report.audit.bytes, report.copy_bytes + report.object_bytes + report.letter_bytes);
    assert_eq!((report.audit.action.as_str(), report.audit.actor.as_str()), ("session_erase", "anna"));
    assert_eq!(report.audit.target, session(2).to_string());
    assert!(!model.erased_remains());
    assert_eq!(model.rows_of(&session(2)), []);
    for other in [1, 3] {
        assert_eq!(model.visible(&session(other)).len(), 3);
    }
    assert_eq!(model.letters.len(), 2);
    // Nothing comes back.
    model.store(&session(2), day(9), day(50));
    assert_eq!(model.hot(&session(2)), []);
}

#[test]
fn an_object_without_a_row_is_found() {
    let mut model = full();
    model.lose_rows(&session(2));
    run(&mut erasure(one_session()), &mut model, at(41, 0));
    assert!(!model.erased_remains());
    assert_eq!(model.object_keys().len(), 2);
}

#[test]
fn a_project_is_erased_up_to_then() {
    let mut model = full();
    let report = erased(run(&mut erasure(whole_project()), &mut model, at(41, 0)));
    assert_eq!((report.objects_deleted, report.letter_bytes), (3, 30));
    assert!(model.object_keys().is_empty() && model.letters.is_empty());
    model.store(&session(1), day(4), day(41) + 1);
    assert_eq!(model.visible(&session(1)).len(), 1, "what is received later is stored");
}

#[test]
fn an_object_with_later_chunks_is_rewritten_without_the_erased() {
    let mut model = full();
    model.store(&session(1), day(5), day(41) + 1);
    model.is_lenient = true;
    // All of it moves before the tombstone, which covers only a part.
    run(&mut session_move(1), &mut model, at(80, 0));
    let before = row_of(&model, 1);
    model.is_lenient = false;
    let tombstone = Tombstone { scope: whole_project(), erased_at_ms: day(41) };
    model.tombstones.push(tombstone.clone());
    let report =
        erased(run(&mut Erasure::again(tombstone, erasure_settings(Guards::ALL)), &mut model, at(41, 0)));
    assert_eq!((report.objects_rewritten, report.objects_deleted), (1, 2));
    assert!(!model.erased_remains());
    let after = row_of(&model, 1);
    assert_eq!(after.index.len(), 1);
    assert_eq!(after.header.generation, before.header.generation + 1);
    assert_eq!(after.header.expires_at_ms, before.header.expires_at_ms);
    assert!(model.pruned.contains(&after.object_key), "old versions go");
}

#[test]
fn an_erasure_that_ends_after_any_ask_is_finished_by_the_sweeper() {
    for scope in [one_session(), whole_project()] {
        for fault in [Fault::Crash, Fault::AnswerLost, Fault::Refused] {
            for last in 0.. {
                let mut model = full();
                model.store(&session(1), day(5), day(41) + 1);
                let mut reached = false;
                let end = run_or_crash(&mut erasure(scope.clone()), &mut model, at(41, 0), |number, _, _| {
                    reached |= number == last;
                    if number == last { fault } else { Fault::None }
                });
                if !reached {
                    assert!(last > 8);
                    break;
                }
                if fault == Fault::Crash {
                    assert_eq!(end, None);
                    let report =
                        run(&mut ErasureSweep::new(erasure_settings(Guards::ALL)), &mut model, at(41, 5));
                    assert_eq!((report.failed, report.incomplete), (None, vec![]));
                } else {
                    erased(end.unwrap());
                }
                assert!(!model.erased_remains(), "{fault:?} at {last} of {scope}");
            }
        }
    }
}

#[test]
fn a_migrator_in_the_middle_brings_nothing_back() {
    for scope in [one_session(), whole_project()] {
        for merges in [false, true] {
            for moment in 0..9 {
                let mut model = Model::default();
                model.store(&session(2), day(1), day(1));
                if merges {
                    run(&mut session_move(2), &mut model, at(39, 0));
                    model.store(&session(2), day(2), day(2));
                }
                let end = run_with(&mut session_move(2), &mut model, at(41, 0), |number, _, model| {
                    if number == moment {
                        erased(run(&mut erasure(scope.clone()), model, at(41, 0)));
                    }
                    Fault::None
                });
                if scope == one_session() {
                    assert!(!model.erased_remains(), "erased before ask {moment}: {end:?}");
                }
                assert!(!model.erased_bytes_remain(), "erased before ask {moment}: {end:?}");
                run(&mut ErasureSweep::new(erasure_settings(Guards::ALL)), &mut model, at(41, 1));
                assert!(!model.erased_remains(), "erased before ask {moment}: {end:?}");
                assert_eq!(model.object_keys(), Vec::<String>::new(), "before ask {moment}: {end:?}");
                assert_eq!(model.rows_of(&session(2)), []);
            }
        }
    }
}

#[test]
fn a_migrator_that_died_is_cleaned_up_by_the_sweeper() {
    for scope in [one_session(), whole_project()] {
        for moment in 0..8 {
            for crash in moment..9 {
                let mut model = Model::default();
                model.store(&session(2), day(1), day(1));
                run_or_crash(&mut session_move(2), &mut model, at(41, 0), |number, _, model| {
                    if number == moment {
                        erased(run(&mut erasure(scope.clone()), model, at(41, 0)));
                    }
                    if number == crash { Fault::Crash } else { Fault::None }
                });
                run(&mut ErasureSweep::new(erasure_settings(Guards::ALL)), &mut model, at(41, 5));
                assert!(!model.erased_remains(), "erased before {moment}, died after {crash}");
                assert_eq!(model.object_keys(), Vec::<String>::new());
                assert_eq!(model.rows_of(&session(2)), []);
            }
        }
    }
}

#[test]
fn a_tombstone_before_any_ask_of_a_move_costs_no_other_chunk() {
    // The tombstone alone, its erasure not yet under way; one chunk is younger than it.
    for moment in 0..12 {
        let mut model = Model::default();
        model.store(&session(1), day(1), day(1));
        model.store(&session(1), day(2), day(41));
        run_with(&mut session_move(1), &mut model, at(80, 0), |number, _, model| {
            if number == moment {
                model.tombstones.push(Tombstone { scope: whole_project(), erased_at_ms: day(40) });
            }
            Fault::None
        });
        assert_eq!(model.visible(&session(1)).len(), 1 + usize::from(model.tombstones.is_empty()));
        run(&mut ErasureSweep::new(erasure_settings(Guards::ALL)), &mut model, at(81, 0));
        assert!(!model.erased_remains(), "before ask {moment}");
    }
}

/// Sweeps after three erasures while the asks of letters are refused that `refused` names by number; how often it
/// asked, and how many erasures are not complete.
fn sweep_without_letters(refused: impl Fn(usize) -> bool) -> (usize, usize) {
    let mut model = full();
    for n in 1..=3 {
        erased(run(&mut erasure(EraseScope::Session(session(n))), &mut model, at(41, 0)));
    }
    let mut asked = 0;
    let mut sweep = ErasureSweep::new(erasure_settings(Guards::ALL));
    let report = run_with(&mut sweep, &mut model, at(42, 0), |_, ask, _| {
        let of_letters = matches!(ask, Ask::CountErasableLetters(_));
        asked += usize::from(of_letters);
        if of_letters && refused(asked) { Fault::Refused } else { Fault::None }
    });
    assert_eq!((report.tombstones, report.failed), (3, None), "none is passed by");
    (asked, report.incomplete.len())
}

#[test]
fn the_sweeper_is_patient_with_a_store_that_is_away_once() {
    assert_eq!(sweep_without_letters(|_| true), (8 + 1 + 1, 3));
    assert_eq!(sweep_without_letters(|asked| asked <= 8), (8 + 1 + 1, 1));
    assert_eq!(sweep_without_letters(|asked| asked <= 7), (8 + 1 + 1, 0));
    let but_for_the_second = |asked| asked != 9;
    assert_eq!(sweep_without_letters(but_for_the_second), (8 + 1 + 8, 2), "there it was back");
}

#[test]
fn the_sweeper_over_a_clean_store_changes_nothing() {
    let mut model = full();
    run(&mut erasure(one_session()), &mut model, at(41, 0));
    let report = run_with(
        &mut ErasureSweep::new(erasure_settings(Guards::ALL)),
        &mut model,
        at(42, 0),
        |_, ask, _| {
            assert!(
                !matches!(ask, Ask::EraseCopies(_) | Ask::DeleteObject { .. } | Ask::Write(_)),
                "{ask:?}"
            );
            Fault::None
        },
    );
    assert_eq!((report.tombstones, report.found.len()), (1, 0));
}

#[test]
fn damaged_and_foreign_objects() {
    let mut model = full();
    let key = row_of(&model, 1).object_key;
    model.put_object(&key, "damaged".into(), day(40));
    model.put_object("shop/notes.txt", "not ours".into(), day(40));
    model.is_lenient = true;
    erased(run(&mut erasure(whole_project()), &mut model, at(41, 0)));
    assert_eq!(model.object_keys(), ["shop/notes.txt"], "damaged, and older than the erasure");

    let mut model = full();
    model.put_object(&key, "damaged".into(), day(42));
    model.is_lenient = true;
    let end = run(&mut erasure(whole_project()), &mut model, at(41, 0));
    assert!(matches!(&end, ErasureEnd::Incomplete { what, .. } if what.contains("damaged")), "{end:?}");
}

#[test]
fn an_erasure_gives_up_on_a_store_that_is_away() {
    let mut model = full();
    let end = run_with(&mut erasure(one_session()), &mut model, at(41, 0), |_, _, _| Fault::Refused);
    assert!(matches!(&end, ErasureEnd::Incomplete { what, .. } if what.contains("away")), "{end:?}");
}
