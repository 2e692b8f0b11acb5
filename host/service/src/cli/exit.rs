//! Exit codes (contract), and errors that become one.

use std::process::ExitCode;

use replay_ports::PortError;

use crate::chains::ChainProblems;
use crate::lock::LockError;
use crate::replays::ReadError;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or drained.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Wrong arguments.
    Usage = 2,
    /// Finished, but some items failed; they were listed.
    SomeFailed = 3,
    /// A needed server or store is not there.
    Unreachable = 69,
    /// Busy, or the deadline passed; nothing is lost.
    Busy = 75,
    /// The config or a schema is refused.
    Config = 78,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A message for the operator and the code to end with.
#[derive(Clone, Debug)]
pub struct CliError {
    /// The code.
    pub exit: Exit,
    /// What was wrong, where, what to do.
    pub message: String,
}

impl CliError {
    /// An error with its code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// Wrong arguments.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Anything else.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// Writes the message to stderr.
    pub(super) fn print(&self) {
        super::output::complain(&self.message);
    }
}

impl From<PortError> for CliError {
    fn from(error: PortError) -> Self {
        let exit = match &error {
            PortError::Unavailable { .. } => Exit::Unreachable,
            PortError::Rejected { .. } | PortError::Stale { .. } => Exit::Failed,
            PortError::Refused { .. } => Exit::Config,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<ReadError> for CliError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Store(error) => error.into(),
            ReadError::Unsteady => Self::new(Exit::Busy, error.to_string()),
            ReadError::Damaged { .. } | ReadError::Lost { .. } => Self::failed(error.to_string()),
            ReadError::NoColdStore => Self::new(Exit::Config, error.to_string()),
        }
    }
}

impl From<ChainProblems> for CliError {
    fn from(problems: ChainProblems) -> Self {
        // A registry that is away is a server that is away; anything else is the operator's to mend.
        let exit = if problems.is_away() { Exit::Unreachable } else { Exit::Config };
        Self::new(exit, problems.to_string())
    }
}

impl From<LockError> for CliError {
    fn from(error: LockError) -> Self {
        let exit = match &error {
            LockError::Held { .. } | LockError::HeldByUnknown { .. } => Exit::Busy,
            LockError::Io { .. } => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error.to_string())
    }
}
