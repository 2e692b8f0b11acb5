//! Which keys there are, and where their files lie.

use std::path::{Path, PathBuf};

use replay_ports::{PortError, Result};

/// What a metadata file's name ends with; no object's key does.
pub(super) const METADATA_SUFFIX: &str = ".meta.json";

/// The longest key, in bytes, as in S3.
const MAX_KEY_BYTES: usize = 1024;
/// The longest name of one file, leaving room for [`METADATA_SUFFIX`].
const MAX_SEGMENT_BYTES: usize = 255 - METADATA_SUFFIX.len();

/// The object's file, if the key is one that this store takes.
pub(super) fn object_path(root: &Path, key: &str) -> Result<PathBuf> {
    if !is_key(key) {
        return Err(PortError::rejected(format!(
            "{key:?} is no key of this store: segments of [A-Za-z0-9._=@+-] that do not begin with a dot, \
             separated by single slashes, at most {MAX_KEY_BYTES} bytes, not ending in {METADATA_SUFFIX}"
        )));
    }
    Ok(key.split('/').fold(root.to_owned(), |path, segment| path.join(segment)))
}

/// The metadata file of an object's file.
pub(super) fn metadata_path(object: &Path) -> PathBuf {
    let mut path = object.to_owned().into_os_string();
    path.push(METADATA_SUFFIX);
    path.into()
}

/// Whether this store takes the key. Names with a leading dot are its own.
pub(super) fn is_key(key: &str) -> bool {
    key.len() <= MAX_KEY_BYTES && !key.ends_with(METADATA_SUFFIX) && key.split('/').all(is_segment)
}

/// Whether a name can be a segment of a key.
pub(super) fn is_segment(segment: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._=@+-".contains(&byte);
    !segment.is_empty()
        && segment.len() <= MAX_SEGMENT_BYTES
        && !segment.starts_with('.')
        && segment.bytes().all(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_leads_out_of_the_root() {
        for good in ["a", "shop/2026/01/0191f0c4-7e1a-7c3b-9d55-0123456789ab.gz", "a..b/-x", "a/meta.json"] {
            assert!(is_key(good), "{good}");
        }
        for bad in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/..",
            "../a",
            "a/./b",
            ".lock",
            ".tmp/x",
            "a\\b",
            "a\0",
            "a b",
            "ä",
            "C:",
            "a.gz.meta.json",
            &"x".repeat(300),
            &"abc/".repeat(300),
        ] {
            assert!(!is_key(bad), "{bad:?}");
        }
    }
}
