//! Addresses of machines, but for those that every machine has. What reads as a version is none.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::{before, is_word};

/// Bytes that an IPv6 address has at most.
const MAX_IPV6_BYTES: usize = 45;

/// The IPv4 address from the digit at `at` on.
pub(crate) fn find_v4(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    if !bytes.get(at + 1..at + 4)?.contains(&b'.') || !begins(bytes, at) {
        return None;
    }
    let length =
        bytes.get(at..)?.iter().take(16).take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let text = std::str::from_utf8(bytes.get(at..at + length)?).ok()?;
    let text = text.trim_end_matches('.');
    let end = at + text.len();
    let address: Ipv4Addr = text.parse().ok()?;
    let everybodys = address.octets()[0] == 0 || address.is_loopback() || address.is_broadcast();
    let is_file = bytes.get(end) == Some(&b'.') && is_word(bytes.get(end + 1).copied());
    let ends = !is_word(bytes.get(end).copied()) && !is_file;
    (ends && !everybodys && !is_version(bytes, at)).then_some(at..end)
}

fn begins(bytes: &[u8], at: usize) -> bool {
    !is_word(before(bytes, at)) && !matches!(before(bytes, at), Some(b'.' | b'-' | b'@' | b'#'))
}

/// Whether it is a version: `Chrome/120.0.0.0`, `version 1.2.3.4`.
fn is_version(bytes: &[u8], at: usize) -> bool {
    if before(bytes, at) == Some(b'/') {
        return is_word(before(bytes, at - 1));
    }
    let text = bytes.get(at.saturating_sub(16)..at).unwrap_or_default();
    let word = text.trim_ascii_end();
    let word = word.strip_suffix(b":").or_else(|| word.strip_suffix(b"=")).unwrap_or(word);
    [&b"version"[..], b"ver", b"ver.", b"release", b"build", b" v"].iter().any(|end| {
        let tail = word.len().checked_sub(end.len()).and_then(|from| word.get(from..));
        tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end))
    })
}

/// A quick no for most colons: two of its digits stand before the first one, and it goes on behind it.
pub(crate) fn may_be_v6(bytes: &[u8], at: usize) -> bool {
    let is_digit = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit());
    let next = bytes.get(at + 1).copied();
    (next == Some(b':') || is_digit(next))
        && is_digit(before(bytes, at))
        && at.checked_sub(1).is_some_and(|at| is_digit(before(bytes, at)))
}

/// The IPv6 address around the first colon, at `at`.
pub(crate) fn find_v6(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let is_part = |byte: &&u8| byte.is_ascii_hexdigit() || matches!(**byte, b':' | b'.');
    let head = bytes.get(..at)?.iter().rev().take(5).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let start = at - head;
    let tail = bytes.get(at..)?.iter().take(MAX_IPV6_BYTES).take_while(is_part).count();
    let text = std::str::from_utf8(bytes.get(start..at + tail)?).ok()?.trim_end_matches('.');
    let end = start + text.len();
    let address: Ipv6Addr = text.parse().ok()?;
    let groups = address.segments().iter().filter(|group| **group != 0).count();
    let has_digit = text.bytes().any(|byte| byte.is_ascii_digit());
    let alone = !is_word(before(bytes, start))
        && before(bytes, start) != Some(b':')
        && !is_word(bytes.get(end).copied());
    (alone && has_digit && groups >= 2 && head >= 2).then_some(start..end)
}
