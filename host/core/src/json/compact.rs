//! Takes insignificant whitespace out of valid JSON, and changes no other byte.

use super::text::trim_start;

/// `json` without the whitespace outside its strings. Idempotent. `json` must be valid.
pub fn compact(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut rest = trim_start(json);
    while !rest.is_empty() {
        let plain = rest.iter().position(|byte| matches!(byte, b'"' | b' ' | b'\t' | b'\n' | b'\r'));
        let (before, from) = rest.split_at(plain.unwrap_or(rest.len()));
        out.extend_from_slice(before);
        let (string, after) = from.split_at(string_length(from));
        out.extend_from_slice(string);
        rest = trim_start(after);
    }
    out
}

/// Length of the string at the start of `text`, quotes included; 0 if there is none.
fn string_length(text: &[u8]) -> usize {
    if text.first() != Some(&b'"') {
        return 0;
    }
    let mut at = 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', text.get(at..).unwrap_or_default()) {
        at += found + 1;
        if text.get(at - 1) == Some(&b'"') {
            return at;
        }
        at += 1;
    }
    text.len()
}
