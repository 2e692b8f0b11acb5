//! A ClickHouse of a test's own: one that denies statements, that can be killed, or that nobody else loads.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::servers::{address, quiet_port};

/// The Python that has ClickHouse's engine.
pub const PYTHON: &str = "REPLAY_TEST_CLICKHOUSE_PYTHON";
/// What serves it over HTTP.
const PROGRAM: &str = "REPLAY_TEST_CLICKHOUSE_PROGRAM";

/// A running server, killed when dropped.
#[derive(Debug)]
pub struct OwnClickHouse {
    python: String,
    program: String,
    data: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl OwnClickHouse {
    /// With its data in `dir`, and with arguments such as `--deny STATEMENT` or `--user NAME:PASSWORD`. `None`
    /// when this machine has none.
    ///
    /// # Panics
    /// When it does not start; with `REQUIRE_SERVICES=1`, when there is none.
    pub fn start(dir: &Path, args: &[&str]) -> Option<Self> {
        let (python, program) = (address(PYTHON)?, address(PROGRAM)?);
        let mut this =
            Self { python, program, data: dir.join("clickhouse"), port: quiet_port(), child: None };
        this.run(args);
        Some(this)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Takes it away, as `kill -9` does.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it, again if it ran before: with the same data, on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn run(&mut self, args: &[&str]) {
        self.kill();
        let mut command = Command::new(&self.python);
        command.arg("-B").arg(&self.program).arg("--path").arg(&self.data);
        command.args(["--port", &self.port.to_string()]).args(args).stdout(Stdio::piped());
        let child = self.child.insert(command.spawn().unwrap());
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.split_whitespace().nth(1).and_then(|url| url.rsplit(':').next()?.parse().ok());
        self.port = port.unwrap_or_else(|| panic!("ClickHouse did not start: {line:?}"));
    }
}

impl Drop for OwnClickHouse {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
