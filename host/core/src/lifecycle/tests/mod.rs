//! The machines over a model of the stores: one at a time, crashed at every ask, and interleaved.

mod erasing;
mod guarded;
mod interleaved;
mod model;
mod moving;
mod once;
mod reconciling;
mod retiring;
mod scheduling;

use model::{Model, day};

use super::*;
use crate::archive::ArchiveRow;
use crate::guards::{Guard, Guards};
use crate::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use crate::row::Codec;
use crate::time::Now;
use crate::tombstone::{EraseScope, Tombstone};

const HOT_DAYS: u64 = 30;
const COLD_DAYS: u64 = 90;

fn project() -> ProjectId {
    ProjectId::new("shop").unwrap()
}

fn session(n: u128) -> SessionKey {
    SessionKey { project_id: project(), session_id: SessionId::new(uuid::Uuid::from_u128(n)).unwrap() }
}

/// Day and millisecond; both clocks run together.
fn at(days: u64, ms: u64) -> Now {
    Now { mono_ms: day(days) + ms, unix_ms: day(days) + ms }
}

fn move_settings(guards: Guards) -> MoveSettings {
    let writes = ColdWrites::Conditional;
    MoveSettings { cold_codec: Codec::Gzip, cold_retention_ms: day(COLD_DAYS), writes, guards }
}

fn session_move(n: u128) -> SessionMove {
    SessionMove::new(session(n), move_settings(Guards::ALL))
}

fn policy() -> RetentionPolicy {
    RetentionPolicy::new(Retention { hot_ms: day(HOT_DAYS), cold_ms: day(COLD_DAYS) })
}

fn sweep(guards: Guards) -> RetentionSweep {
    RetentionSweep::new(RetentionSettings {
        policy: policy(),
        migration_enabled: true,
        letter_retention_ms: day(14),
        tombstone_retention_ms: day(400),
        batch_size: 2,
        guards,
    })
}

fn erasure_settings(guards: Guards) -> ErasureSettings {
    ErasureSettings {
        actor: "anna".into(),
        batch_size: 2,
        back_off_ms: 100,
        max_back_off_ms: 1_000,
        seed: 1,
        guards,
    }
}

fn erasure(scope: EraseScope) -> Erasure {
    Erasure::new(scope, erasure_settings(Guards::ALL))
}

/// Runs a machine to its end; time stands still but for waits.
fn run<M: Machine>(machine: &mut M, model: &mut Model, now: Now) -> M::End {
    run_with(machine, model, now, |_, _, _| Fault::None)
}

/// What happens to one ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// No effect, and an error.
    Refused,
    /// The effect, and an error.
    AnswerLost,
    /// The effect, and the machine is gone.
    Crash,
}

/// The same; `before` sees each ask with its number and may change the store first.
fn run_with<M: Machine>(
    machine: &mut M,
    model: &mut Model,
    now: Now,
    before: impl FnMut(usize, &Ask, &mut Model) -> Fault,
) -> M::End {
    run_or_crash(machine, model, now, before).expect("no crash was asked for")
}

fn run_or_crash<M: Machine>(
    machine: &mut M,
    model: &mut Model,
    mut now: Now,
    mut before: impl FnMut(usize, &Ask, &mut Model) -> Fault,
) -> Option<M::End> {
    let mut step = machine.step(now, None);
    for number in 0..10_000 {
        let answer = match step {
            Step::Done(end) => return Some(end),
            Step::Wait { until_mono_ms } => {
                now.mono_ms = until_mono_ms;
                Answer::Done
            }
            Step::Ask(ask) => {
                let fault = before(number, &ask, model);
                let answer = if fault == Fault::Refused { model.failed() } else { model.answer(now, ask) };
                model.check(now);
                match fault {
                    Fault::None | Fault::Refused => answer,
                    Fault::AnswerLost => model.failed(),
                    Fault::Crash => return None,
                }
            }
        };
        step = machine.step(now, Some(answer));
    }
    panic!("the machine does not come to an end");
}

fn row_of(model: &Model, n: u128) -> ArchiveRow {
    let rows = model.rows_of(&session(n));
    assert_eq!(rows.len(), 1);
    rows.into_iter().next().unwrap()
}
