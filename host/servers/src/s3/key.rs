//! Which keys and which metadata the store takes, and what it says of an object's kind.

use replay_ports::{PortError, Result};

/// The longest key, in bytes.
const MAX_KEY_BYTES: usize = 1024;
/// What an object's metadata may take.
const MAX_METADATA_BYTES: usize = 2048;

/// Refuses keys that not every store takes.
pub(super) fn check_key(key: &str) -> Result<()> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._=@+-".contains(&byte);
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(safe);
    if key.len() <= MAX_KEY_BYTES && key.split('/').all(is_segment) {
        return Ok(());
    }
    let shown: String = key.chars().take(100).collect();
    Err(PortError::rejected(format!(
        "{shown:?} is no key of this store: segments of [A-Za-z0-9._=@+-] other than . and .., separated by \
         single slashes, at most {MAX_KEY_BYTES} bytes"
    )))
}

/// Refuses metadata that a store would refuse. What we add ourselves counts too.
pub(super) fn check_metadata(metadata: &[(&str, String)]) -> Result<()> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    let is_value = |value: &str| value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > MAX_METADATA_BYTES || !metadata.iter().all(|(name, value)| is_name(name) && is_value(value)) {
        return Err(PortError::rejected(format!(
            "metadata takes names of [a-z0-9-] and printable ASCII values of {MAX_METADATA_BYTES} bytes \
             together, not {bytes}"
        )));
    }
    Ok(())
}

/// The media type of an object. There is no `Content-Encoding`: nobody is to unpack it by surprise.
pub(super) fn content_type(key: &str) -> &'static str {
    match key.rsplit_once('.').map(|(_, ending)| ending) {
        Some("gz") => "application/gzip",
        Some("zst") => "application/zstd",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_that_every_store_takes() {
        for good in ["a", "shop/2026/01/0191f0c4-7e1a-7c3b-9d55-0123456789ab.gz", "a..b/-x", ".probe/x"] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", ".", "a/..", "a/./b", "a\\b", "a b", "ä", &"x".repeat(1_025)] {
            assert!(check_key(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn metadata_that_s3_refuses_is_refused() {
        assert!(check_metadata(&[("sha256", "ab".into()), ("x-1", "y".repeat(2_000))]).is_ok());
        for bad in [
            ("Name", "x".into()),
            ("", "x".into()),
            ("a", "ä".into()),
            ("a", "x\r\nb: c".into()),
            ("a", "x".repeat(2_048)),
        ] {
            assert!(check_metadata(&[bad]).is_err());
        }
    }

    #[test]
    fn kinds_follow_the_ending() {
        assert_eq!(content_type("a/b.gz"), "application/gzip");
        assert_eq!(content_type("a/b.0123.zst"), "application/zstd");
        assert_eq!(content_type("a/b"), "application/octet-stream");
    }
}
