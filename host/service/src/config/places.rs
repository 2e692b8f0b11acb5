//! Where components come from: directories and buckets, or one file or object in them.

use std::fmt;
use std::path::PathBuf;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::rules::bucket;
use super::units::{Wrong, wrong};

const S3: &str = "s3://";
const COMPONENT: &str = ".wasm";

/// Somewhere that components are looked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A directory of components.
    Dir(PathBuf),
    /// One component.
    File(PathBuf),
    /// The components below a prefix of a bucket.
    Bucket {
        /// The bucket.
        bucket: String,
        /// Empty, or with a slash at its end.
        prefix: String,
    },
    /// One component in a bucket.
    Object {
        /// The bucket.
        bucket: String,
        /// Its key.
        key: String,
    },
}

impl Place {
    /// Whether an object store has to be asked.
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Bucket { .. } | Self::Object { .. })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dir(path) | Self::File(path) => path.display().fmt(f),
            Self::Bucket { bucket, prefix } => write!(f, "{S3}{bucket}/{prefix}"),
            Self::Object { bucket, key } => write!(f, "{S3}{bucket}/{key}"),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        place(&String::deserialize(deserializer)?).map_err(|wrong| D::Error::custom(wrong.what))
    }
}

/// A directory, a `.wasm` file, or `s3://bucket/…`.
pub(super) fn place(text: &str) -> Result<Place, Wrong> {
    let is_one = text.ends_with(COMPONENT);
    let Some(rest) = text.strip_prefix(S3) else {
        return match text {
            "" => wrong("is empty", "write a directory, a `.wasm` file, or `s3://bucket/prefix`"),
            text if text.contains("://") => {
                wrong("is of no known kind", "write a directory, a `.wasm` file, or `s3://bucket/prefix`")
            }
            text if is_one => Ok(Place::File(text.into())),
            text => Ok(Place::Dir(text.into())),
        };
    };
    let (name, key) = rest.split_once('/').unwrap_or((rest, ""));
    let (bucket, key) = (bucket(name)?, key.strip_suffix('/').unwrap_or(key));
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let is_segment =
        |part: &str| !matches!(part, "" | "." | "..") && part.len() <= 255 && part.bytes().all(named);
    if !(key.is_empty() || key.len() <= 800 && key.split('/').all(is_segment)) {
        return wrong(
            "is no place in a bucket",
            "write `s3://bucket/prefix` with letters, digits, `.`, `_`, `-` and `/`",
        );
    }
    Ok(match (is_one, key) {
        (true, key) => Place::Object { bucket, key: key.into() },
        (false, "") => Place::Bucket { bucket, prefix: String::new() },
        (false, key) => Place::Bucket { bucket, prefix: format!("{key}/") },
    })
}

/// A place that holds any number of components.
pub(super) fn registry(text: &str) -> Result<Place, Wrong> {
    match place(text)? {
        Place::File(_) | Place::Object { .. } => wrong(
            "is one component",
            "a registry is a directory or `s3://bucket/prefix`; a plugin has `from`",
        ),
        registry @ (Place::Dir(_) | Place::Bucket { .. }) => Ok(registry),
    }
}
