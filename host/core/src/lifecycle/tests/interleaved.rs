//! Two migrators, an eraser, retention and late chunks in every order a seed picks, with asks that
//! fail, answers that get lost, and machines that die.

use super::*;

/// Repeatable choices (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// A machine and the step it is at; started again when it ends or dies.
struct Actor<M: Machine> {
    machine: M,
    step: Option<Step<M::End>>,
}

impl<M: Machine> Actor<M> {
    fn new(machine: M) -> Self {
        Self { machine, step: None }
    }

    /// One ask and its answer, or a start. Returns the end, if this was it.
    fn act(&mut self, now: Now, model: &mut Model, dice: &mut Dice, faults: bool) -> Option<M::End> {
        let answer = match self.step.take() {
            None => None,
            Some(Step::Done(end)) => return Some(end),
            Some(Step::Wait { until_mono_ms }) if until_mono_ms > now.mono_ms => {
                self.step = Some(Step::Wait { until_mono_ms });
                return None;
            }
            Some(Step::Wait { .. }) => Some(Answer::Done),
            Some(Step::Ask(_)) if faults && dice.one_in(30) => Some(model.failed()),
            Some(Step::Ask(ask)) => {
                let answer = model.answer(now, ask);
                if faults && dice.one_in(40) {
                    return None; // Dies; starts again next time.
                }
                Some(if faults && dice.one_in(30) { model.failed() } else { answer })
            }
        };
        self.step = Some(self.machine.step(now, answer));
        None
    }
}

/// Plays one seed and says whether an invariant broke.
fn breaks(seed: u64, guards: Guards, faults: bool) -> bool {
    breaks_over(Model::lenient(), [ColdWrites::Conditional; 2], seed, guards, faults)
}

/// The same over this store, with migrators that write to it so.
fn breaks_over(mut model: Model, writes: [ColdWrites; 2], seed: u64, guards: Guards, faults: bool) -> bool {
    let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let session_move =
        |writes, guards| SessionMove::new(session(1), MoveSettings { writes, ..move_settings(guards) });
    let mut now = at(45, 0);
    for start in 0..3 {
        model.store(&session(1), start, day(1));
    }
    if dice.one_in(2) {
        run(&mut session_move(writes[0], Guards::ALL), &mut model, now);
    }
    let erases_session = dice.one_in(2);
    let scope = if erases_session { EraseScope::Session(session(1)) } else { EraseScope::Project(project()) };
    let mut migrators = writes.map(|writes| Actor::new(session_move(writes, guards)));
    let mut eraser = Actor::new(Erasure::new(scope, erasure_settings(guards)));
    let mut retention = Actor::new(sweep(guards));
    let erasure_starts = dice.below(120);
    let mut is_erased = false;
    for turn in 0..200 {
        now = Now { mono_ms: now.mono_ms + 50, unix_ms: now.unix_ms + 50 };
        match dice.below(12) {
            0..=4 => drop(migrators[0].act(now, &mut model, &mut dice, faults)),
            5..=8 => drop(migrators[1].act(now, &mut model, &mut dice, faults)),
            9 => drop(retention.act(now, &mut model, &mut dice, faults)),
            10 if dice.one_in(4) => {
                let (start, revision) = (dice.below(8), dice.below(3) as u16);
                model.insert(model::chunk(&session(1), start, revision, now.unix_ms, Codec::Gzip));
            }
            _ if turn >= erasure_starts && !is_erased => {
                is_erased = eraser.act(now, &mut model, &mut dice, faults).is_some();
            }
            _ => {}
        }
        model.check(now);
        if model.missed {
            return true;
        }
    }
    // Everybody comes to an end, then the sweeper goes over it.
    for migrator in &mut migrators {
        while migrator.step.is_some() && migrator.act(now, &mut model, &mut dice, false).is_none() {
            model.check(now);
        }
    }
    run(&mut ErasureSweep::new(erasure_settings(Guards::ALL)), &mut model, now);
    run(&mut session_move(writes[0], Guards::ALL), &mut model, now);
    model.missed || model.erased_remains()
}

#[test]
fn no_order_of_events_breaks_anything() {
    for seed in 0..3_000 {
        assert!(!breaks(seed, Guards::ALL, false), "seed {seed} without faults");
        assert!(!breaks(seed, Guards::ALL, true), "seed {seed} with faults");
    }
}

#[test]
fn chance_alone_shows_what_the_guards_are_for() {
    for guard in [Guard::HashInDelete, Guard::ConditionalWrite, Guard::RetireBeforeDelete] {
        let guards = Guards::ALL.without(guard);
        assert!((0..3_000).any(|seed| breaks(seed, guards, true)), "{guard:?}");
    }
}

const ONCE: [ColdWrites; 2] = [ColdWrites::Once { writer: 1 }, ColdWrites::Once { writer: 2 }];

#[test]
fn no_order_of_events_breaks_anything_where_writes_hold_no_condition() {
    for seed in 0..3_000 {
        for faults in [false, true] {
            let broken = breaks_over(Model::lenient().unconditional(), ONCE, seed, Guards::ALL, faults);
            assert!(!broken, "seed {seed}, faults: {faults}");
        }
    }
}

#[test]
fn chance_alone_shows_what_writing_once_is_for() {
    let merging = [ColdWrites::Conditional; 2];
    let breaks = |seed| breaks_over(Model::lenient().unconditional(), merging, seed, Guards::ALL, true);
    assert!((0..3_000).any(breaks));
    let without = Guards::ALL.without(Guard::HashInDelete);
    assert!((0..3_000).any(|seed| breaks_over(Model::lenient().unconditional(), ONCE, seed, without, true)));
}
