//! Of each event, what decides: whether playback can miss it, and at which level it was logged.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::Level;

/// The type of rrweb's events that a plugin wrote. What was logged also stands in the older kind of log,
/// an incremental event, which the host does not let anybody remove.
const PLUGIN: u64 = 6;

/// The events of a chunk.
pub(crate) struct Events<'e>(Vec<Event<'e>>);

#[derive(Deserialize)]
struct Event<'e> {
    #[serde(rename = "type")]
    event_type: u64,
    #[serde(borrow)]
    data: Option<&'e RawValue>,
}

impl<'e> Events<'e> {
    /// `None` if they are not as rrweb writes them.
    pub(crate) fn read(json: &'e [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().map(Self)
    }

    /// Whether playback can miss event number `event`.
    pub(crate) fn is_removable(&self, event: u32) -> bool {
        self.0.get(event as usize).is_some_and(|event| event.event_type == PLUGIN)
    }

    /// The level of event number `event`; `None` if nobody knows it.
    pub(crate) fn level(&self, event: u32) -> Option<Level> {
        let event = self.0.get(event as usize)?;
        let data: Value = serde_json::from_str(event.data?.get()).ok()?;
        let logged = if event.event_type == PLUGIN { data.get("payload")? } else { &data };
        Level::deserialize(logged.get("level")?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_found_in_either_kind_of_log() {
        let json = br#"[{"type":3,"data":{"source":11,"level":"warn","payload":[]},"timestamp":1},
            {"data":{"payload":{"payload":["\"a\""],"level":"groupCollapsed"},"plugin":"rrweb/console@1"},"type":6},
            {"type":6,"data":{"payload":{"level":"fatal"}}}, {"type":6}, {"type":2,"data":[1]}]"#;
        let events = Events::read(json).unwrap();
        let levels = [Some(Level::Warn), Some(Level::GroupCollapsed), None, None, None];
        for (at, level) in (0..).zip(levels) {
            assert_eq!((events.level(at), events.is_removable(at)), (level, matches!(at, 1..=3)), "{at}");
        }
        assert!(!events.is_removable(9));
    }

    #[test]
    fn what_says_two_things_says_nothing() {
        assert!(Events::read(br#"[{"type":6,"type":2}]"#).is_none());
        assert!(Events::read(br#"[{"type":"6"}]"#).is_none());
        assert!(Events::read(b"").is_none());
    }
}
