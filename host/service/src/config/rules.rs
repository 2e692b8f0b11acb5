//! What the text of a setting must look like: names, addresses, origins.

use std::fmt;

use super::units::{Wrong, wrong};

/// Which projects metrics name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProjectLabel {
    /// None.
    Off,
    /// The busiest, up to this many; the rest is `other`.
    Top(u32),
}

impl fmt::Display for ProjectLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Top(count) => write!(f, "top:{count}"),
        }
    }
}

pub(super) fn project_label(text: &str) -> Result<ProjectLabel, Wrong> {
    let count = text.strip_prefix("top:").and_then(|n| n.parse().ok()).filter(|n| (1..=1000).contains(n));
    match (text, count) {
        ("off", _) => Ok(ProjectLabel::Off),
        (_, Some(count)) => Ok(ProjectLabel::Top(count)),
        (_, None) => wrong("is not a project label", "write `off`, or `top:N` with N from 1 to 1000"),
    }
}

/// Text without white space, not empty.
pub(super) fn word(text: &str) -> Result<String, Wrong> {
    match text {
        "" => wrong("is empty", "write a value, or leave the key out"),
        text if text.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            wrong("holds white space", "write it without")
        }
        text => Ok(text.into()),
    }
}

/// A name in a database, safe to put into a statement.
pub(super) fn identifier(text: &str) -> Result<String, Wrong> {
    let named = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let starts = text.bytes().next().is_some_and(|b| named(b) && !b.is_ascii_digit());
    match starts && text.len() <= 64 && text.bytes().all(named) {
        true => Ok(text.into()),
        false => wrong("is not a name", "use letters, digits and `_`, not a digit first, 64 at most"),
    }
}

/// A Kafka topic.
pub(super) fn topic(text: &str) -> Result<String, Wrong> {
    let fits = (1..=249).contains(&text.len()) && !matches!(text, "." | "..");
    match fits && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')) {
        true => Ok(text.into()),
        false => wrong("is not a topic", "use letters, digits, `.`, `_` and `-`, 249 at most"),
    }
}

/// The bucket of an S3-compatible store.
pub(super) fn bucket(text: &str) -> Result<String, Wrong> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
    let edges = [text.bytes().next(), text.bytes().last()];
    let edges_fit = edges.iter().all(|b| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
    match (3..=63).contains(&text.len()) && edges_fit && text.bytes().all(inner) {
        true => Ok(text.into()),
        false => wrong(
            "is not a bucket's name",
            "use 3 to 63 lower-case letters, digits, `.` and `-`, a letter or digit at both ends",
        ),
    }
}

/// `host:port`.
pub(super) fn host_and_port(text: &str) -> Result<String, Wrong> {
    if text.contains("://") {
        return wrong("has a scheme", "write only host and port: `minio:9000`");
    }
    let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
    if !is_host(host) || !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return wrong("is not a host and a port", "write `host:port`, such as `kafka:9092`");
    }
    Ok(text.into())
}

/// `host:port` of an S3-compatible store, or `aws`.
pub(super) fn s3_endpoint(text: &str) -> Result<String, Wrong> {
    if text == AWS { Ok(text.into()) } else { host_and_port(text) }
}

/// The endpoint that means Amazon's own store.
pub(super) const AWS: &str = "aws";

/// `http://host:port`, perhaps with a path. Credentials have keys of their own, which never print.
pub(super) fn url(text: &str) -> Result<String, Wrong> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let Some(rest) = rest else {
        return wrong("is not an HTTP address", "write `http://host:port` or `https://host:port`");
    };
    if rest.contains('@') {
        return wrong("holds credentials", "write them as `user` and `password`, which never print");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    if !is_authority(authority) || rest.contains(['?', '#', ' ']) {
        return wrong("is not an HTTP address", "write `http://host:port`, with nothing after a `?`");
    }
    Ok(text.trim_end_matches('/').into())
}

/// A web origin, or all of them.
pub(super) fn origin(text: &str) -> Result<String, Wrong> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match (text, rest) {
        ("*", _) => Ok(text.into()),
        (_, Some(rest)) if is_authority(rest) && !rest.bytes().any(|b| b.is_ascii_uppercase()) => {
            Ok(text.into())
        }
        _ => wrong(
            "is not an origin",
            "write scheme, host and port as browsers send them, without a path: `https://app.example.com`",
        ),
    }
}

fn is_authority(text: &str) -> bool {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => is_host(host) && port.parse::<u16>().is_ok(),
        _ => is_host(text),
    }
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (1..=253).contains(&text.len()) && text.bytes().all(named)
}

/// The name of a plugin.
pub(super) fn plugin_name(text: &str) -> Result<String, Wrong> {
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    match (1..=64).contains(&text.len()) && text.bytes().all(named) {
        true => Ok(text.into()),
        false => wrong("is not a plugin's name", "use letters, digits, `.`, `_` and `-`, 64 at most"),
    }
}

/// A SHA-256 in hexadecimal.
pub(super) fn sha256(text: &str) -> Result<String, Wrong> {
    match text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(text.to_ascii_lowercase()),
        false => wrong("is not a SHA-256", "write the 64 hexadecimal digits that `sha256sum` prints"),
    }
}
