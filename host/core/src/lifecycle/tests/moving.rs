//! One session moves: merged, verified, and only then deleted.

use super::*;
use crate::archive::object_key;
use crate::row::ChunkMeta;

fn starts(row: &ArchiveRow) -> Vec<u64> {
    row.index.iter().map(|entry| entry.key.timestamp_start_ms).collect()
}

fn three_chunks() -> Model {
    let mut model = Model::default();
    for start in [day(3) + 20, day(3) + 10, day(3) + 30] {
        model.store(&session(1), start, day(1));
    }
    model
}

#[test]
fn a_session_moves_in_order_of_play() {
    let mut model = three_chunks();
    let bytes = model.hot(&session(1)).iter().map(|copy| copy.compressed_size).sum();
    let now = at(40, 0);
    let end = run(&mut session_move(1), &mut model, now);
    assert_eq!(end, MoveEnd::Moved { copies: 3, chunks: 3, bytes, generation: 1 });
    assert_eq!(model.hot(&session(1)), []);
    let row = row_of(&model, 1);
    assert_eq!(starts(&row), [day(3) + 10, day(3) + 20, day(3) + 30]);
    assert_eq!(row.object_key, object_key(&session(1), Codec::Gzip, day(3)));
    assert_eq!(row.header.first_moved_at_ms, now.unix_ms);
    assert_eq!(row.header.expires_at_ms, now.unix_ms + day(COLD_DAYS));
    assert_eq!(run(&mut session_move(1), &mut model, now), MoveEnd::Nothing);
}

#[test]
fn a_late_chunk_joins_the_object_under_its_old_key() {
    let mut model = Model::default();
    model.store(&session(1), day(70), day(70));
    run(&mut session_move(1), &mut model, at(110, 0));
    let first = row_of(&model, 1);
    model.store(&session(1), day(10), day(120));
    let end = run(&mut session_move(1), &mut model, at(160, 0));
    assert!(matches!(end, MoveEnd::Moved { copies: 1, chunks: 1, generation: 2, .. }), "{end:?}");
    let merged = row_of(&model, 1);
    assert_eq!(starts(&merged), [day(10), day(70)]);
    assert_eq!(merged.object_key, first.object_key);
    assert_eq!(merged.header.first_moved_at_ms, first.header.first_moved_at_ms);
    assert_eq!(merged.header.expires_at_ms, first.header.expires_at_ms, "a merge extends nothing");
}

#[test]
fn losers_are_deleted_and_known_copies_not_written_again() {
    let mut model = Model::default();
    for revision in [2, 1, 3] {
        model.insert(model::chunk(&session(1), 7, revision, day(1), Codec::Gzip));
    }
    let end = run(&mut session_move(1), &mut model, at(40, 0));
    assert!(matches!(end, MoveEnd::Moved { copies: 3, chunks: 1, .. }), "{end:?}");
    let object = row_of(&model, 1);

    // Redelivered: once as it lies there, once an older rank.
    for revision in [3, 1] {
        model.insert(model::chunk(&session(1), 7, revision, day(1), Codec::Gzip));
    }
    let mut writes = 0;
    let end = run_with(&mut session_move(1), &mut model, at(41, 0), |_, ask, _| {
        writes += usize::from(matches!(ask, Ask::Write(_)));
        Fault::None
    });
    assert!(matches!(end, MoveEnd::Moved { copies: 2, chunks: 0, generation: 1, .. }), "{end:?}");
    assert_eq!(writes, 0);
    assert_eq!(row_of(&model, 1), object);

    model.insert(model::chunk(&session(1), 7, 4, day(2), Codec::Gzip));
    let end = run(&mut session_move(1), &mut model, at(42, 0));
    assert!(matches!(end, MoveEnd::Moved { copies: 1, chunks: 1, generation: 2, .. }), "{end:?}");
    assert_eq!(row_of(&model, 1).index[0].version.chain_revision(), 4);
}

#[test]
fn another_codec_is_recompressed_and_keeps_its_rank() {
    let mut model = Model::default();
    model.store(&session(1), 1, day(1));
    let zstd = model::chunk(&session(1), 2, 1, day(1), Codec::Zstd);
    model.insert(zstd.clone());
    run(&mut session_move(1), &mut model, at(40, 0));
    let row = row_of(&model, 1);
    assert_eq!(row.header.codec, Codec::Gzip);
    assert_eq!(row.index[1].rank(), zstd.meta.rank());
    // The late duplicate is recognised.
    model.insert(zstd);
    let end = run(&mut session_move(1), &mut model, at(41, 0));
    assert!(matches!(end, MoveEnd::Moved { chunks: 0, copies: 1, .. }), "{end:?}");

    let settings = MoveSettings { cold_codec: Codec::Zstd, ..move_settings(Guards::ALL) };
    model.store(&session(1), 3, day(2));
    run(&mut SessionMove::new(session(1), settings), &mut model, at(42, 0));
    assert_eq!(row_of(&model, 1).header.codec, Codec::Gzip, "an object keeps its codec");
    model.store(&session(2), 3, day(2));
    run(&mut SessionMove::new(session(2), settings), &mut model, at(42, 0));
    assert!(row_of(&model, 2).object_key.ends_with(".zst"));
}

#[test]
fn a_move_that_ends_after_any_ask_is_finished_by_the_next() {
    for fault in [Fault::Crash, Fault::AnswerLost, Fault::Refused] {
        for merges in [false, true] {
            for last in 0.. {
                let mut model = three_chunks();
                if merges {
                    run(&mut session_move(1), &mut model, at(40, 0));
                    model.store(&session(1), day(2), day(2));
                }
                let mut reached = false;
                let end = run_or_crash(&mut session_move(1), &mut model, at(41, 0), |number, _, _| {
                    reached |= number == last;
                    if number == last { fault } else { Fault::None }
                });
                if !reached {
                    assert!(last > 8, "a move has more asks");
                    break;
                }
                assert!(matches!(end, None | Some(MoveEnd::Failed { .. })), "{fault:?} at {last}: {end:?}");
                run(&mut session_move(1), &mut model, at(42, 0));
                assert_eq!(model.hot(&session(1)), [], "{fault:?} at {last}");
                assert_eq!(row_of(&model, 1).index.len(), if merges { 4 } else { 3 });
            }
        }
    }
}

#[test]
fn a_copy_that_arrives_at_any_moment_survives() {
    for arrival in 0..12 {
        for (start, revision) in [(day(9), 1), (day(3) + 10, 2), (day(3) + 10, 0), (day(1), 1)] {
            let mut model = three_chunks();
            run_with(&mut session_move(1), &mut model, at(40, 0), |number, _, model| {
                if number == arrival {
                    model.insert(model::chunk(&session(1), start, revision, day(2), Codec::Gzip));
                }
                Fault::None
            });
            model.check(at(40, 0));
            run(&mut session_move(1), &mut model, at(41, 0));
            assert_eq!(model.hot(&session(1)), []);
        }
    }
}

#[test]
fn a_conflict_makes_a_new_plan() {
    let mut model = three_chunks();
    let mut plans = 0;
    let end = run_with(&mut session_move(1), &mut model, at(40, 0), |_, ask, model| {
        if matches!(ask, Ask::Write(_)) {
            plans += 1;
            if plans == 1 {
                model.store(&session(1), day(9), day(2));
                run(&mut session_move(1), model, at(40, 0));
                model.store(&session(1), day(10), day(2));
            }
        }
        Fault::None
    });
    assert!(matches!(end, MoveEnd::Moved { copies: 1, chunks: 1, generation: 2, .. }), "{end:?}");
    assert_eq!(row_of(&model, 1).index.len(), 5);
}

#[test]
fn a_session_that_never_rests_is_left_for_later() {
    let mut model = three_chunks();
    let mut start = 0;
    let end = run_with(&mut session_move(1), &mut model, at(40, 0), |_, ask, model| {
        if matches!(ask, Ask::Write(_)) {
            start += 1;
            model.store(&session(1), start, day(2));
            run(&mut session_move(1), model, at(40, 0));
            model.store(&session(1), 1_000 + start, day(2));
        }
        Fault::None
    });
    assert!(matches!(end, MoveEnd::Busy { .. }), "{end:?}");
}

#[test]
fn a_damaged_object_is_written_again_only_while_everything_is_hot() {
    let mut model = three_chunks();
    model.damages_next_write = true;
    let end = run(&mut session_move(1), &mut model, at(40, 0));
    assert!(matches!(end, MoveEnd::Moved { copies: 3, .. }), "{end:?}");

    let key = row_of(&model, 1).object_key;
    let mut damaged = model.object(&key).unwrap().to_vec();
    damaged[12] ^= 1;
    model.put_object(&key, damaged.into(), day(40));
    model.is_lenient = true;
    model.store(&session(1), day(9), day(2));
    let end = run(&mut session_move(1), &mut model, at(41, 0));
    assert!(matches!(&end, MoveEnd::Failed { what } if what.contains("damaged")), "{end:?}");
    assert_eq!(model.hot(&session(1)).len(), 1, "nothing is deleted");
}

#[test]
fn a_lost_object_is_made_anew_with_its_old_expiry() {
    let mut model = three_chunks();
    run(&mut session_move(1), &mut model, at(40, 0));
    let row = row_of(&model, 1);
    model.is_lenient = true;
    model.lose_object(&row.object_key);
    model.store(&session(1), day(9), day(2));
    run(&mut session_move(1), &mut model, at(50, 0));
    let renewed = row_of(&model, 1);
    assert_eq!((renewed.header.generation, renewed.index.len()), (2, 1));
    assert_eq!(renewed.header.expires_at_ms, row.header.expires_at_ms);
}

#[test]
fn two_first_moves_under_two_keys_lose_nothing() {
    let mut model = three_chunks();
    // The other one saw an earlier first event, of another month.
    let end = run_with(&mut session_move(1), &mut model, at(100, 0), |_, ask, model| {
        if matches!(ask, Ask::Write(_)) && model.object_keys().is_empty() {
            let hot = model.hot(&session(1));
            let mut other = Model::default();
            hot.iter().for_each(|copy: &ChunkMeta| {
                other.store(&session(1), copy.key.timestamp_start_ms + day(60), copy.received_at_ms);
            });
            run(&mut session_move(1), &mut other, at(100, 0));
            let row = row_of(&other, 1);
            for entry in &row.index {
                model.store(&session(1), entry.key.timestamp_start_ms, day(1));
            }
            model.put_object(&row.object_key, other.object(&row.object_key).unwrap().clone(), day(100));
            model.put_row(row);
        }
        Fault::None
    });
    assert!(matches!(end, MoveEnd::Moved { .. }), "{end:?}");
    run(&mut session_move(1), &mut model, at(101, 0));
    assert_eq!(model.hot(&session(1)), []);
    assert_eq!(model.rows_of(&session(1)).len(), 2);
    // A late chunk goes to one of them.
    model.store(&session(1), day(9), day(2));
    run(&mut session_move(1), &mut model, at(102, 0));
    assert_eq!(model.hot(&session(1)), []);
    assert_eq!(model.visible(&session(1)).len(), 7);
}

#[test]
fn late_chunks_of_an_expired_object_wait_for_retention() {
    let mut model = three_chunks();
    run(&mut session_move(1), &mut model, at(40, 0));
    model.store(&session(1), day(9), day(95));
    let now = at(40 + COLD_DAYS, 0);
    assert_eq!(run(&mut session_move(1), &mut model, now), MoveEnd::WaitForRetention);
    for start in [day(3) + 10, day(3) + 20, day(3) + 30] {
        model.ended.insert((session(1), ChunkKey { timestamp_start_ms: start, chunk_index: 0 }));
    }
    model.is_lenient = true;
    assert_eq!(run(&mut sweep(Guards::ALL), &mut model, now).objects, 1);
    model.is_lenient = false;
    let end = run(&mut session_move(1), &mut model, now);
    assert!(matches!(end, MoveEnd::Moved { copies: 1, generation: 1, .. }), "{end:?}");
    assert_eq!(row_of(&model, 1).header.first_moved_at_ms, now.unix_ms);
}
