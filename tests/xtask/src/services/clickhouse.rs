//! ClickHouse's engine behind its HTTP interface (`tests/services/clickhouse`), in a Python environment of
//! its own.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::pins::version;
use super::place::Place;
use super::server::{Export, Server, install, needs, port};
use super::{http, process};
use crate::shell;

const PATIENCE: Duration = Duration::from_secs(60);
const NAME: &str = "clickhouse";

pub(super) struct ClickHouse;

impl ClickHouse {
    fn environment(place: &Place) -> Result<PathBuf, String> {
        // The versions are in the name: others need another environment.
        let versions = format!("{} {}", version("PIP_CLICKHOUSE")?, version("PIP_CLIENTS")?);
        Ok(place.tool(&versions.replace(' ', "_").replace("==", "-")))
    }

    fn python(place: &Place) -> Result<PathBuf, String> {
        Ok(Self::environment(place)?.join("venv/bin/python"))
    }

    /// The facade's own tests.
    pub(super) fn test(place: &Place) -> Result<(), String> {
        let python = Self::python(place)?.display().to_string();
        shell::run(&python, &["-B", &Self::program().join("test_facade.py").display().to_string()])
    }

    fn program() -> PathBuf {
        shell::root().join("tests/services/clickhouse")
    }
}

impl Server for ClickHouse {
    fn name(&self) -> &'static str {
        NAME
    }

    fn prepare(&self, place: &Place) -> Result<(), String> {
        let folder = Self::environment(place)?;
        install(&folder, || {
            needs("python3", "--version", "`apt-get install python3 python3-venv` (3.9 or later)")?;
            let venv = folder.join("venv");
            shell::quietly(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
            let mut pip = Command::new(Self::python(place)?);
            // Each by name: chDB would bring what it has for data frames, which nothing here uses.
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]);
            shell::quietly(
                pip.args(version("PIP_CLICKHOUSE")?.split(' ')).args(version("PIP_CLIENTS")?.split(' ')),
            )
        })
    }

    fn is_a_tool(&self) -> bool {
        true
    }

    fn up(&self, place: &Place) -> Result<(), String> {
        if process::running(place, NAME).is_none() {
            let port = place.claim_port(NAME)?.to_string();
            let mut python = Command::new(Self::python(place)?);
            python.arg("-B").arg(Self::program()).args(["--port", &port, "--path"]).arg(place.data(NAME));
            process::start(place, NAME, &mut python)?;
        }
        process::wait_until_ready(place, NAME, PATIENCE, || self.probe(place))
    }

    fn probe(&self, place: &Place) -> Result<(), String> {
        match http::get(port(place, NAME)?, "/?query=SELECT%20concat('engine','%20answers')")? {
            (200, text) if text.contains("engine answers") => Ok(()),
            (status, _) => Err(format!("it answers {status}")),
        }
    }

    fn exports(&self, place: &Place) -> Vec<Export> {
        let url = place.port(NAME).map(|port| format!("http://127.0.0.1:{port}")).unwrap_or_default();
        let mut exports = vec![("REPLAY_TEST_CLICKHOUSE", url.clone())];
        if let Ok(python) = Self::python(place)
            && python.exists()
        {
            // For tests that need a server of their own (a program and its argument), or another's client.
            exports.push(("REPLAY_TEST_CLICKHOUSE_PYTHON", python.display().to_string()));
            exports.push(("REPLAY_TEST_CLICKHOUSE_PROGRAM", Self::program().display().to_string()));
        }
        exports.extend([("CLICKHOUSE_URL", url), ("CLICKHOUSE_PASSWORD", String::new())]);
        exports
    }
}
