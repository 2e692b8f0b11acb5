//! JSON as bytes: validated in one pass, counted, compacted, and never turned into a tree.
//!
//! RFC 8259, whole, UTF-8 included; lone surrogates in `\u` escapes are allowed and numbers have no
//! range. Errors carry a place and a kind, never a word of the input.

mod bits;
mod block;
mod compact;
#[cfg(target_arch = "x86_64")]
mod dense;
mod events;
mod nest;
mod numbers;
mod object;
mod scalar;
mod strings;
mod text;
mod walk;

pub use compact::compact;
pub use events::{EventsSummary, scan_events};
pub use object::{Member, walk_object};
pub use text::unquote;

use text::trim_start;

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// Not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// A byte or token that cannot stand where it stands.
    #[error("not JSON")]
    Syntax,
    /// The input ends too early.
    #[error("JSON that ends too early")]
    Truncated,
    /// A backslash followed by what is no escape.
    #[error("not an escape of JSON")]
    Escape,
    /// A byte below 0x20 inside a string.
    #[error("a control character in a string")]
    ControlCharacter,
    /// Neither a number nor `true`, `false` or `null`.
    #[error("neither a number nor true, false or null")]
    Scalar,
    /// Nested deeper than allowed.
    #[error("nested too deep")]
    TooDeep,
    /// Valid, but not an array whose elements are objects (or strings: rrweb's packed events).
    #[error("not an array of events")]
    NotEvents,
    /// Not an object.
    #[error("not an object")]
    NotAnObject,
    /// Two top-level keys of an object say the same.
    #[error("a key that was there before")]
    DuplicateKey,
}

/// A fault and its place: the offset, in bytes, where it was noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {offset}")]
pub struct JsonError {
    /// What is wrong.
    pub fault: JsonFault,
    /// Bytes from the start of the document.
    pub offset: usize,
}

/// Whether the first byte after whitespace is `bracket`, the one kind of document wanted.
fn begins_with(bytes: &[u8], bracket: u8, otherwise: JsonFault) -> Result<(), JsonError> {
    let rest = trim_start(bytes);
    match rest.first() {
        Some(&first) if first == bracket => Ok(()),
        Some(_) => Err(JsonError { fault: otherwise, offset: bytes.len() - rest.len() }),
        None => Err(JsonError { fault: JsonFault::Truncated, offset: bytes.len() }),
    }
}
