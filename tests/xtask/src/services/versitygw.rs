//! versitygw, a second S3-compatible store that shares no code with the first.

use std::process::Command;

use super::pins::version;
use super::place::{self, Place};
use super::server::{Export, Server, port};
use super::stores::{Build, KEYS, probe};

const NAME: &str = "versitygw";

pub(super) struct VersityGw(Build);

impl VersityGw {
    pub(super) fn new() -> Result<Self, String> {
        let package = "github.com/versity/versitygw/cmd/versitygw";
        Ok(Self(Build { name: NAME, package, version: version("VERSITYGW")? }))
    }
}

impl Server for VersityGw {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare(&self, place: &Place) -> Result<(), String> {
        self.0.prepare(place)
    }

    fn up(&self, place: &Place) -> Result<(), String> {
        let (data, versions) = (place.data(NAME), place.data("versitygw-versions"));
        place::make(&data)?;
        place::make(&versions)?;
        self.0.up(place, |port| {
            let mut gateway = Command::new(self.0.binary(place));
            gateway.args(["--access", KEYS.0, "--secret", KEYS.1, "--port", &format!("127.0.0.1:{port}")]);
            gateway.args(["posix", "--versioning-dir"]).arg(&versions).arg(&data);
            gateway
        })
    }

    fn probe(&self, place: &Place) -> Result<(), String> {
        probe(port(place, NAME)?)
    }

    fn exports(&self, place: &Place) -> Vec<Export> {
        vec![("REPLAY_TEST_S3_OTHER", format!("http://{}", self.0.address(place)))]
    }
}
