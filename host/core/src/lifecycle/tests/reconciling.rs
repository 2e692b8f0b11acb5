//! Both sides are compared; only what is safe to mend is mended.

use super::*;

fn reconcile(model: &mut Model, repair: bool, forget_lost: bool, now: Now) -> Vec<(FindingKind, bool)> {
    let settings = ReconcileSettings { grace_ms: day(1), batch_size: 2, repair, forget_lost };
    let report = run(&mut Reconcile::new(settings), model, now);
    assert_eq!(report.failed, None);
    assert_eq!(report.found as usize, report.findings.len());
    report.findings.into_iter().map(|finding| (finding.kind, finding.repaired)).collect()
}

fn moved() -> Model {
    let mut model = Model::lenient();
    for n in 1..=3 {
        model.store(&session(n), day(1), day(1));
        run(&mut session_move(n), &mut model, at(40, 0));
    }
    model
}

#[test]
fn two_sides_that_agree_are_left_alone() {
    let mut model = moved();
    assert_eq!(reconcile(&mut model, true, true, at(50, 0)), []);
}

#[test]
fn an_orphan_object_gets_its_row_back() {
    let mut model = moved();
    let row = row_of(&model, 2);
    model.lose_rows(&session(2));
    assert_eq!(reconcile(&mut model, false, false, at(40, 5)), [], "younger than the grace");
    assert_eq!(reconcile(&mut model, false, false, at(50, 0)), [(FindingKind::OrphanObject, false)]);
    assert_eq!(model.rows_of(&session(2)), []);
    assert_eq!(reconcile(&mut model, true, false, at(50, 0)), [(FindingKind::OrphanObject, true)]);
    assert_eq!(row_of(&model, 2), row);
}

#[test]
fn a_stale_row_is_refreshed() {
    let mut model = moved();
    let old = row_of(&model, 1);
    model.store(&session(1), day(2), day(2));
    run(&mut session_move(1), &mut model, at(41, 0));
    let new = row_of(&model, 1);
    model.lose_rows(&session(1));
    model.put_row(old);
    assert_eq!(reconcile(&mut model, true, false, at(50, 0)), [(FindingKind::StaleRow, true)]);
    assert_eq!(row_of(&model, 1), new);
}

#[test]
fn a_row_without_an_object_goes_only_if_nothing_is_lost() {
    let lost = |model: &mut Model| {
        let key = row_of(model, 1).object_key;
        model.lose_object(&key);
    };
    let mut model = moved();
    lost(&mut model);
    assert_eq!(reconcile(&mut model, true, false, at(50, 0)), [(FindingKind::LostObject, false)]);
    assert_eq!(model.rows_of(&session(1)).len(), 1, "the row tells that something is missing");
    assert_eq!(reconcile(&mut model, true, true, at(50, 0)), [(FindingKind::LostObject, true)]);
    assert_eq!(model.rows_of(&session(1)), []);

    let mut model = moved();
    lost(&mut model);
    model.store(&session(1), day(1), day(1));
    assert_eq!(reconcile(&mut model, true, false, at(50, 0)), [(FindingKind::RowWithoutObject, true)]);

    let mut model = moved();
    lost(&mut model);
    assert_eq!(
        reconcile(&mut model, true, false, at(40 + COLD_DAYS, 0)),
        [(FindingKind::RowWithoutObject, true)],
        "expired"
    );
}

#[test]
fn the_rest_is_told() {
    let mut model = moved();
    let keys: Vec<String> = (1..=3).map(|n| row_of(&model, n).object_key).collect();
    model.put_object(&keys[0], "damaged".into(), day(40));
    let mut ahead = row_of(&model, 2);
    ahead.header.generation = 9;
    model.put_row(ahead);
    model.tombstones.push(Tombstone { scope: EraseScope::Session(session(3)), erased_at_ms: day(41) });
    model.put_object("shop/notes.txt", "not ours".into(), day(40));
    let mut found = reconcile(&mut model, true, true, at(50, 0));
    found.sort_unstable();
    assert_eq!(
        found,
        [
            (FindingKind::ObjectOlderThanRow, false),
            (FindingKind::DamagedObject, false),
            (FindingKind::ErasedObject, false),
            (FindingKind::ForeignKey, false),
        ]
    );
}
