//! Who does the pipeline's jobs: plain threads for what costs CPU, tasks for what waits for a store.
//!
//! Every job ends in exactly one outcome, also when it panics or takes too long.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc};

use bytes::Bytes;
use replay_core::pipeline::{Failure, JobId, Outcome, Work};
use replay_ports::PortError;
use tokio::sync::mpsc;

use super::jobs::{self, JobContext};
use crate::stores::Stores;

type Done = (JobId, Outcome<Bytes>);

/// The pool. How much runs at a time is bounded by the pipeline.
pub(super) struct Workers {
    stores: Stores,
    context: JobContext,
    cpu_jobs: std_mpsc::Sender<(JobId, Work<Bytes>)>,
    done_sender: mpsc::UnboundedSender<Done>,
    done: mpsc::UnboundedReceiver<Done>,
}

impl Workers {
    /// Starts the threads; they end when the pool is dropped.
    pub(super) fn new(stores: Stores, context: JobContext) -> Self {
        let (cpu_jobs, queue) = std_mpsc::channel();
        let (done_sender, done) = mpsc::unbounded_channel();
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..context.threads.max(1) {
            let (queue, done, context) = (Arc::clone(&queue), done_sender.clone(), context.clone());
            let name = format!("replay-cpu-{number}");
            let spawned =
                std::thread::Builder::new().name(name).spawn(move || cpu_thread(&queue, &done, &context));
            if let Err(error) = spawned {
                // With one thread the work is done slower; with none it would never be done.
                assert!(number > 0, "cannot start a worker thread: {error}");
                tracing::error!(%error, number, "cannot start a worker thread; going on with fewer");
                break;
            }
        }
        Self { stores, context, cpu_jobs, done_sender, done }
    }

    /// Starts one job and returns at once.
    pub(super) fn start(&self, job: JobId, work: Work<Bytes>) {
        if matches!(work, Work::Decode { .. } | Work::Transform { .. }) {
            // The threads live as long as the sender does.
            let _ = self.cpu_jobs.send((job, work));
            return;
        }
        let (stores, context, done) = (self.stores.clone(), self.context.clone(), self.done_sender.clone());
        let patience = context.edge_timeout;
        tokio::spawn(async move {
            // A task of its own, so that a panic ends there and still becomes an outcome.
            let task = tokio::spawn(async move { jobs::edge(&stores, &context, work).await });
            let abort = task.abort_handle();
            let outcome = match tokio::time::timeout(patience, task).await {
                Ok(Ok(Ok(outcome))) => outcome,
                Ok(Ok(Err(error))) => Outcome::Failed(failure(error)),
                Ok(Err(_)) => Outcome::Failed(Failure::Panicked),
                Err(_) => {
                    abort.abort();
                    let what = format!("no answer within {} s", patience.as_secs());
                    Outcome::Failed(Failure::Retry { what, retry_after_ms: None })
                }
            };
            let _ = done.send((job, outcome));
        });
    }

    /// The next job that ended. Cancel-safe.
    pub(super) async fn done(&mut self) -> Done {
        match self.done.recv().await {
            Some(done) => done,
            // Cannot happen: this struct holds a sender.
            None => std::future::pending().await,
        }
    }
}

fn cpu_thread(
    queue: &Mutex<std_mpsc::Receiver<(JobId, Work<Bytes>)>>,
    done: &mpsc::UnboundedSender<Done>,
    context: &JobContext,
) {
    let mut scratch = jobs::Scratch::default();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((job, work)) = next else { return };
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| jobs::cpu(context, &mut scratch, work)));
        let (outcome, seen) = result.unwrap_or_else(|_| {
            // What the panicking job left in the scratch is not to be trusted.
            scratch = jobs::Scratch::default();
            (Outcome::Failed(Failure::Panicked), Vec::new())
        });
        if done.send((job, outcome)).is_err() {
            return;
        }
        context.chains.watch(seen);
    }
}

fn failure(error: PortError) -> Failure {
    match error {
        PortError::Unavailable { what, retry_after } => Failure::Retry {
            what,
            retry_after_ms: retry_after.and_then(|wait| u64::try_from(wait.as_millis()).ok()),
        },
        PortError::Rejected { what } => Failure::Reject { what },
        PortError::Refused { what } => Failure::Refused { what },
        PortError::Stale { .. } => Failure::Stale,
    }
}
