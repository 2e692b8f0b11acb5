//! What the operator sees: logs on stderr, metrics, and dead letters without a flood.

mod letter_log;
mod metrics;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

pub use letter_log::LetterLog;
pub use metrics::{LifecycleCounts, Metrics, edges};

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to stderr. `filter` is a `tracing` filter such as `info` or `replay_processor=debug`.
pub fn init_logging(format: LogFormat, filter: &str, color: bool) {
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(color && std::io::stderr().is_terminal());
    // A second start in one process (tests) keeps the first.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}
