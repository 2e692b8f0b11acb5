//! The bounds of the local log, and what it asks of others.

use std::sync::Arc;

use replay_ports::Result;

/// The bounds of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A segment that would grow beyond this is closed and a new one begun, bytes. A single record
    /// may be larger.
    pub segment_bytes: u64,
    /// A larger payload is rejected, bytes.
    pub max_record_bytes: u64,
    /// What a reader takes into memory at once, bytes, or one record if that is larger.
    pub read_ahead_bytes: usize,
    /// Appends that may wait; more are told to come again.
    pub queue_records: usize,
    /// Bytes of the appends that may wait, or one record if that is larger.
    pub queue_bytes: u64,
    /// No more is added to one write and sync after this many bytes.
    pub batch_bytes: u64,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            max_record_bytes: 64 << 20,
            read_ahead_bytes: 4 << 20,
            queue_records: 1024,
            queue_bytes: 128 << 20,
            batch_bytes: 8 << 20,
        }
    }
}

/// Keeps the one offset that the log's consumer goes on from. Calls may block.
///
/// It lies in the database of the rows, and is never written before them.
pub trait OffsetStore: Send + Sync {
    /// The next offset to read; 0 if none was ever saved.
    fn load(&self) -> Result<u64>;

    /// Makes `next` durable. Called one at a time, with rising numbers.
    fn save(&self, next: u64) -> Result<()>;
}

/// Called on the log's thread when a sync has failed: nobody can say any more what is stored. It
/// must end the process; if it returns, the log answers errors from then on.
pub type OnFatal = Arc<dyn Fn(&str) + Send + Sync>;

/// Ends the process with exit code 1.
pub fn exit_on_fatal() -> OnFatal {
    Arc::new(|_| std::process::exit(1))
}
