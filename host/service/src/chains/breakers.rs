//! Breakers: a tenant's plugin that fails again and again is left alone for a while.
//!
//! One for each plugin of a project's chain. Closed breakers without a failure take no room, and of the others
//! there are so many at most: projects that are not listed have no bound.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use replay_core::identity::ProjectId;

/// So many projects may be told of at a time; the letters of any further are fed back by hand.
const MAX_RECOVERED: usize = 10_000;

/// So many breakers may be kept; at that, the ones that refuse nothing give way, and any further stays closed.
const MAX_KEPT: usize = 50_000;

pub(super) struct Breakers {
    failures_to_open: u32,
    wait: Duration,
    states: Mutex<States>,
}

/// What a breaker is of.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Watched {
    /// Whose batches the plugin sees.
    pub(super) project: ProjectId,
    /// Where it stands in the chain: the same component may be there twice, with other settings, and the
    /// one does not answer for the other.
    pub(super) position: usize,
    /// Its component.
    pub(super) sha256: String,
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
    failing: HashMap<Watched, Failing>,
    /// Each once, however many of its plugins: its letters are fed back together.
    recovered: BTreeSet<ProjectId>,
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
    pub(super) fn allows(&self, watched: &Watched, now: Instant) -> bool {
        let mut states = self.lock();
        let Some(failing) = states.failing.get_mut(watched) else { return true };
        match failing.closed_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                failing.closed_until = Some(now + self.wait);
                true
            }
        }
    }

    pub(super) fn succeeded(&self, watched: &Watched) {
        let mut states = self.lock();
        if states.failing.remove(watched).is_some_and(|failing| failing.was_open) {
            states.recover(&watched.project);
        }
    }

    /// Says whether this failure opened the breaker.
    pub(super) fn failed(&self, watched: &Watched, now: Instant) -> bool {
        let mut states = self.lock();
        if !states.has_room_for(watched, now) {
            return false;
        }
        let begin = Failing { failures: 0, closed_until: None, was_open: false };
        let failing = states.failing.entry(watched.clone()).or_insert(begin);
        failing.failures = failing.failures.saturating_add(1);
        if failing.failures < self.failures_to_open {
            return false;
        }
        failing.closed_until = Some(now + self.wait);
        !std::mem::replace(&mut failing.was_open, true)
    }

    /// Chains are others now: where `stays` says that the plugin is, its breaker is what it was. The others
    /// begin anew, and what they refused may be fed back.
    pub(super) fn retain(&self, stays: impl Fn(&Watched) -> bool) {
        let mut states = self.lock();
        let gone: Vec<_> = states.failing.extract_if(|watched, _| !stays(watched)).collect();
        for (watched, _) in gone.iter().filter(|(_, failing)| failing.was_open) {
            states.recover(&watched.project);
        }
    }

    pub(super) fn take_recovered(&self) -> Vec<ProjectId> {
        std::mem::take(&mut self.lock().recovered).into_iter().collect()
    }

    /// The worst that is known of those that `concerned` names.
    pub(super) fn state(&self, concerned: impl Fn(&Watched) -> bool, now: Instant) -> BreakerState {
        let states = self.lock();
        let found = states.failing.iter().filter(|(watched, _)| concerned(watched));
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

impl States {
    fn has_room_for(&mut self, watched: &Watched, now: Instant) -> bool {
        if self.failing.len() < MAX_KEPT || self.failing.contains_key(watched) {
            return true;
        }
        let refuses = |failing: &Failing| failing.closed_until.is_some_and(|until| now < until);
        let gone: Vec<_> = self.failing.extract_if(|_, failing| !refuses(failing)).collect();
        for (watched, _) in gone.iter().filter(|(_, failing)| failing.was_open) {
            self.recover(&watched.project);
        }
        self.failing.len() < MAX_KEPT
    }

    fn recover(&mut self, project: &ProjectId) {
        if self.recovered.len() < MAX_RECOVERED {
            self.recovered.insert(project.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(project: &str, position: usize, sha256: &str) -> Watched {
        Watched { project: ProjectId::new(project).unwrap(), position, sha256: sha256.to_owned() }
    }

    fn at(start: Instant) -> impl Fn(u64) -> Instant {
        move |seconds| start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_breaker_opens_lets_one_try_and_closes() {
        let (a, at) = (of("shop", 0, "a"), at(Instant::now()));
        let breakers = Breakers::new(2, Duration::from_secs(10));
        assert!(!breakers.failed(&a, at(0)));
        assert!(breakers.allows(&a, at(0)));
        assert!(breakers.failed(&a, at(0)), "the second opens it");
        assert!(!breakers.allows(&a, at(9)));
        assert!(breakers.allows(&of("shop", 0, "b"), at(9)), "another plugin is not to blame");
        assert!(breakers.allows(&of("shop", 1, "a"), at(9)), "nor the same elsewhere in the chain");
        assert!(breakers.allows(&of("other", 0, "a"), at(9)), "nor another tenant");
        assert_eq!(breakers.open(at(9)), 1);
        let state = |wanted: &Watched, seconds| breakers.state(|watched| watched == wanted, at(seconds));
        assert_eq!(state(&a, 9), BreakerState::Open);
        assert_eq!(state(&a, 10), BreakerState::HalfOpen);
        assert_eq!(state(&of("shop", 1, "a"), 9), BreakerState::Closed { failures: 0 });
        assert!(breakers.allows(&a, at(10)));
        assert!(!breakers.allows(&a, at(10)), "one at a time");
        assert!(!breakers.failed(&a, at(11)), "it is open already");
        assert!(!breakers.allows(&a, at(20)));
        assert!(breakers.allows(&a, at(21)));
        breakers.succeeded(&a);
        assert!(breakers.allows(&a, at(21)));
        assert_eq!(breakers.take_recovered(), std::slice::from_ref(&a.project));
        assert_eq!(breakers.take_recovered(), []);
    }

    #[test]
    fn projects_without_end_take_no_room_without_end() {
        let at = at(Instant::now());
        let kept = |breakers: &Breakers| breakers.lock().failing.len();
        let breakers = Breakers::new(2, Duration::from_secs(10));
        let (open, over) = (of("open", 0, "a"), of("over", 0, "a"));
        for (watched, seconds) in [(&over, 0), (&open, 5)] {
            assert!(!breakers.failed(watched, at(seconds)) && breakers.failed(watched, at(seconds)));
        }
        (0..MAX_KEPT * 2).for_each(|number| {
            breakers.failed(&of(&format!("p{number}"), 0, "a"), at(12));
            assert!(kept(&breakers) <= MAX_KEPT);
        });
        assert!(!breakers.allows(&open, at(12)), "what refuses is not forgotten");
        assert_eq!(breakers.take_recovered(), [over.project], "whose time was up may feed back");
        // Where all of them refuse, there is no room for one more.
        let breakers = Breakers::new(1, Duration::from_secs(10));
        for number in 0..MAX_KEPT {
            assert!(breakers.failed(&of(&format!("p{number}"), 0, "a"), at(0)));
        }
        assert!(!breakers.failed(&open, at(9)) && breakers.allows(&open, at(9)));
        assert!(!breakers.failed(&of("p7", 0, "a"), at(9)), "it was open");
        assert!(breakers.failed(&open, at(10)));
        assert_eq!((kept(&breakers), breakers.take_recovered().len()), (2, MAX_RECOVERED));
    }

    #[test]
    fn what_stays_is_what_it_was_and_the_others_begin_anew() {
        let (shop, clinic, at) = (of("shop", 0, "a"), of("clinic", 0, "a"), at(Instant::now()));
        let second = Watched { position: 1, ..shop.clone() };
        let breakers = Breakers::new(2, Duration::from_secs(10));
        for watched in [&shop, &second, &clinic] {
            assert!(!breakers.failed(watched, at(0)) && breakers.failed(watched, at(0)));
        }
        assert!(!breakers.failed(&of("blog", 0, "a"), at(0)));
        breakers.retain(|watched| *watched == clinic);
        assert!(breakers.allows(&shop, at(1)), "another plugin has its own chance");
        assert!(!breakers.allows(&clinic, at(1)), "its wait goes on");
        // Whose breaker was not open has nothing to feed back; who had two has it once.
        assert_eq!(breakers.take_recovered(), [shop.project]);
    }
}
