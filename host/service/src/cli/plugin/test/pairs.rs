//! Each recorded field with what a chain left of it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::super::fields::FieldLine;

/// A chunk before and after a chain.
#[derive(Default)]
pub(super) struct Sides {
    pub(super) before: Vec<FieldLine>,
    /// What is stored of it: nothing of a chunk that was dropped.
    pub(super) after: Vec<FieldLine>,
    /// For each field after, its number before; `None` if a plugin replaced the events.
    pub(super) numbers: Option<Vec<u32>>,
    /// Whether as many events are left as there were, so that an event has its number still.
    pub(super) has_all_events: bool,
    /// What left as the chain went along, by number before.
    pub(super) gone: BTreeMap<u32, Gone>,
    pub(super) nodes_blocked: usize,
}

/// What a field left with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// An element of which nothing but the box is left.
    Blocked,
    /// Its event.
    Removed,
    /// The request or header that it belonged to.
    Dropped,
    /// Events that a plugin replaced.
    Replaced,
}

impl Gone {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Removed => "removed",
            Self::Dropped => "dropped",
            Self::Replaced => "replaced",
        }
    }
}

/// A field, what is left of it, and with what it left.
pub(super) struct Pair<'a> {
    pub(super) before: &'a FieldLine,
    pub(super) after: Option<&'a FieldLine>,
    pub(super) gone: Option<Gone>,
}

impl Sides {
    /// One for each field before, in order.
    pub(super) fn pairs(&self) -> impl Iterator<Item = Pair<'_>> {
        let left = match &self.numbers {
            Some(numbers) => self.by_number(numbers),
            None => self.by_place(),
        };
        let is_replaced = self.numbers.is_none() && !self.after.is_empty();
        (0..).zip(&self.before).zip(left).map(move |((number, before), after)| {
            let replaced = || (is_replaced && after.is_none()).then_some(Gone::Replaced);
            Pair { before, after, gone: self.gone.get(&number).copied().or_else(replaced) }
        })
    }

    fn by_number(&self, numbers: &[u32]) -> Vec<Option<&FieldLine>> {
        let mut left = vec![None; self.before.len()];
        for (number, after) in numbers.iter().zip(&self.after) {
            if let Some(place) = left.get_mut(*number as usize) {
                *place = Some(after);
            }
        }
        left
    }

    /// Events that a plugin wrote have no numbers from before: of the fields of the same node and kind (and
    /// event, if none is missing), those go together that say the same, and the others in order.
    fn by_place(&self) -> Vec<Option<&FieldLine>> {
        let place = |line: &FieldLine| (self.has_all_events.then_some(line.event), line.node, line.kind);
        let mut groups: HashMap<_, (Vec<usize>, Vec<&FieldLine>)> = HashMap::new();
        for (number, before) in self.before.iter().enumerate() {
            if !u32::try_from(number).is_ok_and(|number| self.gone.contains_key(&number)) {
                groups.entry(place(before)).or_default().0.push(number);
            }
        }
        for after in &self.after {
            groups.entry(place(after)).or_default().1.push(after);
        }
        let mut left = vec![None; self.before.len()];
        let mut pair = |number: usize, after| {
            if let Some(place) = left.get_mut(number) {
                *place = Some(after);
            }
        };
        for (mut numbers, mut after) in groups.into_values() {
            if numbers.len() != after.len() {
                let mut same: HashMap<&str, VecDeque<usize>> = HashMap::new();
                for (at, after) in after.iter().enumerate() {
                    same.entry(&after.text).or_default().push_back(at);
                }
                let mut taken = vec![false; after.len()];
                numbers.retain(|number| {
                    let text = self.before.get(*number).map(|before| &*before.text);
                    let at = text.and_then(|text| same.get_mut(text)?.pop_front());
                    if let Some((at, after)) = at.and_then(|at| Some((at, after.get(at)?))) {
                        pair(*number, *after);
                        taken.get_mut(at).into_iter().for_each(|taken| *taken = true);
                    }
                    at.is_none()
                });
                let mut taken = taken.into_iter();
                after.retain(|_| taken.next() != Some(true));
            }
            numbers.into_iter().zip(after).for_each(|(number, after)| pair(number, after));
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: u32, name: &str, text: &str) -> FieldLine {
        FieldLine {
            chunk: 0,
            event,
            node: 0,
            page: 0,
            element: 0,
            kind: "custom",
            name: name.to_owned(),
            text: text.to_owned(),
        }
    }

    fn left(sides: &Sides) -> Vec<Option<&str>> {
        sides.pairs().map(|pair| pair.after.map(|after| &*after.text)).collect()
    }

    #[test]
    fn numbers_tell_fields_whose_names_and_neighbours_went() {
        let sides = Sides {
            before: vec![line(0, "", "a"), line(1, "a", "b"), line(1, "a", "c")],
            after: vec![line(1, "*", "*"), line(1, "*", "c")],
            numbers: Some(vec![1, 2]),
            gone: [(0, Gone::Removed)].into(),
            ..Sides::default()
        };
        assert_eq!(left(&sides), [None, Some("*"), Some("c")]);
        assert_eq!(sides.pairs().next().unwrap().gone, Some(Gone::Removed));
    }

    #[test]
    fn of_replaced_events_what_says_the_same_goes_together() {
        let before = vec![line(0, "", "a"), line(1, "", "b"), line(2, "", "c"), line(2, "", "d")];
        let after = vec![line(0, "", "b"), line(1, "", "*"), line(1, "", "d")];
        let sides = Sides { before, after, ..Sides::default() };
        // One event is missing, and nobody says which: the first that is not there stands for it.
        assert_eq!(left(&sides), [Some("*"), Some("b"), None, Some("d")]);

        let before = vec![line(0, "", "a"), line(1, "", "a"), line(1, "", "b")];
        let after = vec![line(0, "x", "*"), line(1, "", "b")];
        let sides = Sides { before, after, has_all_events: true, ..Sides::default() };
        assert_eq!(left(&sides), [Some("*"), None, Some("b")]);
    }
}
