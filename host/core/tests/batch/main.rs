//! Batches under plugins: what is refused, what comes out, what the next plugin and batch see.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod addresses;
mod blocks;
mod chains;
mod comparisons;
mod earlier;
mod faults;
mod frames;
mod generated;
mod hostile;
mod items;
mod model;
mod outline;
mod pages;
mod player;
mod properties;
mod recordings;
mod removals;
mod replacements;
mod visits;

use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::pipeline::ChunkHead;
use replay_core::row::Codec;
use replay_core::rrweb::{
    Batch, Changes, Edit, EditFaultKind, EditRules, ElementLimits, Elements, Finished, Item, Kind, Kinds,
    Redactions, Replacement, ScanError, ScanLimits, Verdict,
};

const RULES: EditRules = EditRules {
    allow_replace: true,
    mask_only: false,
    extra_edits: 10,
    max_text_bytes: 1000,
    drop_reasons: 1,
};
const LIMITS: ScanLimits =
    ScanLimits { max_raw_chunk_bytes: 8 << 20, max_ratio: 1000, max_depth: 512, max_fields: 1 << 20 };

/// One of most things: an address, a long number, an input, code, a picture, JSON in a string, a key.
const EVENTS: &str = concat!(
    r#"[{"type":4,"timestamp":1,"data":{"href":"https://a.com/x"}},"#,
    r#"{"type":3,"timestamp":2,"data":{"source":1,"positions":[],"n":411111}},"#,
    r#"{"type":3,"timestamp":3,"data":{"source":5,"text":"a\u0040b\ud800c","isChecked":false,"id":5}},"#,
    r#"{"type":2,"timestamp":4,"data":{"node":{"type":0,"childNodes":[{"type":2,"tagName":"img","attributes":"#,
    r#"{"onclick":"f()","src":"data:image/png;base64,AA"},"childNodes":[],"id":4}],"id":1}}},"#,
    r#"{"type":5,"timestamp":5,"data":{"tag":"t","payload":{"log":"{\"k\":[1]}","mail":"é"}}}]"#,
);

fn elements() -> Elements {
    Elements::new(ElementLimits { max_bytes: 8 << 20 })
}

fn head(chunk_index: u32, timestamp_start_ms: u64) -> ChunkHead {
    ChunkHead {
        session: SessionKey {
            project_id: ProjectId::new("shop").unwrap(),
            session_id: SessionId::parse("0191f0c4-7e1a-7c3b-9d55-0123456789ab").unwrap(),
        },
        key: ChunkKey { timestamp_start_ms, chunk_index },
        timestamp_end_ms: timestamp_start_ms,
        event_count: 0,
        has_full_snapshot: false,
        data_size: 0,
        codec: Codec::Gzip,
    }
}

/// Chunks 0, 1, 2… of one page.
fn batch_of(kinds: Kinds, chunks: &[&str]) -> Batch {
    let mut batch = Batch::new(kinds, elements());
    for (index, json) in (0u32..).zip(chunks) {
        batch.add(&head(index, u64::from(index) + 1), (*json).into(), &LIMITS).unwrap();
    }
    batch
}

fn batch(json: &str) -> Batch {
    batch_of(Kinds::ALL, &[json])
}

/// A field as a plugin sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    event: u32,
    kind: Kind,
    name: String,
    text: String,
}

fn rows(batch: &Batch, chunk: usize, kinds: Kinds) -> Vec<Row> {
    let view = batch.view(chunk, kinds).unwrap();
    let words = |row: &[u8]| -> Vec<usize> {
        row.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word) as usize).collect()
    };
    let read = |row: &[u8]| {
        let words = words(row);
        assert_eq!(view.text[words[7]], b'\n');
        Row {
            event: words[0] as u32,
            kind: Kind::ALL[words[2]],
            name: view.names[words[3]].clone(),
            text: String::from_utf8(view.text[words[6]..words[7]].to_vec()).unwrap(),
        }
    };
    view.index.chunks(32).map(read).collect()
}

fn texts(batch: &Batch, chunk: usize) -> Vec<String> {
    rows(batch, chunk, Kinds::ALL).into_iter().map(|row| row.text).collect()
}

/// The row of the first field that says `text`.
fn row_in(batch: &Batch, chunk: usize, text: &str) -> u32 {
    texts(batch, chunk).iter().position(|known| known == text).unwrap_or_else(|| panic!("no {text:?}")) as u32
}

fn row(batch: &Batch, text: &str) -> u32 {
    row_in(batch, 0, text)
}

fn edit(field: u32, start: usize, end: usize, replacement: Replacement) -> Edit {
    Edit { field, start: start as u32, end: end as u32, replacement }
}

fn mask(field: u32, start: usize, end: usize) -> Edit {
    edit(field, start, end, Replacement::Mask('*'))
}

fn say(text: &str) -> Replacement {
    Replacement::Text(text.into())
}

fn change(edits: Vec<Edit>) -> Verdict {
    Verdict::Change(Changes { edits, ..Changes::default() })
}

fn remove(events: &[u32]) -> Verdict {
    Verdict::Change(Changes { remove_events: events.to_vec(), ..Changes::default() })
}

fn block(nodes: &[u32]) -> Verdict {
    Verdict::Change(Changes { block_nodes: nodes.to_vec(), ..Changes::default() })
}

fn drop_items(items: &[Item]) -> Verdict {
    Verdict::Change(Changes { drop_items: items.to_vec(), ..Changes::default() })
}

/// The elements that a chunk names, and those around them.
fn nodes(batch: &Batch, chunk: usize) -> Vec<u32> {
    batch.nodes(chunk).unwrap().as_chunks().0.iter().map(|node| u32::from_le_bytes(*node)).collect()
}

/// The positions of its moves: event, position, milliseconds.
fn moves(batch: &Batch, chunk: usize) -> Vec<[u32; 3]> {
    let bytes = batch.moves(chunk).unwrap();
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
    bytes.chunks(12).map(|row| [number(&row[..4]), number(&row[4..8]), number(&row[8..])]).collect()
}

/// The first plugin's answer, of which there is one verdict a chunk.
fn apply(batch: &mut Batch, verdicts: Vec<Verdict>) -> Result<(), EditFaultKind> {
    batch.apply(0, Kinds::ALL, verdicts, &RULES).map(|_| ()).map_err(|fault| fault.kind)
}

fn events(batch: &Batch, chunk: usize) -> String {
    String::from_utf8(batch.events(chunk).unwrap()).unwrap()
}

/// The events and redactions of a chunk that was changed.
fn changed(finished: &Finished) -> (&str, Redactions) {
    match finished {
        Finished::Changed { json, redactions, .. } => (std::str::from_utf8(json).unwrap(), *redactions),
        Finished::Unchanged | Finished::Dropped { .. } | Finished::Failed => panic!("{finished:?}"),
    }
}
