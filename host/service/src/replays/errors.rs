//! Whether a chunk recorded an error: a console message of level `error`.
//!
//! Source: rrweb's console plugin, `rrweb/console@1`: `{type: 6, data: {plugin, payload: {level, …}}}`. Older
//! recordings have it as incremental source 11.

use serde::Deserialize;

/// In every event of the console plugin, and in hardly any other.
const PLUGIN: &str = "rrweb/console@";
const INCREMENTAL: u64 = 3;
const LOG_SOURCE: u64 = 11;

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: Option<serde_json::Number>,
    #[serde(borrow)]
    data: Option<&'a serde_json::value::RawValue>,
}

#[derive(Deserialize)]
struct Data<'a> {
    plugin: Option<String>,
    /// A message of the plugin; something else in older recordings.
    #[serde(borrow)]
    payload: Option<&'a serde_json::value::RawValue>,
    source: Option<u64>,
    level: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    level: Option<String>,
}

/// Whether one of the events (one JSON array) is an error that was logged. Events of other shapes are none.
pub(super) fn has_error(events: &[u8]) -> bool {
    let may_hold = |word: &str| memchr::memmem::find(events, word.as_bytes()).is_some();
    if !may_hold("\"error\"") || !(may_hold(PLUGIN) || may_hold("\"source\"")) {
        return false;
    }
    let Ok(events) = serde_json::from_slice::<Vec<&serde_json::value::RawValue>>(events) else {
        return false;
    };
    events.iter().any(|event| is_error(event.get()))
}

fn is_error(event: &str) -> bool {
    let Ok(Event { kind: Some(kind), data: Some(data) }) = serde_json::from_str(event) else { return false };
    if !event.contains("\"error\"") {
        return false;
    }
    let Ok(data) = serde_json::from_str::<Data>(data.get()) else { return false };
    let is_log = kind.as_u64() == Some(INCREMENTAL) && data.source == Some(LOG_SOURCE);
    let is_console = data.plugin.is_some_and(|plugin| plugin.starts_with(PLUGIN));
    let message = || serde_json::from_str::<Message>(data.payload?.get()).ok();
    let level = if is_console { message().and_then(|message| message.level) } else { data.level };
    (is_console || is_log) && level.as_deref() == Some("error")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_logged_as_an_error_is_one() {
        let console = |level: &str| {
            format!(
                r#"[{{"type":4,"data":{{"href":"error"}}}},{{"timestamp":1,"data":{{"plugin":"rrweb/console@1",
                   "payload":{{"trace":[],"payload":["\"error\""],"level":"{level}"}}}},"type":6}}]"#
            )
        };
        assert!(has_error(console("error").as_bytes()));
        assert!(!has_error(console("warn").as_bytes()));
        assert!(has_error(br#"[{"type":3,"data":{"source":11,"level":"error","payload":[]}}]"#));
        assert!(!has_error(br#"[{"type":3,"data":{"source":5,"level":"error","text":"rrweb/console@1"}}]"#));
        assert!(!has_error(br#"[{"type":5,"data":{"tag":"error","payload":{"level":"error"}}}]"#));
        assert!(!has_error(b"no json \"error\" \"source\""));
    }
}
