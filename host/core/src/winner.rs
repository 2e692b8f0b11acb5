//! The winner (contract): which of several stored copies of one chunk readers see.
//!
//! A copy's version is a pure function of its content, so the winner is a pure function of the set
//! of copies: order, grouping and place of the writes never matter, nor does it matter whether a
//! reader or a merge inside the store picks it.

use xxhash_rust::xxh3::xxh3_64;

/// xxh3-64 of the stored bytes of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub u64);

impl ContentHash {
    /// The hash of `data` as it is stored (compressed).
    pub fn of(data: &[u8]) -> Self {
        Self(xxh3_64(data))
    }
}

/// The largest `chain_revision`: 15 bits.
pub const MAX_CHAIN_REVISION: u16 = (1 << 15) - 1;

/// A copy's rank among the copies of its chunk: 63 bits, so that it fits a signed column.
///
/// From the top: `chain_revision` (15 bits), redactions (24, saturating), the top 24 bits of the
/// content hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(u64);

impl Version {
    /// The version of a copy. `chain_revision` above [`MAX_CHAIN_REVISION`] and `redactions` above
    /// 2²⁴−1 saturate.
    pub fn new(chain_revision: u16, redactions: u64, content_hash: ContentHash) -> Self {
        let revision = u64::from(chain_revision.min(MAX_CHAIN_REVISION));
        let redactions = redactions.min((1 << 24) - 1);
        Self(revision << 48 | redactions << 24 | content_hash.0 >> 40)
    }

    /// As stored.
    pub fn as_u64(self) -> u64 {
        self.0
    }

    /// From a stored value; the top bit, never set by [`Version::new`], is cleared.
    pub fn from_u64(stored: u64) -> Self {
        Self(stored & (u64::MAX >> 1))
    }

    /// The revision of the tenant's chain that made this copy.
    pub fn chain_revision(self) -> u16 {
        (self.0 >> 48) as u16
    }
}

/// What the winner is decided by: the version, then (for copies whose versions collide in 24 bits
/// of hash) the whole hash.
pub type Rank = (Version, ContentHash);

/// Keeps one copy of each chunk, the one with the greatest rank, in order of play.
pub fn winners<T, K: Ord>(
    copies: impl IntoIterator<Item = T>,
    key_and_rank: impl Fn(&T) -> (K, Rank),
) -> Vec<T> {
    let mut copies: Vec<_> = copies.into_iter().map(|copy| (key_and_rank(&copy), copy)).collect();
    copies.sort_by(|((key_a, rank_a), _), ((key_b, rank_b), _)| {
        key_a.cmp(key_b).then_with(|| rank_b.cmp(rank_a))
    });
    copies.dedup_by(|later, earlier| later.0.0 == earlier.0.0);
    copies.into_iter().map(|(_, copy)| copy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_version_orders_by_revision_then_redactions_then_hash() {
        let low = Version::new(1, u64::MAX, ContentHash(u64::MAX));
        let high = Version::new(2, 0, ContentHash(0));
        assert!(high > low);
        assert!(Version::new(1, 2, ContentHash(0)) > Version::new(1, 1, ContentHash(u64::MAX)));
        assert!(Version::new(1, 1, ContentHash(1 << 40)) > Version::new(1, 1, ContentHash(0)));
        assert_eq!(Version::new(u16::MAX, 0, ContentHash(0)).chain_revision(), MAX_CHAIN_REVISION);
        assert!(i64::try_from(Version::new(u16::MAX, u64::MAX, ContentHash(u64::MAX)).as_u64()).is_ok());
    }

    proptest! {
        #[test]
        fn the_winner_depends_on_the_set_alone(
            copies in prop::collection::vec((0u8..4, 0u16..3, 0u64..3, any::<u64>()), 0..40),
            seed in any::<u64>(),
        ) {
            let pick = |copies: Vec<(u8, u16, u64, u64)>| {
                winners(copies, |&(key, revision, redactions, hash)| {
                    let hash = ContentHash(hash);
                    (key, (Version::new(revision, redactions, hash), hash))
                })
            };
            let expected = pick(copies.clone());
            let mut shuffled = copies.clone();
            shuffled.sort_by_key(|copy| ContentHash::of(format!("{copy:?}{seed}").as_bytes()));
            shuffled.extend(copies);
            prop_assert_eq!(pick(shuffled), expected);
        }
    }
}
