//! What is masked in an address: values of its query and its fragment, and who logs in.

use std::collections::BTreeSet;
use std::ops::Range;

use replay_plugin::matching::Views;

/// Which parameters, by name; names have no case here.
#[derive(Debug)]
pub(crate) struct Parameters {
    /// `None` for all but those kept.
    masked: Option<BTreeSet<String>>,
    kept: BTreeSet<String>,
}

impl Parameters {
    pub(crate) fn new(masked: Option<&[String]>, kept: &[String]) -> Self {
        let lower = |names: &[String]| names.iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { masked: masked.map(lower), kept: lower(kept) }
    }

    fn masks(&self, name: &str) -> bool {
        let name = Views::of(name).innermost().to_ascii_lowercase();
        self.masked.as_ref().map_or_else(|| !self.kept.contains(&name), |masked| masked.contains(&name))
    }

    /// Calls `mask` with the ranges of `url` to be masked.
    pub(crate) fn ranges(&self, url: &str, mut mask: impl FnMut(Range<usize>)) {
        if let Some(userinfo) = userinfo(url) {
            mask(userinfo);
        }
        let fragment = url.find('#').unwrap_or(url.len());
        let query = url.find('?').unwrap_or(url.len()).min(fragment);
        self.values(url, query + 1..fragment, &mut mask);
        // Of a fragment that is an address of its own (`#/users?id=7`) the query; one that is a form.
        let rest = url.get(fragment..).unwrap_or_default();
        match rest.find('?') {
            Some(at) => self.values(url, fragment + at + 1..url.len(), &mut mask),
            None if rest.contains('=') => self.values(url, fragment + 1..url.len(), &mut mask),
            None => {}
        }
    }

    /// The values in `form`, `a=1&b=2&c`: what has no `=` is a value without a name.
    fn values(&self, url: &str, form: Range<usize>, mask: &mut impl FnMut(Range<usize>)) {
        let Some(text) = url.get(form.clone()) else { return };
        let mut start = form.start;
        for part in text.split(['&', ';']) {
            let (name, value) = match part.find('=') {
                Some(at) => (part.get(..at).unwrap_or_default(), at + 1),
                None => (part, 0),
            };
            if self.masks(name) && value < part.len() {
                mask(start + value..start + part.len());
            }
            start += part.len() + 1;
        }
    }
}

/// `user:password` of `https://user:password@host/`.
fn userinfo(url: &str) -> Option<Range<usize>> {
    let start = url.find("://")? + 3;
    let authority = url.get(start..)?.split(['/', '?', '#']).next()?;
    let end = authority.rfind('@')?;
    (end > 0).then_some(start..start + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(masked: Option<&[&str]>, kept: &[&str], url: &str) -> String {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let parameters = Parameters::new(masked.map(owned).as_deref(), &owned(kept));
        let mut out = url.to_owned().into_bytes();
        parameters.ranges(url, |range| out[range].fill(b'*'));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_of_queries_and_fragments() {
        for (url, wanted) in [
            ("https://x.io/a?b=1&c=&d=%40x;e=2#top", "https://x.io/a?b=*&c=&d=****;e=*#top"),
            ("/a?7", "/a?*"),
            ("/a?b=c=d", "/a?b=***"),
            ("https://x.io/#/users?id=7", "https://x.io/#/users?id=*"),
            ("https://x.io/#access_token=ab&x", "https://x.io/#access_token=**&*"),
            ("https://ann:pw@x.io/?a", "https://******@x.io/?*"),
            ("https://x.io?u=a://b@c", "https://x.io?u=*******"),
            ("https://x.io/#/users/7", "https://x.io/#/users/7"),
            ("/a", "/a"),
            ("", ""),
            ("?", "?"),
        ] {
            assert_eq!(masked(None, &[], url), wanted, "{url}");
        }
    }

    #[test]
    fn parameters_by_name() {
        assert_eq!(
            masked(Some(&["Token"]), &[], "/a?token=1&t%6Fken=2&page=3"),
            "/a?token=*&t%6Fken=*&page=3"
        );
        assert_eq!(masked(None, &["page"], "/a?Page=3&q=ann&x"), "/a?Page=3&q=***&*");
    }
}
