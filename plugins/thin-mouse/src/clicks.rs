//! When something was clicked.

use serde::Deserialize;
use serde_json::value::RawValue;

/// rrweb's numbers: an incremental event, a mouse interaction, and what of these is no click.
const INCREMENTAL: u64 = 3;
const MOUSE_INTERACTION: u64 = 2;
const FOCUS: u64 = 5;
const BLUR: u64 = 6;

/// Bytes of an interaction's data at most: of larger ones (a page that changes) nothing is read.
const MAX_DATA_BYTES: usize = 512;

#[derive(Deserialize)]
struct Event<'e> {
    #[serde(rename = "type")]
    event_type: u64,
    timestamp: f64,
    #[serde(borrow)]
    data: Option<&'e RawValue>,
}

#[derive(Deserialize)]
struct Interaction {
    source: u64,
    #[serde(rename = "type")]
    interaction_type: u64,
}

/// When something was clicked, touched or pressed, Unix milliseconds, in the order of the events. `None` if
/// they are not as rrweb writes them.
pub(crate) fn clicks(events: &[u8]) -> Option<Vec<u64>> {
    let events: Vec<Event<'_>> = serde_json::from_slice(events).ok()?;
    Some(events.iter().filter(|event| event.is_click()).map(|event| event.timestamp as u64).collect())
}

impl Event<'_> {
    fn is_click(&self) -> bool {
        let data =
            self.data.filter(|data| self.event_type == INCREMENTAL && data.get().len() <= MAX_DATA_BYTES);
        let interaction = data.and_then(|data| serde_json::from_str::<Interaction>(data.get()).ok());
        interaction.is_some_and(|interaction| {
            interaction.source == MOUSE_INTERACTION && !matches!(interaction.interaction_type, FOCUS | BLUR)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clicks_are_found_and_nothing_else() {
        let events = br#"[{"type":3,"timestamp":1500,"data":{"source":2,"type":2,"id":4,"x":1,"y":2}},
            {"timestamp":1200.5,"data":{"type":7,"source":2,"id":4},"type":3},
            {"type":3,"timestamp":1600,"data":{"source":2,"type":5,"id":4}},
            {"type":3,"timestamp":1700,"data":{"source":5,"text":"a","id":4}},
            {"type":4,"timestamp":1800,"data":{"href":"https://x.io"}},
            {"type":5,"timestamp":1900,"data":"packed"}, {"type":1,"timestamp":900}]"#;
        assert_eq!(clicks(events), Some(vec![1500, 1200]));
        assert_eq!(clicks(b"[{}]"), None);
    }
}
