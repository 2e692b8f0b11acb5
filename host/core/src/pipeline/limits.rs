//! The pipeline's bounds. The service fills them from its config, which documents the defaults.

/// Every bound and pace of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A buffer with this many chunks is sealed.
    pub max_chunks_per_session: usize,
    /// A buffer without a new chunk for this long is sealed.
    pub idle_timeout_ms: u64,
    /// A buffer this old is sealed, whatever happens in it: an open session pins the offset.
    pub max_session_age_ms: u64,
    /// A row waits at most this long for others.
    pub flush_interval_ms: u64,
    /// A row batch with this many rows is inserted.
    pub insert_max_rows: usize,
    /// A row batch with this many stored bytes is inserted.
    pub insert_max_bytes: usize,
    /// Inserts at a time.
    pub insert_jobs: usize,
    /// Decodes at a time.
    pub decode_jobs: usize,
    /// Transforms at a time.
    pub transform_jobs: usize,
    /// Transforms of one project at a time while another project waits.
    pub project_slots: usize,
    /// Bytes that one project may hold in open buffers while another has some, before its oldest are
    /// sealed.
    pub project_buffer_bytes: usize,
    /// Bytes of one project's sealed batches that may wait for a slow chain while another project
    /// waits too; further ones become dead letters.
    pub project_waiting_bytes: usize,
    /// A chain that takes longer than this for a MiB of stored chunks is slow, milliseconds.
    pub slow_chain_ms_per_mib: u64,
    /// Dead letters written at a time.
    pub letter_jobs: usize,
    /// Bytes of records held in all; at this partitions pause.
    pub memory_budget_bytes: usize,
    /// First wait after a failure; doubles up to `retry_max_ms`.
    pub retry_min_ms: u64,
    /// Longest wait between tries.
    pub retry_max_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_chunks_per_session: 100,
            idle_timeout_ms: 30_000,
            max_session_age_ms: 300_000,
            flush_interval_ms: 10_000,
            insert_max_rows: 10_000,
            insert_max_bytes: 16 << 20,
            insert_jobs: 2,
            decode_jobs: 4,
            transform_jobs: 2,
            project_slots: 1,
            project_buffer_bytes: 128 << 20,
            project_waiting_bytes: 128 << 20,
            slow_chain_ms_per_mib: 2_000,
            letter_jobs: 4,
            memory_budget_bytes: 256 << 20,
            retry_min_ms: 100,
            retry_max_ms: 30_000,
        }
    }
}
