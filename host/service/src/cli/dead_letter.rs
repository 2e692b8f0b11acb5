//! `dead-letter {list,show,replay}`.

use std::path::Path;

use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::reject::Reason;
use replay_ports::{DeadLetters, LetterFilter};
use serde::Serialize;

use super::context::{Context, Reach, project_arg, time_arg};
use super::{CliError, Exit, LetterFilterArgs, LetterListArgs, LetterReplayArgs, LetterShowArgs, output};
use crate::http::{FeedBackRequest, LetterRequest};
use crate::ops::FeedBackReport;

const PAGE: usize = 500;

/// One line of `dead-letter list`.
#[derive(Debug, Serialize)]
struct LetterLine {
    id: String,
    reason: &'static str,
    detail: String,
    project_id: Option<String>,
    session_id: Option<String>,
    received_at: u64,
    dead_at: u64,
    attempts: u32,
    payload_size: u64,
}

impl From<&DeadLetter> for LetterLine {
    fn from(letter: &DeadLetter) -> Self {
        Self {
            id: letter.id.to_string(),
            reason: letter.reason.as_str(),
            detail: letter.detail.clone(),
            project_id: letter.project_id.as_ref().map(ToString::to_string),
            session_id: letter.session_id.map(|session_id| session_id.to_string()),
            received_at: letter.received_at_ms,
            dead_at: letter.dead_at_ms,
            attempts: letter.attempts,
            payload_size: letter.payload_size,
        }
    }
}

pub(super) fn list(config: Option<&Path>, args: &LetterListArgs) -> Result<Exit, CliError> {
    let filter = filter(&args.filter)?;
    let context = Context::load(config)?;
    let letters = context.open_for_reading()?.letters;
    let lines = context.block_on(pages(&*letters, &filter, args.filter.limit))?;
    output::list(&lines, args.output.output)?;
    Ok(Exit::Done)
}

async fn pages(
    letters: &dyn DeadLetters,
    filter: &LetterFilter,
    limit: usize,
) -> replay_ports::Result<Vec<LetterLine>> {
    let mut lines = Vec::new();
    let mut after: Option<LetterId> = None;
    while lines.len() < limit {
        let page = letters.list(filter, after.as_ref(), PAGE.min(limit - lines.len())).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        lines.extend(page.iter().map(LetterLine::from));
    }
    Ok(lines)
}

pub(super) fn show(config: Option<&Path>, args: &LetterShowArgs) -> Result<Exit, CliError> {
    let (context, letter) = find(config, &args.id)?;
    if !args.payload {
        output::report(&LetterLine::from(&letter), args.output.output)?;
        return Ok(Exit::Done);
    }
    output::write_all(&original(&context, letter, "dead-letter show")?)?;
    Ok(Exit::Done)
}

/// The letter of that name, in the stores of the config.
pub(super) fn find(config: Option<&Path>, id: &str) -> Result<(Context, DeadLetter), CliError> {
    let id = letter_id(id)?;
    let context = Context::load(config)?;
    let letter = context.block_on(context.open_for_reading()?.letters.get(&id))?;
    Ok((context, letter.ok_or_else(|| no_letter(&id))?))
}

fn letter_id(id: &str) -> Result<LetterId, CliError> {
    LetterId::parse(id).ok_or_else(|| {
        CliError::usage(format!(
            "a letter is named topic/partition/offset, not `{id}`; `dead-letter list` has them"
        ))
    })
}

fn no_letter(id: &LetterId) -> CliError {
    CliError::failed(format!("there is no dead letter {id}; it may be settled or expired"))
}

/// The record that a letter is about: its own copy, or the source's while that has it.
pub(super) fn original(context: &Context, letter: DeadLetter, command: &str) -> Result<Vec<u8>, CliError> {
    let id = letter.id;
    let original = match letter.payload {
        Some(payload) => Some(payload.to_vec()),
        // The letter holds a reference: only the owner of the source can follow it.
        None => match context.reach(command)? {
            Reach::Service(client) => {
                client.post("/letter-payload", &LetterRequest { id: id.to_string() })?
            }
            Reach::Own(own) => context.block_on(own.ops.original(&id))?.map(|payload| payload.to_vec()),
        },
    };
    original.ok_or_else(|| {
        CliError::failed(format!("{id} holds a reference, and the source no longer has the record"))
    })
}

pub(super) fn replay(config: Option<&Path>, args: &LetterReplayArgs) -> Result<Exit, CliError> {
    let filter = filter(&args.filter)?;
    let letter = args.id.as_deref().map(letter_id).transpose()?;
    let request = FeedBackRequest {
        letter: letter.as_ref().map(ToString::to_string),
        reason: filter.reason.map(|reason| reason.to_string()),
        project_id: filter.project_id.map(|project_id| project_id.to_string()),
        since_ms: filter.since_ms,
        limit: args.filter.limit,
        dry_run: args.dry_run,
        force: args.force,
    };
    let context = Context::load(config)?;
    let report: FeedBackReport = match context.reach("dead-letter replay")? {
        Reach::Service(client) => client.post("/feed-back", &request)?,
        Reach::Own(own) => {
            let request = request.parse().ok_or_else(|| CliError::usage("not a reason, or not a project"))?;
            context.block_on(own.ops.feed_back(&request))?
        }
    };
    if let Some(id) = letter
        && report.letters.is_empty()
    {
        return Err(no_letter(&id));
    }
    output::list(&report.letters, args.output.output)?;
    Ok(if report.left > 0 { Exit::SomeFailed } else { Exit::Done })
}

fn filter(args: &LetterFilterArgs) -> Result<LetterFilter, CliError> {
    let reason = match args.reason.as_deref() {
        Some(name) => Some(Reason::from_name(name).ok_or_else(|| {
            let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
            CliError::usage(format!("there is no reason `{name}`; there are {}", known.join(", ")))
        })?),
        None => None,
    };
    Ok(LetterFilter {
        reason,
        project_id: args.project.as_deref().map(project_arg).transpose()?,
        since_ms: args.since.as_deref().map(time_arg).transpose()?,
    })
}
