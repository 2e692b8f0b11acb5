//! Removes what was logged from replays, or masks its text.

mod config;
mod events;

use replay_plugin::{Batch, Chunk, ErrorCode, Kind, Manifest, MaskChar, Plugin};

pub use config::{Action, Config, Level};
use events::Events;

/// The plugin. See the README for its options.
#[derive(Debug)]
pub struct DropConsole {
    /// `None` for all.
    levels: Option<Vec<Level>>,
    action: Action,
    mask: MaskChar,
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
        self.treat(chunk, Events::read(events).as_ref());
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

    /// Removes or masks what was logged. Where nothing is known of the events, all of it is masked.
    fn treat(&self, chunk: &Chunk<'_>, events: Option<&Events<'_>>) {
        // The last event that was looked at, and whether it is meant.
        let mut last = None;
        for field in chunk.fields().filter(|field| field.kind() == Kind::Console) {
            let event = field.event();
            let is_meant = match last {
                Some((same, is_meant)) if same == event => is_meant,
                _ => {
                    let is_meant = events.is_none_or(|events| self.means(events.level(event)));
                    if is_meant && self.removes(events, event) {
                        chunk.remove_event(event);
                    }
                    is_meant
                }
            };
            last = Some((event, is_meant));
            if is_meant && !self.removes(events, event) {
                field.mask_all_with(self.mask);
            }
        }
    }

    /// A level that nobody knows may be one of those that are meant.
    fn means(&self, level: Option<Level>) -> bool {
        match (&self.levels, level) {
            (Some(levels), Some(level)) => levels.contains(&level),
            (None, _) | (_, None) => true,
        }
    }

    fn removes(&self, events: Option<&Events<'_>>, event: u32) -> bool {
        self.action == Action::Remove && events.is_some_and(|events| events.is_removable(event))
    }
}

replay_plugin::export!(DropConsole);

#[cfg(test)]
mod tests;
