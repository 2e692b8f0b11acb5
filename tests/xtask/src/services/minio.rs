//! MinIO, the first S3-compatible store.

use std::process::Command;

use super::pins::version;
use super::place::{self, Place};
use super::server::{Export, Server, port};
use super::stores::{Build, KEYS, probe};

const NAME: &str = "minio";

pub(super) struct Minio(Build);

impl Minio {
    pub(super) fn new() -> Result<Self, String> {
        let package = "github.com/minio/minio";
        Ok(Self(Build { name: NAME, package, version: version("MINIO")? }))
    }
}

impl Server for Minio {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare(&self, place: &Place) -> Result<(), String> {
        self.0.prepare(place)
    }

    fn up(&self, place: &Place) -> Result<(), String> {
        let data = place.data(NAME);
        place::make(&data)?;
        self.0.up(place, |port| {
            let mut minio = Command::new(self.0.binary(place));
            minio.args(["server", "--quiet", "--address", &format!("127.0.0.1:{port}")]).arg(&data);
            minio.envs([
                ("MINIO_ROOT_USER", KEYS.0),
                ("MINIO_ROOT_PASSWORD", KEYS.1),
                ("MINIO_BROWSER", "off"),
            ]);
            // It asks nobody whether there is a newer one.
            minio.env("MINIO_UPDATE", "off");
            minio
        })
    }

    fn probe(&self, place: &Place) -> Result<(), String> {
        probe(port(place, NAME)?)
    }

    fn exports(&self, place: &Place) -> Vec<Export> {
        let address = self.0.address(place);
        vec![
            ("REPLAY_TEST_S3", format!("http://{address}")),
            ("MINIO_ENDPOINT", address),
            ("MINIO_ROOT_USER", KEYS.0.to_owned()),
            ("MINIO_ROOT_PASSWORD", KEYS.1.to_owned()),
        ]
    }
}
