//! Where the store is and what every call to it may take.

use std::fmt;
use std::time::Duration;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// The smallest part that S3 takes, and the largest.
const PART_BYTES: (u64, u64) = (5 * MIB, 5 * GIB);
/// The most parts that an upload may have.
pub(super) const MAX_PARTS: u64 = 10_000;
/// The largest object that S3 takes.
const MAX_OBJECT_BYTES: u64 = 5 << 40;

/// Settings of the cold store in a bucket.
#[derive(Clone)]
pub struct S3Settings {
    /// `http://host:port` or `https://…`; `None` is AWS itself. An address of one's own means path style.
    pub url: Option<String>,
    /// The bucket that holds the objects.
    pub bucket: String,
    /// `None`: `us-east-1` where `url` is given, else what the AWS chain says.
    pub region: Option<String>,
    /// Access key and secret key. `None`: the AWS chain (environment, profile, web identity, ECS, IMDS).
    pub credentials: Option<(String, String)>,
    /// Whether a bucket that is not there may be made.
    pub create_bucket: bool,
    /// Larger objects go up in parts of this size, which is also the size of the one buffer.
    /// 5 MiB to 5 GiB.
    pub part_bytes: u64,
    /// Larger objects are rejected, at the write and at the read. `part_bytes` to 5 TiB.
    pub max_object_bytes: u64,
    /// To open a connection. 100 ms to 60 s.
    pub connect_timeout: Duration,
    /// One attempt of a call without a large body. 1 s to 10 min.
    pub answer_timeout: Duration,
    /// One attempt to send a part, or an object that fits into one. 1 s to 1 h.
    pub transfer_timeout: Duration,
    /// No byte came of a body that is being read. 1 s to 10 min.
    pub idle_timeout: Duration,
    /// Attempts of one call, the first one included. 1 to 10.
    pub attempts: u32,
    /// The longest wait between two attempts. 10 ms to 60 s.
    pub max_back_off: Duration,
}

impl S3Settings {
    /// The defaults for this bucket.
    pub fn new(url: Option<String>, bucket: impl Into<String>) -> Self {
        Self {
            url,
            bucket: bucket.into(),
            region: None,
            credentials: None,
            create_bucket: false,
            part_bytes: 64 * MIB,
            max_object_bytes: 4 * GIB,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(30),
            transfer_timeout: Duration::from_secs(120),
            idle_timeout: Duration::from_secs(30),
            attempts: 3,
            max_back_off: Duration::from_secs(5),
        }
    }

    /// What is wrong with them, if anything.
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: u64, (least, most): (u64, u64), unit: &str| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(format!("`{name}` is {value} {unit}; it takes {least} to {most}"))
        };
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.check_address()?;
        if !is_bucket_name(&self.bucket) {
            return Err(format!(
                "{:?} is no bucket name: 3 to 63 of a-z, 0-9, `-` and `.`, beginning and ending with a letter or digit",
                self.bucket
            ));
        }
        within("part_bytes", self.part_bytes, PART_BYTES, "bytes")?;
        within("max_object_bytes", self.max_object_bytes, (self.part_bytes, MAX_OBJECT_BYTES), "bytes")?;
        if self.max_object_bytes.div_ceil(self.part_bytes) > MAX_PARTS {
            return Err(format!(
                "an object of `max_object_bytes` would need more than {MAX_PARTS} parts: raise `part_bytes`"
            ));
        }
        within("connect_timeout", millis(self.connect_timeout), (100, 60_000), "ms")?;
        within("answer_timeout", millis(self.answer_timeout), (1_000, 600_000), "ms")?;
        within("transfer_timeout", millis(self.transfer_timeout), (1_000, 3_600_000), "ms")?;
        within("idle_timeout", millis(self.idle_timeout), (1_000, 600_000), "ms")?;
        within("attempts", self.attempts.into(), (1, 10), "")?;
        within("max_back_off", millis(self.max_back_off), (10, 60_000), "ms")
    }

    fn check_address(&self) -> Result<(), String> {
        const NO_TLS: &str = "this build has no TLS: build it with the feature `tls`";
        let Some(url) = &self.url else {
            return if cfg!(feature = "tls") {
                Ok(())
            } else {
                Err(format!("without a url the store is AWS itself, which speaks HTTPS, and {NO_TLS}"))
            };
        };
        let (is_https, authority) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err(format!("{:?} does not begin with http:// or https://", shown(url))),
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        // Someone might write the keys there, and the address is shown to people.
        if authority.contains('@') {
            return Err("the url has credentials in it: they belong into the keys' own settings".to_owned());
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
        if authority.is_empty() || !authority.bytes().all(is_plain) {
            return Err(format!("{url:?} is no address: it takes a host and a port, and no path"));
        }
        if is_https && !cfg!(feature = "tls") {
            return Err(format!("{url} needs TLS, and {NO_TLS}, or name a plain http:// address"));
        }
        Ok(())
    }

    /// The store as messages name it.
    pub(super) fn place(&self) -> String {
        let url = self.url.as_deref().unwrap_or("AWS");
        format!("bucket {} at {}", self.bucket, url.trim_end_matches('/'))
    }
}

/// A url of unknown form, without what may be a secret in it.
fn shown(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |(_, rest)| rest)
}

fn is_bucket_name(name: &str) -> bool {
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    (3..=63).contains(&bytes.len())
        && is_edge(bytes.first())
        && is_edge(bytes.last())
        && !name.contains("..")
        && bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let credentials = self.credentials.as_ref().map(|(access_key, _)| (access_key, "…"));
        f.debug_struct("S3Settings")
            .field("url", &self.url.as_deref().map(shown))
            .field("bucket", &self.bucket)
            .field("region", &self.region)
            .field("credentials", &credentials)
            .field("create_bucket", &self.create_bucket)
            .field("part_bytes", &self.part_bytes)
            .field("max_object_bytes", &self.max_object_bytes)
            .field("connect_timeout", &self.connect_timeout)
            .field("answer_timeout", &self.answer_timeout)
            .field("transfer_timeout", &self.transfer_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("attempts", &self.attempts)
            .field("max_back_off", &self.max_back_off)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> S3Settings {
        S3Settings::new(Some(url.to_owned()), "replays")
    }

    #[test]
    fn addresses_are_a_host_and_a_port() {
        for good in ["http://minio:9000", "http://127.0.0.1:9000/", "http://[::1]:9000", "http://s3.local"] {
            assert_eq!(settings(good).check(), Ok(()), "{good}");
        }
        for bad in ["minio:9000", "ftp://minio", "http://", "http://minio/replays", "http://a b"] {
            assert!(settings(bad).check().is_err(), "{bad}");
        }
        let error = settings("http://key:SECRET@minio:9000").check().unwrap_err();
        assert!(error.contains("credentials") && !error.contains("SECRET"), "{error}");
        let error = settings("key:SECRET@minio:9000").check().unwrap_err();
        assert!(!error.contains("SECRET"), "{error}");
    }

    #[test]
    #[cfg(not(feature = "tls"))]
    fn https_needs_a_build_with_tls() {
        for settings in [settings("https://s3.local"), S3Settings::new(None, "replays")] {
            assert!(settings.check().unwrap_err().contains("this build has no TLS"));
        }
    }

    #[test]
    fn bounds_are_kept() {
        let bad = |change: fn(&mut S3Settings)| {
            let mut settings = settings("http://s3.local");
            change(&mut settings);
            settings.check().unwrap_err()
        };
        assert!(bad(|s| s.bucket = "Replays".into()).contains("no bucket name"));
        assert!(bad(|s| s.bucket = "a..b".into()).contains("no bucket name"));
        assert!(bad(|s| s.part_bytes = 5 * MIB - 1).contains("part_bytes"));
        assert!(bad(|s| s.max_object_bytes = MIB).contains("max_object_bytes"));
        assert!(bad(|s| s.max_object_bytes = 1 << 40).contains("raise `part_bytes`"));
        assert!(bad(|s| s.attempts = 0).contains("attempts"));
        assert!(bad(|s| s.connect_timeout = Duration::ZERO).contains("connect_timeout"));
        assert!(bad(|s| s.idle_timeout = Duration::MAX).contains("idle_timeout"));
    }

    #[test]
    fn the_secret_is_not_shown() {
        let credentials = Some(("access".to_owned(), "SECRET".to_owned()));
        let shown = format!("{:?}", S3Settings { credentials, ..settings("http://s3.local") });
        assert!(shown.contains("access") && !shown.contains("SECRET"), "{shown}");
    }
}
