//! `doctor`: reaches every server that the config names, and tries every right that it needs.

use std::path::Path;

use replay_ports::{Finding, Verdict};
use serde::Serialize;

use super::context::Context;
use super::{CliError, Exit, Format, output};
use crate::build;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Line<'a> {
    verdict: &'static str,
    check: &'static str,
    detail: &'a str,
    advice: &'a str,
}

impl<'a> From<&'a Finding> for Line<'a> {
    fn from(finding: &'a Finding) -> Self {
        let verdict = match finding.verdict {
            Verdict::Fine => "fine",
            Verdict::Warning => "warning",
            Verdict::Wrong => "wrong",
            Verdict::Unreachable => "unreachable",
        };
        Self { verdict, check: finding.check, detail: &finding.detail, advice: &finding.advice }
    }
}

pub(super) fn doctor(config: Option<&Path>, format: Format) -> Result<Exit, CliError> {
    let context = Context::load(config)?;
    context.refuse_what_this_build_lacks()?;
    let findings = context.block_on(build::examine(context.settings()));
    match format {
        Format::Json => output::list(&findings.iter().map(Line::from).collect::<Vec<_>>(), format)?,
        Format::Table => findings.iter().try_for_each(|finding| say(&Line::from(finding)))?,
    }
    Ok(match build::worst(&findings) {
        Verdict::Fine | Verdict::Warning => Exit::Done,
        Verdict::Wrong => Exit::Config,
        Verdict::Unreachable => Exit::Unreachable,
    })
}

/// What is to be done stands under what was seen: it is a sentence, too long for a column.
fn say(line: &Line<'_>) -> Result<(), CliError> {
    output::say(&format!("{:<12} {}: {}", line.verdict, line.check, line.detail))?;
    if line.advice.is_empty() {
        return Ok(());
    }
    output::say(&format!("{:<12} → {}", "", line.advice))
}
