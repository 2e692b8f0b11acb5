//! Times and sizes as a configuration writes them.

use std::time::Duration;

/// What is wrong with a text, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) what: String,
    pub(super) help: String,
}

pub(super) fn wrong<T>(what: impl Into<String>, help: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { what: what.into(), help: help.into() })
}

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

const TIMES: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZES: [(&str, u64); 4] = [("GiB", GIB), ("MiB", MIB), ("KiB", KIB), ("", 1)];

/// Reads `30s`, `500ms`, `14d`.
pub(super) fn parse_time(text: &str) -> Result<Duration, Wrong> {
    const HELP: &str = "a time is a whole number and one of ms, s, m, h, d: `30s`, `5m`, `14d`";
    let (number, unit) = split(text);
    if number.is_empty() {
        return wrong("is not a time", HELP);
    }
    if unit.is_empty() {
        return wrong("has no unit", format!("write `{number}s` if seconds are meant; {HELP}"));
    }
    let Some((_, factor)) = TIMES.iter().find(|(name, _)| *name == unit) else {
        return wrong("is not a time", HELP);
    };
    match number.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor)) {
        Some(ms) => Ok(Duration::from_millis(ms)),
        None => wrong("is too long a time", HELP),
    }
}

/// Reads `64MiB`, `512KiB`, `1048576`.
pub(super) fn parse_size(text: &str) -> Result<u64, Wrong> {
    const HELP: &str = "a size is a whole number of bytes, or of KiB, MiB or GiB: `64MiB`";
    let (number, unit) = split(text);
    if number.is_empty() {
        return wrong("is not a size", HELP);
    }
    let Some((_, factor)) = SIZES.iter().find(|(name, _)| *name == unit) else {
        let guess = SIZES.iter().find(|(name, _)| {
            !name.is_empty() && !unit.is_empty() && unit[..1].eq_ignore_ascii_case(&name[..1])
        });
        let hint = guess.map(|(name, _)| format!("write `{number}{name}`; ")).unwrap_or_default();
        return wrong("is not a size", format!("{hint}{HELP}"));
    };
    match number.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor)) {
        Some(bytes) => Ok(bytes),
        None => wrong("is too great a size", HELP),
    }
}

/// The digits in front, and what follows them, as ASCII; anything else has no digits.
fn split(text: &str) -> (&str, &str) {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    if text.is_ascii() { text.split_at(end) } else { ("", text) }
}

/// A time in the greatest unit that is exact.
pub(super) fn show_time(time: &Duration) -> String {
    let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let exact = TIMES.iter().find(|(_, factor)| ms.is_multiple_of(*factor) && ms >= *factor);
    exact.map_or_else(|| format!("{ms}ms"), |(unit, factor)| format!("{}{unit}", ms / factor))
}

/// A size in the greatest unit that is exact.
pub(super) fn show_size(bytes: &u64) -> String {
    let exact = SIZES.iter().find(|(_, factor)| bytes.is_multiple_of(*factor) && bytes >= factor);
    exact.map_or_else(|| bytes.to_string(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_read_and_show_alike() {
        for text in ["1ms", "30s", "5m", "7h", "14d", "1500ms", "90s"] {
            assert_eq!(show_time(&parse_time(text).unwrap()), text);
        }
        assert_eq!(show_time(&parse_time("24h").unwrap()), "1d");
        for text in ["1", "1023", "1KiB", "64MiB", "3GiB", "1025"] {
            assert_eq!(show_size(&parse_size(text).unwrap()), text);
        }
        assert_eq!(parse_size("1048576").unwrap(), MIB);
        assert_eq!((parse_time("0s").unwrap(), parse_size("0").unwrap()), (Duration::ZERO, 0));
    }

    #[test]
    fn what_is_wrong_says_what_to_write() {
        let time = |text| parse_time(text).unwrap_err();
        assert_eq!(time("30").what, "has no unit");
        assert!(time("30").help.starts_with("write `30s`"));
        for text in ["", "s", "-1s", "1.5h", "1 s", "1S", "1min", "١s", "1hé"] {
            assert_eq!(time(text).what, "is not a time", "{text}");
        }
        assert_eq!(time("99999999999999999999s").what, "is too long a time");
        assert_eq!(time("18446744073709551615d").what, "is too long a time");
        let size = |text| parse_size(text).unwrap_err();
        assert!(size("8MB").help.starts_with("write `8MiB`"));
        assert!(size("8k").help.starts_with("write `8KiB`"));
        for text in ["", "MiB", "-1", "1.5MiB", "8 MiB", "8TiB"] {
            assert_eq!(size(text).what, "is not a size", "{text}");
        }
        assert_eq!(size("18446744073709551615KiB").what, "is too great a size");
    }
}
