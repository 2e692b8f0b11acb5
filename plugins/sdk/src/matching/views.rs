//! One text in all its views.

use std::ops::Range;

use super::Find;
use super::folded::Folded;

/// Layers that are taken off at most: JSON in JSON in a string, an address in an address.
const LAYERS: usize = 3;

/// A text and its folded views, one inside the other.
#[derive(Clone, Debug)]
pub struct Views<'t> {
    source: &'t str,
    layers: Vec<Folded>,
}

impl<'t> Views<'t> {
    /// Takes off all layers there are, up to three.
    pub fn of(source: &'t str) -> Self {
        let mut layers: Vec<Folded> = Vec::new();
        while layers.len() < LAYERS
            && let Some(folded) = Folded::of(layers.last().map_or(source, Folded::text))
        {
            layers.push(folded);
        }
        Self { source, layers }
    }

    /// Whether the text reads as it is written.
    pub fn is_plain(&self) -> bool {
        self.layers.is_empty()
    }

    /// The text as it reads, all layers off.
    pub fn innermost(&self) -> &str {
        self.layers.last().map_or(self.source, Folded::text)
    }

    /// The folded views, outermost first.
    pub fn layers(&self) -> &[Folded] {
        &self.layers
    }

    /// The source's bytes for a range of view `view` (0 is the source); empty for one that is only the
    /// end of an escape.
    pub fn to_source(&self, view: usize, range: Range<usize>) -> Range<usize> {
        let inside = self.off_escapes(view, range);
        self.layers.iter().take(view).rev().fold(inside, |range, folded| folded.to_source(range))
    }

    /// A range of view `view` without the ends of escapes of any layer below: in `\\\\nanna` the `n` is
    /// one of the second.
    fn off_escapes(&self, view: usize, range: Range<usize>) -> Range<usize> {
        let Some(next) = self.layers.get(view) else { return range };
        let range = next.off_escapes(range);
        let below = next.folded_range(range.clone());
        let inside = self.off_escapes(view + 1, below.clone());
        if inside == below { range } else { next.to_source(inside) }
    }

    /// Calls `hit` with the source's bytes of all that `find` finds in any view. Ranges may overlap.
    pub fn search<F: Find>(&self, find: &F, hit: &mut dyn FnMut(Range<usize>)) {
        let texts = std::iter::once(self.source).chain(self.layers.iter().map(Folded::text));
        for (view, text) in texts.enumerate() {
            find.each(text, &mut |range, _| hit(self.to_source(view, range)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let email = regex::Regex::new("[a-z.]+@[a-z.]+").unwrap();
        let mut hits = Vec::new();
        Views::of(text).search(&email, &mut |range| hits.push(&text[range]));
        hits.sort_unstable();
        hits.dedup();
        hits
    }

    #[test]
    fn layer_in_layer() {
        assert_eq!(found(r#"{"a":"{\"b\":\"anna\\u0040x.io\"}"}"#), [r"anna\\u0040x.io"]);
        assert_eq!(found("?next=%2Flogin%3Fu%3Danna%2540x.io"), ["anna%2540x.io"]);
        assert_eq!(found("&amp;#64; anna&amp;#64;x.io"), ["anna&amp;#64;x.io"]);
    }

    #[test]
    fn an_escape_is_no_letter() {
        assert_eq!(found(r"to:\nanna@x.io"), ["anna@x.io"]);
        assert_eq!(found(r#"\"\\nanna@x.io\\n\""#), ["anna@x.io"]);
    }
}
