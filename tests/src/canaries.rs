//! The canaries of the recordings, and the search for them in everything that a service left behind.
//!
//! A canary may be written in many ways (escaped in JSON, in JSON in a string, percent-encoded, as
//! entities, in full-width digits, split by no-break spaces); both sides are folded before they are
//! compared. What was typed also occurs prefix by prefix: there, whole values are compared. What is drawn on
//! a canvas may come one character at a time: it is read as it is seen, one text after the other.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use rusqlite::types::ValueRef;
use serde_json::Value;

use crate::records::recordings;

/// A string that was planted or typed in the recorded pages.
#[derive(Clone, Debug)]
pub struct Canary {
    /// Its name.
    pub id: String,
    /// What was typed or planted.
    pub text: String,
    /// The pieces in which it occurs, if it is never whole.
    pub parts: Vec<String>,
    /// Whether it was typed, key by key.
    pub typed: bool,
    /// The rule that should catch it, or `none`.
    pub rule: String,
    /// Shorter beginnings of it are nobody's data, or stood in the pages before it was typed.
    pub prefix_chars: usize,
    /// The visits in which it occurs: `project/visit`.
    pub visits: Vec<String>,
}

/// All of them.
pub fn canaries() -> Vec<Canary> {
    let text = std::fs::read_to_string(recordings().join("canaries.json")).unwrap();
    let list: Vec<Value> = serde_json::from_str(&text).unwrap();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let words = |value: &Value| value.as_array().map_or(Vec::new(), |words| words.iter().map(word).collect());
    list.iter()
        .map(|canary| Canary {
            id: word(&canary["id"]),
            text: word(&canary["text"]),
            parts: words(&canary["parts"]),
            typed: canary["how"] == "typed",
            rule: word(&canary["rule"]),
            prefix_chars: canary["search_from_chars"].as_u64().map_or(4, |chars| chars.max(4) as usize),
            visits: words(&canary["visits"]),
        })
        .collect()
}

/// A text that a service left behind, and where.
pub struct Found {
    place: String,
    /// The visit that it is of, where that is known: there prefixes are looked for.
    visit: Option<String>,
    folded: String,
    values: BTreeSet<String>,
}

impl Found {
    /// `text`, found at `place`.
    pub fn new(place: impl Into<String>, text: &str) -> Self {
        let (mut values, mut drawn) = (BTreeSet::new(), String::new());
        for line in text.lines() {
            if let Ok(json) = serde_json::from_str(line) {
                collect_values(&json, &mut values);
                collect_drawn(&json, &mut drawn);
            }
        }
        let folded = format!("{}\n{}", fold(text), fold(&drawn));
        Self { place: place.into(), visit: None, folded, values }
    }

    /// The same, of one visit (`project/visit`).
    #[must_use]
    pub fn of_visit(self, visit: impl Into<String>) -> Self {
        Self { visit: Some(visit.into()), ..self }
    }

    /// Where it was found.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Whether that folded text is in it.
    pub fn has(&self, folded: &str) -> bool {
        self.folded.contains(folded)
    }

    /// Whether it was found at a place of that name.
    pub fn is_of(&self, name: &str) -> bool {
        self.place.contains(name)
    }
}

/// Every canary of `wanted` that occurs, with where.
pub fn search(wanted: &[Canary], texts: &[Found]) -> Vec<String> {
    let mut hits = Vec::new();
    for canary in wanted {
        let pieces = if canary.parts.is_empty() { vec![canary.text.clone()] } else { canary.parts.clone() };
        let whole: Vec<String> = pieces.iter().map(|piece| fold(piece)).collect();
        let prefixes: Vec<String> = match canary.typed {
            true => prefixes(&fold(&canary.text), canary.prefix_chars),
            false => Vec::new(),
        };
        for found in texts {
            // Pieces are short: only as whole values are they surely the canary's.
            let hit = match canary.parts.is_empty() {
                true => whole.iter().any(|piece| found.folded.contains(piece)),
                false => whole.iter().all(|piece| found.values.contains(piece)),
            };
            if hit {
                hits.push(format!("{} in {}", canary.id, found.place));
                continue;
            }
            let of_visit = found.visit.as_ref().is_some_and(|visit| canary.visits.contains(visit));
            if let Some(prefix) = prefixes.iter().find(|prefix| of_visit && found.values.contains(*prefix)) {
                hits.push(format!("{}: `{prefix}` in {}", canary.id, found.place));
            }
        }
    }
    hits
}

/// Beginnings of so many characters or more, spaces at the end aside.
fn prefixes(text: &str, least_chars: usize) -> Vec<String> {
    let ends = text.char_indices().map(|(at, _)| at).skip(least_chars);
    let prefixes = ends.map(|end| text[..end].to_owned());
    prefixes.filter(|prefix| prefix.trim().chars().count() >= least_chars).collect()
}

/// Every string, key and number, in strings that hold JSON too, and every part of an address.
fn collect_values(json: &Value, values: &mut BTreeSet<String>) {
    match json {
        Value::String(text) => {
            if text.starts_with(['{', '['])
                && let Ok(inner) = serde_json::from_str(text)
            {
                collect_values(&inner, values);
            }
            values.insert(fold(text.trim()));
            values.extend(text.split(['?', '&', '=', '#', '/']).map(fold));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_values(item, values)),
        Value::Object(members) => {
            for (key, value) in members {
                values.insert(fold(key));
                collect_values(value, values);
            }
        }
        // Coordinates and ids begin like cards; whole numbers are found in the text.
        Value::Number(_) | Value::Null | Value::Bool(_) => {}
    }
}

/// The texts that are drawn, in order.
fn collect_drawn(json: &Value, drawn: &mut String) {
    match json {
        Value::Object(members) => {
            let draws =
                matches!(members.get("property"), Some(Value::String(name)) if name.ends_with("Text"));
            if draws && let Some(text) = json["args"][0].as_str() {
                drawn.push_str(text);
            }
            members.values().for_each(|value| collect_drawn(value, drawn));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_drawn(item, drawn)),
        Value::String(_) | Value::Number(_) | Value::Null | Value::Bool(_) => {}
    }
}

/// One spelling for all spellings.
pub fn fold(text: &str) -> String {
    let mut folded = plain(text);
    // JSON in JSON in a string: each layer hides the one below.
    for _ in 0..3 {
        let once_more = plain(&folded);
        if once_more == folded {
            break;
        }
        folded = once_more;
    }
    folded
}

fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (character, used) = match first {
            '\\' => escape(rest),
            '%' => percent(rest),
            '&' => entity(rest),
            other => (Some(other), other.len_utf8()),
        };
        out.extend(character.and_then(fold_char));
        rest = &rest[used..];
    }
    out
}

fn fold_char(character: char) -> Option<char> {
    match character {
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' => None,
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{3000}' => Some(' '),
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0),
        other => Some(other),
    }
}

fn escape(text: &str) -> (Option<char>, usize) {
    if let Some(hex) = text.get(2..6).filter(|_| text.starts_with("\\u"))
        && let Some(character) = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32)
    {
        return (Some(character), 6);
    }
    match text.chars().nth(1) {
        Some(next @ ('"' | '\\' | '/')) => (Some(next), 2),
        _ => (Some('\\'), 1),
    }
}

fn percent(text: &str) -> (Option<char>, usize) {
    let code = text.get(1..3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
    match code.filter(u8::is_ascii) {
        Some(code) => (Some(char::from(code)), 3),
        None => (Some('%'), 1),
    }
}

fn entity(text: &str) -> (Option<char>, usize) {
    let Some(end) = text.bytes().take(12).position(|byte| byte == b';') else { return (Some('&'), 1) };
    let name = &text[1..end];
    let code = match name.strip_prefix('#') {
        Some(digits) => match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        },
        None if name == "amp" => Some(u32::from('&')),
        None if name == "commat" => Some(u32::from('@')),
        None => None,
    };
    match code.and_then(char::from_u32) {
        Some(character) => (Some(character), end + 1),
        None => (Some('&'), 1),
    }
}

/// Everything below `dir` but the folders `but`: files as they lie, what gzip and zstd hold, every column
/// of every table of every database.
pub fn everything_below(dir: &Path, but: &[&str]) -> Vec<Found> {
    let mut texts = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                if !but.contains(&entry.file_name().to_str().unwrap()) {
                    open.push(path);
                }
                continue;
            }
            let name = path.display().to_string();
            let bytes = std::fs::read(&path).unwrap();
            if bytes.starts_with(b"SQLite format 3") {
                texts.extend(tables_of(&path));
            }
            texts.push(Found::new(&name, &String::from_utf8_lossy(&bytes)));
            texts.extend(unpacked(&bytes).map(|text| Found::new(format!("{name}, unpacked"), &text)));
        }
    }
    texts
}

fn tables_of(path: &Path) -> Vec<Found> {
    let database = rusqlite::Connection::open(path).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut statement = database.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let mut texts = Vec::new();
    for table in names("SELECT name FROM sqlite_master WHERE type = 'table'") {
        let mut statement = database.prepare(&format!("SELECT * FROM \"{table}\"")).unwrap();
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for (number, column) in columns.iter().enumerate() {
                let place = format!("{}: {table}.{column}", path.display());
                match row.get_ref(number).unwrap() {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                        let text =
                            unpacked(bytes).unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned());
                        texts.push(Found::new(place, &text));
                    }
                    ValueRef::Integer(number) => texts.push(Found::new(place, &number.to_string())),
                    ValueRef::Null | ValueRef::Real(_) => {}
                }
            }
        }
    }
    texts
}

/// What a gzip file or a record with packed `data` holds.
fn unpacked(bytes: &[u8]) -> Option<String> {
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut text = Vec::new();
        let _ = MultiGzDecoder::new(bytes).read_to_end(&mut text);
        return Some(String::from_utf8_lossy(&text).into_owned());
    }
    let record: Value = serde_json::from_slice(bytes).ok()?;
    let data = crate::records::unbase64(record.get("data")?.as_str()?);
    Some(unpacked(&data).unwrap_or_else(|| String::from_utf8_lossy(&data).into_owned()))
}
