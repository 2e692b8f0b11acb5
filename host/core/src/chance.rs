//! Repeatable chance: the order of work and the jitter of back-offs, from a seed.

/// SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014).
#[derive(Clone, Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; 0 if that is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next().checked_rem(bound).unwrap_or(0)
    }

    /// Fisher–Yates.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }

    /// How long to wait after this many failures in a row: doubling from `first_ms` up to `max_ms`,
    /// the upper half of it by chance, so that replicas do not come back together.
    pub(crate) fn back_off_ms(&mut self, failures: u32, first_ms: u64, max_ms: u64) -> u64 {
        let doublings = failures.saturating_sub(1).min(32);
        let full = first_ms.saturating_mul(1 << doublings).min(max_ms);
        full / 2 + self.below(full / 2 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_up_to_its_cap() {
        let mut chance = Chance::new(7);
        for (failures, full) in [(1, 100), (2, 200), (3, 400), (20, 1_000), (u32::MAX, 1_000)] {
            for _ in 0..50 {
                let wait = chance.back_off_ms(failures, 100, 1_000);
                assert!((full / 2..=full).contains(&wait), "{wait} after {failures}");
            }
        }
    }

    #[test]
    fn a_shuffle_loses_nothing_and_repeats() {
        let shuffled = |seed| {
            let mut items: Vec<u32> = (0..100).collect();
            Chance::new(seed).shuffle(&mut items);
            items
        };
        assert_eq!(shuffled(1), shuffled(1));
        assert_ne!(shuffled(1), shuffled(2));
        let mut sorted = shuffled(1);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    }
}
