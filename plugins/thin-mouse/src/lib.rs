//! Thins positions of mouse, touch and drag: they are most events of a recording, and few are looked at.

mod clicks;
mod config;

use replay_plugin::{Batch, Chunk, ErrorCode, Manifest, Move, Plugin};

pub use config::Config;

/// rrweb holds positions back for half a second: those of a chunk's first event may be from before it.
const BEFORE_MS: u64 = 1_000;

/// The plugin. See the README for its options.
#[derive(Debug)]
pub struct ThinMouse(Config);

impl Plugin for ThinMouse {
    type Config = Config;

    fn configure(config: Config) -> Result<Self, String> {
        config.check()?;
        Ok(Self(config))
    }

    fn manifest(&self) -> Manifest {
        let manifest = Manifest::new("thin-mouse", env!("CARGO_PKG_VERSION"))
            .config_schema(include_str!("../config.schema.json"));
        if self.asks_for_events() { manifest.needs_events() } else { manifest }
    }

    /// What was clicked in one chunk counts in the next, so that events are asked for below.
    fn wants_events(&self, _: &Chunk<'_>) -> bool {
        false
    }

    fn process_fields(&self, batch: &Batch<'_>) -> Result<(), ErrorCode> {
        let moving = || batch.chunks().iter().filter(|chunk| !chunk.moves().is_empty());
        if self.0.drop_all {
            moving().for_each(|chunk| chunk.moves().iter().for_each(|moved| chunk.drop_move(*moved)));
            return Ok(());
        }
        let mut clicks = Vec::new();
        if self.asks_for_events() && moving().next().is_some() {
            for chunk in batch.chunks() {
                // Where it is not known what was clicked, any position may be the last one before.
                let Some(own) = clicks::clicks(&chunk.events()) else { return Ok(()) };
                clicks.extend(own);
            }
            clicks.sort_unstable();
        }
        for chunk in moving() {
            let start_ms = chunk.info().timestamp_start_ms;
            for moved in superfluous(chunk.moves(), start_ms, self.0.interval_ms, &clicks) {
                chunk.drop_move(moved);
            }
        }
        Ok(())
    }
}

impl ThinMouse {
    /// Only the events tell when something was clicked.
    fn asks_for_events(&self) -> bool {
        self.0.keep_before_clicks && !self.0.drop_all
    }
}

/// The positions that can go: not the first in its interval, not the last of its event, not the last
/// before a click. `clicks` are ascending, Unix milliseconds, as is `start_ms`, the chunk's start.
fn superfluous(moves: &[Move], start_ms: u64, interval_ms: u32, clicks: &[u64]) -> Vec<Move> {
    let mut last_interval = None;
    let mut superfluous = Vec::new();
    let at = |moved: &Move| start_ms + u64::from(moved.at_ms);
    // The host says 0 for what was before the chunk began: how long before, nobody knows.
    let recent = start_ms.saturating_sub(BEFORE_MS)..start_ms;
    let clicked_before = clicks.iter().any(|click| recent.contains(click));
    for (number, moved) in moves.iter().enumerate() {
        let interval = moved.at_ms / interval_ms;
        let is_first = last_interval != Some(interval);
        last_interval = Some(interval);
        let next = moves.get(number + 1);
        let is_last = next.is_none_or(|next| next.event != moved.event);
        let clicked = clicks.get(clicks.partition_point(|click| *click < at(moved)));
        let before_click = clicked.is_some_and(|click| next.is_none_or(|next| *click < at(next)));
        let is_early = moved.at_ms == 0 && clicked_before;
        if !is_first && !is_last && !before_click && !is_early {
            superfluous.push(*moved);
        }
    }
    superfluous
}

replay_plugin::export!(ThinMouse);

#[cfg(test)]
mod tests;
