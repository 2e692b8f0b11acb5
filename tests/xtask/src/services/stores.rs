//! What the two S3-compatible stores share: they are built by Go, and answer in one protocol.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::place::Place;
use super::server::{install, needs, port};
use super::{http, process};
use crate::shell;

/// The key and its secret, as the tests know them.
pub(super) const KEYS: (&str, &str) = ("replay-test", "replay-test-secret");

const PATIENCE: Duration = Duration::from_secs(60);

/// A store as Go builds it.
pub(super) struct Build {
    pub(super) name: &'static str,
    pub(super) package: &'static str,
    pub(super) version: &'static str,
}

impl Build {
    fn folder(&self, place: &Place) -> PathBuf {
        place.tool(&format!("{}-{}", self.name, self.version))
    }

    pub(super) fn binary(&self, place: &Place) -> PathBuf {
        self.folder(place).join(self.name)
    }

    /// Sources and what is compiled of them stay in Go's own caches, which outlive `target`.
    pub(super) fn prepare(&self, place: &Place) -> Result<(), String> {
        let folder = self.folder(place);
        install(&folder, || {
            needs("go", "version", "install Go (https://go.dev/dl)")?;
            let mut go = shell::in_background("go");
            go.arg("install").arg(format!("{}@{}", self.package, self.version)).env("GOBIN", &folder);
            shell::quietly(&mut go)
        })
    }

    pub(super) fn up(&self, place: &Place, command: impl Fn(u16) -> Command) -> Result<(), String> {
        if process::running(place, self.name).is_none() {
            process::start(place, self.name, &mut command(place.claim_port(self.name)?))?;
        }
        process::wait_until_ready(place, self.name, PATIENCE, || probe(port(place, self.name)?))
    }

    pub(super) fn address(&self, place: &Place) -> String {
        place.port(self.name).map(|port| format!("127.0.0.1:{port}")).unwrap_or_default()
    }
}

/// A stranger who asks for the buckets is refused, in the words of S3; before a store is ready it answers
/// otherwise, or not at all.
pub(super) fn probe(port: u16) -> Result<(), String> {
    match http::get(port, "/")? {
        (403, text) if text.contains("<Code>AccessDenied</Code>") => Ok(()),
        (status, _) => Err(format!("it answers {status}")),
    }
}
