//! The plugin's options.

use replay_plugin::MaskChar;
use serde::Deserialize;

/// The options. All have defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Requests that leave, by patterns of their addresses.
    pub drop_requests: Vec<String>,
    /// Headers that leave; those that let somebody in by default.
    pub drop_headers: Vec<String>,
    /// The only headers that stay, if given.
    pub allow_headers: Option<Vec<String>>,
    /// What becomes of bodies, and of whatever else a recorder says of a request.
    pub bodies: Bodies,
    /// Parameters of queries whose values are masked; all if not given.
    pub query_parameters: Option<Vec<String>>,
    /// Parameters whose values stay.
    pub keep_parameters: Vec<String>,
    /// In which addresses.
    pub query_in: Vec<Addresses>,
    /// The character that masks.
    pub mask_char: MaskChar,
}

/// What becomes of bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bodies {
    /// Nothing is left of their texts.
    #[default]
    Clear,
    /// Their texts are masked.
    Mask,
    /// They stay.
    Keep,
}

/// Which addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Addresses {
    /// Of requests.
    Requests,
    /// Of the pages that were open.
    Pages,
    /// Of links, pictures and whatever else the page names.
    Links,
}

/// Headers that let somebody in, or say who is let in.
const SECRET: [&str; 17] = [
    "authorization",
    "proxy-authorization",
    "authentication",
    "cookie",
    "cookie2",
    "set-cookie",
    "set-cookie2",
    "x-api-key",
    "api-key",
    "x-access-token",
    "x-auth-token",
    "x-csrf-token",
    "x-xsrf-token",
    "x-session-id",
    "x-amz-security-token",
    "x-goog-iam-authorization-token",
    "x-forwarded-for",
];

impl Default for Config {
    fn default() -> Self {
        Self {
            drop_requests: Vec::new(),
            drop_headers: SECRET.map(str::to_owned).to_vec(),
            allow_headers: None,
            bodies: Bodies::default(),
            query_parameters: None,
            keep_parameters: Vec::new(),
            query_in: vec![Addresses::Requests, Addresses::Pages],
            mask_char: MaskChar::default(),
        }
    }
}

impl Config {
    /// What each option alone does not tell, all at once.
    pub(crate) fn check(&self) -> Result<(), String> {
        let mut wrong = Vec::new();
        let headers = self.drop_headers.iter().chain(self.allow_headers.iter().flatten());
        for name in headers.filter(|name| !is_token(name)) {
            wrong.push(format!("`{name}` is no header's name"));
        }
        if let Some(allowed) = &self.allow_headers {
            let both =
                allowed.iter().filter(|name| self.drop_headers.iter().any(|d| d.eq_ignore_ascii_case(name)));
            wrong.extend(both.map(|name| format!("`{name}` is in `allow_headers` and in `drop_headers`")));
        }
        if self.query_parameters.is_some() && !self.keep_parameters.is_empty() {
            wrong.push("`keep_parameters` is for all parameters: leave it or `query_parameters` out".into());
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }
}

/// Whether a text can be a header's name (RFC 9110, 5.6.2).
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
