//! A canary in every place of an rrweb event where a string can stand: the scanner sees them all, but
//! for those of rrweb's own vocabulary.

use super::*;
use serde_json::Value;
use serde_json::value::RawValue;
use std::path::Path;

/// One line of the file. The event is kept as it is spelled.
#[derive(serde::Deserialize)]
pub(super) struct Line<'a> {
    pub(super) position: &'a str,
    canary: &'a str,
    form: &'a str,
    #[serde(borrow)]
    event: &'a RawValue,
    #[serde(default)]
    tag: Value,
    #[serde(default)]
    variant: Value,
    #[serde(default)]
    structural: bool,
    #[serde(default)]
    pixels: bool,
}

pub(super) fn file() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/positions/positions.ndjson");
    std::fs::read_to_string(path).unwrap()
}

pub(super) fn lines(file: &str) -> Vec<Line<'_>> {
    file.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

impl Line<'_> {
    /// The event alone, as it is spelled.
    pub(super) fn chunk(&self) -> Vec<u8> {
        format!("[{}]", self.event.get()).into_bytes()
    }

    pub(super) fn has_doubled_keys(&self) -> bool {
        self.variant.as_str().is_some_and(|variant| variant.starts_with("doubled key"))
    }

    /// Whether a field has the canary, in its text or, of a picture, in what it covers.
    fn is_found(&self) -> Result<bool, ScanError> {
        let scan = run(&self.chunk())?;
        Ok(scan.fields.iter().any(|field| {
            if self.pixels {
                let raw = &scan.json[field.raw_start as usize..field.raw_end as usize];
                let raw = std::str::from_utf8(raw).unwrap();
                return field.kind == Kind::Pixels && unescaped(raw).contains(self.canary);
            }
            let is_picture = field.kind == Kind::Pixels && field.shape != Shape::Key;
            !is_picture && text(&scan, field).contains(self.canary)
        }))
    }
}

/// What a piece of JSON says once its escapes are resolved; as it is if it is no string.
fn unescaped(raw: &str) -> String {
    serde_json::from_str(&format!("\"{raw}\"")).unwrap_or_else(|_| raw.to_owned())
}

#[test]
fn every_position_is_found() {
    let file = file();
    let lines = lines(&file);
    assert!(lines.len() > 1000, "{} lines", lines.len());
    assert!(lines.iter().any(|line| line.pixels) && lines.iter().any(|line| line.structural));
    let missed: Vec<String> = lines
        .iter()
        .filter(|line| !line.structural)
        .filter_map(|line| {
            let found = line.is_found();
            let what = format!("{} {} {} {} {found:?}", line.position, line.form, line.tag, line.variant);
            (found != Ok(true)).then_some(what)
        })
        .collect();
    assert!(missed.is_empty(), "{} missed:\n{}", missed.len(), missed.join("\n"));
}
