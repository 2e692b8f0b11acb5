//! Notices that records wait and none comes. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How one partition stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// Which.
    pub(super) partition: u32,
    /// One past what was read, or where the end was reached.
    pub(super) position: u64,
    /// One past the last record.
    pub(super) end: u64,
    /// Nothing is expected of it: paused, leaving, or its records wait for the pipeline.
    pub(super) is_excused: bool,
}

/// Since when each partition has stood still although it should not.
#[derive(Debug)]
pub(super) struct Watchdog {
    stall_timeout: Duration,
    still: BTreeMap<u32, (u64, Instant)>,
}

impl Watchdog {
    /// Barks after this time.
    pub(super) fn new(stall_timeout: Duration) -> Self {
        Self { stall_timeout, still: BTreeMap::new() }
    }

    /// Looks at every partition; answers with one that stood still for too long. Then all begin anew.
    pub(super) fn look(&mut self, now: Instant, standings: &[Standing]) -> Option<Standing> {
        let mut still = BTreeMap::new();
        for standing in standings.iter().filter(|s| !s.is_excused && s.position < s.end) {
            let since = match self.still.get(&standing.partition) {
                Some(&(position, since)) if position == standing.position => since,
                Some(_) | None => now,
            };
            still.insert(standing.partition, (standing.position, since));
        }
        self.still = still;
        let overdue = |standing: &&Standing| {
            let since = self.still.get(&standing.partition).map(|&(_, since)| since);
            since.is_some_and(|since| now.duration_since(since) >= self.stall_timeout)
        };
        let stuck = standings.iter().find(overdue).copied();
        if stuck.is_some() {
            self.still.clear();
        }
        stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: u64, end: u64) -> Standing {
        Standing { partition: 0, position, end, is_excused: false }
    }

    #[test]
    fn it_barks_at_what_stands_still_before_the_end() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut dog = Watchdog::new(Duration::from_secs(10));
        assert!(dog.look(start, &[at(5, 5)]).is_none());
        assert!(dog.look(after(100), &[at(5, 9)]).is_none(), "a lag that is new");
        assert!(dog.look(after(109), &[at(6, 9)]).is_none(), "it moves");
        assert!(dog.look(after(118), &[at(6, 9)]).is_none());
        assert!(dog.look(after(119), &[at(6, 9)]).is_some());
        assert!(dog.look(after(120), &[at(6, 9)]).is_none(), "it was told, and begins anew");
        assert!(dog.look(after(130), &[at(6, 9)]).is_some());
    }

    #[test]
    fn it_lets_the_excused_be() {
        let start = Instant::now();
        let mut dog = Watchdog::new(Duration::from_secs(10));
        let paused = Standing { is_excused: true, ..at(5, 9) };
        assert!(dog.look(start, &[at(5, 9)]).is_none());
        assert!(dog.look(start + Duration::from_secs(5), &[paused]).is_none());
        assert!(dog.look(start + Duration::from_secs(11), &[at(5, 9)]).is_none());
        assert!(dog.look(start + Duration::from_secs(21), &[at(5, 9)]).is_some());
    }
}
