//! `schema {show,apply}`: the hot store's tables, before a service uses them.

use std::path::Path;

use super::context::Context;
use super::{CliError, Exit, output};
use crate::build;

pub(super) fn show(config: Option<&Path>) -> Result<Exit, CliError> {
    let context = Context::load(config)?;
    context.refuse_what_this_build_lacks()?;
    output::write_all(build::schema_text(context.settings())?.as_bytes())?;
    Ok(Exit::Done)
}

pub(super) fn apply(config: Option<&Path>, adopt: bool) -> Result<Exit, CliError> {
    let context = Context::load(config)?;
    context.refuse_what_this_build_lacks()?;
    output::say(context.block_on(build::apply_schema(context.settings(), adopt))?.trim_end())?;
    Ok(Exit::Done)
}
