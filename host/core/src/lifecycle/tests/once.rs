//! Moves to a store that does not hold the conditions of writes: an object for each, readers take the union.

use super::*;
use crate::archive::parse_key;

fn once(n: u128, writer: u64) -> SessionMove {
    let writes = ColdWrites::Once { writer };
    SessionMove::new(session(n), MoveSettings { writes, ..move_settings(Guards::ALL) })
}

/// One chunk; a failing read fails the test.
fn one_chunk() -> Model {
    let mut model = Model::default().unconditional();
    model.store(&session(1), day(3), day(1));
    model
}

fn counts(end: &MoveEnd) -> (u64, u64) {
    let MoveEnd::Moved { copies, chunks, .. } = end else { panic!("{end:?}") };
    (*copies, *chunks)
}

#[test]
fn each_move_writes_an_object_of_its_own() {
    let mut model = one_chunk();
    assert_eq!(counts(&run(&mut once(1, 1), &mut model, at(40, 0))), (1, 1));
    // Late, and of another month: it lies with the first all the same.
    model.store(&session(1), day(70), day(35));
    assert_eq!(counts(&run(&mut once(1, 1), &mut model, at(70, 0))), (1, 1));
    assert_eq!(model.hot(&session(1)), []);
    let rows = model.rows_of(&session(1));
    assert_eq!(rows.len(), 2);
    for row in &rows {
        assert_eq!(row.index.len(), 1);
        assert_eq!(parse_key(&row.object_key), Some((session(1), Codec::Gzip)));
        assert!(row.object_key.starts_with(&format!("shop/1970/01/{}.", session(1).session_id)));
        assert_eq!(row.header.first_moved_at_ms, day(40), "a later move extends nothing");
        assert_eq!(row.header.expires_at_ms, day(40 + COLD_DAYS));
    }
    assert_eq!(model.visible(&session(1)).len(), 2);
    assert_eq!(run(&mut once(1, 1), &mut model, at(71, 0)), MoveEnd::Nothing);
}

#[test]
fn what_an_object_holds_is_not_written_again() {
    let mut model = one_chunk();
    run(&mut once(1, 1), &mut model, at(40, 0));
    for (start, revision) in [(day(3), 1), (day(3), 0)] {
        model.insert(model::chunk(&session(1), start, revision, day(1), Codec::Gzip));
    }
    assert_eq!(counts(&run(&mut once(1, 1), &mut model, at(41, 0))), (2, 0));
    assert_eq!(model.object_keys().len(), 1);
    // A greater rank is.
    model.insert(model::chunk(&session(1), day(3), 2, day(1), Codec::Gzip));
    assert_eq!(counts(&run(&mut once(1, 1), &mut model, at(42, 0))), (1, 1));
    assert_eq!(model.object_keys().len(), 2);
}

#[test]
fn an_object_of_the_time_before_stays_as_it_is() {
    let mut model = one_chunk();
    run(&mut session_move(1), &mut model, at(40, 0));
    let before = model.rows_of(&session(1));
    model.store(&session(1), day(4), day(2));
    run(&mut once(1, 1), &mut model, at(41, 0));
    let rows = model.rows_of(&session(1));
    assert!(rows.len() == 2 && rows.contains(&before[0]), "{rows:?}");
    // And back again: the next merge goes to one of them.
    model.store(&session(1), day(5), day(2));
    run(&mut session_move(1), &mut model, at(42, 0));
    assert_eq!(model.rows_of(&session(1)).len(), 2);
    assert_eq!(model.hot(&session(1)), []);
}

/// Both read the same copies and both write: two objects, each with a row, and nothing is lost.
#[test]
fn two_at_once_do_not_meet() {
    for moment in 0..12 {
        let mut model = one_chunk();
        run_with(&mut once(1, 1), &mut model, at(40, 0), |number, _, model| {
            if number == moment {
                run(&mut once(1, 2), model, at(40, 0));
            }
            Fault::None
        });
        assert_eq!(model.hot(&session(1)), []);
        let keys = model.object_keys();
        assert!((1..=2).contains(&keys.len()), "{keys:?}");
        assert_eq!(model.visible(&session(1)).len(), 1);
    }
}

#[test]
fn a_move_that_ends_after_any_ask_is_finished_by_the_next() {
    for fault in [Fault::Crash, Fault::AnswerLost, Fault::Refused] {
        for last in 0.. {
            let mut model = one_chunk();
            let mut reached = false;
            run_or_crash(&mut once(1, 1), &mut model, at(41, 0), |number, _, _| {
                reached |= number == last;
                if number == last { fault } else { Fault::None }
            });
            if !reached {
                assert!(last > 8, "a move has more asks");
                break;
            }
            run(&mut once(1, 1), &mut model, at(42, 0));
            assert_eq!(model.hot(&session(1)), [], "{fault:?} at {last}");
            // What the first left is found by its name and not written again.
            assert_eq!(row_of(&model, 1).index.len(), 1, "{fault:?} at {last}");
            assert_eq!(model.object_keys().len(), 1, "{fault:?} at {last}");
        }
    }
}

#[test]
fn what_is_erased_at_any_moment_stays_erased() {
    for scope in [EraseScope::Session(session(1)), EraseScope::Project(project())] {
        for moment in 0.. {
            let mut model = one_chunk();
            model.store(&session(1), day(4), day(2));
            run(&mut once(1, 2), &mut model, at(39, 0));
            model.store(&session(1), day(5), day(3));
            model.store(&session(1), day(6), day(3));
            let mut reached = false;
            run_with(&mut once(1, 1), &mut model, at(40, 0), |number, _, model| {
                if number == moment {
                    reached = true;
                    run(&mut erasure(scope.clone()), model, at(40, 0));
                }
                Fault::None
            });
            if !reached {
                assert!(moment > 8, "a move has more asks");
                break;
            }
            assert!(!model.erased_bytes_remain(), "{scope} at {moment}");
            run(&mut ErasureSweep::new(erasure_settings(Guards::ALL)), &mut model, at(41, 0));
            assert!(!model.erased_remains(), "{scope} at {moment}");
            assert_eq!(model.object_keys(), Vec::<String>::new(), "{scope} at {moment}");
        }
    }
}

/// The object that this move has just written holds an erased chunk and one that is not: only the
/// erased one goes.
#[test]
fn an_erasure_in_between_leaves_the_rest() {
    for moment in 0.. {
        let mut model = one_chunk();
        let mut reached = false;
        run_with(&mut once(1, 1), &mut model, at(40, 0), |number, ask, model| {
            if matches!(ask, Ask::Copies(_)) && number == 0 {
                // Received after what the erasure will cover.
                model.store(&session(1), day(9), day(40) + 5);
            }
            if number == moment {
                reached = true;
                let tombstone =
                    Tombstone { scope: EraseScope::Project(project()), erased_at_ms: day(40) + 1 };
                model.answer(at(40, 1), Ask::PutTombstone(tombstone.clone()));
                model.answer(at(40, 1), Ask::EraseCopies(tombstone));
            }
            Fault::None
        });
        if !reached {
            assert!(moment > 8, "a move has more asks");
            break;
        }
        run(&mut ErasureSweep::new(erasure_settings(Guards::ALL)), &mut model, at(41, 0));
        run(&mut once(1, 1), &mut model, at(75, 0));
        assert!(!model.erased_remains(), "at {moment}");
        assert_eq!(model.visible(&session(1)).len(), 1, "at {moment}");
    }
}

#[test]
fn late_chunks_of_expired_objects_wait_for_retention() {
    let mut model = one_chunk();
    run(&mut once(1, 1), &mut model, at(40, 0));
    model.store(&session(1), day(9), day(95));
    let now = at(40 + COLD_DAYS, 0);
    assert_eq!(run(&mut once(1, 1), &mut model, now), MoveEnd::WaitForRetention);
    model.ended.insert((session(1), ChunkKey { timestamp_start_ms: day(3), chunk_index: 0 }));
    model.is_lenient = true;
    assert_eq!(run(&mut sweep(Guards::ALL), &mut model, now).objects, 1);
    model.is_lenient = false;
    assert_eq!(counts(&run(&mut once(1, 1), &mut model, now)), (1, 1));
    assert_eq!(row_of(&model, 1).header.first_moved_at_ms, now.unix_ms);
}

#[test]
fn a_damaged_or_lost_object_is_left_to_a_person() {
    let mut model = one_chunk();
    model.damages_next_write = true;
    assert_eq!(counts(&run(&mut once(1, 1), &mut model, at(40, 0))), (1, 1));
    assert_eq!(model.rows_of(&session(1)).len(), 1, "the damaged one has no row");
    model.is_lenient = true;
    let key = row_of(&model, 1).object_key;
    model.lose_object(&key);
    model.store(&session(1), day(9), day(2));
    assert_eq!(counts(&run(&mut once(1, 1), &mut model, at(41, 0))), (1, 1));
    let rows = model.rows_of(&session(1));
    assert!(rows.len() == 2 && rows.iter().any(|row| row.object_key == key), "{rows:?}");
}
