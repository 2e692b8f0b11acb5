//! `check`: everything that is wrong with the config at once, or what it resolves to.

use std::path::Path;

use super::context::Context;
use super::{CliError, Exit, output};
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
    check_components(&settings.tenants, &settings.plugins.dir)?;
    for line in settings.describe() {
        output::say(&line)?;
    }
    if let Err(lacking) = context.refuse_what_this_build_lacks() {
        output::say(&format!("note: {}", lacking.message))?;
    }
    Ok(Exit::Done)
}
