//! `check`: everything that is wrong with the config at once, or what it resolves to.

use std::path::Path;

use super::context::Context;
use super::{CliError, Exit, output};
use crate::build;
use crate::chains::check_components;
use crate::config;

pub(super) fn check(path: Option<&Path>, schema: bool) -> Result<Exit, CliError> {
    if schema {
        let text = serde_json::to_string_pretty(&config::json_schema());
        output::say(&text.map_err(|error| CliError::failed(error.to_string()))?)?;
        return Ok(Exit::Done);
    }
    let context = Context::load(path)?;
    let settings = context.settings();
    let _runtime = context.enter();
    let away = check_components(&settings.tenants, &build::registry(settings))?;
    for line in settings.describe() {
        output::say(&line)?;
    }
    for why in away {
        output::say(&format!("note: {why}; the copy that is kept would serve"))?;
    }
    if let Err(lacking) = context.refuse_what_this_build_lacks() {
        output::say(&format!("note: {}", lacking.message))?;
    }
    Ok(Exit::Done)
}
