//! Removes what was logged from replays, or masks its text.

mod config;
mod logs;

use replay_plugin::{Batch, Chunk, ErrorCode, Kind, Manifest, MaskChar, Plugin};

pub use config::{Action, Config, Level};
use logs::Log;

/// The plugin. See the README for its options.
#[derive(Debug)]
pub struct DropConsole {
    /// `None` for all.
    levels: Option<Vec<Level>>,
    action: Action,
    mask: MaskChar,
}

/// What becomes of a log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Masked,
    Removed,
}

impl Plugin for DropConsole {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        config.check()?;
        Ok(Self { levels: config.levels, action: config.action, mask: config.mask_char })
    }

    fn manifest(&self) -> Manifest {
        let manifest = Manifest::new("drop-console", env!("CARGO_PKG_VERSION"))
            .kinds([Kind::Console])
            .redacts()
            .config_schema(include_str!("../config.schema.json"));
        if self.asks_for_events() { manifest.needs_events() } else { manifest }
    }

    fn wants_events(&self, chunk: &Chunk<'_>) -> bool {
        !chunk.is_empty()
    }

    fn process_events(&self, chunk: &Chunk<'_>, events: &[u8]) -> Result<Option<Vec<u8>>, ErrorCode> {
        self.treat(chunk, logs::read(events).as_deref());
        Ok(None)
    }

    fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
        if !self.asks_for_events() {
            batch.chunks().iter().for_each(|chunk| self.treat(chunk, None));
        }
        Ok(())
    }
}

impl DropConsole {
    /// Fields tell neither the level nor whether an event may be removed.
    fn asks_for_events(&self) -> bool {
        self.levels.is_some() || self.action == Action::Remove
    }

    /// Removes or masks what was logged. Where the events do not tell which log is which, all of it is
    /// masked.
    fn treat(&self, chunk: &Chunk<'_>, logs: Option<&[Log]>) {
        let logged = || chunk.fields().filter(|field| field.kind() == Kind::Console);
        // An event keeps its number when those before it are removed, and moves up in the array: the logs are
        // paired in their order.
        let mut numbers: Vec<u32> = logged().map(|field| field.event()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let logs = logs.filter(|logs| logs.len() == numbers.len());
        let log_of = |event: u32| numbers.binary_search(&event).ok().and_then(|at| logs?.get(at));
        // The last event that was looked at, and what becomes of it.
        let mut last = None;
        for field in logged() {
            let event = field.event();
            let fate = match last {
                Some((same, fate)) if same == event => fate,
                _ => {
                    let fate = self.fate(log_of(event));
                    if fate == Fate::Removed {
                        chunk.remove_event(event);
                    }
                    fate
                }
            };
            last = Some((event, fate));
            if fate == Fate::Masked {
                field.mask_all_with(self.mask);
            }
        }
    }

    fn fate(&self, log: Option<&Log>) -> Fate {
        match log {
            Some(log) if !self.means(log.level) => Fate::Kept,
            Some(log) if log.is_removable && self.action == Action::Remove => Fate::Removed,
            Some(_) | None => Fate::Masked,
        }
    }

    /// A level that nobody knows may be one of those that are meant.
    fn means(&self, level: Option<Level>) -> bool {
        match (&self.levels, level) {
            (Some(levels), Some(level)) => levels.contains(&level),
            (None, _) | (_, None) => true,
        }
    }
}

replay_plugin::export!(DropConsole);

#[cfg(test)]
mod tests;
