//! What a store's error means to the pipeline.

use std::time::Duration;

/// The result of every port call.
pub type Result<T> = std::result::Result<T, PortError>;

/// An error of a source or store, already classified by the edge that knows it best.
///
/// `what` is a message for the operator: what was tried, what the other side said, what to do.
/// It never holds payload text.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PortError {
    /// Not reachable, overloaded, or out of space: it may work later, unchanged.
    #[error("{what}")]
    Unavailable {
        /// For the operator.
        what: String,
        /// How long to wait at least, if the other side said so.
        retry_after: Option<Duration>,
    },
    /// This input is refused and will be refused again; other input may be fine.
    #[error("{what}")]
    Rejected {
        /// For the operator.
        what: String,
    },
    /// Schema, credentials, rights or format: nothing will work until a person acts.
    #[error("{what}")]
    Refused {
        /// For the operator.
        what: String,
    },
    /// The partition is no longer ours; the call came too late and had no effect.
    #[error("{what}")]
    Stale {
        /// For the operator.
        what: String,
    },
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Try again later, for as long as it takes.
    Retry,
    /// Give up this input, keep its record.
    DeadLetter,
    /// Stop trying and say so loudly.
    Stop,
    /// Nothing to do.
    Ignore,
}

impl PortError {
    /// It may work later.
    pub fn unavailable(what: impl Into<String>) -> Self {
        Self::Unavailable { what: what.into(), retry_after: None }
    }

    /// This input will never work.
    pub fn rejected(what: impl Into<String>) -> Self {
        Self::Rejected { what: what.into() }
    }

    /// Nothing will work until a person acts.
    pub fn refused(what: impl Into<String>) -> Self {
        Self::Refused { what: what.into() }
    }

    /// What to do about it.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Unavailable { .. } => Disposition::Retry,
            Self::Rejected { .. } => Disposition::DeadLetter,
            Self::Refused { .. } => Disposition::Stop,
            Self::Stale { .. } => Disposition::Ignore,
        }
    }
}
