//! Finding text however it is spelled.
//!
//! A text is searched as it stands and in up to three further views: each folds full-width digits and
//! letters to ASCII and unusual spaces and dashes to ` ` and `-`, leaves out zero-width characters and
//! soft hyphens, and decodes one layer of `%40`, `&#64;`, `\u0040` and `q=a+b`. Hits are mapped back to
//! byte ranges of the source, exactly. Text without any of these costs one look at each byte.
//!
//! [`Joined`] searches all fields of a chunk, [`Runs`] what is split over several of them. [`Glob`] is for
//! addresses.

mod bytes;
mod decode;
mod folded;
mod glob;
mod heads;
mod joined;
mod runs;
mod views;

use std::ops::Range;

pub use bytes::{ByteSet, blocks, masks};
pub use folded::Folded;
pub use glob::{Glob, is_like, path_of};
pub use heads::{HEAD, Heads};
pub use joined::Joined;
pub use runs::{Joint, Part, Runs, Split};
pub use views::Views;

/// Finds things in text.
///
/// The text may be many fields joined by `\n`: nothing found may span one.
pub trait Find {
    /// What tells one kind of hit from another; `()` if there is only one.
    type Rule;

    /// Calls `found` with the byte range of each hit, in any order; they may overlap.
    fn each(&self, text: &str, found: &mut dyn FnMut(Range<usize>, Self::Rule));
}

impl Find for regex::Regex {
    type Rule = ();

    fn each(&self, text: &str, found: &mut dyn FnMut(Range<usize>, ())) {
        for hit in self.find_iter(text) {
            found(hit.range(), ());
        }
    }
}
