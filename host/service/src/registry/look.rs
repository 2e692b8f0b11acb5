//! One place: whether it has a component, and whether it can be asked at all.

use std::io::Read;
use std::path::Path;

use replay_sandbox::sha256_hex;

use super::{Remote, Wanted, short};
use crate::config::Place;

/// Digits of a sha256 in a file's name.
pub(super) const SHORT_DIGITS: usize = 12;

/// What a place says.
pub(super) enum Look {
    /// It has the component; its bytes were not needed.
    Here,
    /// It has the component: these bytes.
    Bytes(Vec<u8>),
    /// It has nothing of that name.
    Absent,
    /// What it has under that name is something else.
    Another(String),
    /// It cannot be asked.
    Away(String),
}

/// The names of a component in a directory or below a prefix, in the order in which they are tried.
pub(super) fn spellings(wanted: &Wanted) -> [String; 3] {
    let Wanted { name, sha256, .. } = wanted;
    [format!("{name}/{sha256}.wasm"), format!("{name}-{}.wasm", short(sha256)), format!("{name}.wasm")]
}

/// Asks one place. With a copy at hand the bytes of a remote object that is named by its hash are not
/// fetched again.
pub(super) fn look(place: &Place, wanted: &Wanted, is_kept: bool, remote: Option<&dyn Remote>) -> Look {
    match place {
        Place::File(path) => in_file(path, wanted),
        Place::Dir(dir) => {
            if let Err(error) = std::fs::read_dir(dir) {
                return Look::Away(format!("{} cannot be read: {error}", dir.display()));
            }
            first(spellings(wanted).iter().map(|name| in_file(&dir.join(name), wanted)))
        }
        Place::Object { bucket, key } => in_bucket(remote, bucket, key, wanted, false),
        Place::Bucket { bucket, prefix } => {
            let names = spellings(wanted);
            let last = names.len() - 1;
            let looks = names.iter().enumerate().map(|(position, name)| {
                // The last name says nothing of what the object is.
                let name_is_enough = is_kept && position < last;
                in_bucket(remote, bucket, &format!("{prefix}{name}"), wanted, name_is_enough)
            });
            first(looks)
        }
    }
}

/// Whether a place can be asked.
pub(super) fn reach(place: &Place, remote: Option<&dyn Remote>) -> Result<(), String> {
    match place {
        Place::Dir(path) => std::fs::read_dir(path).map(drop).map_err(|error| error.to_string()),
        Place::File(path) => std::fs::metadata(path).map(drop).map_err(|error| error.to_string()),
        Place::Bucket { bucket, prefix: key } | Place::Object { bucket, key } => {
            let Some(remote) = remote else { return Err("this build has no client for S3".to_owned()) };
            // That there is no such object is an answer too.
            let probe =
                if key.ends_with('/') || key.is_empty() { format!("{key}probe.wasm") } else { key.clone() };
            remote.size(bucket, &probe).map(drop)
        }
    }
}

/// The first that has it, or is away; else what was found instead.
fn first(looks: impl Iterator<Item = Look>) -> Look {
    let mut said = Look::Absent;
    for look in looks {
        match look {
            Look::Here | Look::Bytes(_) | Look::Away(_) => return look,
            Look::Another(_) => said = look,
            Look::Absent => {}
        }
    }
    said
}

fn in_file(path: &Path, wanted: &Wanted) -> Look {
    let shown = path.display();
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Look::Absent,
        // A part of the path that is no directory.
        Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Look::Absent,
        Err(error) => return Look::Away(format!("{shown} cannot be read: {error}")),
    };
    let mut bytes = Vec::new();
    // One more than allowed tells a file that is too long from one that just fits; it may grow meanwhile.
    match file.take(wanted.max_bytes.saturating_add(1)).read_to_end(&mut bytes) {
        Ok(_) => judge(bytes, &shown.to_string(), wanted),
        Err(error) => Look::Away(format!("{shown} cannot be read: {error}")),
    }
}

fn in_bucket(
    remote: Option<&dyn Remote>,
    bucket: &str,
    key: &str,
    wanted: &Wanted,
    name_is_enough: bool,
) -> Look {
    let shown = format!("s3://{bucket}/{key}");
    let Some(remote) = remote else {
        return Look::Away(format!("{shown} cannot be asked: this build has no client for S3"));
    };
    let found = match remote.size(bucket, key) {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) if bytes > wanted.max_bytes => return too_long(&shown, wanted),
        Ok(Some(_)) if name_is_enough => return Look::Here,
        Ok(Some(_)) => remote.get(bucket, key, wanted.max_bytes),
        Err(why) => Err(why),
    };
    match found {
        Ok(Some(bytes)) => judge(bytes, &shown, wanted),
        Ok(None) => Look::Absent,
        Err(why) => Look::Away(format!("{shown} cannot be read: {why}")),
    }
}

fn too_long(shown: &str, wanted: &Wanted) -> Look {
    Look::Another(format!("{shown} (longer than the {} bytes that are allowed)", wanted.max_bytes))
}

/// Whether these are the bytes that are meant.
fn judge(bytes: Vec<u8>, shown: &str, wanted: &Wanted) -> Look {
    if bytes.len() as u64 > wanted.max_bytes {
        return too_long(shown, wanted);
    }
    let got = sha256_hex(&bytes);
    if got == wanted.sha256 {
        return Look::Bytes(bytes);
    }
    Look::Another(format!("{shown} (its sha256 is {got})"))
}
