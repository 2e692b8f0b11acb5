//! The metadata file beside an object: a flat JSON object of strings, for people.

use std::fmt::Write;

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
    fn values_are_quoted() {
        let text = to_json(&[("sha256", "ab".into()), ("note", "a\"b\\\n".into())]);
        assert_eq!(text, "{\n  \"sha256\": \"ab\",\n  \"note\": \"a\\u0022b\\u005c\\u000a\"\n}\n");
    }
}
