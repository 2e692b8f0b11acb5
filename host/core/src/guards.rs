//! The guards that keep the invariants, each removable in the simulation to prove that it is needed.
//!
//! In the service `Guards` is a zero-sized value for which every guard is on.

/// One check or ordering without which some interleaving loses, leaks or repeats data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// A result of a passed epoch settles nothing.
    EpochCheck,
    /// A record is settled when its row is written, not when it is sealed.
    SettleOnlyOnWritten,
    /// A record is settled when its letter is written, not when it is rejected.
    SettleOnlyOnLetter,
    /// What is committed is the lowest unsettled offset, not the last settled one.
    LowWatermark,
    /// The books of a partition that is gone are closed.
    ForgetLost,
}

/// Which guards are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guards {
    #[cfg(feature = "removable-guards")]
    removed: u32,
}

impl Guards {
    /// All of them.
    pub fn all() -> Self {
        Self::default()
    }

    /// All but one; only for proving that it is needed.
    #[cfg(feature = "removable-guards")]
    pub fn without(guard: Guard) -> Self {
        Self { removed: 1 << guard as u32 }
    }

    #[cfg(feature = "removable-guards")]
    pub(crate) fn has(self, guard: Guard) -> bool {
        self.removed & (1 << guard as u32) == 0
    }

    #[cfg(not(feature = "removable-guards"))]
    pub(crate) fn has(self, _guard: Guard) -> bool {
        true
    }
}
