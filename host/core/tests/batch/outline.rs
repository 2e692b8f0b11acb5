//! What no edit may change: the tokens of each event with all that strings say taken out.

/// One outline an event: brackets, commas, the known keys, numbers; strings and other keys as `""`.
///
/// Long numbers but for timestamps, and numbers that stand in an array, are `0`: they may be masked or
/// blanked.
pub(super) fn outline(json: &str) -> Vec<String> {
    let mut reader = Reader {
        rest: json,
        depth: 0,
        open: Vec::new(),
        key: String::new(),
        in_payload: false,
        events: Vec::new(),
    };
    while reader.token() {}
    assert_eq!((reader.depth, reader.rest), (0, ""));
    reader.events
}

/// Keys by which a player finds its way.
pub(super) const KEYS: [&str; 20] = [
    "type",
    "data",
    "timestamp",
    "source",
    "id",
    "parentId",
    "nextId",
    "previousId",
    "rootId",
    "node",
    "childNodes",
    "attributes",
    "tagName",
    "textContent",
    "adds",
    "removes",
    "texts",
    "positions",
    "width",
    "height",
];

/// The events, one, its `data`, and there the payload.
const PAYLOAD_DEPTH: usize = 4;

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
    /// For each open container whether it is an array.
    open: Vec<bool>,
    key: String,
    /// Whether inside a custom or plugin event's payload, where no player looks for keys: `content-type`
    /// may become `type` there.
    in_payload: bool,
    events: Vec<String>,
}

impl Reader<'_> {
    fn token(&mut self) -> bool {
        let Some(first) = self.rest.chars().next() else { return false };
        if matches!(first, '{' | '[') {
            self.depth += 1;
            self.open.push(first == '[');
            self.in_payload |= self.depth == PAYLOAD_DEPTH && self.key == "payload";
        }
        let is_in_event = self.depth >= 2;
        if first == '{' && self.depth == 2 {
            self.events.push(String::new());
        }
        let (length, said) = match first {
            '"' => self.string(),
            '-' | '0'..='9' => self.number(),
            other => (other.len_utf8(), other.to_string()),
        };
        self.rest = &self.rest[length..];
        if is_in_event && let Some(event) = self.events.last_mut() {
            event.push_str(&said);
        }
        if matches!(first, '}' | ']') {
            self.depth -= 1;
            self.open.pop();
            self.in_payload &= self.depth >= PAYLOAD_DEPTH;
        }
        true
    }

    fn string(&mut self) -> (usize, String) {
        let mut escaped = false;
        let end = self.rest[1..].find(|c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let length = end.unwrap() + 2;
        let text = &self.rest[1..length - 1];
        let is_key = self.rest[length..].starts_with(':');
        if is_key {
            self.key = text.to_owned();
        }
        let is_known = is_key && !self.in_payload && KEYS.contains(&text);
        (length, if is_known { format!("\"{text}\"") } else { "\"\"".to_owned() })
    }

    fn number(&mut self) -> (usize, String) {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
        let length = end.unwrap();
        let text = &self.rest[..length];
        let is_time = self.depth == 2 && self.key == "timestamp";
        let may_change = self.open.last() == Some(&true) || length >= 6;
        (length, if may_change && !is_time { "0".to_owned() } else { text.to_owned() })
    }
}
