//! The memory budget: every record pays for what it holds until it is settled or given up.

/// What a record costs beside its payload: its place in the ledger, the buffers and the maps.
pub(super) const RECORD_OVERHEAD_BYTES: usize = 768;

#[derive(Debug)]
pub(super) struct Budget {
    used_bytes: usize,
    limit_bytes: usize,
    /// From reaching the limit until three quarters of it are reached again, so that partitions do
    /// not flutter.
    exhausted: bool,
}

impl Budget {
    pub(super) fn new(limit_bytes: usize) -> Self {
        Self { used_bytes: 0, limit_bytes, exhausted: false }
    }

    pub(super) fn take(&mut self, payload_bytes: usize) {
        self.used_bytes += payload_bytes + RECORD_OVERHEAD_BYTES;
        self.exhausted |= self.used_bytes >= self.limit_bytes;
    }

    pub(super) fn give(&mut self, payload_bytes: usize) {
        self.used_bytes -= payload_bytes + RECORD_OVERHEAD_BYTES;
        self.exhausted &= self.used_bytes > self.limit_bytes / 4 * 3;
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes
    }

    pub(super) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }
}
