//! `status`: what the running service says of itself.

use std::path::Path;

use super::context::Context;
use super::{CliError, Exit, Format, output};
use crate::status::{Report, to_text};

pub(super) fn status(config: Option<&Path>, format: Format) -> Result<Exit, CliError> {
    let context = Context::load(config)?;
    let report: Report = context.service()?.get("/status")?;
    match format {
        Format::Json => output::report(&report, Format::Json)?,
        Format::Table => output::write_all(to_text(&report).as_bytes())?,
    }
    Ok(if report.status == "unready" { Exit::Failed } else { Exit::Done })
}
