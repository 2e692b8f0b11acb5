//! A chunk's fields in the flat form that plugins get.

use std::collections::BTreeSet;

use super::View;
use super::chunk::{ChunkState, Rows};
use crate::rrweb::kind::Kinds;
use crate::rrweb::scan::{Field, Shape};

/// The fields of `kinds` as they are now; `None` if there is more text than offsets can name.
pub(super) fn view(chunk: &ChunkState, kinds: Kinds, scanned: Kinds) -> Option<View> {
    let rows = chunk.rows(kinds, scanned);
    if chunk.edited.is_empty() && matches!(rows, Rows::All(_)) {
        return Some(as_scanned(chunk));
    }
    let mut text = Vec::with_capacity(chunk.scan.text.len());
    let mut index = Vec::with_capacity(rows.len() * 32);
    for row in (0u32..).map_while(|shown| rows.get(shown)) {
        let Some(field) = chunk.scan.fields.get(row as usize) else { continue };
        let start = u32::try_from(text.len()).ok()?;
        match chunk.edited.get(&row) {
            Some(edited) => text.extend_from_slice(edited.text().as_bytes()),
            None => text.extend_from_slice(chunk.scanned_text(field)),
        }
        let end = u32::try_from(text.len()).ok()?;
        text.push(b'\n');
        push_row(&mut index, field, chunk.scan.page, start, end);
    }
    Some(View { text, index, names: names(chunk) })
}

fn as_scanned(chunk: &ChunkState) -> View {
    let mut index = Vec::with_capacity(chunk.scan.fields.len() * 32);
    for field in &chunk.scan.fields {
        push_row(&mut index, field, chunk.scan.page, field.start, field.end);
    }
    View { text: chunk.scan.text.clone(), index, names: chunk.scan.names.clone() }
}

fn push_row(index: &mut Vec<u8>, field: &Field, page: u32, start: u32, end: u32) {
    let kind = field.kind as u32;
    let numbers = [field.event, field.node, kind, field.name, page, field.element, start, end];
    let mut row = [0; 32];
    for (bytes, number) in row.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
        *bytes = number.to_le_bytes();
    }
    index.extend_from_slice(&row);
}

/// The names; one that is an edited key reads as that key does now, wherever else it stands, and one that
/// no field has any more is empty: a name must not say what a plugin before took out.
fn names(chunk: &ChunkState) -> Vec<String> {
    let mut names = chunk.scan.names.clone();
    if !chunk.is_whole() {
        let left = chunk.scan.fields.iter().filter(|field| chunk.has(field));
        let used: BTreeSet<usize> = left.map(|field| field.name as usize).collect();
        let unused = (0..).zip(&mut names).filter(|(row, _)| !used.contains(row));
        unused.for_each(|(_, name)| name.clear());
    }
    for (&row, edited) in &chunk.edited {
        let Some(field) = chunk.scan.fields.get(row as usize) else { continue };
        if field.shape != Shape::Key {
            continue;
        }
        let was = chunk.scanned_text(field);
        let same = (chunk.scan.names.iter().zip(&mut names)).filter(|(name, _)| name.as_bytes() == was);
        same.for_each(|(_, name)| edited.text().clone_into(name));
    }
    names
}
