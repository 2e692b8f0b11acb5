//! Where a record came from. Travels with the data until the record is settled.

use crate::dead_letter::LetterId;

/// The position of a record in the source, within one assignment of its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At {
    /// Partition of the topic.
    pub partition: u32,
    /// Of this assignment: rises only when the partition is newly assigned.
    pub epoch: u32,
    /// Offset in the partition.
    pub offset: u64,
}

/// Says that a record feeds a dead letter back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayOf {
    /// The letter to close when the record is settled.
    pub letter: LetterId,
    /// How often the record was tried before.
    pub attempts: u32,
}
