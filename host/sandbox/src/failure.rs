//! How a call, a load and the sandbox itself can fail. No text of a guest's or of a payload, but what
//! `configure` answers to the operator.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::Class;

/// What a call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of the calling thread, host's part included.
    pub cpu: Duration,
    /// Most memory that the instance held.
    pub memory_bytes: usize,
    /// Log lines, by level: debug, info, warn, error.
    pub log_lines: [u32; 4],
}

/// A call that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginFailure {
    /// What went wrong.
    pub kind: FailureKind,
    /// Position in the batch of the chunk that the plugin asked about last.
    pub chunk: Option<usize>,
    /// What it used until then.
    pub usage: Usage,
}

/// What went wrong in a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// It took too long.
    Timeout,
    /// It wanted more memory than allowed.
    Memory,
    /// It answered, or asked for, more than allowed.
    Output,
    /// Its calls nest too deep.
    Stack,
    /// It panicked, or did what WebAssembly forbids.
    Trap,
    /// It answered with an error.
    Error {
        /// One of the manifest's error codes, else `unknown`.
        code: String,
    },
    /// Its answer is not one.
    Invalid,
    /// It could not be loaded (again).
    Load,
    /// Too many calls wait.
    Overloaded,
    /// It failed too often, and is not called for a while.
    BreakerOpen,
}

impl FailureKind {
    /// The name in dead letters and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Timeout => "plugin_timeout",
            Self::Memory => "plugin_memory",
            Self::Output => "plugin_output",
            Self::Stack => "plugin_stack",
            Self::Trap => "plugin_trap",
            Self::Error { .. } => "plugin_error",
            Self::Invalid => "plugin_invalid",
            Self::Load => "plugin_load",
            Self::Overloaded => "plugin_overloaded",
            Self::BreakerOpen => "plugin_breaker_open",
        }
    }
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The engine refuses its settings, or this machine.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// The cache directory cannot be used.
    #[error("the plugin cache {path} cannot be used: {reason}")]
    CacheDir {
        /// The directory.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The clock's thread cannot be started.
    #[error("the thread that watches plugins' time cannot be started: {0}")]
    Thread(std::io::Error),
}

/// Why a plugin is not loaded. The texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        /// The component.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is over the limit.
    #[error(
        "the component has {bytes} bytes, {max_bytes} are allowed; build it for size, or raise the limit{}",
        if *class == Class::Compiled { "; if it is JavaScript or Python, say `class: script`" } else { "" }
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// What is allowed.
        max_bytes: usize,
        /// What it was loaded as.
        class: Class,
    },
    /// Another file than the one that was meant.
    #[error("the component's sha256 is {got}, the config says {wanted}")]
    Digest {
        /// Of the file.
        got: String,
        /// Of the config.
        wanted: String,
    },
    /// It was looked at, and does not do.
    #[error("{stage}: {message}")]
    Refused {
        /// Where it ended.
        stage: Stage,
        /// What, and what to do.
        message: String,
    },
    /// The process that makes components ready did not answer.
    #[error("compiling failed: {0}")]
    Compiler(String),
    /// The compiled component cannot be kept or read back.
    #[error("the plugin cache failed: {0}")]
    Cache(String),
}

/// A step of making a component ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Stage {
    /// What the file is, imports and exports.
    #[error("not a plugin")]
    Interface,
    /// The call of `configure`.
    #[error("`configure` failed")]
    Configure,
    /// What `configure` answered.
    #[error("the manifest is not valid")]
    Manifest,
    /// `process` on synthetic chunks.
    #[error("the trial run failed")]
    Conformance,
    /// Compiling.
    #[error("it does not compile")]
    Compile,
}

impl Stage {
    /// A refusal at this step.
    pub(crate) fn refuse(self, message: impl Into<String>) -> LoadError {
        LoadError::Refused { stage: self, message: message.into() }
    }
}
