//! Secrets for programs: by how they begin, after `Bearer`, after the name of a secret; JSON Web Tokens.

use std::ops::Range;

use super::{before, is_word};

/// How known ones begin, and the characters that must follow at least.
const PREFIXES: [(&[u8], usize); 26] = [
    (b"AKIA", 16),
    (b"ASIA", 16),
    (b"AIza", 30),
    (b"sk_live_", 8),
    (b"sk_test_", 8),
    (b"rk_live_", 8),
    (b"rk_test_", 8),
    (b"whsec_", 16),
    (b"sk-ant-", 16),
    (b"sk-proj-", 16),
    (b"sk-", 32),
    (b"ghp_", 20),
    (b"gho_", 20),
    (b"ghu_", 20),
    (b"ghs_", 20),
    (b"ghr_", 20),
    (b"github_pat_", 20),
    (b"glpat-", 16),
    (b"xoxb-", 10),
    (b"xoxa-", 10),
    (b"xoxp-", 10),
    (b"xoxr-", 10),
    (b"xoxs-", 10),
    (b"npm_", 30),
    (b"shpat_", 20),
    (b"ya29.", 20),
];

/// How the last word of a secret's name may end; `_` and `-` do not count.
const SECRET_NAMES: [&[u8]; 19] = [
    b"token",
    b"secret",
    b"apikey",
    b"accesskey",
    b"privatekey",
    b"secretkey",
    b"authkey",
    b"password",
    b"passwd",
    b"pwd",
    b"passphrase",
    b"sessionid",
    b"sessid",
    b"authorization",
    b"credential",
    b"credentials",
    b"signature",
    b"csrf",
    b"xsrf",
];

/// The first two letters of each of [`PREFIXES`].
const HEADS: [[u8; 2]; PREFIXES.len()] = {
    let mut heads = [[0; 2]; PREFIXES.len()];
    let mut at = 0;
    while at < heads.len() {
        heads[at] = [PREFIXES[at].0[0], PREFIXES[at].0[1]];
        at += 1;
    }
    heads
};

/// A quick no for most words.
pub(crate) fn may_be_prefixed(bytes: &[u8], at: usize) -> bool {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).is_some_and(|head| HEADS.contains(head))
}

/// The token that begins at `at`, if known ones begin so.
pub(crate) fn find_prefixed(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    if is_word(before(bytes, at)) {
        return None;
    }
    let text = bytes.get(at..)?;
    let head = text.first_chunk()?;
    // A guest compares longer texts by a call: not all of them at each word.
    let mut alike = PREFIXES.iter().zip(&HEADS).filter(|(_, begin)| *begin == head).map(|(known, _)| known);
    let (prefix, least) = alike.find(|(prefix, _)| text.starts_with(prefix))?;
    let end = token_end(bytes, at + prefix.len());
    (end - at - prefix.len() >= *least).then_some(at..end)
}

/// What follows the `Bearer` (or `Basic`) at `at`.
pub(crate) fn find_bearer(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let text = bytes.get(at..)?;
    let word = [&b"bearer "[..], b"basic "]
        .into_iter()
        .find(|word| text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word)))?;
    let start = at + word.len();
    let end = token_end(bytes, start);
    let has_digit = bytes.get(start..end)?.iter().any(u8::is_ascii_digit);
    let is_long = end - start >= if has_digit { 8 } else { 20 };
    (!is_word(before(bytes, at)) && is_long).then_some(start..end)
}

/// The JSON Web Token that begins at `at`.
pub(crate) fn find_jwt(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    if is_word(before(bytes, at)) || !bytes.get(at..)?.starts_with(b"eyJ") {
        return None;
    }
    let part = |from: usize| {
        let length = bytes.get(from..)?.iter().take_while(|byte| is_base64url(**byte)).count();
        Some(from + length)
    };
    let header = part(at)?;
    let claims = part(header + 1)?;
    let dots = bytes.get(header) == Some(&b'.');
    if !dots || header - at < 10 || claims <= header + 10 {
        return None;
    }
    // An unsigned or cut one has no third part.
    let end = if bytes.get(claims) == Some(&b'.') { part(claims + 1)? } else { claims };
    Some(at..end)
}

/// How names of secrets end: a bit for each letter of the alphabet.
const LAST_LETTERS: u32 = {
    let (mut letters, mut at) = (0, 0);
    while at < SECRET_NAMES.len() {
        let name = SECRET_NAMES[at];
        letters |= 1 << (name[name.len() - 1] - b'a');
        at += 1;
    }
    letters
};

/// A quick no for most of `=` and `:`: the last letter of the name before it.
pub(crate) fn may_be_assigned(bytes: &[u8], at: usize) -> bool {
    let last = match before(bytes, at) {
        Some(b'"' | b'\'') => at.checked_sub(1).and_then(|at| before(bytes, at)),
        last => last,
    };
    last.is_some_and(|last| last.is_ascii_alphabetic() && LAST_LETTERS >> ((last | 0x20) - b'a') & 1 != 0)
}

/// What is assigned, by the `=` or `:` at `at`, to the name of a secret.
pub(crate) fn find_assigned(bytes: &[u8], at: usize) -> Option<Range<usize>> {
    let quoted = before(bytes, at).filter(|quote| matches!(quote, b'"' | b'\''));
    let name_end = at - usize::from(quoted.is_some());
    let last = before(bytes, name_end)?;
    if !last.is_ascii_alphanumeric() {
        return None;
    }
    let name = bytes.get(..name_end)?.iter().rev().take(32).take_while(|byte| is_name(**byte)).count();
    if !is_secret_name(bytes.get(name_end - name..name_end)?) {
        return None;
    }
    let is_colon = bytes.get(at) == Some(&b':');
    let mut start = at + 1;
    start += usize::from(is_colon && bytes.get(start) == Some(&b' '));
    let quote = bytes.get(start).copied().filter(|byte| matches!(byte, b'"' | b'\''));
    start += usize::from(quote.is_some());
    let ends = |byte: u8| match quote {
        Some(quote) => byte == quote || byte == b'\n' || byte == b'\\',
        None => !byte.is_ascii_graphic() && byte.is_ascii() || b"&\"'<>;,#)}]|\\`".contains(&byte),
    };
    let length = bytes.get(start..)?.iter().take(4096).take_while(|byte| !ends(**byte)).count();
    let value = std::str::from_utf8(bytes.get(start..start + length)?).ok()?;
    is_secret_value(value).then_some(start..start + length)
}

/// Whether a key, an attribute or a parameter of this name holds a secret.
pub(crate) fn is_secret_name(name: &[u8]) -> bool {
    SECRET_NAMES.iter().any(|secret| {
        let mut letters = name.iter().rev().filter(|byte| !matches!(byte, b'_' | b'-'));
        secret.iter().rev().all(|byte| letters.next().is_some_and(|have| have.eq_ignore_ascii_case(byte)))
    })
}

/// Whether a text may be the secret, and not `true`, a type's name or a sentence.
pub(crate) fn is_secret_value(value: &str) -> bool {
    let bytes = value.as_bytes();
    let has_other = bytes.iter().any(|byte| !byte.is_ascii_alphabetic());
    let words = value.split_whitespace().count();
    let is_masked = bytes.iter().all(|byte| matches!(byte, b'*' | b'x' | b'0') || !byte.is_ascii());
    (if has_other { bytes.len() >= 6 } else { bytes.len() >= 16 }) && words <= 2 && !is_masked
}

fn token_end(bytes: &[u8], at: usize) -> usize {
    let is_token = |byte: &&u8| byte.is_ascii_alphanumeric() || b"_-.~+/=".contains(byte);
    let length = bytes.get(at..).unwrap_or_default().iter().take_while(is_token).count();
    let token = bytes.get(at..at + length).unwrap_or_default();
    at + length - token.iter().rev().take_while(|byte| matches!(**byte, b'.' | b'/')).count()
}

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
