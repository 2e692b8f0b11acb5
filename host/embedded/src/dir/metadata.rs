//! The metadata file beside an object: a flat JSON object of strings, for people.

use std::fmt::Write;

use replay_ports::{PortError, Result};

/// What an object's metadata may take, as in S3.
const MAX_BYTES: usize = 2048;

/// Refuses what another cold store would refuse, so that it is noticed here.
pub(super) fn check(metadata: &[(&str, String)]) -> Result<()> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_BYTES || !metadata.iter().all(|(name, value)| is_name(name) && value.is_ascii()) {
        return Err(PortError::rejected(format!(
            "metadata takes names of [a-z0-9-] and ASCII values of {MAX_BYTES} bytes together, not {bytes}"
        )));
    }
    Ok(())
}

/// The file's text.
pub(super) fn to_json(metadata: &[(&str, String)]) -> String {
    let mut text = String::from("{");
    for (position, (name, value)) in metadata.iter().enumerate() {
        text.push_str(if position == 0 { "\n  " } else { ",\n  " });
        quote(&mut text, name);
        text.push_str(": ");
        quote(&mut text, value);
    }
    text.push_str("\n}\n");
    text
}

fn quote(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        if matches!(character, '"' | '\\') || character.is_control() {
            // Infallible: a String takes whatever is written to it.
            let _ = write!(text, "\\u{:04x}", u32::from(character));
        } else {
            text.push(character);
        }
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_s3_refuses_is_refused() {
        assert!(check(&[("sha256", "ab".into()), ("x-1", "y".repeat(2_000))]).is_ok());
        for bad in [("Name", "x".into()), ("", "x".into()), ("a", "ä".into()), ("a", "x".repeat(2_048))] {
            assert!(check(&[bad]).is_err());
        }
    }

    #[test]
    fn values_are_quoted() {
        let text = to_json(&[("sha256", "ab".into()), ("note", "a\"b\\\n".into())]);
        assert_eq!(text, "{\n  \"sha256\": \"ab\",\n  \"note\": \"a\\u0022b\\u005c\\u000a\"\n}\n");
    }
}
