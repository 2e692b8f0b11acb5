//! Who may read: bearer tokens, compared in constant time.

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};

/// The accepted tokens, as digests: what is compared leaks nothing by its timing.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    digests: Vec<[u8; 32]>,
}

impl Tokens {
    /// One token a line; empty lines and lines that start with `#` are left out.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { digests: lines.map(|token| Sha256::digest(token).into()).collect() }
    }

    /// Whether a request with these headers may read. Without tokens everybody may: the config then
    /// allows loopback only.
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        if self.digests.is_empty() {
            return true;
        }
        let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(token) = value.and_then(|value| value.strip_prefix("Bearer ")) else { return false };
        let digest: [u8; 32] = Sha256::digest(token.trim()).into();
        self.digests.contains(&digest)
    }

    /// Whether any token is set.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_asked_for_once_there_is_one() {
        let mut headers = HeaderMap::new();
        assert!(Tokens::default().allow(&headers));
        let tokens = Tokens::parse("# readers\nabc\n\n def \n");
        assert!(!tokens.allow(&headers));
        headers.insert(header::AUTHORIZATION, "Bearer def".parse().unwrap());
        assert!(tokens.allow(&headers));
        headers.insert(header::AUTHORIZATION, "Bearer # readers".parse().unwrap());
        assert!(!tokens.allow(&headers));
    }
}
