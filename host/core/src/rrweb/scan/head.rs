//! What decides how an event is read, found before the rest of it: its type, its source, its plugin.
//! They may stand after what they decide.

use super::decoded::decode;
use super::lex;

/// Which plugin an event of type 6 is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Plugin {
    /// rrweb's console recorder.
    Console,
    /// rrweb's network recorder.
    Network,
    /// Any other.
    #[default]
    Unknown,
}

/// What is known of an event before it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) event_type: Option<u8>,
    pub(super) source: Option<u8>,
    pub(super) plugin: Plugin,
}

const INCREMENTAL: Option<u8> = Some(3);
const PLUGIN: Option<u8> = Some(6);

impl Head {
    /// Reads on from the `{` at `at` until all is known that matters.
    pub(super) fn read(json: &[u8], at: usize) -> Option<Self> {
        let mut head = Self::default();
        let mut data = None;
        each_member(json, at, |key, value| {
            match key {
                b"type" => head.event_type = small(json, value),
                b"data" if json.get(value) == Some(&b'{') => data = Some(value),
                _ => {}
            }
            // An event that begins with its type and its data needs no second look.
            match (head.event_type, data) {
                (INCREMENTAL | PLUGIN, None) | (None, _) => true,
                (Some(_), _) => false,
            }
        })?;
        if let (INCREMENTAL | PLUGIN, Some(data)) = (head.event_type, data) {
            head.read_data(json, data)?;
        }
        Some(head)
    }

    fn read_data(&mut self, json: &[u8], data: usize) -> Option<()> {
        let is_plugin = self.event_type == PLUGIN;
        each_member(json, data, |key, value| {
            match key {
                b"source" if !is_plugin => self.source = small(json, value),
                b"plugin" if is_plugin => self.plugin = plugin(json, value),
                _ => return true,
            }
            false
        })
    }
}

/// Shows each key of the object at `at`, and where its value begins, while `visit` wants more.
pub(super) fn each_member(json: &[u8], at: usize, mut visit: impl FnMut(&[u8], usize) -> bool) -> Option<()> {
    let mut at = lex::gap(json, at + 1);
    if json.get(at) == Some(&b'}') {
        return Some(());
    }
    let mut unescaped = Vec::new();
    loop {
        if json.get(at) != Some(&b'"') {
            return None;
        }
        let key = lex::string(json, at + 1)?;
        let mut name = json.get(at + 1..key.end)?;
        if key.escaped {
            unescaped.clear();
            decode(name, &mut unescaped).then_some(())?;
            name = &unescaped;
        }
        let colon = lex::gap(json, key.end + 1);
        if json.get(colon) != Some(&b':') {
            return None;
        }
        let value = lex::gap(json, colon + 1);
        if !visit(name, value) {
            return Some(());
        }
        at = lex::gap(json, lex::value(json, value)?);
        match json.get(at)? {
            b',' => at = lex::gap(json, at + 1),
            b'}' => return Some(()),
            _ => return None,
        }
    }
}

fn small(json: &[u8], at: usize) -> Option<u8> {
    let number = json.get(at..lex::scalar(json, at))?;
    lex::whole(number).and_then(|number| u8::try_from(number).ok())
}

fn plugin(json: &[u8], at: usize) -> Plugin {
    let name = match json.get(at) {
        Some(b'"') => lex::string(json, at + 1).and_then(|string| json.get(at + 1..string.end)),
        _ => None,
    };
    let mut text = Vec::new();
    decode(name.unwrap_or_default(), &mut text);
    if text.starts_with(b"rrweb/console@") {
        Plugin::Console
    } else if text.starts_with(b"rrweb/network@") {
        Plugin::Network
    } else {
        Plugin::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Head> {
        Head::read(json.as_bytes(), 0)
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let mutation = Some(Head { event_type: Some(3), source: Some(0), plugin: Plugin::Unknown });
        assert_eq!(read(r#"{"type":3,"data":{"source":0,"texts":[]},"timestamp":1}"#), mutation);
        assert_eq!(read(r#"{"data":{"texts":[{"source":9}],"source":0},"timestamp":1,"type":3}"#), mutation);
        assert_eq!(read(r#" { "d\u0061ta" : { "source" : 0 } , "t\u0079pe" : 3 }"#.trim()), mutation);
        let network = Some(Head { event_type: Some(6), source: None, plugin: Plugin::Network });
        assert_eq!(read(r#"{"data":{"payload":{},"plugin":"rrweb\/network@1"},"type":6}"#), network);
    }

    #[test]
    fn what_is_no_type_is_none() {
        assert_eq!(read("{}"), Some(Head::default()));
        assert_eq!(read(r#"{"type":"3","data":7}"#), Some(Head::default()));
        assert_eq!(read(r#"{"type":256}"#), Some(Head::default()));
        assert_eq!(read(r#"{"type":3"#), None);
    }
}
