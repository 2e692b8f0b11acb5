//! `session reprocess`: stored sessions through the tenant's present chain.

use std::path::Path;

use super::context::{Context, Reach, project_arg, session_arg, time_arg};
use super::{CliError, Exit, ReprocessArgs, output};
use crate::build;
use crate::http::ReprocessRequest;
use crate::ops::ReprocessReport;

pub(super) fn reprocess(config: Option<&Path>, args: &ReprocessArgs) -> Result<Exit, CliError> {
    match &args.session {
        Some(session) => session_arg(&args.project, session).map(drop)?,
        None => project_arg(&args.project).map(drop)?,
    }
    let request = ReprocessRequest {
        project_id: args.project.clone(),
        session_id: args.session.clone(),
        since_ms: args.since.as_deref().map(time_arg).transpose()?,
        until_ms: args.until.as_deref().map(time_arg).transpose()?,
        dry_run: args.dry_run,
    };
    let context = Context::load(config)?;
    let report: ReprocessReport = match context.reach("session reprocess")? {
        Reach::Service(client) => client.post("/reprocess", &request)?,
        Reach::Own(own) => {
            let scope = request.scope().ok_or_else(|| CliError::usage("nothing to reprocess is named"))?;
            let _runtime = context.enter();
            let (chains, _) = build::chains(context.settings(), &mut None)?;
            context.block_on(own.ops.reprocess(&chains, &own.replays, scope, args.dry_run))?
        }
    };
    output::report(&report, args.output.output)?;
    if report.sessions == 0 && report.failures.is_empty() {
        let Some(session) = &args.session else {
            output::complain(&format!("no session of `{}` is stored that this asks for", args.project));
            return Ok(Exit::Done);
        };
        return Err(CliError::failed(format!(
            "there is no session {session} of `{}`, or it was erased",
            args.project
        )));
    }
    if report.sessions > 0 && report.chunks == 0 && report.failures.is_empty() {
        output::complain(
            "every stored chunk is of the chain's present revision already; a changed chain needs a higher \
             `chain_revision`",
        );
    }
    Ok(if report.failures.is_empty() { Exit::Done } else { Exit::SomeFailed })
}
