//! The scan against one that looks at every byte and asks every rule that could begin there.

use proptest::prelude::*;

use super::*;
use crate::rules::phone::tests::find_national_slowly;

/// What some groups of digits may be, from the first on.
type FindDigits = fn(&[u8], &[Range<usize>]) -> Option<Range<usize>>;

/// The rules asked at each byte, none of them left out beforehand.
fn slowly(scanner: &Scanner, text: &str) -> Vec<(Range<usize>, Rule)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut ask = |rule: Rule, hit: Option<Range<usize>>| {
        found.extend(hit.filter(|_| scanner.has(rule)).map(|hit| (hit, rule)));
    };
    let mut groups = Groups::default();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'@' => ask(Rule::Email, email::find(bytes, at)),
            b'+' => ask(Rule::Phone, phone::find_international(bytes, at)),
            b'(' => ask(Rule::Phone, phone::find_bracketed(bytes, at)),
            b':' => {
                ask(Rule::Ipv6, ip::find_v6(bytes, at));
                ask(Rule::Assigned, token::find_assigned(bytes, at));
            }
            b'=' => ask(Rule::Assigned, token::find_assigned(bytes, at)),
            b'0'..=b'9' => {
                at = digits_slowly(bytes, at, &mut groups, &mut ask);
                continue;
            }
            _ if !before(bytes, at).is_some_and(|byte| byte.is_ascii_alphanumeric()) => {
                ask(Rule::Jwt, token::find_jwt(bytes, at));
                ask(Rule::Token, token::find_prefixed(bytes, at));
                ask(Rule::Token, token::find_bearer(bytes, at));
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn digits_slowly(
    bytes: &[u8],
    at: usize,
    groups: &mut Groups,
    ask: &mut dyn FnMut(Rule, Option<Range<usize>>),
) -> usize {
    let end = digits_end(bytes, at);
    if before(bytes, at).is_some_and(|byte| byte.is_ascii_alphabetic()) {
        ask(Rule::Iban, iban::find(bytes, at));
        return end;
    }
    ask(Rule::Ipv4, ip::find_v4(bytes, at));
    groups.read(bytes, at, b" -");
    let runs = groups.as_slice();
    let longest = |runs: &[Range<usize>], find: FindDigits| {
        (1..=runs.len()).rev().find_map(|count| find(bytes, runs.get(..count)?))
    };
    ask(Rule::Card, card::find(bytes, runs));
    ask(Rule::UsSsn, longest(runs, phone::find_us_ssn));
    let two_before = at.checked_sub(1).and_then(|gap| before(bytes, gap));
    if !two_before.is_some_and(|byte| byte.is_ascii_digit()) && bytes.get(at..at + 2) == Some(b"00") {
        ask(Rule::Phone, phone::find_international(bytes, at));
    }
    ask(Rule::Phone, longest(runs, find_national_slowly));
    groups.read(bytes, at, b"./");
    ask(Rule::Phone, longest(groups.as_slice(), find_national_slowly));
    end
}

/// Text of what the rules look for and of what it is made of.
fn text() -> impl Strategy<Value = String> {
    let whole = prop::sample::select(vec![
        "anna@example.com",
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "+44 20 7946 0958",
        "0044 20 7946 0958",
        "00(44) 20 7946 0958",
        "(415) 555-0132",
        "415.555.0132",
        "1-415-555-0132",
        "tel:4155550132",
        "020 7946 0958",
        "0151/2345678",
        "203.0.113.7",
        "2001:db8::8a2e:370:7334",
        "fe80::1ff:fe23:4567:890a",
        "078-05-1120",
        "DE89 3704 0044 0532 0130 00",
        "GB29NWBK60161331926819",
        "AKIAIOSFODNN7EXAMPLE",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "Bearer abcdef0123456789",
        "basic dXNlcjpwYXNzd29yZA==",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
        "password=hunter2hunter2",
        "\"api_key\": \"abc123def456\"",
        "session-id: 1234567",
        "é",
        "\n",
    ]);
    let part = prop_oneof![
        3 => whole.prop_map(str::to_owned),
        2 => "[0-9]{1,5}",
        2 => "[-+ ./:=@(),_\"a-fA-Z]",
        1 => "[a-z]{1,70}",
    ];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn what_is_found_is_what_every_byte_would_find(text in text(), cut in 0usize..80) {
        // Wherever blocks begin.
        let text: String = "x".repeat(cut) + &text;
        for rules in [&Rule::ALL[..], &[Rule::Phone], &[Rule::Token]] {
            let scanner = Scanner::new(rules);
            let mut found = Vec::new();
            scanner.each(&text, &mut |range, rule| found.push((range, rule)));
            prop_assert_eq!(found, slowly(&scanner, &text));
        }
    }
}
