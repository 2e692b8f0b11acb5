//! `plugin fields`: what a plugin would see of recorded chunks, one field a line.

use replay_core::codec::{self, Scratch};
use replay_core::rrweb::{Batch, ElementLimits, Elements, Kind, Kinds, ScanLimits};
use serde::Serialize;

use super::FieldsArgs;
use crate::cli::recorded::{RecordedChunk, read_sessions};
use crate::cli::{CliError, Exit, Format, output};

/// One field as a plugin sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FieldLine {
    pub(super) chunk: usize,
    pub(super) event: u32,
    pub(super) node: u32,
    pub(super) page: u32,
    pub(super) element: u32,
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) text: String,
}

/// Whose field it is.
#[derive(Debug, Serialize)]
struct ListedLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(flatten)]
    line: FieldLine,
}

pub(super) fn fields(args: &FieldsArgs) -> Result<Exit, CliError> {
    let kinds = kinds_arg(&args.kinds)?;
    let recordings = read_sessions(&args.input)?;
    // People see it at a glance when there is one only.
    let says_whose = recordings.are_several() || args.output.output == Format::Json;
    for (session, chunks) in &recordings.sessions {
        let (batch, mut listed) = (open(chunks, kinds)?, Vec::new());
        for (chunk, recorded) in chunks.iter().enumerate() {
            listed.extend(lines_of(&batch, chunk, kinds).into_iter().map(|line| ListedLine {
                file: says_whose.then_some(&*recorded.file),
                session: says_whose.then(|| session.to_string()),
                line,
            }));
        }
        output::list(&listed, args.output.output)?;
    }
    Ok(recordings.exit())
}

/// A batch of these chunks, with the default bounds.
pub(super) fn open(chunks: &[RecordedChunk], kinds: Kinds) -> Result<Batch, CliError> {
    let (mut batch, mut scratch) = (Batch::new(kinds, Elements::new(ELEMENTS)), Scratch::default());
    for chunk in chunks {
        let failed = |error: &dyn std::fmt::Display| match &*chunk.file {
            "" => CliError::failed(error.to_string()),
            file => CliError::failed(format!("{file}: {error}")),
        };
        let json = codec::decompress(&mut scratch, chunk.head.codec, &chunk.data, SCAN.max_raw_chunk_bytes)
            .map_err(|error| failed(&error))?
            .to_vec();
        batch.add(&chunk.head, json, &SCAN).map_err(|error| failed(&error))?;
    }
    Ok(batch)
}

const ELEMENTS: ElementLimits = ElementLimits { max_bytes: 64 << 20 };

const SCAN: ScanLimits = ScanLimits {
    max_raw_chunk_bytes: 128 << 20,
    max_ratio: codec::DEFAULT_MAX_RATIO,
    max_depth: 512,
    max_fields: 2_000_000,
};

/// The fields of one chunk of a batch.
pub(super) fn lines_of(batch: &Batch, chunk: usize, kinds: Kinds) -> Vec<FieldLine> {
    let Some(view) = batch.view(chunk, kinds) else { return Vec::new() };
    let lines = view.rows().map(|[event, node, kind, name, page, element, start, end]| {
        let kind = Kind::ALL.get(kind as usize).copied().unwrap_or(Kind::Other);
        let text = view.text.get(start as usize..end as usize).unwrap_or_default();
        FieldLine {
            chunk,
            event,
            node,
            page,
            element,
            kind: kind.as_str(),
            name: view.names.get(name as usize).cloned().unwrap_or_default(),
            text: String::from_utf8_lossy(text).into_owned(),
        }
    });
    lines.collect()
}

/// Names of kinds; none means all.
fn kinds_arg(names: &[String]) -> Result<Kinds, CliError> {
    if names.is_empty() {
        return Ok(Kinds::ALL);
    }
    let kind = |name: &String| {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
            let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
            CliError::usage(format!("`{name}` is no kind of field; there are {}", known.join(", ")))
        })
    };
    names.iter().map(kind).collect()
}
