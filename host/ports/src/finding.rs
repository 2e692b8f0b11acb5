//! What `doctor` found out about a source or store: one thing each, with what to do about it.

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, as `kafka topic`; the same words at every run.
    pub check: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen. Never a secret.
    pub detail: String,
    /// What to do about it; empty when nothing is to be done.
    pub advice: String,
}

/// How one thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// It works, and will bite some day.
    Warning,
    /// It does not work until a person acts.
    Wrong,
    /// The server does not answer.
    Unreachable,
}

impl Finding {
    /// As it should be.
    pub fn fine(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Fine, detail: detail.into(), advice: String::new() }
    }

    /// It works, and will bite some day.
    pub fn warning(check: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warning, detail: detail.into(), advice: advice.into() }
    }

    /// It does not work until a person acts.
    pub fn wrong(check: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Wrong, detail: detail.into(), advice: advice.into() }
    }

    /// The server does not answer.
    pub fn unreachable(check: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Unreachable, detail: detail.into(), advice: advice.into() }
    }
}
