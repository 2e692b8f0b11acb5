//! What the host keeps for one instance: what it shows, what was used, and why it was stopped.

use std::sync::Arc;

use replay_core::rrweb::Kinds;
use wasmtime::ResourceLimiter;

use crate::failure::FailureKind;
use crate::limits::Limits;
use crate::source::ChunkSource;
use crate::wit::Level;

/// Bytes that a table's element takes at the host, about.
const TABLE_ELEMENT_BYTES: usize = 8;
/// Bytes kept of a log line.
const MAX_LOG_LINE_BYTES: usize = 4096;

/// Why the host stopped a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    #[error("out of time")]
    Time,
    #[error("out of memory")]
    Memory,
    #[error("asked too often")]
    GetterCalls,
    #[error("asked for events without `needs-events`")]
    EventsNotDeclared,
    #[error("no such chunk")]
    NoSuchChunk,
}

impl Stop {
    pub(crate) fn kind(self) -> FailureKind {
        match self {
            Self::Time => FailureKind::Timeout,
            Self::Memory => FailureKind::Memory,
            Self::GetterCalls => FailureKind::Output,
            Self::EventsNotDeclared | Self::NoSuchChunk => FailureKind::Invalid,
        }
    }
}

/// The store's data.
pub(crate) struct State {
    pub(crate) meter: Meter,
    pub(crate) log: Log,
    pub(crate) shown: Option<Shown>,
}

impl State {
    /// For an instance that is shown nothing yet.
    pub(crate) fn new(limits: &Limits, keep_log: bool) -> Self {
        Self {
            meter: Meter { used_bytes: 0, max_bytes: limits.memory_bytes },
            log: Log { counts: [0; 4], max_lines: limits.log_lines as usize, kept: keep_log.then(Vec::new) },
            shown: None,
        }
    }

    /// The chunks, for a getter.
    pub(crate) fn shown(&mut self) -> Result<&mut Shown, Stop> {
        self.shown.as_mut().ok_or(Stop::NoSuchChunk)
    }
}

/// The chunks that the guest may ask about.
pub(crate) struct Shown {
    source: Arc<dyn ChunkSource>,
    kinds: Kinds,
    needs_events: bool,
    needs_elements: bool,
    max_getter_calls: u32,
    /// Position in the source and getter calls, for each chunk shown.
    chunks: Vec<(usize, u32)>,
    last: Option<usize>,
}

impl Shown {
    pub(crate) fn new(
        source: Arc<dyn ChunkSource>,
        manifest: &crate::manifest::Manifest,
        limits: &Limits,
    ) -> Self {
        let chunks = (0..source.len()).filter(|chunk| !source.is_dropped(*chunk)).map(|chunk| (chunk, 0));
        Self {
            chunks: chunks.collect(),
            source,
            kinds: manifest.kinds,
            needs_events: manifest.needs_events,
            needs_elements: manifest.needs_elements,
            max_getter_calls: limits.getter_calls,
            last: None,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.chunks.len()
    }

    /// The chunk asked about last, by its position in the source.
    pub(crate) fn last(&self) -> Option<usize> {
        self.last
    }

    pub(crate) fn info(&mut self, handle: u32) -> Result<crate::wit::ChunkInfo, Stop> {
        let chunk = self.ask(handle)?;
        self.source.info(chunk).map(Into::into).ok_or(Stop::NoSuchChunk)
    }

    pub(crate) fn fields(&mut self, handle: u32) -> Result<crate::wit::Fields, Stop> {
        let chunk = self.ask(handle)?;
        self.source.view(chunk, self.kinds).map(Into::into).ok_or(Stop::NoSuchChunk)
    }

    pub(crate) fn focus(&mut self, handle: u32) -> Result<Vec<u8>, Stop> {
        let chunk = self.ask(handle)?;
        self.source.focus(chunk).ok_or(Stop::NoSuchChunk)
    }

    pub(crate) fn moves(&mut self, handle: u32) -> Result<Vec<u8>, Stop> {
        let chunk = self.ask(handle)?;
        self.source.moves(chunk).ok_or(Stop::NoSuchChunk)
    }

    pub(crate) fn nodes(&mut self, handle: u32) -> Result<Vec<u8>, Stop> {
        let chunk = self.ask(handle)?;
        self.source.nodes(chunk).ok_or(Stop::NoSuchChunk)
    }

    pub(crate) fn events(&mut self, handle: u32) -> Result<Vec<u8>, Stop> {
        let chunk = self.ask(handle)?;
        if !self.needs_events {
            return Err(Stop::EventsNotDeclared);
        }
        self.source.events(chunk).ok_or(Stop::NoSuchChunk)
    }

    /// Not counted: a chunk has many elements. Without `needs-elements` none is known.
    pub(crate) fn element(&mut self, handle: u32, node: u32) -> Result<Option<crate::wit::Element>, Stop> {
        let (chunk, _) = *self.chunks.get(handle as usize).ok_or(Stop::NoSuchChunk)?;
        self.last = Some(chunk);
        if !self.needs_elements {
            return Ok(None);
        }
        Ok(self.source.element(chunk, node).map(Into::into))
    }

    /// Counts a getter's call.
    fn ask(&mut self, handle: u32) -> Result<usize, Stop> {
        let (chunk, calls) = self.chunks.get_mut(handle as usize).ok_or(Stop::NoSuchChunk)?;
        self.last = Some(*chunk);
        *calls += 1;
        if *calls > self.max_getter_calls {
            return Err(Stop::GetterCalls);
        }
        Ok(*chunk)
    }
}

/// Memory of a store, summed: the engine's own limits are for each memory.
pub(crate) struct Meter {
    pub(crate) used_bytes: usize,
    pub(crate) max_bytes: usize,
}

impl Meter {
    fn grow(&mut self, current: usize, desired: usize) -> wasmtime::Result<bool> {
        let used_bytes = self.used_bytes.saturating_add(desired.saturating_sub(current));
        if used_bytes > self.max_bytes {
            return Err(wasmtime::Error::new(Stop::Memory));
        }
        self.used_bytes = used_bytes;
        Ok(true)
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Beyond what the guest itself declared it fails without us, and nothing is used.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.grow(current, desired)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.grow(current.saturating_mul(TABLE_ELEMENT_BYTES), desired.saturating_mul(TABLE_ELEMENT_BYTES))
    }
}

/// What was logged: counted, and kept only where the author asks to see it.
pub(crate) struct Log {
    pub(crate) counts: [u32; 4],
    max_lines: usize,
    kept: Option<Vec<LogLine>>,
}

impl Log {
    /// Counts a line; true if its text is wanted too.
    pub(crate) fn count(&mut self, level: Level) -> bool {
        let [debug, info, warn, error] = &mut self.counts;
        let count = match level {
            Level::Debug => debug,
            Level::Info => info,
            Level::Warn => warn,
            Level::Error => error,
        };
        *count = count.saturating_add(1);
        self.kept.as_ref().is_some_and(|kept| kept.len() < self.max_lines)
    }

    pub(crate) fn keep(&mut self, level: Level, chunk: Option<usize>, text: &str) {
        if let Some(kept) = &mut self.kept {
            let text = &text[..text.floor_char_boundary(MAX_LOG_LINE_BYTES)];
            kept.push(LogLine { level: level.into(), chunk, text: text.to_owned() });
        }
    }

    pub(crate) fn take_lines(&mut self) -> Vec<LogLine> {
        self.kept.take().unwrap_or_default()
    }
}

/// A line that a plugin logged. May hold payload: for the plugin's author, on data of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How serious.
    pub level: LogLevel,
    /// Position in the batch of the chunk that it had asked about last.
    pub chunk: Option<usize>,
    /// What it says, up to 4 KiB.
    pub text: String,
}

/// How serious a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// For the plugin's author.
    Debug,
    /// Of interest.
    Info,
    /// Not as expected.
    Warn,
    /// Wrong.
    Error,
}

impl LogLevel {
    /// The name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}
