//! How long calls took, in buckets a quarter of a doubling wide: percentiles that are at most a fifth too
//! high, in a few hundred bytes.

use std::time::Duration;

/// Buckets: four for each doubling from a microsecond to over 16 seconds.
const BUCKETS: usize = 96;

/// Times of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Times([u32; BUCKETS]);

impl Default for Times {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl Times {
    /// Counts one.
    pub fn add(&mut self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.0.get_mut(bucket(micros)) {
            *count = count.saturating_add(1);
        }
    }

    /// The time that `share` (0 to 1) of the calls did not exceed, microseconds; `None` without calls.
    pub fn percentile_us(&self, share: f64) -> Option<u64> {
        let total: u64 = self.0.iter().map(|count| u64::from(*count)).sum();
        let wanted = (total as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = self.0.iter().position(|count| {
            seen += u64::from(*count);
            seen >= wanted
        })?;
        Some(upper_bound(found))
    }
}

/// The doubling that the time lies in, and its quarter.
fn bucket(micros: u64) -> usize {
    if micros < 4 {
        return usize::try_from(micros).unwrap_or(0);
    }
    let doubling = micros.ilog2();
    let quarter = (micros >> (doubling - 2)) & 3;
    let index = (u64::from(doubling) - 1) * 4 + quarter;
    usize::try_from(index).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The longest time of a bucket, microseconds.
fn upper_bound(bucket: usize) -> u64 {
    if bucket < 4 {
        return bucket as u64;
    }
    let (doubling, quarter) = (bucket as u64 / 4 + 1, bucket as u64 % 4);
    ((quarter + 5) << (doubling - 2)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lies_in_its_bucket_and_no_more_than_a_quarter_below_its_bound() {
        for micros in (0..100_000).chain([1 << 20, (1 << 24) + 7]) {
            let bound = upper_bound(bucket(micros));
            assert!(micros <= bound && bound as f64 <= micros as f64 * 1.25, "{micros} {bound}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_of_the_calls() {
        let mut times = Times::default();
        assert_eq!(times.percentile_us(0.5), None);
        (0..99).for_each(|_| times.add(Duration::from_micros(100)));
        times.add(Duration::from_millis(50));
        assert_eq!(times.percentile_us(0.5), Some(upper_bound(bucket(100))));
        assert_eq!(times.percentile_us(0.99), Some(upper_bound(bucket(100))));
        assert!(times.percentile_us(1.0) >= Some(50_000));
    }
}
