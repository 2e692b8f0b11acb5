//! What is looked for, a file a rule. Each rule is given the bytes and a place, and says what it finds.

pub(crate) mod card;
pub(crate) mod digits;
pub(crate) mod email;
pub(crate) mod iban;
pub(crate) mod ip;
pub(crate) mod phone;
pub(crate) mod token;

use serde::Deserialize;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// E-mail addresses.
    Email,
    /// Payment cards, by issuer, length and check digit.
    Card,
    /// Phone numbers.
    Phone,
    /// IPv4 addresses.
    Ipv4,
    /// IPv6 addresses.
    Ipv6,
    /// US social security numbers.
    UsSsn,
    /// Bank accounts, by country, length and check digits.
    Iban,
    /// API keys and the like, by how they begin.
    Token,
    /// JSON Web Tokens.
    Jwt,
    /// What is assigned to the name of a secret; part of `token`.
    #[serde(skip)]
    Assigned,
}

impl Rule {
    /// All that a config can name.
    pub const ALL: [Self; 9] = [
        Self::Email,
        Self::Card,
        Self::Phone,
        Self::Ipv4,
        Self::Ipv6,
        Self::UsSsn,
        Self::Iban,
        Self::Token,
        Self::Jwt,
    ];
}

/// The byte before `at`.
#[inline]
pub(crate) fn before(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at.checked_sub(1)?).copied()
}

/// Whether a byte is there and part of a word.
#[inline]
pub(crate) fn is_word(byte: Option<u8>) -> bool {
    byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii())
}
