//! A run goes on until nothing is due; a failing session waits alone.

use super::*;

fn settings() -> MigrationSettings {
    MigrationSettings {
        policy: policy(),
        cold_codec: Codec::Gzip,
        writes: ColdWrites::Conditional,
        batch_size: 3,
        share: Share::ALL,
        back_off_ms: 1_000,
        max_back_off_ms: 10_000,
        seed: 1,
        guards: Guards::ALL,
    }
}

fn sessions(due: u128) -> Model {
    let mut model = Model::default();
    for n in 1..=due {
        model.store(&session(n), day(1), day(1));
    }
    model.store(&session(1_000), day(1), day(39));
    model
}

#[test]
fn a_run_moves_what_is_due_and_nothing_else() {
    let mut model = sessions(10);
    let report = run(&mut Migration::new(settings()), &mut model, at(40, 0));
    assert_eq!((report.due, report.moved, report.copies, report.chunks), (10, 10, 10, 10));
    assert_eq!(report.stopped, None);
    assert_eq!(model.hot(&session(1_000)).len(), 1);
}

#[test]
fn a_project_may_have_its_own_retention() {
    let mut model = Model::default();
    model.store(&session(1), day(1), day(35));
    let mut settings = settings();
    assert_eq!(run(&mut Migration::new(settings.clone()), &mut model, at(40, 0)).due, 0);
    settings.policy.projects.insert(project(), Retention { hot_ms: day(3), cold_ms: day(7) });
    assert_eq!(run(&mut Migration::new(settings), &mut model, at(40, 0)).moved, 1);
    assert_eq!(row_of(&model, 1).header.expires_at_ms, day(47));
}

#[test]
fn a_failing_session_backs_off_alone() {
    let mut model = sessions(10);
    let mut migration = Migration::new(settings());
    let is_the_third = |ask: &Ask| matches!(ask, Ask::Copies(of) if *of == session(3));
    let mut failing = |_: usize, ask: &Ask, _: &mut Model| {
        if is_the_third(ask) { Fault::Refused } else { Fault::None }
    };
    let report = run_with(&mut migration, &mut model, at(40, 0), &mut failing);
    assert_eq!((report.moved, report.failed), (9, 1));
    assert_eq!(report.failures, [(session(3), "the store is away".to_owned())]);
    let report = run(&mut migration, &mut model, at(40, 100));
    assert_eq!((report.due, report.deferred, report.moved), (1, 1, 0));
    let report = run(&mut migration, &mut model, at(40, 1_000));
    assert_eq!((report.deferred, report.moved), (0, 1));
}

#[test]
fn a_store_that_is_away_ends_the_run() {
    let mut model = sessions(10);
    let mut asks = 0;
    let report = run_with(&mut Migration::new(settings()), &mut model, at(40, 0), |_, ask, _| {
        asks += 1;
        if matches!(ask, Ask::SessionAges { .. }) { Fault::None } else { Fault::Refused }
    });
    assert_eq!(report.stopped.as_deref(), Some("the store is away"));
    assert_eq!((report.failed, report.moved), (5, 0));
    assert!(asks < 10);
    let report = run_with(&mut Migration::new(settings()), &mut model, at(40, 0), |_, _, _| Fault::Refused);
    assert!(report.stopped.is_some());
}

#[test]
fn shares_divide_the_sessions() {
    for n in 1..100 {
        let shares = (0..3).filter(|index| Share { index: *index, count: 3 }.has(&session(n)));
        assert_eq!(shares.count(), 1);
        assert!(Share::ALL.has(&session(n)));
    }
}

#[test]
fn the_order_is_the_seeds() {
    let order = |seed| {
        let mut moved = Vec::new();
        run_with(
            &mut Migration::new(MigrationSettings { seed, batch_size: 20, ..settings() }),
            &mut sessions(10),
            at(40, 0),
            |_, ask, _| {
                if let Ask::Copies(of) = ask {
                    moved.push(of.clone());
                }
                Fault::None
            },
        );
        moved
    };
    assert_eq!(order(1), order(1));
    assert_ne!(order(1), order(2));
}
