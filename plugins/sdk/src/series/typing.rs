//! What typing looks like.

use crate::model::{Batch, Field, Kind};

/// Characters that one keystroke, or one correction, changes at most between two recorded values.
const STEP_CHARS: usize = 2;

/// Whether `to` is what becomes of `from` by a keystroke: one begins with the other, or they differ in
/// a few characters at one place.
pub(super) fn is_step(from: &str, to: &str) -> bool {
    if from.starts_with(to) || to.starts_with(from) {
        return true;
    }
    let common = from.chars().zip(to.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    let rest = |text: &'_ str| text.get(common..).map(str::to_owned).unwrap_or_default();
    let (from, to) = (rest(from), rest(to));
    let tail = from.chars().rev().zip(to.chars().rev()).take_while(|(a, b)| a == b).count();
    let differing = |text: &str| text.chars().count() - tail;
    (common > 0 || tail > 0) && differing(&from) <= STEP_CHARS && differing(&to) <= STEP_CHARS
}

/// Whether the field is what an input event told, not a `value` attribute that stood in the page.
pub(super) fn is_input_event(field: Field<'_>) -> bool {
    field.kind() == Kind::Input && field.name() == "text"
}

/// Whether the input was left after `field`, its last value, in chunk number `chunk`: the focus went
/// away from it or came to another node, or the page was left.
pub(super) fn is_left(batch: &Batch<'_>, chunk: usize, field: Field<'_>) -> bool {
    let after = batch.chunks().iter().skip(chunk);
    after.enumerate().any(|(later, chunk)| {
        // A larger number alone may be a late chunk of the same page.
        let is_other_page =
            chunk.info().chunk_index == 0 && chunk.field(0).is_some_and(|first| first.page() > field.page());
        is_other_page
            || chunk.focus().iter().any(|change| {
                let is_later = later > 0 || change.event > field.event();
                is_later && change.focused != (change.node == field.node())
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keystroke_is_a_step() {
        for (from, to) in
            [("", "a"), ("ann", "anna"), ("anna", "ann"), ("anna@x", "anne@x"), ("ab", "acb"), ("aé", "aèé")]
        {
            assert!(is_step(from, to), "{from} {to}");
        }
    }

    #[test]
    fn another_text_is_none() {
        for (from, to) in
            [("Saved", "anna@example.com"), ("anna@x.io", "Thank you, anna"), ("a", "b"), ("é", "è")]
        {
            assert!(!is_step(from, to), "{from} {to}");
        }
    }
}
