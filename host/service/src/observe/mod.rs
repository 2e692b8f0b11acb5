//! What the operator sees: logs on stderr, metrics, and dead letters without a flood.

mod letter_log;
mod metrics;
mod readiness;
mod reloads;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, LogLevel};

pub use letter_log::LetterLog;
pub use metrics::{LifecycleCounts, Metrics, Part, edges};
pub use readiness::{Check, Readiness, readiness};
pub use reloads::{ReloadStatus, Reloads};

/// Starts logging to stderr.
pub fn init_logging(format: LogFormat, level: LogLevel, colour: bool) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    // Of others' crates only warnings: at `debug` the clients print what the servers say, and that may
    // quote data.
    let targets = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("replay_", level);
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(colour);
    // A second start in one process keeps the first.
    let _ = match format {
        LogFormat::Text => builder.finish().with(targets).try_init(),
        LogFormat::Json => builder.json().finish().with(targets).try_init(),
    };
}
