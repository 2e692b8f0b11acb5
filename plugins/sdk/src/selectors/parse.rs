//! Reading selectors.

use super::{Attribute, Combinator, Compound, Selector, Test};

/// Bytes of a list of selectors at most.
const MAX_BYTES: usize = 4_096;

/// Attributes that the host tells of an element, `data-*` aside.
const KNOWN: [&str; 6] = ["type", "name", "id", "class", "autocomplete", "contenteditable"];

/// The selectors of a list, `.a, #b c`.
pub(super) fn list(text: &str) -> Result<Vec<Selector>, String> {
    let mut reader = Reader { text, at: 0 };
    let read = match text.len() {
        ..=MAX_BYTES => reader.list(),
        _ => Err(format!("is longer than {MAX_BYTES} bytes")),
    };
    read.map_err(|why| {
        let place = text.get(..reader.at).unwrap_or(text).chars().count() + 1;
        let shown: String = text.chars().take(80).collect();
        format!("selector `{shown}`, character {place}: {why}")
    })
}

/// Makes a test of an attribute out of the value that is asked for.
type Comparison = fn(String) -> Test;

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn list(&mut self) -> Result<Vec<Selector>, String> {
        let mut all = Vec::new();
        loop {
            self.skip_space();
            all.push(self.selector()?);
            match self.peek() {
                None => return Ok(all),
                Some(_) => self.at += 1,
            }
        }
    }

    /// A selector, up to the end or the comma behind it.
    fn selector(&mut self) -> Result<Selector, String> {
        let (mut subject, mut ancestors) = (self.compound()?, Vec::new());
        loop {
            let has_space = self.skip_space();
            let combinator = match self.peek() {
                None | Some(',') => {
                    ancestors.reverse();
                    return Ok(Selector { subject, ancestors });
                }
                Some('>') => {
                    self.at += 1;
                    self.skip_space();
                    Combinator::Child
                }
                Some(sign @ ('+' | '~')) => {
                    return Err(format!("`{sign}` is not supported: siblings are not known"));
                }
                Some(_) if has_space => Combinator::Descendant,
                Some(other) => return Err(format!("`{other}` is not expected here")),
            };
            let next = self.compound()?;
            ancestors.push((combinator, std::mem::replace(&mut subject, next)));
        }
    }

    fn compound(&mut self) -> Result<Compound, String> {
        let (start, mut compound) = (self.at, Compound::default());
        match self.peek() {
            Some('*') => self.at += 1,
            Some(first) if is_name(first) => compound.tag = Some(self.name()?.to_ascii_lowercase()),
            Some(_) | None => {}
        }
        loop {
            match self.peek() {
                Some('.') => compound.attributes.push(self.named("class", Test::Word)?),
                Some('#') => compound.attributes.push(self.named("id", Test::Equals)?),
                Some('[') => compound.attributes.push(self.attribute()?),
                Some(':') => return Err("`:` is not supported: pseudo-classes are not known".into()),
                Some(_) | None if self.at > start => return Ok(compound),
                Some(other) => return Err(format!("`{other}` begins no selector")),
                None => return Err("a selector is missing".into()),
            }
        }
    }

    fn named(&mut self, name: &str, test: Comparison) -> Result<Attribute, String> {
        self.at += 1;
        Ok(Attribute { name: name.into(), test: test(self.name()?), any_case: false })
    }

    /// `[name]`, `[name=value]`, `[name^="value" i]`
    fn attribute(&mut self) -> Result<Attribute, String> {
        self.at += 1;
        self.skip_space();
        let start = self.at;
        let name = self.name()?.to_ascii_lowercase();
        if !KNOWN.contains(&name.as_str()) && !name.starts_with("data-") {
            self.at = start;
            return Err(format!("the attribute `{name}` is not known; {} and data-* are", KNOWN.join(", ")));
        }
        self.skip_space();
        let test = self.comparison()?;
        let Some(test) = test else {
            self.expect(']')?;
            return Ok(Attribute { name, test: Test::Present, any_case: false });
        };
        self.skip_space();
        let value = self.value()?;
        self.skip_space();
        let any_case = matches!(self.peek(), Some('i' | 'I'));
        if any_case || matches!(self.peek(), Some('s' | 'S')) {
            self.at += 1;
            self.skip_space();
        }
        self.expect(']')?;
        let value = if any_case { value.to_ascii_lowercase() } else { value };
        Ok(Attribute { name, test: test(value), any_case })
    }

    /// What is between name and value; `None` for the bracket that closes.
    fn comparison(&mut self) -> Result<Option<Comparison>, String> {
        let test: Comparison = match self.peek() {
            Some(']') => return Ok(None),
            Some('=') => {
                self.at += 1;
                return Ok(Some(Test::Equals));
            }
            Some('~') => Test::Word,
            Some('|') => Test::Dash,
            Some('^') => Test::Begins,
            Some('$') => Test::Ends,
            Some('*') => Test::Contains,
            Some(_) | None => {
                return Err("`]` or a comparison (`=`, `~=`, `|=`, `^=`, `$=`, `*=`) is expected".into());
            }
        };
        self.at += 1;
        self.expect('=')?;
        Ok(Some(test))
    }

    fn value(&mut self) -> Result<String, String> {
        let Some(quote @ ('"' | '\'')) = self.peek() else {
            return self.name().map_err(|_| "a value is expected, in quotes unless it is a name".into());
        };
        let mut value = String::new();
        self.at += 1;
        loop {
            match self.next() {
                Some(end) if end == quote => break,
                Some('\\') => value.push(self.next().ok_or("the quote is not closed")?),
                Some(other) => value.push(other),
                None => return Err("the quote is not closed".into()),
            }
        }
        if value.is_empty() { Err("the value is empty".into()) } else { Ok(value) }
    }

    fn name(&mut self) -> Result<String, String> {
        let mut name = String::new();
        while let Some(next) = self.peek() {
            if next == '\\' {
                self.at += 1;
                if self.peek().is_some_and(|next| next.is_ascii_hexdigit()) {
                    return Err("a character by its number (`\\31 `) is not supported".into());
                }
                name.push(self.next().ok_or("nothing follows the `\\`")?);
            } else if is_name(next) {
                name.push(next);
                self.at += next.len_utf8();
            } else {
                break;
            }
        }
        if name.is_empty() { Err("a name is expected".into()) } else { Ok(name) }
    }

    fn expect(&mut self, sign: char) -> Result<(), String> {
        if self.peek() != Some(sign) {
            return Err(format!("`{sign}` is expected"));
        }
        self.at += sign.len_utf8();
        Ok(())
    }

    fn skip_space(&mut self) -> bool {
        let start = self.at;
        while self.peek().is_some_and(|next| next.is_ascii_whitespace()) {
            self.at += 1;
        }
        self.at > start
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }
}

fn is_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '\\') || !char.is_ascii()
}
