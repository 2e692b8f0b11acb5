//! Keeps payload bytes out of B-tree pages, because `secure_delete` does not clean those fully.
//!
//! SQLite (3.40 and 3.54 tried) zeroes freed overflow pages, but when it rebalances a leaf it leaves
//! stale copies of moved cells in the page's gap (`rebuildPage` in `btree.c`); once the row is
//! deleted, nothing ever zeroes those copies. Rows of 20 to 900 bytes showed it after a few hundred
//! inserts and deletes. So the part of a row that lies in the leaf must hold no payload: zeroes
//! before the payload fill the leaf's share, and zeroes behind it bring the row to the length at
//! which that share is smallest. It costs about 2.5 KB a row.
//!
//! The arithmetic is that of the file format, <https://www.sqlite.org/fileformat2.html#payload>.

/// The page size that our databases are made with.
pub(super) const PAGE_BYTES: usize = 4096;

/// A leaf's smallest share of a row that overflows.
const LEAF_MIN: usize = (PAGE_BYTES - 12) * 32 / 255 - 23;
/// What an overflow page carries.
const OVERFLOW_BYTES: usize = PAGE_BYTES - 4;
/// Where the payload begins at the earliest.
const PAYLOAD_AT: usize = LEAF_MIN + 128;
/// Where the leaf's share ends, half way between the smallest share and the payload: an estimate of
/// the row's length may be wrong by 64 bytes either way.
const LEAF_SHARE: usize = LEAF_MIN + 64;

/// Zeroes before and behind the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Padding {
    /// Bytes before it.
    pub(super) lead: usize,
    /// Bytes behind it.
    pub(super) tail: usize,
}

impl Padding {
    /// For a payload behind columns that take `columns` bytes, see [`RowLen`].
    pub(super) fn of(columns: RowLen, payload: usize) -> Self {
        let lead = PAYLOAD_AT.saturating_sub(columns.0);
        let len = columns.0 + lead + payload;
        // len ≥ PAYLOAD_AT > LEAF_SHARE, so at least one overflow page follows the leaf's share.
        let over = (len - LEAF_SHARE) % OVERFLOW_BYTES;
        Self { lead, tail: (OVERFLOW_BYTES - over) % OVERFLOW_BYTES }
    }
}

/// About how long a record is without padding and payload, to within a few bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowLen(usize);

impl RowLen {
    /// The record header of `columns` columns: a byte or two for each, a few for the long ones.
    pub(super) fn new(columns: usize) -> Self {
        Self(columns + 8)
    }

    /// Adds a text column.
    pub(super) fn text(self, text: &str) -> Self {
        Self(self.0 + text.len())
    }

    /// Adds an integer column.
    pub(super) fn int(self, value: i64) -> Self {
        let magnitude = if value < 0 { !value } else { value };
        let bits = 65 - magnitude.leading_zeros();
        let bytes = match bits {
            0..=2 if value == 0 || value == 1 => 0,
            0..=8 => 1,
            9..=16 => 2,
            17..=24 => 3,
            25..=32 => 4,
            33..=48 => 6,
            _ => 8,
        };
        Self(self.0 + bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the file format says of a record's share in its leaf.
    fn leaf_share(record: usize) -> usize {
        if record <= PAGE_BYTES - 35 {
            return record;
        }
        let share = LEAF_MIN + (record - LEAF_MIN) % OVERFLOW_BYTES;
        if share <= PAGE_BYTES - 35 { share } else { LEAF_MIN }
    }

    #[test]
    fn payload_never_lies_in_a_leaf_even_when_the_estimate_is_off() {
        for columns in [60, 120, 300, 600, 700, 3000, 9000] {
            for payload in (0..20_000).chain([8 << 20, (8 << 20) + 1]) {
                let padding = Padding::of(RowLen(columns), payload);
                for error in [-60i64, 0, 60] {
                    let columns = columns.saturating_add_signed(error as isize);
                    let record = columns + padding.lead + payload + padding.tail;
                    assert!(
                        leaf_share(record) <= columns + padding.lead,
                        "{columns} {payload} {error} {padding:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn integers_take_what_the_format_says() {
        let len = |value| RowLen(0).int(value).0;
        let cases = [
            (0, 0),
            (1, 0),
            (-1, 1),
            (127, 1),
            (128, 2),
            (-128, 1),
            (32_768, 3),
            (1 << 31, 6),
            (1 << 47, 8),
            (i64::MIN, 8),
        ];
        for (value, expected) in cases {
            assert_eq!(len(value), expected, "{value}");
        }
    }
}
