//! Texts that come again and again (attribute names, tags), each kept once and named by its row.

use xxhash_rust::xxh3::xxh3_64;

/// Beyond this many steps from its place a text is not looked for: someone chose the hashes.
const MAX_STEPS: usize = 64;

const FIRST_SLOTS: usize = 64;

/// Distinct texts; row 0 is the empty one, and stands for what there is no room for.
#[derive(Clone, Debug)]
pub(super) struct Interner {
    rows: Vec<String>,
    /// Open addressing: row, or 0 for a free slot. Always a power of two, at most half full.
    slots: Vec<u32>,
    max_rows: usize,
}

impl Interner {
    /// At most `max_rows`, the empty one counted.
    pub(super) fn new(max_rows: usize) -> Self {
        Self { rows: vec![String::new()], slots: vec![0; FIRST_SLOTS], max_rows }
    }

    /// The row of `text`, which is added if there is room; else 0.
    pub(super) fn row(&mut self, text: &[u8]) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(row) = self.find(text) {
            return row;
        }
        let Ok(owned) = std::str::from_utf8(text) else { return 0 };
        if self.rows.len() >= self.max_rows {
            return 0;
        }
        if self.rows.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let row = self.rows.len() as u32;
        if !self.place(text, row) {
            return 0;
        }
        self.rows.push(owned.to_owned());
        row
    }

    /// The text of a row.
    pub(super) fn text(&self, row: u32) -> &str {
        self.rows.get(row as usize).map_or("", String::as_str)
    }

    /// Every row in order.
    pub(super) fn into_rows(self) -> Vec<String> {
        self.rows
    }

    /// The row of `text` if it has one.
    pub(super) fn find(&self, text: &[u8]) -> Option<u32> {
        for slot in self.steps(text) {
            match self.slots.get(slot) {
                None | Some(0) => return None,
                Some(&row) if self.text(row).as_bytes() == text => return Some(row),
                Some(_) => {}
            }
        }
        None
    }

    fn place(&mut self, text: &[u8], row: u32) -> bool {
        for slot in self.steps(text) {
            if let Some(free @ 0) = self.slots.get_mut(slot) {
                *free = row;
                return true;
            }
        }
        false
    }

    fn steps(&self, text: &[u8]) -> impl Iterator<Item = usize> + use<> {
        let mask = self.slots.len() - 1;
        let first = xxh3_64(text) as usize;
        (0..MAX_STEPS).map(move |step| first.wrapping_add(step) & mask)
    }

    fn grow(&mut self) {
        self.slots = vec![0; self.slots.len() * 2];
        for row in 1..self.rows.len() {
            let text = self.rows.get(row).cloned().unwrap_or_default();
            self.place(text.as_bytes(), row as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_row_and_the_table_an_end() {
        let mut names = Interner::new(1000);
        assert_eq!(names.row(b""), 0);
        let rows: Vec<u32> = (0..2000).map(|i| names.row(format!("name-{i}").as_bytes())).collect();
        for (i, &row) in rows.iter().enumerate() {
            assert_eq!(names.row(format!("name-{i}").as_bytes()), row);
            match row {
                0 => assert!(i >= 900, "early names have a row"),
                row => assert_eq!(names.text(row), format!("name-{i}")),
            }
        }
        assert_eq!(names.into_rows().len(), 1000);
    }
}
