//! The guards that the machines rest on, by name, so that the simulation can remove one at a time
//! and show that each is needed.
//!
//! In the service [`Guards`] is empty and `has` is always true: the checks cost nothing.

/// A check without which some interleaving breaks an invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Guard {
    /// A result of a passed assignment settles nothing (invariant 4).
    EpochCheck,
    /// A record is settled only once its row is written (invariant 2).
    SettleOnlyOnWritten,
    /// A move looks for tombstones again after its write, and undoes (invariant 9).
    TombstoneReRead,
    /// A move deletes the copies it read, by content, and not whatever lies there now (invariant 7).
    HashInDelete,
    /// A move reads its object back before it deletes hot copies (invariant 7).
    ReadBack,
    /// A move reads its archive row back before it deletes hot copies (invariant 7).
    ArchiveReadBack,
    /// An object is written only over the one that the plan was made of (invariant 7).
    ConditionalWrite,
    /// Nothing is added to an object that retention may delete any moment (invariant 7).
    ExpiredIsLeftAlone,
    /// Retention looks again right before it deletes an object (invariant 7).
    RetentionReRead,
    /// An erasure writes its tombstone before it deletes anything (invariant 9).
    TombstoneFirst,
    /// An object whose chunks are all erased is closed to migrators before it is deleted, because a
    /// delete knows no condition (invariant 2).
    RetireBeforeDelete,
    /// An erasure reads back that nothing is left (invariant 9).
    ErasureReadBack,
}

/// Which guards are in force: all of them, but in the tests that remove one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guards {
    #[cfg(feature = "removable-guards")]
    removed: u64,
}

impl Guards {
    /// Every guard in force.
    pub const ALL: Self = Self {
        #[cfg(feature = "removable-guards")]
        removed: 0,
    };

    /// Whether this guard is in force.
    #[cfg(not(feature = "removable-guards"))]
    #[inline]
    pub const fn has(self, _: Guard) -> bool {
        true
    }

    /// Whether this guard is in force.
    #[cfg(feature = "removable-guards")]
    pub const fn has(self, guard: Guard) -> bool {
        self.removed & (1 << guard as u64) == 0
    }

    /// The same guards but this one.
    #[cfg(feature = "removable-guards")]
    pub const fn without(self, guard: Guard) -> Self {
        Self { removed: self.removed | 1 << guard as u64 }
    }
}
