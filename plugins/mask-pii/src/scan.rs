//! One pass over the text, sixty-four bytes a step: where a byte may begin something, or be in the
//! middle of it, the rules that begin so are asked.

use std::ops::Range;

use replay_plugin::matching::{ByteSet, Find, blocks, masks};

use crate::rules::digits::{Groups, digits_end};
use crate::rules::{Rule, before, card, email, iban, ip, phone, token};

/// What is in the middle of something.
const MIDDLES: ByteSet = ByteSet::of(b"@:=");
/// What a phone number begins with, before its first digit.
const OPENINGS: ByteSet = ByteSet::of(b"+(");
const DIGITS: ByteSet = ByteSet::of(b"0123456789");
const WORDS: ByteSet = ByteSet::of(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
/// How tokens begin: AKIA, AIza, bearer, basic, eyJ, gh?_, glpat, npm_, rk_, sk_, shpat, whsec_, xox, ya29.
const TOKENS: ByteSet = ByteSet::of(b"ABbegnrswxy");

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

impl Find for Scanner {
    type Rule = Rule;

    fn each(&self, text: &str, found: &mut dyn FnMut(Range<usize>, Rule)) {
        let mut pass = Pass { scanner: self, bytes: text.as_bytes(), groups: Groups::default(), found };
        let (mut digit_before, mut word_before) = (0, 0);
        for (start, block) in blocks(text.as_bytes()) {
            let [middles, openings, digits, words, tokens] =
                masks(&[MIDDLES, OPENINGS, DIGITS, WORDS, TOKENS], &block);
            // What follows the last byte is not known here.
            let opened = openings & (digits >> 1 | 1 << 63);
            let numbers = digits & !(digits << 1 | digit_before);
            let begins = tokens & !(words << 1 | word_before);
            (digit_before, word_before) = (digits >> 63, words >> 63);
            let mut left = middles | opened | numbers | begins;
            while left != 0 {
                pass.look(start + left.trailing_zeros() as usize);
                left &= left - 1;
            }
        }
    }
}

/// The text, and who wants to know.
struct Pass<'a> {
    scanner: &'a Scanner,
    bytes: &'a [u8],
    groups: Groups,
    found: &'a mut dyn FnMut(Range<usize>, Rule),
}

impl Pass<'_> {
    /// Asks the rules that begin as the byte at `at`: the first of a run of digits, the first of a word,
    /// or a sign.
    fn look(&mut self, at: usize) {
        let Some(byte) = self.bytes.get(at) else { return };
        match byte {
            b'0'..=b'9' => self.digits(at),
            b'@' => self.ask(Rule::Email, |bytes| email::find(bytes, at)),
            b'+' => self.ask(Rule::Phone, |bytes| phone::find_international(bytes, at)),
            b'(' => self.ask(Rule::Phone, |bytes| phone::find_bracketed(bytes, at)),
            b':' => {
                if ip::may_be_v6(self.bytes, at) {
                    self.ask(Rule::Ipv6, |bytes| ip::find_v6(bytes, at));
                }
                self.assigned(at);
            }
            b'=' => self.assigned(at),
            _ => self.token(at),
        }
    }

    /// Asks a rule, if it is wanted.
    fn ask(&mut self, rule: Rule, find: impl Fn(&[u8]) -> Option<Range<usize>>) {
        if self.scanner.has(rule)
            && let Some(hit) = find(self.bytes)
        {
            (self.found)(hit, rule);
        }
    }

    fn assigned(&mut self, at: usize) {
        if token::may_be_assigned(self.bytes, at) {
            self.ask(Rule::Assigned, |bytes| token::find_assigned(bytes, at));
        }
    }

    /// The rules that begin with a letter.
    fn token(&mut self, at: usize) {
        match self.bytes.get(at) {
            Some(b'e') => self.ask(Rule::Jwt, |bytes| token::find_jwt(bytes, at)),
            Some(b'b' | b'B') => self.ask(Rule::Token, |bytes| token::find_bearer(bytes, at)),
            _ if token::may_be_prefixed(self.bytes, at) => {
                self.ask(Rule::Token, |bytes| token::find_prefixed(bytes, at));
            }
            _ => {}
        }
    }

    /// The rules that begin with a digit, at the first of a run.
    fn digits(&mut self, at: usize) {
        let end = digits_end(self.bytes, at);
        // Two letters before: an account, or part of a word.
        if before(self.bytes, at).is_some_and(|byte| byte.is_ascii_alphabetic()) {
            return self.ask(Rule::Iban, |bytes| iban::find(bytes, at));
        }
        self.ask(Rule::Ipv4, |bytes| ip::find_v4(bytes, at));
        let is_abroad = self.bytes.get(at..at + 2) == Some(b"00");
        if !is_abroad && !has_digits(self.bytes, at, end) {
            return;
        }
        let mut groups = std::mem::take(&mut self.groups);
        groups.read(self.bytes, at, b" -");
        let runs = groups.as_slice();
        self.ask(Rule::Card, |bytes| card::find(bytes, runs));
        self.ask(Rule::UsSsn, |bytes| {
            (1..=runs.len()).rev().find_map(|count| phone::find_us_ssn(bytes, runs.get(..count)?))
        });
        let is_first = !at
            .checked_sub(1)
            .is_some_and(|gap| before(self.bytes, gap).is_some_and(|byte| byte.is_ascii_digit()));
        if is_first && is_abroad {
            self.ask(Rule::Phone, |bytes| phone::find_international(bytes, at));
        }
        self.ask(Rule::Phone, |bytes| national(bytes, runs));
        groups.read(self.bytes, at, b"./");
        let runs = groups.as_slice();
        self.ask(Rule::Phone, |bytes| national(bytes, runs));
        self.groups = groups;
    }
}

/// Digits of the shortest number that is looked for, a social security number.
const FEWEST_DIGITS: usize = 9;

/// Whether the run of digits from `at` to `end` goes on, over single separators of any rule, to as many
/// digits as the shortest number has.
fn has_digits(bytes: &[u8], at: usize, end: usize) -> bool {
    let (mut digits, mut end) = (end - at, end);
    while digits < FEWEST_DIGITS && matches!(bytes.get(end), Some(b' ' | b'-' | b'.' | b'/')) {
        let more = digits_end(bytes, end + 1) - (end + 1);
        if more == 0 {
            break;
        }
        digits += more;
        end += 1 + more;
    }
    digits >= FEWEST_DIGITS
}

fn national(bytes: &[u8], runs: &[Range<usize>]) -> Option<Range<usize>> {
    (1..=runs.len()).rev().find_map(|count| phone::find_national(bytes, runs.get(..count)?))
}

#[cfg(test)]
mod tests;
