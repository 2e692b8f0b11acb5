//! `session {list,show,export,erase}` and `project erase`.

use std::io::IsTerminal;
use std::path::Path;

use replay_core::identity::SessionKey;
use replay_ports::SessionFilter;
use serde::Serialize;

use super::context::{Context, Reach, age_arg, project_arg, session_arg, time_arg};
use super::{CliError, Exit, Format, SessionArgs, SessionListArgs, output};
use crate::http::EraseRequest;
use crate::lifecycle::EraseReport;
use crate::replays::{ListFilter, Place, PlayedChunk, list_sessions};

pub(super) fn list(config: Option<&Path>, args: &SessionListArgs) -> Result<Exit, CliError> {
    let filter = ListFilter {
        sessions: SessionFilter {
            project_id: args.project.as_deref().map(project_arg).transpose()?,
            since_ms: args.since.as_deref().map(time_arg).transpose()?,
            until_ms: args.until.as_deref().map(time_arg).transpose()?,
        },
        min_duration_ms: args.min_duration.as_deref().map(age_arg).transpose()?,
        state: args.state,
        has_error: args.has_error,
    };
    let after = match args.after.as_deref() {
        Some(text) => Some(
            SessionKey::parse(text)
                .ok_or_else(|| CliError::usage(format!("--after takes PROJECT/SESSION, not `{text}`")))?,
        ),
        None => None,
    };
    let context = Context::load(config)?;
    let replays = context.open_for_reading()?.replays;
    let rows = context.block_on(list_sessions(&replays, &filter, after, args.limit))?;
    output::list(&rows, args.output.output)?;
    Ok(Exit::Done)
}

/// One line of `session show`; names as the columns of `replay_chunks`.
#[derive(Debug, Serialize)]
struct ChunkLine {
    chunk_index: u32,
    timestamp_start: u64,
    timestamp_end: u64,
    event_count: u32,
    has_full_snapshot: bool,
    data_size: u64,
    compressed_size: u64,
    codec: &'static str,
    received_at: u64,
    version: u64,
    content_hash: String,
    place: &'static str,
    object_key: Option<String>,
    offset: Option<u64>,
    length: Option<u64>,
}

impl From<&PlayedChunk> for ChunkLine {
    fn from(chunk: &PlayedChunk) -> Self {
        let meta = &chunk.meta;
        let (place, object_key, offset, length) = match &chunk.place {
            Place::Hot(_) => ("hot", None, None, None),
            Place::Cold { object_key, offset, length, .. } => {
                ("cold", Some(object_key.clone()), Some(*offset), Some(*length))
            }
        };
        Self {
            chunk_index: meta.key.chunk_index,
            timestamp_start: meta.key.timestamp_start_ms,
            timestamp_end: meta.timestamp_end_ms,
            event_count: meta.event_count,
            has_full_snapshot: meta.has_full_snapshot,
            data_size: meta.data_size,
            compressed_size: meta.compressed_size,
            codec: meta.codec.as_str(),
            received_at: meta.received_at_ms,
            version: meta.version.as_u64(),
            content_hash: format!("{:016x}", meta.content_hash.0),
            place,
            object_key,
            offset,
            length,
        }
    }
}

pub(super) fn show(config: Option<&Path>, args: &SessionArgs) -> Result<Exit, CliError> {
    let session = session_arg(&args.project, &args.session)?;
    let context = Context::load(config)?;
    let replays = context.open_for_reading()?.replays;
    let playback = context.block_on(replays.open(&session))?;
    let lines: Vec<ChunkLine> = playback.chunks.iter().map(ChunkLine::from).collect();
    output::list(&lines, args.output.output)?;
    if lines.is_empty() {
        output::complain(&format!("there is no session {session}, or it was erased"));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

pub(super) fn export(config: Option<&Path>, args: &SessionArgs) -> Result<Exit, CliError> {
    let session = session_arg(&args.project, &args.session)?;
    let context = Context::load(config)?;
    let replays = context.open_for_reading()?.replays;
    let mut failed = None;
    let read = replays.read(&session, |meta, data| {
        let mut events = replays.events(meta, &data)?;
        events.push(b'\n');
        if let Err(error) = output::write_all(&events) {
            failed.get_or_insert(error);
        }
        Ok(())
    });
    let count = context.block_on(read)?;
    if let Some(error) = failed {
        return Err(error);
    }
    if count == 0 {
        output::complain(&format!("there is no session {session}, or it was erased"));
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

/// Without a session, the whole project up to now.
pub(super) fn erase(
    config: Option<&Path>,
    project: &str,
    session: Option<&str>,
    yes: bool,
    format: Format,
) -> Result<Exit, CliError> {
    let target = match session {
        Some(session) => session_arg(project, session)?.to_string(),
        None => project_arg(project)?.to_string(),
    };
    confirm(&target, yes)?;
    let context = Context::load(config)?;
    let request = EraseRequest {
        project_id: project.to_owned(),
        session_id: session.map(str::to_owned),
        actor: context.actor(),
    };
    let report: EraseReport = match context.reach("erase")? {
        Reach::Service(client) => client.post("/erase", &request)?,
        Reach::Own(own) => {
            let scope = request.scope().ok_or_else(|| CliError::usage("nothing to erase is named"))?;
            context.block_on(own.ops.erase(scope, &request.actor))?
        }
    };
    output::report(&report, format)?;
    if report.verified && report.bytes == 0 {
        output::complain(&format!("nothing of {target} was found; it is marked as erased all the same"));
    }
    if !report.verified {
        output::complain(
            "it is marked as erased and no longer shown, but something of it is still on a disk; a running \
             service tries again, or run the command again",
        );
        return Ok(Exit::SomeFailed);
    }
    Ok(Exit::Done)
}

/// What cannot be undone must be meant.
fn confirm(target: &str, yes: bool) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(CliError::usage(format!("this erases {target} for good; say --yes if that is meant")));
    }
    output::complain(&format!("this erases {target} for good, everywhere. Type its name to go on:"));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if answer.trim() == target {
        Ok(())
    } else {
        Err(CliError::usage("that is not its name; nothing was erased"))
    }
}
