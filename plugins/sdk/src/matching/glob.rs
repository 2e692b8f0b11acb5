//! Patterns of addresses, as GoSight's SDK reads them: `*` (and `**`) is any text, slashes included;
//! `?` is one character. They are held against the path; against the address without query and
//! fragment if they hold `://`.

use super::Views;

/// A pattern of addresses.
#[derive(Clone, Debug)]
pub struct Glob {
    pattern: Vec<char>,
    is_whole: bool,
}

impl Glob {
    /// The error says what is wrong with the pattern.
    pub fn new(pattern: &str) -> Result<Self, String> {
        if !pattern.starts_with(['/', '*']) && !pattern.contains("://") {
            return Err(format!("`{pattern}` begins with neither `/` nor `*`, and is no address with `://`"));
        }
        let mut chars: Vec<char> = pattern.chars().collect();
        chars.dedup_by(|next, kept| *next == '*' && *kept == '*');
        Ok(Self { pattern: chars, is_whole: pattern.contains("://") })
    }

    /// Whether it allows the address, whose path is `path`: as it is written, exactly.
    pub fn allows(&self, url: &str, path: &str) -> bool {
        is_like(&self.pattern, self.subject(url, path))
    }

    /// Whether it blocks the address, whose path is `path`: in any spelling, with a slash at its end or without.
    pub fn blocks(&self, url: &str, path: &str) -> bool {
        let views = Views::of(self.subject(url, path));
        [self.subject(url, path), views.innermost()].into_iter().any(|subject| {
            let bare = subject.strip_suffix('/').unwrap_or(subject);
            is_like(&self.pattern, subject)
                || is_like(&self.pattern, bare)
                || is_like(&self.pattern, &format!("{bare}/"))
        })
    }

    fn subject<'a>(&self, url: &'a str, path: &'a str) -> &'a str {
        if self.is_whole { url.split(['?', '#']).next().unwrap_or(url) } else { path }
    }
}

/// The path of an absolute address; `None` for anything else.
pub fn path_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let rest = rest.split(['?', '#']).next()?;
    Some(rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"))
}

/// Whether a whole text is like a pattern: `*` is any text, `?` one character.
///
/// Linear but for the last `*`: at a mismatch it takes one character more.
pub fn is_like(pattern: &[char], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == '?' || Some(wanted) == text.get(t) => {
                p += 1;
                t += 1;
            }
            Some(_) | None => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    p = at + 1;
                    t = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|rest| *rest == '*')
}
