//! `doctor`: reaches every server that the config names, and tries every right that it needs.

use std::path::Path;

use replay_ports::{Finding, Verdict};
use serde::Serialize;

use super::args::DoctorArgs;
use super::context::Context;
use super::trial::{Trial, try_chains};
use super::{CliError, Exit, Format, output};
use crate::build;
use crate::chains::any_chain;
use crate::config::Settings;

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

pub(super) fn doctor(config: Option<&Path>, args: &DoctorArgs) -> Result<Exit, CliError> {
    let context = Context::load(config)?;
    context.refuse_what_this_build_lacks()?;
    let mut findings = context.block_on(build::examine(context.settings()));
    let _runtime = context.enter();
    findings.extend(of_chains(
        try_chains(context.settings(), !args.no_load)?,
        context.settings(),
        args.no_load,
    ));
    let format = args.output.output;
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

/// What loading the chains came to.
fn of_chains(trial: Trial, settings: &Settings, no_load: bool) -> Vec<Finding> {
    const CHECK: &str = "plugins";
    let has_plugins = any_chain(&settings.tenants);
    let mut findings: Vec<Finding> = trial
        .notes
        .into_iter()
        .map(|note| Finding::warning(CHECK, note, "run this as the service's user"))
        .collect();
    findings.push(match trial.result {
        Ok(away) if !away.is_empty() => Finding::warning(
            CHECK,
            away.join("\n"),
            "bring the registry back: copies that are kept serve meanwhile",
        ),
        Ok(_) if no_load && has_plugins => {
            Finding::warning(CHECK, "not loaded", "without --no-load each is loaded with its config")
        }
        Ok(_) if has_plugins => {
            Finding::fine(CHECK, "every component is there, is what its pin says, and takes its config")
        }
        Ok(_) => return findings,
        Err(problems) if problems.is_away() => {
            Finding::unreachable(CHECK, problems.to_string(), "bring the registry back")
        }
        Err(problems) => Finding::wrong(
            CHECK,
            problems.to_string(),
            "mend these lines of the config; reviewed components go into plugins.dir or a registry",
        ),
    });
    findings
}

/// What is to be done stands under what was seen: it is a sentence, too long for a column.
fn say(line: &Line<'_>) -> Result<(), CliError> {
    output::say(&format!("{:<12} {}: {}", line.verdict, line.check, line.detail))?;
    if line.advice.is_empty() {
        return Ok(());
    }
    output::say(&format!("{:<12} → {}", "", line.advice))
}
