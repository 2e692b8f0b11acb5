//! Breakers: a tenant's plugin that fails again and again is left alone for a while.
//!
//! One for each (project, component). Closed breakers without a failure take no room.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use replay_core::identity::ProjectId;

/// So many projects may be told of at a time; the letters of any further are fed back by hand.
const MAX_RECOVERED: usize = 10_000;

pub(super) struct Breakers {
    failures_to_open: u32,
    wait: Duration,
    states: Mutex<States>,
}

/// How a breaker stands; the later, the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BreakerState {
    /// Batches run; so many in a row failed.
    Closed {
        /// Fewer than open it.
        failures: u32,
    },
    /// The next batch may try.
    HalfOpen,
    /// Nothing runs.
    Open,
}

impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { failures: 0 } => f.write_str("closed"),
            Self::Closed { failures } => write!(f, "closed, {failures} failed in a row"),
            Self::HalfOpen => f.write_str("half open"),
            Self::Open => f.write_str("open"),
        }
    }
}

#[derive(Default)]
struct States {
    failing: HashMap<(ProjectId, String), Failing>,
    recovered: Vec<ProjectId>,
}

struct Failing {
    failures: u32,
    /// Nothing runs before that; then one batch may try.
    closed_until: Option<Instant>,
    was_open: bool,
}

impl Breakers {
    pub(super) fn new(failures_to_open: u32, wait: Duration) -> Self {
        Self { failures_to_open, wait, states: Mutex::default() }
    }

    /// Whether a batch may run now. Of an open breaker whose time is up, one may.
    pub(super) fn allows(&self, project: &ProjectId, sha256: &str, now: Instant) -> bool {
        let mut states = self.lock();
        let Some(failing) = states.failing.get_mut(&(project.clone(), sha256.to_owned())) else {
            return true;
        };
        match failing.closed_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                failing.closed_until = Some(now + self.wait);
                true
            }
        }
    }

    pub(super) fn succeeded(&self, project: &ProjectId, sha256: &str) {
        let mut states = self.lock();
        let recovered = states.failing.remove(&(project.clone(), sha256.to_owned()));
        if recovered.is_some_and(|failing| failing.was_open) && states.recovered.len() < MAX_RECOVERED {
            states.recovered.push(project.clone());
        }
    }

    /// Says whether this failure opened the breaker.
    pub(super) fn failed(&self, project: &ProjectId, sha256: &str, now: Instant) -> bool {
        let mut states = self.lock();
        let failing = states.failing.entry((project.clone(), sha256.to_owned())).or_insert(Failing {
            failures: 0,
            closed_until: None,
            was_open: false,
        });
        failing.failures = failing.failures.saturating_add(1);
        if failing.failures < self.failures_to_open {
            return false;
        }
        failing.closed_until = Some(now + self.wait);
        !std::mem::replace(&mut failing.was_open, true)
    }

    /// The plugins are others now: each may try, and what was refused may be fed back.
    pub(super) fn start_over(&self) {
        let mut states = self.lock();
        let failing = std::mem::take(&mut states.failing);
        let opened = failing.into_iter().filter(|(_, failing)| failing.was_open);
        let room = MAX_RECOVERED.saturating_sub(states.recovered.len());
        states.recovered.extend(opened.map(|((project, _), _)| project).take(room));
    }

    pub(super) fn take_recovered(&self) -> Vec<ProjectId> {
        std::mem::take(&mut self.lock().recovered)
    }

    /// The worst that is known of a component in the projects that `concerned` names.
    pub(super) fn state(
        &self,
        sha256: &str,
        concerned: impl Fn(&ProjectId) -> bool,
        now: Instant,
    ) -> BreakerState {
        let states = self.lock();
        let found = states.failing.iter().filter(|((project, of), _)| of == sha256 && concerned(project));
        let state = |(_, failing): (&_, &Failing)| match failing.closed_until {
            Some(until) if now < until => BreakerState::Open,
            Some(_) => BreakerState::HalfOpen,
            None => BreakerState::Closed { failures: failing.failures },
        };
        found.map(state).max().unwrap_or(BreakerState::Closed { failures: 0 })
    }

    /// Breakers that are open, for the metrics.
    pub(super) fn open(&self, now: Instant) -> usize {
        let open = |failing: &&Failing| failing.closed_until.is_some_and(|until| now < until);
        self.lock().failing.values().filter(open).count()
    }

    fn lock(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breaker_opens_lets_one_try_and_closes() {
        let (project, start) = (ProjectId::new("shop").unwrap(), Instant::now());
        let breakers = Breakers::new(2, Duration::from_secs(10));
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(!breakers.failed(&project, "a", at(0)));
        assert!(breakers.allows(&project, "a", at(0)));
        assert!(breakers.failed(&project, "a", at(0)), "the second opens it");
        assert!(!breakers.allows(&project, "a", at(9)));
        assert!(breakers.allows(&project, "b", at(9)), "another plugin is not to blame");
        assert!(breakers.allows(&ProjectId::new("other").unwrap(), "a", at(9)), "nor another tenant");
        assert_eq!(breakers.open(at(9)), 1);
        let state = |sha256, seconds| breakers.state(sha256, |id| *id == project, at(seconds));
        assert_eq!(state("a", 9), BreakerState::Open);
        assert_eq!(state("a", 10), BreakerState::HalfOpen);
        assert_eq!(state("b", 9), BreakerState::Closed { failures: 0 });
        assert_eq!(breakers.state("a", |_| false, at(9)), BreakerState::Closed { failures: 0 });
        assert!(breakers.allows(&project, "a", at(10)));
        assert!(!breakers.allows(&project, "a", at(10)), "one at a time");
        assert!(!breakers.failed(&project, "a", at(11)), "it is open already");
        assert!(!breakers.allows(&project, "a", at(20)));
        assert!(breakers.allows(&project, "a", at(21)));
        breakers.succeeded(&project, "a");
        assert!(breakers.allows(&project, "a", at(21)));
        assert_eq!(breakers.take_recovered(), std::slice::from_ref(&project));
        assert_eq!(breakers.take_recovered(), []);
        assert!(!breakers.failed(&project, "a", at(30)) && breakers.failed(&project, "a", at(30)));
        breakers.start_over();
        assert!(breakers.allows(&project, "a", at(30)), "another plugin has its own chance");
        assert_eq!(breakers.take_recovered(), [project]);
    }
}
