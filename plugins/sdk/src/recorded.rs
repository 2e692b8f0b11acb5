//! Chunks in memory, of the fields that a host found in a recording.

use serde::Deserialize;

use crate::memory::MemoryChunk;
use crate::model::Kind;

/// Why a text is not a listing of fields. Quotes nothing of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedError {
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub what: String,
}

impl std::fmt::Display for RecordedError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "line {}: {}; make the file with `replay-processor plugin fields RECORDING --output json`",
            self.line, self.what
        )
    }
}

impl std::error::Error for RecordedError {}

/// A line of `plugin fields --output json`. Newer hosts may say more.
#[derive(Deserialize)]
struct Line {
    chunk: usize,
    event: u32,
    node: u32,
    #[serde(default)]
    page: u32,
    element: u32,
    kind: String,
    name: String,
    text: String,
}

impl MemoryChunk {
    /// The chunks of a recorded visit, from what `replay-processor plugin fields RECORDING --output json`
    /// printed: one field a line. No element and no focus is known, but what is added.
    pub fn recorded(fields: &str) -> Result<Vec<Self>, RecordedError> {
        let mut chunks: Vec<Self> = Vec::new();
        for (at, line) in fields.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let wrong = |what: String| RecordedError { line: at + 1, what };
            // Of the parser's words only the place: the rest may quote the recording.
            let line: Line = serde_json::from_str(line)
                .map_err(|error| wrong(format!("not a field, from column {}", error.column())))?;
            let kind = Kind::from_name(&line.kind).ok_or_else(|| wrong("an unknown kind".to_owned()))?;
            // A chunk without fields leaves no line.
            if line.chunk > chunks.len() + MAX_GAP {
                return Err(wrong("chunks are out of order".to_owned()));
            }
            while chunks.len() <= line.chunk {
                chunks.push(Self::new());
            }
            if let Some(chunk) = chunks.get_mut(line.chunk) {
                let Line { event, node, page, element, .. } = line;
                chunk.add([event, node, kind as u32, page, element], &line.name, &line.text);
            }
        }
        Ok(chunks)
    }
}

/// Chunks in a row without any field; more is a file of something else.
const MAX_GAP: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: &str = concat!(
        r#"{"chunk":0,"event":1,"node":7,"page":1,"element":6,"kind":"text","name":"","text":"a"}"#,
        "\n\n",
        r#"{"chunk":2,"event":4,"node":8,"element":8,"kind":"url","name":"href","text":"/x","new":1}"#,
    );

    #[test]
    fn chunks_have_the_fields_of_the_listing() {
        let chunks = MemoryChunk::recorded(FIELDS).unwrap();
        assert_eq!(chunks.len(), 3);
        let texts: Vec<Vec<String>> =
            crate::memory::run_in_memory(&Keeps, &chunks).unwrap().into_iter().map(Option::unwrap).collect();
        assert_eq!(texts, [vec!["a".to_owned()], vec![], vec!["/x".to_owned()]]);
    }

    #[test]
    fn what_is_no_listing_is_refused_without_being_quoted() {
        for (text, line) in [
            ("anna@example.com", 1),
            ("\n{\"chunk\":0,\"event\":\"anna@example.com\"}", 2),
            (&FIELDS.replace("url", "anna@example.com"), 3),
            (&FIELDS.replace("\"chunk\":2", "\"chunk\":4000000000"), 3),
        ] {
            let error = MemoryChunk::recorded(text).unwrap_err();
            assert_eq!(error.line, line);
            assert!(!error.to_string().contains("anna") && error.to_string().contains("plugin fields"));
        }
    }

    struct Keeps;

    impl crate::Plugin for Keeps {
        type Config = serde::de::IgnoredAny;

        fn configure(_: Self::Config) -> Result<Self, String> {
            Ok(Self)
        }

        fn manifest(&self) -> crate::Manifest {
            crate::Manifest::new("keeps", "1").kinds(crate::Kinds::ALL)
        }

        fn process_fields(&self, batch: &crate::Batch<'_>) -> Result<(), crate::ErrorCode> {
            let places: Vec<_> = batch.fields().map(|field| (field.event(), field.kind())).collect();
            assert_eq!(places, [(1, Kind::Text), (4, Kind::Url)]);
            Ok(())
        }
    }
}
