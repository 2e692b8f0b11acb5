//! `plugin verify`: what the service asks of a component when it loads it, by the same code in the same
//! process of its own, one check after another.

use std::path::Path;

use replay_sandbox::Check;
use serde::Serialize;

use super::{OneArgs, TempDir, class_of, compiling, production_sandbox, settings_arg};
use crate::cli::{CliError, Exit, Format, output};

/// Of a plugin that answers so to made-up chunks.
const REPLACE_NEEDS_LEAVE: &str =
    "which the service refuses unless the chain says `allow_replace: true` beside its name";

/// One check.
#[derive(Debug, Serialize)]
struct CheckLine {
    check: &'static str,
    /// `ok`, `failed` or `not_reached`.
    outcome: &'static str,
    asks: &'static str,
    /// What was found, or what is wrong and what to do.
    note: String,
}

pub(super) fn verify(config: Option<&Path>, args: &OneArgs) -> Result<Exit, CliError> {
    let settings = settings_arg(&args.settings)?;
    let file = args.component.display();
    if !args.component.is_file() {
        return Err(CliError::usage(format!(
            "{file} is no file; `plugin verify` takes a component, which `plugin build` makes"
        )));
    }
    let cache = TempDir::new()?;
    let (_, sandbox) = production_sandbox(config, &cache.path().join("cache"))?;
    let verification = compiling(&file.to_string(), || {
        sandbox.of_class(class_of(&args.component)).verify(&args.component, &settings)
    });
    let failed = verification.failed();
    let error = verification.result.as_ref().err().map(ToString::to_string).unwrap_or_default();
    for check in Check::ALL {
        let passed = verification.passed.iter().find(|passed| passed.check == check);
        let (outcome, note) = match passed {
            // `, 3 replaced`, as the sandbox counts them; it knows of no chain's leave.
            Some(passed) if passed.note.ends_with("replaced") => {
                ("ok", format!("{}, {REPLACE_NEEDS_LEAVE}", passed.note))
            }
            Some(passed) => ("ok", passed.note.clone()),
            None if failed == Some(check) => ("failed", error.clone()),
            None => ("not_reached", String::new()),
        };
        say(&CheckLine { check: check.as_str(), outcome, asks: asks(check), note }, args.output.output)?;
    }
    // All checks were passed, and still it is not loaded: the machine's fault, or the compiler's.
    if failed.is_none() && verification.result.is_err() {
        return Err(CliError::failed(format!("{file}: {error}")));
    }
    if args.output.output == Format::Table {
        output::say(&match failed {
            None => format!("{file} can be loaded"),
            Some(_) => format!("{file} would not be loaded"),
        })?;
    }
    Ok(if failed.is_none() { Exit::Done } else { Exit::Failed })
}

fn say(line: &CheckLine, format: Format) -> Result<(), CliError> {
    match format {
        Format::Json => {
            output::say(&serde_json::to_string(line).map_err(|error| CliError::failed(error.to_string()))?)
        }
        Format::Table => {
            let outcome = line.outcome.replace('_', " ");
            output::say(&format!("{outcome:<11}  {}", line.asks))?;
            match line.note.is_empty() {
                true => Ok(()),
                false => output::say(&format!("{:13}{}", "", line.note.replace('\n', "\n             "))),
            }
        }
    }
}

fn asks(check: Check) -> &'static str {
    match check {
        Check::Imports => "is a component that asks for the interface and nothing else",
        Check::Compiles => "compiles, and has the interface's types",
        Check::Configures => "takes these settings, in time and memory",
        Check::Manifest => "says what it is",
        Check::Answers => "answers made-up chunks, in time and memory",
        Check::Edits => "changes them only as can be allowed",
        Check::ConfiguresAlike => "says the same of itself when it is configured again",
        Check::AnswersAlike => "answers the same chunks alike in a second instance",
        Check::WarmedAlike => "answers alike once it is warmed up, as it runs in the service",
    }
}
