//! The key of an object: `{project_id}/{YYYY}/{MM}/{session_id}.gz` (or `.zst`); of one that is written
//! once, for a store without conditional writes: `{session_id}.{hash}.gz` in the same place.

use crate::identity::{ProjectId, SessionId, SessionKey};
use crate::row::Codec;
use crate::time::Day;
use crate::winner::ContentHash;

/// The key of a session's object. Year and month (UTC) are those of the session's first event when
/// it is first moved; later moves reuse the key that the archive row or the object has.
pub fn object_key(session: &SessionKey, codec: Codec, first_event_ms: u64) -> String {
    format!("{}{}", key_stem(session, first_event_ms), extension(codec))
}

/// The key of an object that is written once, of the session's stem.
pub fn once_key(stem: &str, hash: ContentHash, codec: Codec) -> String {
    format!("{stem}.{:016x}{}", hash.0, extension(codec))
}

/// What all keys of a session begin with, up to its id.
pub fn key_stem(session: &SessionKey, first_event_ms: u64) -> String {
    let (year, month, _) = Day::of(first_event_ms).date();
    let SessionKey { project_id, session_id } = session;
    format!("{project_id}/{year:04}/{month:02}/{session_id}")
}

/// The stem of a key of ours.
pub fn stem_of(key: &str) -> Option<&str> {
    let (_, ending) = split(key)?;
    key.strip_suffix(ending)
}

/// Whose object a key names and how it is compressed; `None` for keys that are not exactly of the
/// form [`object_key`] or [`once_key`] makes.
pub fn parse_key(key: &str) -> Option<(SessionKey, Codec)> {
    let (session, ending) = split(key)?;
    let codec = [Codec::Gzip, Codec::Zstd].into_iter().find(|codec| ending.ends_with(extension(*codec)))?;
    let hash = ending.strip_suffix(extension(codec))?;
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let is_hash = |digits: &str| digits.len() == 16 && digits.bytes().all(is_digit);
    (hash.is_empty() || hash.strip_prefix('.').is_some_and(is_hash)).then_some((session, codec))
}

/// Whose data lies under a key, of any file name that starts with a session id: an erasure takes
/// more names for a session's than a reader does.
pub fn session_of_key(key: &str) -> Option<SessionKey> {
    split(key).map(|(session, _)| session)
}

/// What every key of a project starts with.
pub fn project_prefix(project_id: &ProjectId) -> String {
    format!("{project_id}/")
}

fn extension(codec: Codec) -> &'static str {
    match codec {
        Codec::Gzip => ".gz",
        Codec::Zstd => ".zst",
    }
}

/// The session, and the file name from its first dot on.
fn split(key: &str) -> Option<(SessionKey, &str)> {
    let mut parts = key.split('/');
    let (project, year, month, file) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_number = |text: &str, len| text.len() == len && text.bytes().all(|b| b.is_ascii_digit());
    if parts.next().is_some() || !is_number(year, 4) || !is_number(month, 2) {
        return None;
    }
    if !(1..=12).contains(&month.parse::<u32>().ok()?) {
        return None;
    }
    let (stem, ending) = file.split_at_checked(file.find('.')?)?;
    let session_id = SessionId::parse(stem)?;
    // Other spellings of the UUID would name the same session under another key.
    (session_id.to_string() == stem)
        .then(|| Some((SessionKey { project_id: ProjectId::new(project)?, session_id }, ending)))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0191f0c4-7e1a-7c3b-9d55-0123456789ab";

    fn session() -> SessionKey {
        SessionKey {
            project_id: ProjectId::new("shop.eu").unwrap(),
            session_id: SessionId::parse(ID).unwrap(),
        }
    }

    #[test]
    fn keys_read_back() {
        for (codec, first_event_ms, expected) in [
            (Codec::Gzip, 1_709_251_199_999, format!("shop.eu/2024/02/{ID}.gz")),
            (Codec::Zstd, 1_709_251_200_000, format!("shop.eu/2024/03/{ID}.zst")),
            (Codec::Gzip, 0, format!("shop.eu/1970/01/{ID}.gz")),
        ] {
            let key = object_key(&session(), codec, first_event_ms);
            assert_eq!(key, expected);
            assert_eq!(parse_key(&key), Some((session(), codec)));
            assert!(key.starts_with(&project_prefix(&session().project_id)));
        }
    }

    #[test]
    fn keys_of_objects_that_are_written_once_read_back() {
        let stem = key_stem(&session(), 1_709_251_199_999);
        for codec in [Codec::Gzip, Codec::Zstd] {
            let key = once_key(&stem, ContentHash(0xab), codec);
            assert!(key.starts_with(&format!("shop.eu/2024/02/{ID}.00000000000000ab.")), "{key}");
            assert_eq!(parse_key(&key), Some((session(), codec)));
            assert_eq!(stem_of(&key), Some(stem.as_str()));
            assert_eq!(stem_of(&object_key(&session(), codec, 1_709_251_199_999)), Some(stem.as_str()));
        }
    }

    #[test]
    fn other_keys_are_not_ours() {
        for key in [
            "",
            "shop",
            "shop/2024/02",
            &format!("shop/2024/02/{ID}"),
            &format!("shop/2024/02/{ID}.gz/x"),
            &format!("shop/2024/13/{ID}.gz"),
            &format!("shop/2024/2/{ID}.gz"),
            &format!("shop/24/02/{ID}.gz"),
            &format!("-shop/2024/02/{ID}.gz"),
            &format!("shop/2024/02/{}.gz", ID.to_uppercase()),
            &format!("shop/2024/02/{ID}.json"),
            &format!("shop/2024/02/{ID}.0123.gz"),
            &format!("shop/2024/02/{ID}.00000000000000AB.gz"),
            &format!("shop/2024/02/{ID}0000000000000000.gz"),
            &format!("shop/2024/02/{ID}.0000000000000000.more.gz"),
            "shop/2024/02/00000000-0000-0000-0000-000000000000.gz",
        ] {
            assert_eq!(parse_key(key), None, "{key}");
        }
        assert!(session_of_key(&format!("shop/2024/02/{ID}.0123.gz")).is_some());
    }
}
