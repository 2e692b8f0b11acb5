//! What is split over several fields: which of it is likely.
//!
//! Over close joints and boxes all rules hold as in one text. Loose joints may be between cells of a
//! table, whose numbers make a card or a phone number by chance: there only what is hardly chance is
//! masked.

use replay_plugin::Field;
use replay_plugin::matching::{Joint, Part, Split};

use crate::rules::{Rule, email};

/// Digits in the groups in which cards are printed.
const CARD_GROUPS: [&[usize]; 5] = [&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 1], &[4, 4, 4, 4, 3]];

/// Whether what a rule found in these parts is what it looks like.
pub(crate) fn is_likely(rule: Rule, split: &Split<'_>) -> bool {
    let letters = split.parts.iter().all(|part| text(part).chars().nth(1).is_none());
    if split.joint != Joint::Loose || letters {
        return true;
    }
    match rule {
        // Next to a whole address stands something else.
        Rule::Email => !split.parts.iter().any(|part| has_address(part.field)),
        Rule::Card => {
            let groups: Vec<usize> = split
                .parts
                .iter()
                .map(|part| text(part).chars().filter(char::is_ascii_digit).count())
                .collect();
            CARD_GROUPS.contains(&groups.as_slice())
        }
        // Check digits and beginnings tell.
        Rule::Iban | Rule::Jwt | Rule::Token => true,
        Rule::Phone | Rule::Ipv4 | Rule::Ipv6 | Rule::UsSsn | Rule::Assigned => false,
    }
}

fn text<'a>(part: &Part<'a>) -> &'a str {
    part.field.text().get(part.range.clone()).unwrap_or_default()
}

fn has_address(field: Field<'_>) -> bool {
    let text = field.text();
    text.match_indices('@').any(|(at, _)| email::find(text.as_bytes(), at).is_some())
}
