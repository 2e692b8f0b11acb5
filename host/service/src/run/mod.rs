//! `run`: the loop that drives the pipeline. It moves small structs and never waits for work.
//!
//! The pipeline says what to do, `workers` do it, `source` and `workers` say what happened. One
//! thread of control owns the pipeline; everybody else asks it through `Handle`.

mod jobs;
mod workers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use replay_core::guards::Guards;
use replay_core::pipeline::{
    Action, Input, Limits, Origin, PauseReason, Pipeline, Record, Status, StopCause,
};
use replay_ports::{PortError, Source, SourceEvent};
use tokio::sync::{mpsc, oneshot};

use crate::clock::{Clock, millis};
use crate::stores::Stores;

pub use jobs::JobContext;
pub(crate) use jobs::cpu as cpu_job;
use workers::Workers;

/// How long the loop may go without a turn before `/livez` says no.
pub const LIVE_WITHIN: Duration = Duration::from_secs(10);

/// The longest sleep of the loop, so that its turns show that it lives.
const HEARTBEAT_MS: u64 = 1_000;

enum Ask {
    Status(oneshot::Sender<Status>),
    Drain { within: Duration },
}

/// How other tasks reach the loop.
#[derive(Clone)]
pub struct Handle {
    asks: mpsc::UnboundedSender<Ask>,
    last_turn_ms: Arc<AtomicU64>,
    clock: Clock,
}

impl Handle {
    /// The pipeline's books, or `None` when the loop has ended or is stuck.
    pub async fn status(&self) -> Option<Status> {
        let (answer, asked) = oneshot::channel();
        self.asks.send(Ask::Status(answer)).ok()?;
        tokio::time::timeout(Duration::from_secs(2), asked).await.ok()?.ok()
    }

    /// Asks the pipeline to finish what it holds and stop. Asking again can only shorten the time.
    pub fn drain(&self, within: Duration) {
        let _ = self.asks.send(Ask::Drain { within });
    }

    /// Whether the loop turned lately.
    pub fn is_live(&self) -> bool {
        let silent_ms = self.clock.mono_ms().saturating_sub(self.last_turn_ms.load(Ordering::Relaxed));
        u128::from(silent_ms) < LIVE_WITHIN.as_millis()
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Records left uncommitted.
    pub unsettled: u64,
    /// Whether everything was settled.
    pub cause: StopCause,
    /// The books at the end.
    pub status: Status,
}

/// The loop with all that it drives.
pub struct Loop {
    pipeline: Pipeline<Bytes>,
    source: Arc<dyn Source>,
    workers: Workers,
    asks: mpsc::UnboundedReceiver<Ask>,
    last_turn_ms: Arc<AtomicU64>,
    clock: Clock,
    /// After a failed read the source is left alone until then.
    source_rests_until_ms: u64,
}

impl Loop {
    /// A loop over these stores, and the handle by which others reach it.
    pub fn new(limits: Limits, stores: &Stores, context: JobContext, clock: Clock) -> (Self, Handle) {
        let (sender, asks) = mpsc::unbounded_channel();
        let last_turn_ms = Arc::new(AtomicU64::new(clock.mono_ms()));
        let jitter_seed = u64::from(std::process::id()) << 32 | u64::from(clock.now().unix_ms as u32);
        let this = Self {
            pipeline: Pipeline::new(limits, jitter_seed, Guards::ALL),
            source: Arc::clone(&stores.source),
            workers: Workers::new(stores.clone(), context),
            asks,
            last_turn_ms: Arc::clone(&last_turn_ms),
            clock,
            source_rests_until_ms: 0,
        };
        (this, Handle { asks: sender, last_turn_ms, clock })
    }

    /// Turns until the pipeline has stopped, or the source has failed for good.
    pub async fn run(mut self) -> Result<Ended, PortError> {
        loop {
            if let Some((unsettled, cause)) = self.act() {
                let status = self.pipeline.status(self.clock.now());
                return Ok(Ended { unsettled, cause, status });
            }
            let input = self.next_input().await?;
            self.pipeline.handle(self.clock.now(), input);
        }
    }

    /// Does what the pipeline says until it says nothing more; `Some` when that was to stop.
    fn act(&mut self) -> Option<(u64, StopCause)> {
        while let Some(action) = self.pipeline.poll_action() {
            match action {
                Action::Start { job, work } => self.workers.start(job, work),
                Action::Pause { partition, why } => {
                    let status = self.pipeline.status(self.clock.now());
                    let failing = [&status.hot_store, &status.dead_letters].into_iter();
                    let error = failing.filter(|edge| edge.failing_since_ms.is_some());
                    let error =
                        error.filter_map(|edge| edge.last_error.as_ref()).map(|error| error.what.as_str());
                    let error = error.collect::<Vec<_>>().join("; ");
                    // Every end of a service pauses; that is no news.
                    if why == PauseReason::Draining {
                        tracing::debug!(partition, "intake ended");
                    } else {
                        tracing::warn!(partition, why = why.as_str(), error, "intake paused");
                    }
                    self.source.pause(partition);
                }
                Action::Resume { partition } => {
                    tracing::info!(partition, "intake resumed");
                    self.source.resume(partition);
                }
                Action::Release { partitions } => self.source.release(&partitions),
                Action::Stopped { unsettled, cause } => return Some((unsettled, cause)),
            }
        }
        None
    }

    async fn next_input(&mut self) -> Result<Input<Bytes>, PortError> {
        loop {
            self.last_turn_ms.store(self.clock.mono_ms(), Ordering::Relaxed);
            let heartbeat_ms = self.clock.mono_ms() + HEARTBEAT_MS;
            let due_ms = self.pipeline.next_timeout_ms().unwrap_or(u64::MAX).min(heartbeat_ms);
            let due = tokio::time::Instant::from_std(self.clock.instant(due_ms));
            tokio::select! { biased;
                Some(ask) = self.asks.recv() => match ask {
                    Ask::Status(answer) => {
                        let _ = answer.send(self.pipeline.status(self.clock.now()));
                    }
                    Ask::Drain { within } => return Ok(Input::Drain { within_ms: millis(within) }),
                },
                (job, outcome) = self.workers.done() => return Ok(Input::Done { job, outcome }),
                () = tokio::time::sleep_until(due) => return Ok(Input::Timeout),
                event = self.source.next(), if self.clock.mono_ms() >= self.source_rests_until_ms => match event {
                    Ok(event) => return Ok(input(event)),
                    // A disk or a broker that is away for a moment: the rest of the service goes on.
                    Err(PortError::Unavailable { what, .. }) => {
                        tracing::error!(what, "the source cannot be read; trying again");
                        self.source_rests_until_ms = self.clock.mono_ms() + HEARTBEAT_MS;
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }
}

fn input(event: SourceEvent) -> Input<Bytes> {
    match event {
        SourceEvent::Assigned { partition, epoch, next_offset } => {
            Input::Assigned { partition, epoch, next_offset }
        }
        SourceEvent::Revoked { partitions, within_ms } => Input::Revoked { partitions, within_ms },
        SourceEvent::Lost { partitions } => Input::Lost { partitions },
        SourceEvent::Record(record) => Input::Record(Record {
            origin: Origin {
                at: record.at,
                received_at_ms: record.received_at_ms,
                replay_of: record.replay_of.map(Box::new),
            },
            payload: record.payload,
        }),
    }
}
