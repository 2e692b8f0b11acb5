//! What looks like a word of rrweb's own vocabulary, so that it need not be a field.

const MAX_BYTES: usize = 64;

/// Digits in a word that looks like one: more may be a number of someone.
const MAX_DIGITS: usize = 5;

/// A tag, property or level: a token without `@` or blanks, and hardly any digits.
#[inline]
pub(in crate::rrweb) fn is_word(text: &[u8]) -> bool {
    if text.len() <= MAX_DIGITS {
        return text.iter().all(|byte| is_word_byte(*byte));
    }
    text.len() <= MAX_BYTES
        && text.iter().all(|byte| is_word_byte(*byte))
        && text.iter().filter(|byte| byte.is_ascii_digit()).count() <= MAX_DIGITS
}

#[inline(always)]
fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.')
}

/// A plugin's name: `rrweb/console@1`.
pub(super) fn is_plugin_name(text: &[u8]) -> bool {
    let (name, version) = match text.iter().rposition(|byte| *byte == b'@') {
        Some(at) => text.split_at(at),
        None => (text, &b"@"[..]),
    };
    let version = version.get(1..).unwrap_or_default();
    text.len() <= MAX_BYTES
        && version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        && version.len() <= MAX_DIGITS
        && name.split(|byte| *byte == b'/').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_from_what_people_write() {
        for word in ["", "div", "svg:path", "my-element", "h1", "--main-color", "globalAlpha", "!x"] {
            assert_eq!(is_word(word.as_bytes()), word != "!x", "{word}");
        }
        for no in ["anna@x.example", "Anna Smith", "4111111111111111", "a1b2c3d4e5f6", &"x".repeat(65), "é"]
        {
            assert!(!is_word(no.as_bytes()), "{no}");
        }
    }

    #[test]
    fn plugins_are_told() {
        assert!(is_plugin_name(b"rrweb/console@1"));
        assert!(is_plugin_name(b"own-plugin"));
        assert!(!is_plugin_name(b"anna@mail.example"));
        assert!(!is_plugin_name(b"x@4111111"));
    }
}
