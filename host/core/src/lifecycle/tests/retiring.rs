//! Retention: on time, never before, and past what fails.

use super::*;

fn cold(n: u128, moved_on: u64, model: &mut Model) {
    model.store(&session(n), day(1), day(moved_on - HOT_DAYS - 1));
    run(&mut session_move(n), model, at(moved_on, 0));
}

#[test]
fn each_thing_ends_on_its_day() {
    let mut model = Model::lenient();
    cold(1, 40, &mut model);
    cold(2, 50, &mut model);
    cold(3, 50, &mut model);
    // Hot copies that never moved.
    model.store(&session(4), day(1), day(9));
    model.store(&session(4), day(2), day(11));

    let report = run(&mut sweep(Guards::ALL), &mut model, at(129, 0));
    assert_eq!((report.copies, report.objects, report.failed), (0, 0, 0));
    let report = run(&mut sweep(Guards::ALL), &mut model, at(130, 0));
    assert_eq!((report.copies, report.objects), (1, 1));
    assert!(report.copy_bytes > 0 && report.object_bytes > 0);
    assert_eq!(model.hot(&session(4)).len(), 1);
    assert_eq!(model.rows_of(&session(1)), []);
    let report = run(&mut sweep(Guards::ALL), &mut model, at(140, 0));
    assert_eq!((report.copies, report.objects), (1, 2));
    assert!(model.object_keys().is_empty());
}

#[test]
fn without_migration_hot_copies_end_after_the_hot_retention() {
    let mut model = Model::lenient();
    for n in 1..=5 {
        model.store(&session(n), day(1), day(1));
        model.store(&session(n), day(2), day(20));
    }
    let settings = RetentionSettings {
        policy: policy(),
        migration_enabled: false,
        letter_retention_ms: day(14),
        tombstone_retention_ms: day(400),
        batch_size: 2,
        guards: Guards::ALL,
    };
    let report = run(&mut RetentionSweep::new(settings), &mut model, at(32, 0));
    assert_eq!((report.copies, report.failed), (5, 0));
    assert_eq!(model.hot(&session(5)).len(), 1);
}

#[test]
fn tombstones_end_too() {
    let mut model = Model::default();
    model.tombstones.push(Tombstone { scope: EraseScope::Project(project()), erased_at_ms: day(1) });
    assert_eq!(run(&mut sweep(Guards::ALL), &mut model, at(401, 0)).tombstones, 0);
    assert_eq!(run(&mut sweep(Guards::ALL), &mut model, at(402, 0)).tombstones, 1);
}

#[test]
fn a_sweep_goes_on_past_a_failure_and_the_next_one_finds_it() {
    for fault in [Fault::Refused, Fault::AnswerLost, Fault::Crash] {
        for last in 0.. {
            let mut model = Model::lenient();
            (1..=3).for_each(|n| cold(n, 40, &mut model));
            model.store(&session(4), day(1), day(9));
            let mut reached = false;
            let report = run_or_crash(&mut sweep(Guards::ALL), &mut model, at(130, 0), |number, _, _| {
                reached |= number == last;
                if number == last { fault } else { Fault::None }
            });
            if !reached {
                assert!(last > 15);
                break;
            }
            if let Some(report) = report {
                assert_eq!((report.failed, report.failures.len()), (1, 1));
            }
            let report = run(&mut sweep(Guards::ALL), &mut model, at(130, 1));
            assert_eq!(report.failed, 0);
            assert!(model.object_keys().is_empty() && model.hot(&session(4)).is_empty());
            assert_eq!(model.rows_of(&session(1)), []);
        }
    }
}

#[test]
fn a_renewed_object_is_left_alone() {
    for renewed_before in 0..10 {
        let mut model = Model::lenient();
        cold(1, 40, &mut model);
        let first = row_of(&model, 1);
        let report = run_with(&mut sweep(Guards::ALL), &mut model, at(130, 0), |number, ask, model| {
            // Between looking and deleting nobody else deletes: one deleter at a time.
            let is_before_the_last_look =
                !matches!(ask, Ask::DeleteObject { .. } | Ask::Head { .. } | Ask::DeleteArchive { .. });
            if number == renewed_before && is_before_the_last_look && !model.rows_of(&session(1)).is_empty() {
                model.lose_object(&first.object_key);
                model.lose_rows(&session(1));
                model.store(&session(1), day(7), day(99));
                run(&mut session_move(1), model, at(130, 0));
            }
            Fault::None
        });
        if let Some(row) = model.rows_of(&session(1)).first() {
            assert_eq!(model.visible(&session(1)).len(), 1, "renewed before ask {renewed_before}");
            assert!(row.header.expires_at_ms > day(130) && report.objects == 0);
        }
    }
}
