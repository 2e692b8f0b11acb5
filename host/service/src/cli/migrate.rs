//! `migrate {run,plan,reconcile}`.

use std::path::Path;

use replay_core::identity::SessionKey;

use super::context::{Context, Reach, age_arg};
use super::{CliError, Exit, Format, ReconcileArgs, output};
use crate::build;
use crate::clock::{millis, unix_ms};
use crate::http::{MigrateRequest, ReconcileRequest};
use crate::lifecycle::{MoveReport, PolicyReport, ReconcileReport};

pub(super) fn run(config: Option<&Path>, session: Option<&str>, format: Format) -> Result<Exit, CliError> {
    let named = session.map(|text| {
        SessionKey::parse(text)
            .ok_or_else(|| CliError::usage(format!("--session takes PROJECT/SESSION, not `{text}`")))
    });
    let named = named.transpose()?;
    let context = Context::load(config)?;
    let report: MoveReport = match context.reach("migrate run")? {
        Reach::Service(client) => {
            client.post("/migrate", &MigrateRequest { session: named.map(|session| session.to_string()) })?
        }
        Reach::Own(own) => match named {
            Some(session) => context.block_on(own.ops.migrate_session(session))?,
            None => context.block_on(own.ops.migrate())?,
        },
    };
    output::report(&report, format)?;
    if session.is_some() && report.sessions_moved == 0 && report.failures.is_empty() {
        output::complain("nothing of this session is in the hot store");
    }
    Ok(if report.failures.is_empty() { Exit::Done } else { Exit::SomeFailed })
}

pub(super) fn plan(config: Option<&Path>, format: Format) -> Result<Exit, CliError> {
    let context = Context::load(config)?;
    // The service may go by a config that was before, and keeps the days of tenants that left it.
    let policy = match context.running() {
        Some(service) => service.get::<PolicyReport>("/retention")?.into(),
        None => build::retention_policy(context.settings()),
    };
    let planned =
        context.block_on(crate::lifecycle::plan(&*context.open_for_reading()?.hot, &policy, unix_ms()))?;
    output::list(&planned, format)?;
    Ok(Exit::Done)
}

pub(super) fn reconcile(config: Option<&Path>, args: &ReconcileArgs) -> Result<Exit, CliError> {
    let context = Context::load(config)?;
    let grace_ms = match &args.grace {
        Some(grace) => age_arg(grace)?,
        None => {
            let grace = context.settings().replay.migration.reconcile_grace;
            millis(grace)
        }
    };
    let report: ReconcileReport = match context.reach("migrate reconcile")? {
        Reach::Service(client) => {
            client.post("/reconcile", &ReconcileRequest { repair: args.repair, grace_ms })?
        }
        Reach::Own(own) => context.block_on(own.ops.reconcile(args.repair, grace_ms))?,
    };
    output::report(&report, args.output.output)?;
    let unmended = report.found > report.repaired;
    Ok(if unmended { Exit::SomeFailed } else { Exit::Done })
}
