//! From a column of a plugin's config, as JSON on one line, to the key there: what a parser says of text that
//! nobody wrote so.

/// The column of a `line 1 column 17`.
pub(super) fn column_in(said: &str) -> Option<usize> {
    let (_, rest) = said.split_once("line 1 column ")?;
    let end = rest.find(|byte: char| !byte.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// The keys on the way to what ends at, or holds, a column of compact JSON, such as `rules[2].kind`.
pub(super) fn key_at(json: &str, column: usize) -> String {
    let mut walk = Walk::default();
    let mut text = json.bytes().take(column.saturating_sub(1));
    while let Some(byte) = text.next() {
        match byte {
            b'"' => walk.string(read_string(&mut text)),
            b':' => walk.takes_value(),
            b'{' => walk.open(Step::Key(String::new())),
            b'[' => walk.open(Step::Item(0)),
            b',' => walk.next(),
            b'}' | b']' => walk.close(),
            _ => {}
        }
    }
    walk.path()
}

/// The rest of a string that began.
fn read_string(text: &mut impl Iterator<Item = u8>) -> String {
    let mut bytes = Vec::new();
    while let Some(byte) = text.next() {
        match byte {
            b'"' => break,
            b'\\' => bytes.extend(text.next()),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[derive(Default)]
struct Walk {
    steps: Vec<Step>,
    in_value: bool,
}

enum Step {
    Key(String),
    Item(usize),
}

impl Walk {
    fn open(&mut self, step: Step) {
        self.in_value = matches!(step, Step::Item(_));
        self.steps.push(step);
    }

    fn close(&mut self) {
        self.steps.pop();
        self.in_value = true;
    }

    fn takes_value(&mut self) {
        self.in_value = true;
    }

    fn next(&mut self) {
        match self.steps.last_mut() {
            Some(Step::Item(position)) => *position += 1,
            Some(Step::Key(_)) | None => self.in_value = false,
        }
    }

    fn string(&mut self, read: String) {
        if let Some(Step::Key(key)) = self.steps.last_mut().filter(|_| !self.in_value) {
            *key = read;
        }
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            match step {
                Step::Key(key) if path.is_empty() || key.is_empty() => path.push_str(key),
                Step::Key(key) => path.push_str(&format!(".{key}")),
                Step::Item(position) => path.push_str(&format!("[{position}]")),
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_leads_to_its_key() {
        let json = r#"{"kinds":["card","emial"],"own":[{"name":"a,b","re":"\"["},{"re":7}],"x":{"y":1}}"#;
        for (at, key) in [
            (r#"emial""#, "kinds[1]"),
            (r#"card""#, "kinds[0]"),
            (r#""\"[""#, "own[0].re"),
            ("7}", "own[1].re"),
            (r#"1}"#, "x.y"),
            (r#":{"y"#, "x"),
        ] {
            // The parser counts what it has read.
            let column = json.find(at).unwrap() + at.len();
            assert_eq!(key_at(json, column), key, "{at}");
        }
        assert_eq!(key_at("{}", 2), "");
        assert_eq!(key_at(json, 9_999), "");
        assert_eq!(column_in("kinds: what? at line 1 column 17"), Some(17));
        assert_eq!(column_in("line 2 column 17"), None);
    }
}
