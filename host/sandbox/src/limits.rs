//! What a plugin may use, and where the sandbox keeps its things.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a plugin is made of: it decides what it may cost and how it starts. The operator's word, since what
/// costs more is theirs to allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Class {
    /// Compiled to WebAssembly: Rust and the like. Starts from a snapshot of its memory.
    #[default]
    Compiled,
    /// A script with its interpreter: JavaScript, Python. Configured for each batch, as no snapshot can be
    /// taken of it.
    Script,
}

impl Class {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Compiled, Self::Script];

    /// The name in configs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compiled => "compiled",
            Self::Script => "script",
        }
    }
}

/// The bounds of one plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Time of a call of `process`, whatever the batch's size: on the wall clock, but for what a busy
    /// machine keeps from it, and at most four times as long.
    pub time_per_batch: Duration,
    /// More of it for each MiB of the batch's text.
    pub time_per_mib: Duration,
    /// Memories and tables of an instance, summed.
    pub memory_bytes: usize,
    /// Calls of getters a chunk, `element` aside.
    pub getter_calls: u32,
    /// Stack of WebAssembly frames. The calling thread needs about 256 KiB beyond it.
    pub stack_bytes: usize,
    /// Log lines kept of a call; further ones are only counted.
    pub log_lines: u32,
    /// Size of a component.
    pub component_bytes: usize,
    /// Wall clock of `configure`, and of `process` on warm-up text.
    pub configure_time: Duration,
    /// CPU time of making a component ready; its wall clock is three times that.
    pub compile_time: Duration,
    /// Memory of making a component ready. On disk, an eighth of it at most is kept of a component for the
    /// next config.
    pub compile_memory_bytes: u64,
    /// What the host takes from one call, before it allocates for it.
    pub output_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time_per_batch: Duration::from_millis(50),
            time_per_mib: Duration::from_millis(20),
            memory_bytes: 64 << 20,
            getter_calls: 8,
            stack_bytes: 512 << 10,
            log_lines: 100,
            component_bytes: 16 << 20,
            configure_time: Duration::from_secs(2),
            compile_time: Duration::from_secs(20),
            compile_memory_bytes: 1 << 30,
            output_bytes: 32 << 20,
        }
    }
}

impl Limits {
    /// Those of [`Class::Script`] unless somebody says otherwise: an interpreter is larger and slower.
    pub fn of_scripts() -> Self {
        Self {
            time_per_batch: Duration::from_millis(250),
            // Twice what was measured of JavaScript, which is slower than Python.
            time_per_mib: Duration::from_secs(4),
            memory_bytes: 128 << 20,
            component_bytes: 64 << 20,
            compile_time: Duration::from_secs(60),
            ..Self::default()
        }
    }

    /// The wall clock of a call on `text_bytes` of text.
    pub(crate) fn process_time(&self, text_bytes: usize) -> Duration {
        let per_mib_nanos = self.time_per_mib.as_nanos();
        let more_nanos = per_mib_nanos.saturating_mul(text_bytes as u128) >> 20;
        self.time_per_batch.saturating_add(Duration::from_nanos(more_nanos.try_into().unwrap_or(u64::MAX)))
    }
}

/// What a sandbox is made with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where compiled plugins are kept: a directory of the service's own, mode 0700. They hold the
    /// tenants' plugin configs.
    pub cache_dir: PathBuf,
    /// Calls at a time; further ones wait.
    pub concurrency: usize,
    /// The bounds of each compiled plugin.
    pub limits: Limits,
    /// The bounds of each script. One stack serves both: `limits.stack_bytes`.
    pub script_limits: Limits,
    /// Compiled code that is kept mapped; the least recently used goes first.
    pub max_loaded_bytes: usize,
    /// The executable that is run as `<compiler> compile-plugin`; see [`crate::compile_child`].
    pub compiler: PathBuf,
}

impl Settings {
    /// The bounds of a plugin of that class.
    pub fn limits_of(&self, class: Class) -> &Limits {
        match class {
            Class::Compiled => &self.limits,
            Class::Script => &self.script_limits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_grows_with_the_text() {
        let limits = Limits::default();
        assert_eq!(limits.process_time(0), Duration::from_millis(50));
        assert_eq!(limits.process_time(1 << 19), Duration::from_millis(60));
        assert_eq!(limits.process_time(10 << 20), Duration::from_millis(250));
    }
}
