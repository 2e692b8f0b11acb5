//! `check`: everything that is wrong with the config at once, or what it resolves to.

use std::path::Path;

use super::args::CheckArgs;
use super::context::Context;
use super::trial::{Trial, try_chains};
use super::{CliError, Exit, output, run};
use crate::chains::any_chain;
use crate::config;

pub(super) fn check(path: Option<&Path>, args: &CheckArgs) -> Result<Exit, CliError> {
    if args.schema {
        let text = serde_json::to_string_pretty(&config::json_schema());
        output::say(&text.map_err(|error| CliError::failed(error.to_string()))?)?;
        return Ok(Exit::Done);
    }
    let context = Context::load(path)?;
    let settings = context.settings();
    let _runtime = context.enter();
    let Trial { result, mut notes } = try_chains(settings, !args.no_load)?;
    let tokens = run::tokens(settings.api.tokens_file.as_deref()).err();
    let away = match (result, tokens) {
        (Ok(away), None) => away,
        (Ok(_), Some(error)) => return Err(error),
        (Err(problems), tokens) => {
            notes.iter().for_each(|note| output::complain(&format!("note: {note}")));
            let mut error = CliError::from(problems);
            error.message.extend(tokens.map(|tokens| format!("\n{}", tokens.message)));
            return Err(error);
        }
    };
    for line in settings.describe() {
        output::say(&line)?;
    }
    notes.extend(away.into_iter().map(|why| format!("{why}; the copy that is kept would serve")));
    if args.no_load && any_chain(&settings.tenants) {
        notes.push(
            "plugins were not loaded (--no-load): `run` may refuse what they are, or their config".into(),
        );
    }
    notes.extend(context.refuse_what_this_build_lacks().err().map(|lacking| lacking.message));
    notes.iter().try_for_each(|note| output::say(&format!("note: {note}")))?;
    Ok(Exit::Done)
}
