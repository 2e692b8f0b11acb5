//! How records end: settled at once, through a dead letter, or after closing the letter they came from.

use super::io::{Letter, Origin, Outcome, Payload, Work};
use super::ledger::Stage;
use super::status::Ending;
use super::{Failure, Pipeline};
use crate::dead_letter::LetterId;
use crate::guards::Guard;
use crate::time::Now;

/// What the dead-letter store is asked to do.
#[derive(Clone, Debug)]
pub(super) enum LetterJob<P> {
    Write(Letter<P>),
    Close { letter: LetterId, origin: Origin, ending: Ending },
}

impl<P: Payload> LetterJob<P> {
    pub(super) fn work(&self) -> Work<P> {
        match self {
            Self::Write(letter) => Work::DeadLetter { letter: letter.clone() },
            Self::Close { letter, .. } => Work::CloseLetter { letter: letter.clone() },
        }
    }

    /// What it holds of the budget; a record that is settled but for its letter holds nothing.
    fn held_bytes(&self) -> Option<usize> {
        match self {
            Self::Write(letter) => Some(letter.payload.as_ref().map_or(0, Payload::bytes)),
            Self::Close { .. } => None,
        }
    }
}

impl<P: Payload> Pipeline<P> {
    /// The record needs nothing more, but that the letter which it feeds back is closed first: were
    /// it settled before, a crash would leave the letter open and the record would be fed back again.
    pub(super) fn ended(&mut self, origin: Origin, ending: Ending) {
        match &origin.replay_of {
            None => self.settle(&origin, ending),
            Some(replay) => {
                let letter = replay.letter.clone();
                self.ledger.advance(origin.at, Stage::CloseLetter);
                self.letters.push(LetterJob::Close { letter, origin, ending });
            }
        }
    }

    /// The record cannot be stored: it is settled when its letter is durable.
    pub(super) fn dead(&mut self, letter: Letter<P>) {
        self.ledger.advance(letter.origin.at, Stage::DeadLetter);
        if !self.guards.has(Guard::SettleOnlyOnLetter) {
            self.settle(&letter.origin, Ending::DeadLettered(letter.reject.reason));
        }
        let job = LetterJob::Write(letter);
        if let Some(bytes) = job.held_bytes() {
            self.budget.take(bytes);
        }
        self.letters.push(job);
    }

    pub(super) fn letter_done(&mut self, now: Now, job: LetterJob<P>, outcome: Outcome<P>) {
        let failure = match outcome {
            Outcome::Written => {
                self.letters.succeeded();
                if let Some(bytes) = job.held_bytes() {
                    self.budget.give(bytes);
                }
                match job {
                    LetterJob::Write(letter) => {
                        self.settle(&letter.origin, Ending::DeadLettered(letter.reject.reason));
                    }
                    LetterJob::Close { origin, ending, .. } => self.settle(&origin, ending),
                }
                return;
            }
            Outcome::Failed(failure) => failure,
            Outcome::Decoded(_) | Outcome::Transformed(_) | Outcome::Inserted { .. } => Failure::Panicked,
        };
        self.letters.failed(now, job, &failure);
    }

    fn settle(&mut self, origin: &Origin, ending: Ending) {
        if self.ledger.settle(origin.at) {
            *self.counts.settled.entry(ending).or_default() += 1;
        } else {
            self.counts.stale_results += 1;
        }
    }
}
