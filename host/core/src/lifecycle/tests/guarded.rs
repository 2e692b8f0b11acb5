//! Each guard, removed, lets some interleaving break an invariant; in force, it does not.

use super::*;

/// Whether anything went wrong in the scene played with these guards.
fn goes_wrong(guard: Guard, scene: impl Fn(Guards) -> bool) {
    assert!(!scene(Guards::ALL), "goes wrong although {guard:?} is in force");
    assert!(scene(Guards::ALL.without(guard)), "{guard:?} is not needed");
}

fn guarded_move(n: u128, guards: Guards) -> SessionMove {
    SessionMove::new(session(n), move_settings(guards))
}

fn stored() -> Model {
    let mut model = Model::lenient();
    model.store(&session(1), day(1), day(1));
    model
}

#[test]
fn tombstone_re_read() {
    goes_wrong(Guard::TombstoneReRead, |guards| {
        (0..9).any(|moment| {
            let mut model = stored();
            run_with(&mut guarded_move(1, guards), &mut model, at(40, 0), |number, _, model| {
                if number == moment {
                    run(&mut erasure(EraseScope::Session(session(1))), model, at(40, 0));
                }
                Fault::None
            });
            model.erased_remains() || model.missed
        })
    });
}

#[test]
fn hash_in_delete() {
    goes_wrong(Guard::HashInDelete, |guards| {
        (0..9).any(|moment| {
            let mut model = stored();
            run_with(&mut guarded_move(1, guards), &mut model, at(40, 0), |number, _, model| {
                if number == moment {
                    model.insert(model::chunk(&session(1), day(1), 2, day(2), Codec::Gzip));
                }
                Fault::None
            });
            model.missed
        })
    });
}

#[test]
fn read_back() {
    goes_wrong(Guard::ReadBack, |guards| {
        let mut model = stored();
        model.damages_next_write = true;
        run(&mut guarded_move(1, guards), &mut model, at(40, 0));
        model.missed
    });
}

#[test]
fn archive_read_back() {
    goes_wrong(Guard::ArchiveReadBack, |guards| {
        let mut model = stored();
        model.loses_next_row = true;
        run(&mut guarded_move(1, guards), &mut model, at(40, 0));
        model.missed
    });
}

#[test]
fn conditional_write() {
    goes_wrong(Guard::ConditionalWrite, |guards| {
        // The second migrator acts between two asks of the first; a copy arrives before it.
        (0..9).any(|arrival| {
            (0..9).any(|pause| {
                let mut model = stored();
                let mut second = guarded_move(1, guards);
                let mut step = None;
                run_with(&mut guarded_move(1, guards), &mut model, at(40, 0), |number, _, model| {
                    if number == arrival {
                        model.store(&session(1), day(2), day(2));
                        step = Some(advance(&mut second, model, None, pause));
                    }
                    Fault::None
                });
                if let Some(step) = step {
                    advance(&mut second, &mut model, Some(step), usize::MAX);
                }
                model.missed
            })
        })
    });
}

/// Takes a machine so many asks further.
fn advance<M: Machine>(
    machine: &mut M,
    model: &mut Model,
    from: Option<Step<M::End>>,
    asks: usize,
) -> Step<M::End> {
    let now = at(40, 0);
    let mut step = from.unwrap_or_else(|| machine.step(now, None));
    for _ in 0..asks {
        let Step::Ask(ask) = step else { break };
        let answer = model.answer(now, ask);
        model.check(now);
        step = machine.step(now, Some(answer));
    }
    step
}

#[test]
fn expired_is_left_alone() {
    goes_wrong(Guard::ExpiredIsLeftAlone, |guards| {
        let mut model = stored();
        run(&mut guarded_move(1, guards), &mut model, at(40, 0));
        model.store(&session(1), day(2), day(95));
        let now = at(40 + COLD_DAYS, 0);
        run(&mut guarded_move(1, guards), &mut model, now);
        run(&mut sweep(guards), &mut model, now);
        !model.visible(&session(1)).contains_key(&ChunkKey { timestamp_start_ms: day(2), chunk_index: 0 })
    });
}

#[test]
fn retention_re_read() {
    goes_wrong(Guard::RetentionReRead, |guards| {
        let mut model = stored();
        run(&mut session_move(1), &mut model, at(40, 0));
        let now = at(40 + COLD_DAYS, 0);
        let mut machine = sweep(guards);
        // It has listed what expired; before it goes on, the object is renewed.
        run_with(&mut machine, &mut model, now, |number, _, model| {
            if number == 2 {
                run(&mut sweep(Guards::ALL), model, now);
                model.store(&session(1), day(2), day(95));
                run(&mut session_move(1), model, now);
            }
            Fault::None
        });
        model.visible(&session(1)).is_empty()
    });
}

#[test]
fn tombstone_first() {
    goes_wrong(Guard::TombstoneFirst, |guards| {
        (0..20).any(|moment| {
            let mut model = stored();
            let scope = EraseScope::Session(session(1));
            let mut machine = Erasure::new(scope, erasure_settings(guards));
            run_with(&mut machine, &mut model, at(40, 0), |number, _, model| {
                if number == moment {
                    model.store(&session(1), day(2), day(3));
                }
                Fault::None
            });
            model.erased_remains()
        })
    });
}

#[test]
fn retire_before_delete() {
    goes_wrong(Guard::RetireBeforeDelete, |guards| {
        (0..20).any(|moment| {
            let mut model = stored();
            run(&mut session_move(1), &mut model, at(40, 0));
            let scope = EraseScope::Project(project());
            let mut machine = Erasure::new(scope, erasure_settings(guards));
            run_with(&mut machine, &mut model, at(41, 0), |number, _, model| {
                if number == moment && moment > 0 {
                    model.store(&session(1), day(2), day(42));
                    run(&mut session_move(1), model, at(80, 0));
                }
                Fault::None
            });
            model.missed
        })
    });
}

#[test]
fn erasure_read_back() {
    goes_wrong(Guard::ErasureReadBack, |guards| {
        (0..20).any(|moment| {
            let mut model = stored();
            // A migrator that is about to write when the tombstone comes, and dies having written.
            let mut migrator = session_move(1);
            let step = advance(&mut migrator, &mut model, None, 4);
            let object = {
                let Step::Ask(Ask::Write(plan)) = step else { panic!("{step:?}") };
                let mut elsewhere = stored();
                elsewhere.answer(at(40, 0), Ask::Write(plan.clone()));
                (plan.object_key.clone(), elsewhere.object(&plan.object_key).unwrap().clone())
            };
            let scope = EraseScope::Session(session(1));
            let mut last = String::new();
            let mut machine = Erasure::new(scope, erasure_settings(guards));
            run_with(&mut machine, &mut model, at(40, 0), |number, ask, model| {
                if number == moment && model.object_keys().is_empty() && last.is_empty() {
                    // Not after the last listing: that is what the sweeper is for.
                    if !matches!(ask, Ask::CountErasableLetters(_)) || moment < 6 {
                        model.put_object(&object.0, object.1.clone(), day(40));
                        last.clone_from(&object.0);
                    }
                }
                Fault::None
            });
            model.erased_remains()
        })
    });
}
