//! Patterns of addresses, as GoSight's SDK reads them: `*` (and `**`) is any text, slashes included;
//! `?` is one character. They are held against the path; against the address without query and
//! fragment if they hold `://`.

use replay_plugin::matching::Views;

/// One pattern.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    pattern: Vec<char>,
    is_whole: bool,
}

impl Glob {
    /// The error says what is wrong with the pattern.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        if !pattern.starts_with(['/', '*']) && !pattern.contains("://") {
            return Err(format!("`{pattern}` begins with neither `/` nor `*`, and is no address with `://`"));
        }
        let mut chars: Vec<char> = pattern.chars().collect();
        chars.dedup_by(|next, kept| *next == '*' && *kept == '*');
        Ok(Self { pattern: chars, is_whole: pattern.contains("://") })
    }

    /// Whether it allows the page: as it is written, exactly.
    pub(crate) fn allows(&self, url: &str, path: &str) -> bool {
        matches(&self.pattern, self.subject(url, path))
    }

    /// Whether it blocks the page: in any spelling, with a slash at its end or without.
    pub(crate) fn blocks(&self, url: &str, path: &str) -> bool {
        let views = Views::of(self.subject(url, path));
        [self.subject(url, path), views.innermost()].into_iter().any(|subject| {
            let bare = subject.strip_suffix('/').unwrap_or(subject);
            matches(&self.pattern, subject)
                || matches(&self.pattern, bare)
                || matches(&self.pattern, &format!("{bare}/"))
        })
    }

    fn subject<'a>(&self, url: &'a str, path: &'a str) -> &'a str {
        if self.is_whole { url.split(['?', '#']).next().unwrap_or(url) } else { path }
    }
}

/// The path of an absolute address; `None` for anything else.
pub(crate) fn path_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let rest = rest.split(['?', '#']).next()?;
    Some(rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"))
}

/// Linear but for the last `*`: at a mismatch it takes one character more.
fn matches(pattern: &[char], text: &str) -> bool {
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
