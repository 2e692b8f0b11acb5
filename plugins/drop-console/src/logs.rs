//! Of each log among a chunk's events, what decides: whether playback can miss it, and its level.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::Level;

/// The types of rrweb's events that can be a log: what a plugin wrote, and the older kind, an incremental
/// event, which the host does not let anybody remove.
const PLUGIN: u64 = 6;
const INCREMENTAL: u64 = 3;
/// The incremental source of the older kind.
const LOG_SOURCE: f64 = 11.0;
/// rrweb's console plugin, whatever its version.
const CONSOLE: &str = "rrweb/console@";

/// One log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Log {
    /// `None` if nobody knows it.
    pub(crate) level: Option<Level>,
    /// Whether playback can miss the event.
    pub(crate) is_removable: bool,
}

#[derive(Deserialize)]
struct Event<'e> {
    #[serde(rename = "type")]
    event_type: u64,
    #[serde(borrow)]
    data: Option<&'e RawValue>,
}

#[derive(Deserialize)]
struct Data<'e> {
    source: Option<f64>,
    #[serde(borrow)]
    plugin: Option<Cow<'e, str>>,
    #[serde(borrow)]
    payload: Option<&'e RawValue>,
}

/// What a log says; the older kind has it among `Data`'s members.
#[derive(Deserialize)]
struct Said {
    level: Option<Value>,
}

/// A log without a text. Whatever else it holds could be one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Silent {
    #[serde(rename = "source")]
    _source: Option<u64>,
    #[serde(rename = "level")]
    _level: Option<IgnoredAny>,
    #[serde(default)]
    trace: Vec<IgnoredAny>,
    #[serde(default)]
    payload: Vec<IgnoredAny>,
}

/// The logs that hold a text, in order; `None` if the events are not as rrweb writes them, or say a thing
/// twice.
pub(crate) fn read(events: &[u8]) -> Option<Vec<Log>> {
    let events: Vec<Event<'_>> = serde_json::from_slice(events).ok()?;
    let mut logs = Vec::new();
    for event in events.iter().filter(|event| [PLUGIN, INCREMENTAL].contains(&event.event_type)) {
        let Some(raw) = event.data else { continue };
        let data: Data<'_> = serde_json::from_str(raw.get()).ok()?;
        let is_removable = event.event_type == PLUGIN;
        let said = match is_removable {
            true if data.plugin.is_some_and(|name| name.starts_with(CONSOLE)) => data.payload,
            false if data.source == Some(LOG_SOURCE) => Some(raw),
            true | false => None,
        };
        let Some(said) = said.filter(|said| !is_silent(said)) else { continue };
        logs.push(Log { level: level(said), is_removable });
    }
    Some(logs)
}

fn is_silent(said: &RawValue) -> bool {
    serde_json::from_str::<Silent>(said.get())
        .is_ok_and(|said| said.trace.is_empty() && said.payload.is_empty())
}

fn level(said: &RawValue) -> Option<Level> {
    Level::deserialize(serde_json::from_str::<Said>(said.get()).ok()?.level?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_of_either_kind_are_found_with_their_level() {
        let json = br#"[{"type":3,"data":{"source":11,"level":"warn","payload":["a"]},"timestamp":1},
            {"type":3,"data":{"source":1,"positions":[{"level":"log"}]}}, {"type":2,"data":[1]}, {"type":6},
            {"data":{"payload":{"payload":["\"a\""],"level":"groupCollapsed"},"plugin":"rrweb/\u0063onsole@1"},"type":6},
            {"type":6,"data":{"plugin":"rrweb/network@1","payload":{"level":"log"}}},
            {"type":6,"data":{"plugin":"rrweb/console@2","payload":{"level":"fatal","payload":["b"]}}},
            {"type":6,"data":{"plugin":"rrweb/console@2","payload":"text"}}]"#;
        let log = |level, is_removable| Log { level, is_removable };
        assert_eq!(
            read(json).unwrap(),
            [
                log(Some(Level::Warn), false),
                log(Some(Level::GroupCollapsed), true),
                log(None, true),
                log(None, true)
            ]
        );
    }

    #[test]
    fn a_log_without_a_text_does_not_count() {
        let json = br#"[{"type":6,"data":{"plugin":"rrweb/console@1","payload":{"level":"log","trace":[],"payload":[]}}},
            {"type":6,"data":{"plugin":"rrweb/console@1","payload":{"level":"log","trace":[],"more":[]}}},
            {"type":3,"data":{"source":11,"level":"log","trace":["at a"],"payload":[]}},
            {"type":3,"data":{"source":11,"level":"log"}}]"#;
        assert_eq!(read(json).unwrap().len(), 2);
    }

    #[test]
    fn what_says_two_things_says_nothing() {
        for json in [
            &br#"[{"type":6,"type":2}]"#[..],
            br#"[{"type":"6"}]"#,
            br#"[{"type":6,"data":{"plugin":"a","plugin":"rrweb/console@1","payload":{}}}]"#,
            br#"[{"type":3,"data":{"source":1,"source":11}}]"#,
            b"",
        ] {
            assert_eq!(read(json), None);
        }
        let twice = br#"[{"type":3,"data":{"source":11,"level":"log","level":"debug","payload":["a"]}}]"#;
        assert_eq!(read(twice).unwrap(), [Log { level: None, is_removable: false }]);
    }
}
