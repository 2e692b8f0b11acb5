//! The one place where the service reads the clock; everything else gets `now` as an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use replay_core::time::Now;

/// Both clocks: monotonic since the process started, and UTC.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock whose monotonic time starts now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// One reading of both clocks.
    pub fn now(self) -> Now {
        Now { mono_ms: self.mono_ms(), unix_ms: unix_ms() }
    }

    /// Milliseconds since the start.
    pub fn mono_ms(self) -> u64 {
        millis(self.start.elapsed())
    }

    /// The instant at which `mono_ms` is reached.
    pub fn instant(self, mono_ms: u64) -> Instant {
        self.start + Duration::from_millis(mono_ms)
    }
}

/// Unix milliseconds, UTC; 0 for a clock before 1970.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    millis(since)
}

/// A duration in whole milliseconds, as the core counts time.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
