//! Where shadows run: a bounded queue, and threads that rest so that the chains which store go first.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use replay_core::codec::Scratch;
use replay_core::reject::Reason;

use super::{Shadow, ShadowJob, ShadowTotals};
use crate::chains::ChainLimits;
use crate::chains::attempt::Runner;
use crate::chains::breakers::Breakers;

/// What shadows may take.
#[derive(Clone, Copy, Debug)]
pub struct ShadowBounds {
    /// Batches at a time. With none, they wait until somebody calls `run_next`.
    pub slots: usize,
    /// Of one core, what a slot may take; from 1 to 100.
    pub cpu_percent: u32,
    /// Batches that wait.
    pub queue_batches: usize,
    /// Their bytes.
    pub queue_bytes: usize,
}

/// All tenants' shadows of a process.
pub(in crate::chains) struct Shadows {
    shared: Arc<Shared>,
}

struct Shared {
    limits: ChainLimits,
    breakers: Breakers,
    totals: Mutex<ShadowTotals>,
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<ShadowJob>,
    bytes: usize,
    threads: usize,
    /// Nobody will ask for anything more.
    is_over: bool,
}

impl Shadows {
    pub(in crate::chains) fn new(limits: ChainLimits) -> Self {
        let shared = Shared {
            limits,
            breakers: Breakers::new(limits.breaker_failures, limits.breaker_wait),
            totals: Mutex::default(),
            waiting: Mutex::default(),
            arrived: Condvar::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes a job, or counts that there was no room for it. Never waits for a shadow.
    pub(in crate::chains) fn offer(&self, job: ShadowJob) {
        let bounds = self.shared.limits.shadow;
        let mut count = ShadowTotals { batches: 1, ..ShadowTotals::default() };
        let (bytes, shadow) = (job.bytes(), Arc::clone(&job.shadow));
        let mut waiting = self.shared.lock();
        if waiting.jobs.len() >= bounds.queue_batches
            || waiting.bytes.saturating_add(bytes) > bounds.queue_bytes
        {
            count.fell_behind = 1;
        } else {
            waiting.bytes += bytes;
            waiting.jobs.push_back(job);
            if waiting.threads < bounds.slots {
                waiting.threads += usize::from(self.start_thread(waiting.threads));
            }
            self.shared.arrived.notify_one();
        }
        drop(waiting);
        self.shared.count(&shadow, &count);
    }

    /// The tenant's own chain failed where its shadow would have looked on.
    pub(in crate::chains) fn active_failed(&self, shadow: &Shadow) {
        self.shared.count(shadow, &ShadowTotals { active_failed: 1, ..ShadowTotals::default() });
    }

    /// What the shadow was to see could not be made ready for it.
    pub(in crate::chains) fn unopened(&self, shadow: &Shadow, reason: Reason) {
        let mut count = ShadowTotals { batches: 1, ..ShadowTotals::default() };
        count.fail(reason.as_str());
        self.shared.count(shadow, &count);
    }

    /// Runs the job that waits the longest on this thread; false if none waits.
    pub(in crate::chains) fn run_next(&self, scratch: &mut Scratch) -> bool {
        let next = self.shared.lock().take();
        next.inspect(|job| self.shared.run(job, scratch)).is_some()
    }

    /// All tenants' comparisons together.
    pub(in crate::chains) fn totals(&self) -> ShadowTotals {
        self.shared.totals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Breakers of plugins that are only compared.
    pub(in crate::chains) fn breakers(&self) -> &Breakers {
        &self.shared.breakers
    }

    /// Without a thread nothing is compared, and it shows: what was asked for falls behind.
    fn start_thread(&self, number: usize) -> bool {
        let shared = Arc::clone(&self.shared);
        let name = format!("replay-shadow-{number}");
        let spawned = std::thread::Builder::new().name(name).spawn(move || shared.keep_running());
        spawned.inspect_err(|error| tracing::error!(%error, "cannot start a thread for shadows")).is_ok()
    }
}

impl Drop for Shadows {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.arrived.notify_all();
    }
}

impl Shared {
    fn keep_running(&self) {
        let mut scratch = Scratch::default();
        loop {
            let idle = |waiting: &mut Waiting| waiting.jobs.is_empty() && !waiting.is_over;
            let waiting = self.arrived.wait_while(self.lock(), idle);
            let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
            if waiting.is_over {
                return;
            }
            let Some(job) = waiting.take() else { continue };
            drop(waiting);
            let started = Instant::now();
            self.run(&job, &mut scratch);
            drop(job);
            std::thread::sleep(rest(started.elapsed(), self.limits.shadow.cpu_percent));
        }
    }

    fn run(&self, job: &ShadowJob, scratch: &mut Scratch) {
        let runner = Runner { limits: &self.limits, breakers: &self.breakers, counts: None };
        let ran = std::panic::catch_unwind(AssertUnwindSafe(|| job.run(&runner, scratch)));
        let totals = ran.unwrap_or_else(|_| {
            // What the panicking job left in the scratch is not to be trusted.
            *scratch = Scratch::default();
            let mut totals = ShadowTotals::default();
            totals.fail(Reason::InternalError.as_str());
            totals
        });
        self.count(&job.shadow, &totals);
    }

    fn count(&self, shadow: &Shadow, totals: &ShadowTotals) {
        shadow.counts.add(totals);
        self.totals.lock().unwrap_or_else(PoisonError::into_inner).add(totals);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn take(&mut self) -> Option<ShadowJob> {
        let job = self.jobs.pop_front()?;
        self.bytes -= job.bytes();
        Some(job)
    }
}

/// How long to rest after so long a work, to take no more than `percent` of a core.
fn rest(worked: Duration, percent: u32) -> Duration {
    let percent = percent.clamp(1, 100);
    worked * (100 - percent) / percent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_rests_as_much_as_its_share_says() {
        let worked = Duration::from_millis(10);
        assert_eq!(rest(worked, 25), Duration::from_millis(30));
        assert_eq!(rest(worked, 100), Duration::ZERO);
    }
}
