//! One event as a list of values, each of which knows its key, its bytes and what comes after it.

use std::borrow::Cow;
use std::ops::Range;

use crate::rrweb::scan::decoded::decode;
use crate::rrweb::scan::lex;

/// Keys under which there is something to read; what stands in an object or array under any other key is
/// skipped, and it is one value.
const READ: [&[u8]; 13] = [
    b"data",
    b"node",
    b"childNodes",
    b"attributes",
    b"adds",
    b"removes",
    b"texts",
    b"positions",
    b"ranges",
    b"payload",
    b"requests",
    b"requestHeaders",
    b"responseHeaders",
];

/// Values of one event: a page of half a million nodes has as many, and they take 96 MiB.
const MAX_VALUES: usize = 4 << 20;

/// The values of one event, an object or array before what is in it.
#[derive(Debug)]
pub(super) struct Tape<'a> {
    json: &'a [u8],
    values: Vec<Value>,
}

#[derive(Clone, Copy, Debug)]
struct Value {
    /// Where its key is, between the quotes; of an array's element there is none.
    key: Option<(u32, u32)>,
    start: u32,
    end: u32,
    /// The value after it and all that is in it.
    after: u32,
}

impl<'a> Tape<'a> {
    /// Reads the object at `at`; `None` if it is none, or holds more values than are looked at.
    pub(super) fn read(json: &'a [u8], at: usize) -> Option<Self> {
        let mut reader = Reader { json, at, values: Vec::new(), open: Vec::new() };
        reader.read()?;
        Some(Self { json, values: reader.values })
    }

    /// The event.
    pub(super) fn event(&self) -> Node<'_, 'a> {
        Node { tape: self, at: 0 }
    }
}

struct Reader<'a> {
    json: &'a [u8],
    at: usize,
    values: Vec<Value>,
    open: Vec<usize>,
}

impl Reader<'_> {
    fn read(&mut self) -> Option<()> {
        let mut key = None;
        loop {
            self.gap();
            let start = self.at;
            let is_object = *self.json.get(start)? == b'{';
            let is_container = (is_object || self.json.get(start) == Some(&b'[')) && self.is_read(key);
            self.at = if is_container { start + 1 } else { lex::value(self.json, start)? };
            let row = self.values.len();
            if row >= MAX_VALUES {
                return None;
            }
            let after = row as u32 + 1;
            self.values.push(Value { key: key.take(), start: start as u32, end: self.at as u32, after });
            if is_container {
                self.open.push(row);
                self.gap();
            }
            if !is_container || matches!(self.json.get(self.at), Some(b'}' | b']')) {
                self.close()?;
            }
            let Some(around) = self.open.last() else { return Some(()) };
            if self.json.get(self.values.get(*around)?.start as usize) == Some(&b'{') {
                key = Some(self.key()?);
            }
        }
    }

    /// Whether anybody looks into what stands under `key`; an array's element has none.
    fn is_read(&self, key: Option<(u32, u32)>) -> bool {
        let Some((start, end)) = key else { return true };
        let key = unescaped(self.json.get(start as usize..end as usize).unwrap_or_default());
        READ.contains(&&*key)
    }

    /// Goes on to the next value: past a comma, and past the ends of what ends here.
    fn close(&mut self) -> Option<()> {
        while let Some(&row) = self.open.last() {
            self.gap();
            match self.json.get(self.at)? {
                b',' => {
                    self.at += 1;
                    return Some(());
                }
                b'}' | b']' => {
                    self.at += 1;
                    let after = self.values.len() as u32;
                    let value = self.values.get_mut(row)?;
                    (value.end, value.after) = (self.at as u32, after);
                    self.open.pop();
                }
                _ => return None,
            }
        }
        Some(())
    }

    fn key(&mut self) -> Option<(u32, u32)> {
        self.gap();
        let start = self.at + 1;
        let end = (self.json.get(self.at) == Some(&b'"')).then(|| lex::string(self.json, start))??.end;
        self.at = lex::gap(self.json, end + 1);
        if self.json.get(self.at) != Some(&b':') {
            return None;
        }
        self.at += 1;
        Some((start as u32, end as u32))
    }

    fn gap(&mut self) {
        self.at = lex::gap(self.json, self.at);
    }
}

/// One value of an event. A small handle, free to copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'t, 'a> {
    tape: &'t Tape<'a>,
    at: usize,
}

impl<'t, 'a> Node<'t, 'a> {
    fn value(self) -> Value {
        let nothing = Value { key: None, start: 0, end: 0, after: 0 };
        self.tape.values.get(self.at).copied().unwrap_or(nothing)
    }

    /// Its bytes.
    pub(super) fn raw(self) -> &'a [u8] {
        let Value { start, end, .. } = self.value();
        self.tape.json.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Where it begins in the events.
    pub(super) fn start(self) -> u32 {
        self.value().start
    }

    /// Where it is in the events, with its key.
    pub(super) fn span(self) -> Range<u32> {
        let Value { key, start, end, .. } = self.value();
        key.map_or(start, |(key, _)| key - 1)..end
    }

    pub(super) fn is_object(self) -> bool {
        self.raw().first() == Some(&b'{')
    }

    pub(super) fn is_array(self) -> bool {
        self.raw().first() == Some(&b'[')
    }

    /// What is in it, one level down; nothing where it is skipped.
    pub(super) fn members(self) -> impl Iterator<Item = Self> {
        let end = self.value().after as usize;
        let first = Some(Node { at: self.at + 1, ..self });
        std::iter::successors(first, |node| Some(Node { at: node.value().after as usize, ..*node }))
            .take_while(move |node| node.at < end)
    }

    /// What its key says; empty for an array's element.
    pub(super) fn key(self) -> Cow<'a, [u8]> {
        let Some((start, end)) = self.value().key else { return Cow::Borrowed(b"") };
        let raw = self.tape.json.get(start as usize..end as usize).unwrap_or_default();
        unescaped(raw)
    }

    /// All that stands under `key`: JSON allows more than one.
    pub(super) fn all(self, key: &'static str) -> impl Iterator<Item = Self> {
        let is_object = self.is_object();
        self.members().filter(move |member| is_object && *member.key() == *key.as_bytes())
    }

    /// What stands under `key` for a player: the last of them.
    pub(super) fn get(self, key: &'static str) -> Option<Self> {
        self.all(key).last()
    }

    /// What a string says; empty for anything else.
    pub(super) fn text(self) -> Cow<'a, [u8]> {
        match self.raw() {
            [b'"', text @ .., b'"'] => unescaped(text),
            _ => Cow::Borrowed(b""),
        }
    }

    /// A whole number.
    pub(super) fn whole(self) -> Option<u32> {
        lex::whole(self.raw())
    }

    /// Any number.
    pub(super) fn number(self) -> Option<f64> {
        std::str::from_utf8(self.raw()).ok()?.parse().ok()
    }

    /// The node id under `key`; 0 for none.
    pub(super) fn id(self, key: &'static str) -> u32 {
        self.get(key).and_then(Self::whole).unwrap_or(0)
    }
}

fn unescaped(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let mut text = Vec::new();
    decode(raw, &mut text);
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value as Json;

    /// The tape once more as a tree.
    fn tree(node: Node<'_, '_>) -> Json {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        if node.members().next().is_none() && node.raw().first() != Some(&b'"') {
            serde_json::from_slice(node.raw()).unwrap()
        } else if node.is_object() {
            Json::Object(node.members().map(|member| (text(&member.key()), tree(member))).collect())
        } else if node.is_array() {
            Json::Array(node.members().map(tree).collect())
        } else {
            Json::String(text(&node.text()))
        }
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i32>().prop_map(Json::from),
            "\\PC{0,4}|[\"\\\\\n{}:,]{0,3}".prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
                prop::collection::vec(("[a-c\"\\\\]{0,2}|data|node|adds", inner), 0..5)
                    .prop_map(|members| Json::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_tape_is_what_was_read(members in prop::collection::vec(("[a-d]|data|node", json()), 0..5), pretty in any::<bool>()) {
            let event = Json::Object(members.into_iter().collect());
            let text = if pretty { serde_json::to_string_pretty(&event) } else { serde_json::to_string(&event) };
            let text = [" [1,", &text.unwrap(), "]"].concat();
            let tape = Tape::read(text.as_bytes(), 4).unwrap();
            prop_assert_eq!(tree(tape.event()), event);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(prop::sample::select(&b"{}[]\",:1\\ "[..]), 0..30)) {
            if let Some(tape) = Tape::read(&bytes, 0) {
                tape.event().members().for_each(|member| { member.get("1"); });
            }
        }
    }

    #[test]
    fn spans_have_their_keys_and_the_last_of_a_key_counts() {
        let json = br#"{"id":1,"i\u0064":2, "\u0064ata" : [ 3 , {} ]}"#;
        let tape = Tape::read(json, 0).unwrap();
        let event = tape.event();
        assert_eq!((event.id("id"), event.all("id").count()), (2, 2));
        let spans: Vec<&[u8]> = event
            .members()
            .map(|member| &json[member.span().start as usize..member.span().end as usize])
            .collect();
        assert_eq!(spans, [&br#""id":1"#[..], br#""i\u0064":2"#, br#""\u0064ata" : [ 3 , {} ]"#]);
        let inner: Vec<&[u8]> = event.get("data").unwrap().members().map(|member| member.raw()).collect();
        assert_eq!(inner, [&b"3"[..], b"{}"]);
    }
    #[test]
    fn what_nobody_reads_is_one_value_and_what_is_read_is_bounded() {
        let numbers = vec!["0"; 5 << 20].join(",");
        let skipped = format!(r#"{{"x":[{numbers}],"data":{{"y":{{"z":[1]}},"payload":[2]}}}}"#);
        let tape = Tape::read(skipped.as_bytes(), 0).unwrap();
        assert_eq!(tape.values.len(), 6);
        assert_eq!(tape.event().members().next().unwrap().span().len(), numbers.len() + 6);
        let read = format!(r#"{{"data":[{numbers}]}}"#);
        assert!(Tape::read(read.as_bytes(), 0).is_none());
    }
}
