//! Time as the core knows it: an argument, never a clock.

/// One reading of both clocks, taken by the edge just before it calls the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Monotonic milliseconds since an arbitrary start; orders waits and deadlines.
    pub mono_ms: u64,
    /// Unix milliseconds, UTC; decides retention and expiry.
    pub unix_ms: u64,
}

/// Milliseconds in one day.
pub const DAY_MS: u64 = 86_400_000;

/// A UTC day, counted from 1970-01-01: the partition of a stored chunk (`chunk_date`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

impl Day {
    /// The day on which `unix_ms` (Unix milliseconds, UTC) falls.
    pub fn of(unix_ms: u64) -> Self {
        Self(u32::try_from(unix_ms / DAY_MS).unwrap_or(u32::MAX))
    }

    /// The first millisecond of this day, Unix milliseconds, UTC.
    pub fn start_ms(self) -> u64 {
        u64::from(self.0) * DAY_MS
    }

    /// The calendar date `(year, month 1–12, day 1–31)`, proleptic Gregorian.
    ///
    /// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    pub fn date(self) -> (u32, u32, u32) {
        let z = u64::from(self.0) + 719_468;
        let era = z / 146_097;
        let day_of_era = z % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        (year as u32, month as u32, day as u32)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = self.date();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// `YYYY-MM-DDTHH:MM:SS.mmmZ` of Unix milliseconds, for listings and reports.
pub fn iso8601(unix_ms: u64) -> String {
    let in_day = unix_ms % DAY_MS;
    let (hours, minutes) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (seconds, millis) = (in_day / 1_000 % 60, in_day % 1_000);
    format!("{}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z", Day::of(unix_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_their_calendar_dates() {
        assert_eq!(Day::of(0).to_string(), "1970-01-01");
        assert_eq!(Day::of(951_782_400_000).to_string(), "2000-02-29");
        assert_eq!(Day::of(1_709_251_199_999).to_string(), "2024-02-29");
        assert_eq!(Day::of(1_709_251_200_000).to_string(), "2024-03-01");
        assert_eq!(Day::of(7_258_118_400_000).to_string(), "2200-01-01");
        assert_eq!(iso8601(1_709_251_199_999), "2024-02-29T23:59:59.999Z");
    }
}
