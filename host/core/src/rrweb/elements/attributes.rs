//! Attributes as bytes: what is kept of an element's.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::history::Told;

/// Attributes as bytes: name and value in turn, each after its length; a value that is not there (the
/// attribute was taken away) has the length `u32::MAX`.
pub(in crate::rrweb) struct Attributes;

impl Attributes {
    pub(in crate::rrweb) fn push(to: &mut Vec<u8>, name: &[u8], value: Option<&[u8]>) {
        to.extend_from_slice(&(name.len() as u32).to_le_bytes());
        to.extend_from_slice(name);
        to.extend_from_slice(&value.map_or(u32::MAX, |value| value.len() as u32).to_le_bytes());
        to.extend_from_slice(value.unwrap_or_default());
    }

    pub(super) fn read(bytes: &[u8]) -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self::iter(bytes).filter_map(|(name, value)| Some((text(name), text(value?)))).collect()
    }

    pub(super) fn iter(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        std::iter::from_fn(move || {
            let name = take(&mut bytes)?.unwrap_or_default();
            Some((name, take(&mut bytes)?))
        })
    }
}

/// What an element has after all that was `told` beside its `first` attributes, in the order in which it was
/// told.
pub(super) fn latest(first: Option<&[u8]>, told: &[Told]) -> Option<Arc<[u8]>> {
    let mut values: BTreeMap<&[u8], (usize, Option<&[u8]>)> = BTreeMap::new();
    let first = first.map(|bytes| (true, bytes)).into_iter();
    let mut count = 0;
    for (is_all, bytes) in first.chain(told.iter().map(|told| (told.is_all, &*told.bytes))) {
        if is_all {
            values.clear();
        }
        for (name, value) in Attributes::iter(bytes) {
            values.insert(name, (count, value));
            count += 1;
        }
    }
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_unstable_by_key(|(_, (at, _))| *at);
    let mut encoded = Vec::new();
    for (name, (_, value)) in values {
        if value.is_some() {
            Attributes::push(&mut encoded, name, value);
        }
    }
    (!encoded.is_empty()).then(|| encoded.into())
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = match u32::from_le_bytes(*length) {
        u32::MAX => {
            *bytes = rest;
            return Some(None);
        }
        length => length as usize,
    };
    let (text, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(Some(text))
}
