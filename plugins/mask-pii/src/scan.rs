//! One pass over the text: at each byte that may begin or be in the middle of something, ask the rules
//! that begin so.

use std::ops::Range;

use replay_plugin::matching::Find;

use crate::rules::digits::{Groups, digits_end};
use crate::rules::{Rule, before, card, email, iban, ip, phone, token};

/// What a byte may begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Nothing,
    At,
    Digit,
    Plus,
    Bracket,
    Colon,
    Equals,
    Letter,
}

const SIGNS: [Sign; 256] = {
    let mut signs = [Sign::Nothing; 256];
    let mut digit = b'0';
    while digit <= b'9' {
        signs[digit as usize] = Sign::Digit;
        digit += 1;
    }
    // How tokens begin: AKIA, AIza, bearer, basic, eyJ, gh?_, glpat, npm_, rk_, sk_, shpat, whsec_, xox, ya29.
    let letters = b"ABbegnrswxy";
    let mut at = 0;
    while at < letters.len() {
        signs[letters[at] as usize] = Sign::Letter;
        at += 1;
    }
    signs[b'@' as usize] = Sign::At;
    signs[b'+' as usize] = Sign::Plus;
    signs[b'(' as usize] = Sign::Bracket;
    signs[b':' as usize] = Sign::Colon;
    signs[b'=' as usize] = Sign::Equals;
    signs
};

/// The rules that are asked.
#[derive(Debug)]
pub(crate) struct Scanner {
    rules: u16,
}

impl Scanner {
    pub(crate) fn new(rules: &[Rule]) -> Self {
        let assigned = rules.contains(&Rule::Token).then_some(Rule::Assigned);
        Self { rules: rules.iter().chain(&assigned).fold(0, |set, rule| set | 1 << *rule as u16) }
    }

    pub(crate) fn has(&self, rule: Rule) -> bool {
        self.rules & 1 << rule as u16 != 0
    }
}

/// The text, and who wants to know.
struct Pass<'a> {
    scanner: &'a Scanner,
    bytes: &'a [u8],
    found: &'a mut dyn FnMut(Range<usize>, Rule),
}

impl Pass<'_> {
    /// Asks a rule, if it is wanted; where what it found ends.
    fn ask(&mut self, rule: Rule, find: impl Fn(&[u8]) -> Option<Range<usize>>) -> Option<usize> {
        let hit = self.scanner.has(rule).then(|| find(self.bytes)).flatten()?;
        let end = hit.end;
        (self.found)(hit, rule);
        Some(end)
    }
}

impl Find for Scanner {
    type Rule = Rule;

    fn each(&self, text: &str, found: &mut dyn FnMut(Range<usize>, Rule)) {
        let mut pass = Pass { scanner: self, bytes: text.as_bytes(), found };
        let mut groups = Groups::default();
        let mut at = 0;
        while let Some(byte) = pass.bytes.get(at) {
            match SIGNS[usize::from(*byte)] {
                Sign::Nothing => {}
                Sign::Digit => {
                    at = digits(&mut pass, at, &mut groups);
                    continue;
                }
                Sign::At => {
                    pass.ask(Rule::Email, |bytes| email::find(bytes, at));
                }
                Sign::Plus => {
                    pass.ask(Rule::Phone, |bytes| phone::find_international(bytes, at));
                }
                Sign::Bracket => {
                    pass.ask(Rule::Phone, |bytes| phone::find_bracketed(bytes, at));
                }
                Sign::Colon => {
                    pass.ask(Rule::Ipv6, |bytes| ip::find_v6(bytes, at));
                    pass.ask(Rule::Assigned, |bytes| token::find_assigned(bytes, at));
                }
                Sign::Equals => {
                    pass.ask(Rule::Assigned, |bytes| token::find_assigned(bytes, at));
                }
                Sign::Letter => letter(&mut pass, at),
            }
            at += 1;
        }
    }
}

/// The rules that begin with a letter.
fn letter(pass: &mut Pass<'_>, at: usize) {
    if before(pass.bytes, at).is_some_and(|byte| byte.is_ascii_alphanumeric()) {
        return;
    }
    pass.ask(Rule::Jwt, |bytes| token::find_jwt(bytes, at));
    pass.ask(Rule::Token, |bytes| token::find_prefixed(bytes, at));
    pass.ask(Rule::Token, |bytes| token::find_bearer(bytes, at));
}

/// The rules that begin with a digit, at the first of a run; the end of the run.
fn digits(pass: &mut Pass<'_>, at: usize, groups: &mut Groups) -> usize {
    let end = digits_end(pass.bytes, at);
    // Two letters before: an account, or part of a word.
    if before(pass.bytes, at).is_some_and(|byte| byte.is_ascii_alphabetic()) {
        pass.ask(Rule::Iban, |bytes| iban::find(bytes, at));
        return end;
    }
    pass.ask(Rule::Ipv4, |bytes| ip::find_v4(bytes, at));
    groups.read(pass.bytes, at, b" -");
    let runs = groups.as_slice();
    pass.ask(Rule::Card, |bytes| card::find(bytes, runs));
    pass.ask(Rule::UsSsn, |bytes| {
        (1..=runs.len()).rev().find_map(|count| phone::find_us_ssn(bytes, runs.get(..count)?))
    });
    let is_first = !at
        .checked_sub(1)
        .is_some_and(|gap| before(pass.bytes, gap).is_some_and(|byte| byte.is_ascii_digit()));
    if is_first && pass.bytes.get(at..at + 2) == Some(b"00") {
        pass.ask(Rule::Phone, |bytes| phone::find_international(bytes, at));
    }
    let national = |bytes: &[u8], runs: &[Range<usize>]| {
        (1..=runs.len()).rev().find_map(|count| phone::find_national(bytes, runs.get(..count)?))
    };
    pass.ask(Rule::Phone, |bytes| national(bytes, runs));
    groups.read(pass.bytes, at, b"./");
    let runs = groups.as_slice();
    pass.ask(Rule::Phone, |bytes| national(bytes, runs));
    end
}
