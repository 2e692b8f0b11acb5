//! What a plugin says to its author.

/// How serious a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For finding a mistake.
    Debug,
    /// Worth knowing.
    Info,
    /// Something is odd.
    Warn,
    /// Something is wrong.
    Error,
}

/// Says something to the author: `replay-processor plugin test` prints it, and so does a test of the crate
/// if it fails. In production lines are counted by level and no word of them is kept, so they may hold what
/// was recorded.
pub fn log(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::guest::log(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    #[allow(clippy::print_stderr, reason = "there is no host to tell")]
    {
        eprintln!("{level:?}: {message}");
    }
}
