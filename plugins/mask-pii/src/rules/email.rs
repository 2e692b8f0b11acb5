//! E-mail addresses: around an `@`.

use std::ops::Range;

/// Bytes of an address before and after its `@` at most.
const MAX_BYTES: usize = 254;

/// The address around the `@` at `at`.
pub(crate) fn find(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let local = bytes.get(..at)?.iter().rev().take(MAX_BYTES).take_while(|byte| is_local(**byte)).count();
    let local = bytes.get(at - local..at)?;
    let dots = local.iter().take_while(|byte| matches!(**byte, b'.' | b'\'' | b'-' | b'+')).count();
    let start = at - (local.len() - dots);
    let domain = domain_len(bytes.get(at + 1..)?)?;
    (start < at).then_some(start..at + 1 + domain)
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._+-'".contains(&byte) || !byte.is_ascii()
}

/// Bytes of the domain that `rest` begins with: labels with dots, the last of two letters or more.
fn domain_len(rest: &[u8]) -> Option<usize> {
    let is_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || !byte.is_ascii();
    let (mut end, mut at) = (0, 0);
    let mut first = true;
    loop {
        let label = rest.get(at..)?.iter().take(MAX_BYTES).take_while(|byte| is_label(**byte)).count();
        let text = rest.get(at..at + label)?;
        if label == 0 {
            break;
        }
        let is_top =
            label >= 2 && text.first().is_some_and(|byte| byte.is_ascii_alphabetic() || !byte.is_ascii());
        if !first && is_top && !(at == 3 && is_density(rest) && is_image(text)) {
            end = at + label - text.iter().rev().take_while(|byte| **byte == b'-').count();
        }
        first = false;
        at += label;
        if rest.get(at) != Some(&b'.') {
            break;
        }
        at += 1;
    }
    (end > 0).then_some(end)
}

/// `icon@2x.png` is a picture's name.
fn is_density(rest: &[u8]) -> bool {
    matches!(rest, [digit, b'x', b'.', ..] if digit.is_ascii_digit())
}

fn is_image(label: &[u8]) -> bool {
    [&b"png"[..], b"jpg", b"jpeg", b"webp", b"gif", b"avif", b"svg"]
        .iter()
        .any(|end| label.eq_ignore_ascii_case(end))
}
