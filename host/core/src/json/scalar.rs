//! What the masks cannot judge: escapes, numbers that are not plain digits, `true`, `false`, `null`.

use super::{JsonError, JsonFault};

/// Checks the byte after a backslash, at `at`, and the four digits of a `\u`.
///
/// Lone surrogates are allowed: browsers produce them, and players put up with them.
pub(super) fn check_escape(bytes: &[u8], at: usize) -> Result<(), JsonError> {
    let valid = match bytes.get(at) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => true,
        Some(b'u') => {
            bytes.get(at + 1..at + 5).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        }
        Some(_) | None => false,
    };
    if valid { Ok(()) } else { Err(JsonError { fault: JsonFault::Escape, offset: at }) }
}

/// Checks the number or literal that begins at `start`; answers where it ends.
pub(super) fn check_scalar(bytes: &[u8], start: usize) -> Result<usize, JsonError> {
    let rest = bytes.get(start..).unwrap_or_default();
    let length = match rest.first() {
        Some(b't') => rest.starts_with(b"true").then_some(4),
        Some(b'f') => rest.starts_with(b"false").then_some(5),
        Some(b'n') => rest.starts_with(b"null").then_some(4),
        Some(_) => number_length(rest),
        None => None,
    };
    let whole = |&length: &usize| rest.get(length).is_none_or(|&next| ends_scalar(next));
    match length.filter(whole) {
        Some(length) => Ok(start + length),
        None => Err(JsonError { fault: JsonFault::Scalar, offset: start }),
    }
}

/// Whether a number or literal may be over here; whether the byte fits there is the walker's rule.
pub(super) fn ends_scalar(byte: u8) -> bool {
    matches!(byte, b',' | b':' | b'{' | b'}' | b'[' | b']' | b'"' | b' ' | b'\t' | b'\n' | b'\r')
}

/// Length of the RFC 8259 number at the start of `text`.
fn number_length(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
    };
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && text.get(at) == Some(&b'0')) {
        return None;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at);
        if exponent == 0 {
            return None;
        }
        at += exponent;
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_the_grammar() {
        for good in ["0", "-0", "10", "-1.5", "0.0", "1e5", "1E+05", "1.25e-7", "true", "false", "null"] {
            assert_eq!(check_scalar(good.as_bytes(), 0), Ok(good.len()), "{good}");
            assert_eq!(check_scalar(format!("{good},1").as_bytes(), 0), Ok(good.len()), "{good}");
        }
        for bad in
            ["-", "01", "-01", "1.", ".5", "1e", "1e+", "+1", "nul", "truex", "1x", "NaN", "--1", "1.5.5"]
        {
            assert!(check_scalar(bad.as_bytes(), 0).is_err(), "{bad}");
        }
    }

    #[test]
    fn escapes_follow_the_grammar() {
        for good in ["n", "u00e9", "uD800", "/", "\""] {
            assert!(check_escape(good.as_bytes(), 0).is_ok(), "{good}");
        }
        for bad in ["", "x", "u", "u12", "u12g4", "'", "U0041"] {
            assert!(check_escape(bad.as_bytes(), 0).is_err(), "{bad}");
        }
    }
}
