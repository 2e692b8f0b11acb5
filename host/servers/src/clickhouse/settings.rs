//! How to reach a ClickHouse and what to ask of it at most: every bound, with its default.

use std::ops::RangeInclusive;
use std::time::Duration;

use replay_ports::{PortError, Result};

/// Where the ClickHouse is, who we are there, and every bound of what is asked of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ClickHouseSettings {
    /// HTTP address, as `http://clickhouse:8123`.
    pub url: String,
    /// The database that holds the tables: `[A-Za-z_][A-Za-z0-9_]{0,63}`.
    pub database: String,
    /// The user. Default `default`.
    pub user: String,
    /// Its password, if it has one. Never printed.
    pub password: Option<String>,
    /// A cluster of the server's `remote_servers`: local tables on every shard, and `Distributed` tables
    /// over them. Default none.
    pub cluster: Option<String>,
    /// Whether the tables are `ReplicatedReplacingMergeTree`. Default no.
    pub replicated: bool,
    /// Replicas that must have an archive row or a tombstone before it counts as written: 2–64, or 0 for
    /// the majority (the default). Used only where `replicated`.
    pub insert_quorum: u16,
    /// For reads and small writes, 1 s–10 min. Default 30 s.
    pub request_timeout: Duration,
    /// For the insert of a batch, 1 s–30 min. Default 120 s.
    pub insert_timeout: Duration,
    /// For a delete or an erasure, which is waited for, and for a step of `schema apply`: 1 s–24 h.
    /// Default 10 min.
    pub mutation_timeout: Duration,
    /// Rows of one `INSERT`, 1–1,000,000. Default 10,000.
    pub insert_max_rows: usize,
    /// Bytes of one `INSERT`, 64 KiB–1 GiB; a row that is larger goes alone. Default 16 MiB.
    pub insert_max_bytes: usize,
    /// Copies that one `SELECT` names, 1–10,000. Default 64: of the largest chunks (8 MiB) half a GiB.
    pub read_max_copies: usize,
    /// Copies, or dead letters, that one mutation names, 1–10,000. Default 1,000.
    pub delete_max_copies: usize,
    /// Requests under way at once, 1–256; more wait. Default 8.
    pub max_requests: usize,
    /// How far the server's clock may be from ours before `doctor` says so, 100 ms–1 h. Default 5 s.
    pub max_clock_skew: Duration,
}

const SECOND: Duration = Duration::from_secs(1);

impl ClickHouseSettings {
    /// The defaults, for a server and a database.
    pub fn new(url: impl Into<String>, database: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            database: database.into(),
            user: "default".into(),
            password: None,
            cluster: None,
            replicated: false,
            insert_quorum: 0,
            request_timeout: 30 * SECOND,
            insert_timeout: 120 * SECOND,
            mutation_timeout: 600 * SECOND,
            insert_max_rows: 10_000,
            insert_max_bytes: 16 << 20,
            read_max_copies: 64,
            delete_max_copies: 1_000,
            max_requests: 8,
            max_clock_skew: 5 * SECOND,
        }
    }

    /// Whether every name and bound is within what its field says.
    pub fn check(&self) -> std::result::Result<(), String> {
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            return Err("url must begin with http:// or https://".into());
        }
        if self.url.starts_with("https://") && !cfg!(feature = "tls") {
            return Err("url is https, and this build has no TLS (cargo feature `tls`)".into());
        }
        name("database", &self.database, false)?;
        if let Some(cluster) = &self.cluster {
            name("cluster", cluster, true)?;
        }
        if self.user.is_empty() {
            return Err("user is empty".into());
        }
        if self.insert_quorum == 1 || self.insert_quorum > 64 {
            return Err("insert_quorum must be 0 (the majority) or 2–64".into());
        }
        time("request_timeout", self.request_timeout, SECOND..=600 * SECOND)?;
        time("insert_timeout", self.insert_timeout, SECOND..=1_800 * SECOND)?;
        time("mutation_timeout", self.mutation_timeout, SECOND..=86_400 * SECOND)?;
        time("max_clock_skew", self.max_clock_skew, SECOND / 10..=3_600 * SECOND)?;
        count("insert_max_rows", self.insert_max_rows, 1..=1_000_000)?;
        count("insert_max_bytes", self.insert_max_bytes, 64 << 10..=1 << 30)?;
        count("read_max_copies", self.read_max_copies, 1..=10_000)?;
        count("delete_max_copies", self.delete_max_copies, 1..=10_000)?;
        count("max_requests", self.max_requests, 1..=256)
    }

    /// [`Self::check`], as the ports say it.
    pub(super) fn checked(&self) -> Result<()> {
        self.check().map_err(|what| PortError::refused(format!("clickhouse settings: {what}")))
    }

    /// `http://host:port/database`, for messages: without user, password or query.
    pub(super) fn place(&self) -> String {
        let (scheme, rest) = self.url.split_once("://").unwrap_or(("http", &self.url));
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = host.rsplit('@').next().unwrap_or_default();
        format!("clickhouse {scheme}://{host}/{}", self.database)
    }
}

impl std::fmt::Debug for ClickHouseSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClickHouseSettings")
            .field("place", &self.place())
            .field("user", &self.user)
            .field("cluster", &self.cluster)
            .field("replicated", &self.replicated)
            .finish_non_exhaustive()
    }
}

fn name(field: &str, value: &str, dashes: bool) -> std::result::Result<(), String> {
    let first = value.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let rest = value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || dashes && b == b'-');
    let fits = first && rest && value.len() <= 64;
    fits.then_some(()).ok_or_else(|| {
        let dash = if dashes { "-" } else { "" };
        format!("{field} must match [A-Za-z_][A-Za-z0-9_{dash}]{{0,63}}")
    })
}

fn time(field: &str, value: Duration, range: RangeInclusive<Duration>) -> std::result::Result<(), String> {
    let within = range.contains(&value);
    within.then_some(()).ok_or_else(|| format!("{field} must be {:?}–{:?}", range.start(), range.end()))
}

fn count(field: &str, value: usize, range: RangeInclusive<usize>) -> std::result::Result<(), String> {
    let within = range.contains(&value);
    within.then_some(()).ok_or_else(|| format!("{field} must be {}–{}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_their_bounds_and_others_are_named() {
        let fine = ClickHouseSettings::new("http://127.0.0.1:8123", "gosight");
        assert_eq!(fine.check(), Ok(()));
        let with = |change: fn(&mut ClickHouseSettings)| {
            let mut settings = fine.clone();
            change(&mut settings);
            settings.check().unwrap_err()
        };
        assert!(with(|s| s.url = "clickhouse:8123".into()).contains("url"));
        assert!(with(|s| s.database = "a b".into()).contains("database"));
        assert!(with(|s| s.database = "x`; DROP".into()).contains("database"));
        assert!(with(|s| s.cluster = Some(String::new())).contains("cluster"));
        assert!(with(|s| s.insert_quorum = 1).contains("insert_quorum"));
        assert!(with(|s| s.request_timeout = Duration::ZERO).contains("request_timeout"));
        assert!(with(|s| s.insert_max_bytes = 1).contains("insert_max_bytes"));
        assert!(with(|s| s.max_requests = 0).contains("max_requests"));
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut settings = ClickHouseSettings::new("http://u:hunter2@ch:8123/?password=hunter2", "gosight");
        settings.password = Some("hunter2".into());
        assert_eq!(settings.place(), "clickhouse http://ch:8123/gosight");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }
}
