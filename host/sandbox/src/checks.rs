//! What a plugin must pass to be loaded, told step by step: for its author, who wants to see them all.

use serde::{Deserialize, Serialize};

use crate::failure::LoadError;
use crate::manifest::Manifest;

/// One thing that is asked of a plugin, in the order in which the host asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The file is a component of a size that is allowed, and asks for the interface and nothing else.
    Imports,
    /// It compiles, and its imports and exports have the interface's types.
    Compiles,
    /// `configure` takes this config, in time and memory.
    Configures,
    /// What it says of itself is well formed.
    Manifest,
    /// `process` comes back from made-up chunks, in time and memory, without an error.
    Answers,
    /// Its edits of them are such as the host would apply.
    Edits,
    /// Configured a second time, in a fresh instance, it says the same of itself.
    ConfiguresAlike,
    /// A second fresh instance answers the same chunks alike.
    AnswersAlike,
    /// What runs in the service, started from the memory of a warmed-up instance if that can be taken,
    /// answers as one does that has seen nothing.
    WarmedAlike,
}

impl Check {
    /// Every check, in order.
    pub const ALL: [Self; 9] = [
        Self::Imports,
        Self::Compiles,
        Self::Configures,
        Self::Manifest,
        Self::Answers,
        Self::Edits,
        Self::ConfiguresAlike,
        Self::AnswersAlike,
        Self::WarmedAlike,
    ];

    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imports => "imports",
            Self::Compiles => "compiles",
            Self::Configures => "configures",
            Self::Manifest => "manifest",
            Self::Answers => "answers",
            Self::Edits => "edits",
            Self::ConfiguresAlike => "configures_alike",
            Self::AnswersAlike => "answers_alike",
            Self::WarmedAlike => "warmed_alike",
        }
    }
}

/// A check that was passed, with what was found: the host's words only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passed {
    /// Which.
    pub check: Check,
    /// What was found or used; may be empty.
    pub note: String,
}

/// How far a plugin got: the checks that it passed, and how the last went.
#[derive(Debug)]
pub struct Verification {
    /// In order. The first one that is missing is the one that failed.
    pub passed: Vec<Passed>,
    /// What it says of itself, or why it would not be loaded.
    pub result: Result<Manifest, LoadError>,
}

impl Verification {
    /// The check that was not passed.
    pub fn failed(&self) -> Option<Check> {
        let next = Check::ALL.into_iter().find(|check| self.passed.iter().all(|one| one.check != *check));
        next.filter(|_| self.result.is_err())
    }
}
