//! Digits in groups: what cards, phones and the like are written in.

use std::ops::Range;

/// Groups that are looked at together at most.
const MAX_GROUPS: usize = 12;

/// A run of digit groups with one separator between two: `4111 1111-1111 1111`.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    groups: Vec<Range<usize>>,
}

impl Groups {
    /// The groups from the digit at `at` on, with single `separators` between them.
    pub(crate) fn read(&mut self, bytes: &[u8], at: usize, separators: &[u8]) {
        self.groups.clear();
        let mut start = at;
        while self.groups.len() < MAX_GROUPS {
            let end = digits_end(bytes, start);
            if end == start {
                break;
            }
            self.groups.push(start..end);
            match bytes.get(end) {
                Some(separator) if separators.contains(separator) => start = end + 1,
                Some(_) | None => break,
            }
        }
    }

    /// The groups' places.
    pub(crate) fn as_slice(&self) -> &[Range<usize>] {
        &self.groups
    }
}

/// The end of the digits from `at` on.
pub(crate) fn digits_end(bytes: &[u8], at: usize) -> usize {
    let digits = bytes.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
    at + digits
}

/// The lengths of the groups.
pub(crate) fn lengths(groups: &[Range<usize>]) -> impl Iterator<Item = usize> {
    groups.iter().map(ExactSizeIterator::len)
}

/// The values of the digits of the groups.
pub(crate) fn values<'a>(bytes: &'a [u8], groups: &'a [Range<usize>]) -> impl Iterator<Item = u8> + 'a {
    groups.iter().filter_map(|group| bytes.get(group.clone())).flatten().map(|digit| digit.wrapping_sub(b'0'))
}
