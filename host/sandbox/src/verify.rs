//! Checks answers to synthetic chunks, as the core checks those to real ones: a plugin that answers
//! wrongly here is not loaded.

use replay_core::rrweb::{Changes, EditFault, EditFaultKind, Item, Kind, Kinds, Replacement, Verdict, View};

use crate::manifest::Manifest;
use crate::source::ChunkSource;

/// The first fault of an answer that has one verdict for each chunk of `source`.
pub(crate) fn check(
    source: &dyn ChunkSource,
    manifest: &Manifest,
    verdicts: &[Verdict],
) -> Result<(), EditFault> {
    for (chunk, verdict) in verdicts.iter().enumerate() {
        let fault = |kind| EditFault { chunk, kind };
        match verdict {
            Verdict::Keep => {}
            Verdict::Drop(reason) if (*reason as usize) < manifest.drop_reasons.len() => {}
            Verdict::Drop(_) => return Err(fault(EditFaultKind::NoSuchReason)),
            Verdict::Change(changes) => {
                check_edits(source, chunk, manifest.kinds, &changes.edits).map_err(fault)?;
                check_left_out(source, chunk, manifest.kinds, changes).map_err(fault)?;
                let events = source.info(chunk).map_or(0, |info| info.event_count);
                if let Some(event) = changes.remove_events.iter().copied().find(|event| *event >= events) {
                    return Err(fault(EditFaultKind::NotRemovable { event }));
                }
            }
            Verdict::Replace(events) => {
                let parsed =
                    serde_json::from_slice::<Vec<serde_json::Map<String, serde_json::Value>>>(events);
                parsed.map_err(|_| fault(EditFaultKind::BadReplace))?;
            }
        }
    }
    Ok(())
}

fn check_left_out(
    source: &dyn ChunkSource,
    chunk: usize,
    kinds: Kinds,
    changes: &Changes,
) -> Result<(), EditFaultKind> {
    if let Some(&node) = changes.block_nodes.iter().find(|node| source.element(chunk, **node).is_none()) {
        return Err(EditFaultKind::NotBlockable { node });
    }
    if changes.drop_items.is_empty() {
        return Ok(());
    }
    let fields = source.view(chunk, kinds).unwrap_or_default().index.len() / 32;
    let moves = source.moves(chunk).unwrap_or_default();
    let is_there = |item: &Item| match *item {
        Item::Position(event, position) => {
            let wanted = [event.to_le_bytes(), position.to_le_bytes()].concat();
            moves.chunks_exact(12).any(|moved| moved.starts_with(&wanted))
        }
        Item::Request(field) | Item::Header(field) => (field as usize) < fields,
    };
    match changes.drop_items.iter().position(|item| !is_there(item)) {
        Some(item) => Err(EditFaultKind::NoSuchItem { item }),
        None => Ok(()),
    }
}

fn check_edits(
    source: &dyn ChunkSource,
    chunk: usize,
    kinds: Kinds,
    edits: &[replay_core::rrweb::Edit],
) -> Result<(), EditFaultKind> {
    let view = source.view(chunk, kinds).unwrap_or_default();
    let mut ranges = Vec::with_capacity(edits.len());
    for (at, edit) in edits.iter().enumerate() {
        let (kind, text) = field(&view, edit.field).ok_or(EditFaultKind::NoSuchField { edit: at })?;
        if edit.start > edit.end || edit.end as usize > text.len() {
            return Err(EditFaultKind::OutOfRange { edit: at });
        }
        if !text.is_char_boundary(edit.start as usize) || !text.is_char_boundary(edit.end as usize) {
            return Err(EditFaultKind::OffBoundary { edit: at });
        }
        let fits = match &edit.replacement {
            Replacement::Blank => true,
            Replacement::Mask(mask) => kind != Kind::Pixels as u32 && Replacement::MASKS.contains(mask),
            Replacement::Text(_) => kind != Kind::Pixels as u32,
        };
        if !fits {
            return Err(EditFaultKind::WrongReplacement { edit: at });
        }
        ranges.push((edit.field, edit.start, edit.end, at));
    }
    ranges.sort_unstable();
    for pair in ranges.windows(2) {
        if let [(field, _, end, _), (next_field, next_start, _, edit)] = *pair
            && field == next_field
            && next_start < end
        {
            return Err(EditFaultKind::Overlap { edit });
        }
    }
    Ok(())
}

/// Kind and text of a row of the index.
fn field(view: &View, row: u32) -> Option<(u32, &str)> {
    let row = view.index.chunks_exact(32).nth(row as usize)?;
    let number = |at: usize| {
        row.get(4 * at..4 * at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes)
    };
    let text = view.text.get(number(6)? as usize..number(7)? as usize)?;
    Some((number(2)?, std::str::from_utf8(text).ok()?))
}

#[cfg(test)]
mod tests {
    use replay_core::rrweb::Edit;

    use super::*;
    use crate::synthetic::Synthetic;

    fn manifest() -> Manifest {
        Manifest {
            name: "x".into(),
            version: "1".into(),
            kinds: Kinds::ALL,
            redacts: true,
            needs_events: false,
            needs_elements: false,
            drop_reasons: vec!["bot".into()],
            error_codes: vec![],
            config_schema: String::new(),
        }
    }

    fn change(edits: &[(u32, u32, u32, Replacement)]) -> Verdict {
        let edits = edits
            .iter()
            .map(|(field, start, end, replacement)| Edit {
                field: *field,
                start: *start,
                end: *end,
                replacement: replacement.clone(),
            })
            .collect();
        Verdict::Change(Changes { edits, ..Changes::default() })
    }

    fn fault_of(verdict: Verdict) -> Option<EditFaultKind> {
        check(&Synthetic::trial(), &manifest(), &[verdict]).err().map(|fault| fault.kind)
    }

    #[test]
    fn each_fault_is_found() {
        let star = || Replacement::Mask('*');
        assert_eq!(fault_of(Verdict::Keep), None);
        assert_eq!(fault_of(change(&[(0, 4, 8, star()), (0, 0, 4, star()), (1, 0, 4, star())])), None);
        assert_eq!(fault_of(Verdict::Drop(0)), None);
        assert_eq!(fault_of(Verdict::Drop(1)), Some(EditFaultKind::NoSuchReason));
        assert_eq!(fault_of(change(&[(999, 0, 1, star())])), Some(EditFaultKind::NoSuchField { edit: 0 }));
        assert_eq!(fault_of(change(&[(5, 0, 12, star())])), Some(EditFaultKind::OutOfRange { edit: 0 }));
        assert_eq!(fault_of(change(&[(5, 2, 1, star())])), Some(EditFaultKind::OutOfRange { edit: 0 }));
        assert_eq!(fault_of(change(&[(3, 0, 3, star())])), Some(EditFaultKind::OffBoundary { edit: 0 }));
        let twice = change(&[(0, 3, 5, star()), (0, 0, 4, star())]);
        assert_eq!(fault_of(twice), Some(EditFaultKind::Overlap { edit: 0 }));
        let wrong = fault_of(change(&[(0, 0, 1, Replacement::Mask('?'))]));
        assert_eq!(wrong, Some(EditFaultKind::WrongReplacement { edit: 0 }));
        assert_eq!(fault_of(change(&[(0, 0, 1, Replacement::Blank)])), None);
        assert_eq!(fault_of(Verdict::Replace(b"[{}]".to_vec())), None);
        assert_eq!(fault_of(Verdict::Replace(b"[1]".to_vec())), Some(EditFaultKind::BadReplace));
        let removed = Verdict::Change(Changes { remove_events: vec![54], ..Changes::default() });
        assert_eq!(fault_of(removed), Some(EditFaultKind::NotRemovable { event: 54 }));
        let blocked = |node| Verdict::Change(Changes { block_nodes: vec![100, node], ..Changes::default() });
        assert_eq!(fault_of(blocked(102)), None);
        assert_eq!(fault_of(blocked(101)), Some(EditFaultKind::NotBlockable { node: 101 }));
        let dropped = |item| Verdict::Change(Changes { drop_items: vec![item], ..Changes::default() });
        for good in [Item::Position(7, 3), Item::Request(0), Item::Header(53)] {
            assert_eq!(fault_of(dropped(good)), None);
        }
        for bad in [Item::Position(7, 4), Item::Position(6, 0), Item::Request(54), Item::Header(u32::MAX)] {
            assert_eq!(fault_of(dropped(bad)), Some(EditFaultKind::NoSuchItem { item: 0 }));
        }
    }
}
