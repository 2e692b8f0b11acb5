//! One process's lifecycle work: a machine, the ask that it waits for, and what may go wrong with it.

use replay_core::guards::Guards;
use replay_core::lifecycle::{
    Answer, Ask, ColdWrites, Erasure, ErasureSettings, ErasureSweep, Machine, Migration, MigrationSettings,
    RetentionSettings, RetentionSweep, Share, Step,
};
use replay_core::row::Codec;
use replay_core::time::Now;
use replay_core::tombstone::EraseScope;

use crate::model::{World, policy};
use crate::node::Checked;
use crate::rng::Rng;
use crate::stores::Asker;

/// What an actor does just now.
pub enum Work {
    Move(Box<Migration>),
    Erase(Box<Erasure>),
    Sweep(Box<ErasureSweep>),
    Retire(Box<RetentionSweep>),
}

enum State {
    /// Asked, and not carried out yet.
    Asked(Ask),
    /// Carried out; the answer is on its way.
    Answered(Answer),
    Waiting(u64),
}

pub struct Actor {
    pub by: Asker,
    work: Option<(Work, State)>,
    /// Stalls until this step of the history: a slow disk, a paused machine.
    stalled_until: u64,
}

impl Actor {
    pub fn new(by: Asker) -> Self {
        Self { by, work: None, stalled_until: 0 }
    }

    pub fn is_idle(&self) -> bool {
        self.work.is_none()
    }

    pub fn start(&mut self, now: Now, mut work: Work) {
        let next = work.step(now, None);
        self.work = next.map(|state| (work, state));
    }

    /// The process dies; what it had asked for may or may not still happen.
    pub fn crash(&mut self, now: Now, world: &mut World, rng: &mut Rng) -> Checked {
        if let Some((_, State::Asked(ask))) = self.work.take()
            && rng.one_in(2)
        {
            world.carry_out(&ask, self.by, now)?;
        }
        Ok(())
    }

    /// One step: an ask is carried out, or its answer arrives.
    pub fn act(&mut self, now: Now, world: &mut World, rng: &mut Rng, faults: bool) -> Checked {
        if self.stalled_until > world.steps {
            return Ok(());
        }
        if rng.one_in(50) {
            self.stalled_until = world.steps + rng.below(500);
        }
        let Some((mut work, state)) = self.work.take() else { return Ok(()) };
        let next = match state {
            State::Waiting(until_ms) if now.mono_ms < until_ms => Some(State::Waiting(until_ms)),
            State::Waiting(_) => work.step(now, Some(Answer::Done)),
            State::Answered(answer) => work.step(now, Some(answer)),
            State::Asked(_) if faults && rng.one_in(25) => work.step(now, Some(failed())),
            // What read-backs are for: a store that says yes and has nothing.
            State::Asked(ask)
                if faults && matches!(ask, Ask::Write(_) | Ask::PutArchive(_)) && rng.one_in(30) =>
            {
                let (objects, archive) = (world.objects.clone(), world.archive.clone());
                let answer = world.carry_out(&ask, self.by, now)?;
                (world.objects, world.archive) = (objects, archive);
                world.seen.insert("store lied");
                work.step(now, Some(answer))
            }
            State::Asked(ask) => {
                let answer = world.carry_out(&ask, self.by, now)?;
                if faults && rng.one_in(25) {
                    work.step(now, Some(failed()))
                } else if rng.one_in(3) {
                    Some(State::Answered(answer))
                } else {
                    work.step(now, Some(answer))
                }
            }
        };
        self.work = next.map(|state| (work, state));
        Ok(())
    }
}

impl Work {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Move(_) => "lifecycle move",
            Self::Erase(_) => "lifecycle erase",
            Self::Sweep(_) => "lifecycle sweep",
            Self::Retire(_) => "lifecycle retire",
        }
    }

    /// `None`: it is over.
    fn step(&mut self, now: Now, answer: Option<Answer>) -> Option<State> {
        match self {
            Self::Move(machine) => state(machine.step(now, answer)),
            Self::Erase(machine) => state(machine.step(now, answer)),
            Self::Sweep(machine) => state(machine.step(now, answer)),
            Self::Retire(machine) => state(machine.step(now, answer)),
        }
    }

    pub fn moving(seed: u64, writes: ColdWrites, guards: Guards) -> Self {
        Self::Move(Box::new(Migration::new(MigrationSettings {
            policy: policy(),
            cold_codec: Codec::Gzip,
            writes,
            batch_size: 2,
            share: Share::ALL,
            back_off_ms: 5,
            max_back_off_ms: 50,
            seed,
            guards,
        })))
    }

    pub fn erasing(scope: EraseScope, guards: Guards) -> Self {
        Self::Erase(Box::new(Erasure::new(scope, erasure(guards))))
    }

    pub fn sweeping(guards: Guards) -> Self {
        Self::Sweep(Box::new(ErasureSweep::new(erasure(guards))))
    }

    pub fn retiring(guards: Guards) -> Self {
        Self::Retire(Box::new(RetentionSweep::new(RetentionSettings {
            policy: policy(),
            migration_enabled: true,
            letter_retention_ms: u64::MAX,
            tombstone_retention_ms: u64::MAX,
            batch_size: 2,
            guards,
        })))
    }
}

fn erasure(guards: Guards) -> ErasureSettings {
    ErasureSettings {
        actor: "simulation".into(),
        batch_size: 2,
        back_off_ms: 5,
        max_back_off_ms: 50,
        seed: 1,
        guards,
    }
}

fn state<End>(step: Step<End>) -> Option<State> {
    match step {
        Step::Ask(ask) => Some(State::Asked(ask)),
        Step::Wait { until_mono_ms } => Some(State::Waiting(until_mono_ms)),
        Step::Done(_) => None,
    }
}

fn failed() -> Answer {
    Answer::Failed { what: "no answer".into() }
}
