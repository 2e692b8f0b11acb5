//! The fields of a record, one rule each, shared by decoder and intake.

use std::borrow::Cow;

use crate::identity::{MAX_TIMESTAMP_MS, ProjectId, SessionId};
use crate::json::unquote;
use crate::reject::{Reason, Reject};

/// A value as it stands in the record, if its key is there and it is not `null`.
pub(crate) type Raw<'a> = Option<&'a [u8]>;

pub(crate) fn project_id(raw: Raw<'_>) -> Result<ProjectId, Reject> {
    let raw = raw.ok_or(missing("project_id"))?;
    let wrong =
        Reject::new(Reason::InvalidProjectId, "project_id does not match [A-Za-z0-9][A-Za-z0-9._-]{0,127}");
    text(raw).and_then(|text| ProjectId::new(std::str::from_utf8(&text).ok()?)).ok_or(wrong)
}

pub(crate) fn session_id(raw: Raw<'_>) -> Result<SessionId, Reject> {
    let raw = raw.ok_or(missing("session_id"))?;
    let wrong = Reject::new(Reason::InvalidSessionId, "session_id is not a UUID, or nil");
    text(raw).and_then(|text| SessionId::parse(std::str::from_utf8(&text).ok()?)).ok_or(wrong)
}

pub(crate) fn chunk_index(raw: Raw<'_>) -> Result<u32, Reject> {
    let raw = raw.ok_or(missing("chunk_index"))?;
    let wrong =
        Reject::new(Reason::InvalidChunkIndex, "chunk_index is not a whole number of 0 to 4294967295");
    whole_number(raw).and_then(|number| u32::try_from(number).ok()).ok_or(wrong)
}

/// `(start, end)`, Unix milliseconds; an end before the start becomes the start.
pub(crate) fn timestamps(start: Raw<'_>, end: Raw<'_>) -> Result<(u64, u64), Reject> {
    let start = timestamp(start, "timestamp_start")?;
    let end = timestamp(end, "timestamp_end")?;
    Ok((start, end.max(start)))
}

fn timestamp(raw: Raw<'_>, key: &'static str) -> Result<u64, Reject> {
    let raw = raw.ok_or(missing(key))?;
    let number = whole_number(raw).filter(|&number| number <= MAX_TIMESTAMP_MS);
    number.ok_or_else(|| {
        let detail = format!("{key} is not whole milliseconds of 0 to {MAX_TIMESTAMP_MS}");
        Reject::new(Reason::InvalidTimestamp, detail)
    })
}

pub(crate) fn missing(key: &'static str) -> Reject {
    Reject::new(Reason::MissingField, format!("{key} is absent or null"))
}

/// What a string says.
pub(crate) fn text(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    unquote(raw)
}

/// A number that is whole and not negative: `3`, and also `3.0` and `1.7e12`, as some producers write.
fn whole_number(raw: &[u8]) -> Option<u64> {
    // A string or literal is no number, and `parse` would take `inf` and `nan`.
    if !matches!(raw.first(), Some(b'0'..=b'9' | b'-')) {
        return None;
    }
    let text = std::str::from_utf8(raw).ok()?;
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    // Every whole number allowed anywhere is far below 2⁵³, so nothing is rounded.
    let number: f64 = text.parse().ok()?;
    let fits = number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number);
    fits.then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_whole_and_fit() {
        let read = |text: &str| chunk_index(Some(text.as_bytes())).ok();
        assert_eq!(read("0"), Some(0));
        assert_eq!(read("3.0"), Some(3));
        assert_eq!(read("-0"), Some(0));
        assert_eq!(read("4294967295"), Some(u32::MAX));
        assert_eq!(read("4294967295.0"), Some(u32::MAX));
        for bad in
            ["-1", "1.5", "4294967296", "\"5\"", "true", "[1]", "1e300", "1e-3", "18446744073709551616"]
        {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn timestamps_end_where_they_begin_or_later() {
        let read = |start: &str, end: &str| timestamps(Some(start.as_bytes()), Some(end.as_bytes())).ok();
        assert_eq!(read("1.7e12", "1700000000001"), Some((1_700_000_000_000, 1_700_000_000_001)));
        assert_eq!(read("5", "3"), Some((5, 5)));
        assert_eq!(read("0", "7258118400000"), Some((0, MAX_TIMESTAMP_MS)));
        assert_eq!(read("0", "7258118400001"), None);
        assert_eq!(read("0.5", "1"), None);
        assert_eq!(read("\"1\"", "1"), None);
    }

    #[test]
    fn ids_may_be_spelled_with_escapes() {
        assert_eq!(project_id(Some(br#""sh\u006fp""#)).unwrap().as_str(), "shop");
        assert_eq!(project_id(Some(b"12")).unwrap_err().reason, Reason::InvalidProjectId);
        assert_eq!(project_id(None).unwrap_err().reason, Reason::MissingField);
    }
}
