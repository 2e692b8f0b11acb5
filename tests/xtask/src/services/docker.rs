//! The servers in Docker, as `config/deploy/compose.yaml` describes them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::place::{self, Place};
use super::process;
use super::server::Server;
use super::stores::KEYS;
use crate::shell;

/// Seconds until every health check must have passed, pulls not counted.
const PATIENCE_S: &str = "180";
/// Until a server that is healthy inside answers here.
const ANSWER: Duration = Duration::from_secs(30);

pub(super) struct Docker {
    /// Present while Docker has what `up` started.
    mark: PathBuf,
    project: String,
}

impl Docker {
    /// Whether there is an engine, not only a client, and the compose plugin.
    pub(super) fn answers() -> bool {
        shell::output("docker", &["info"]).is_ok() && shell::output("docker", &["compose", "version"]).is_ok()
    }

    pub(super) fn open(place: &Place) -> Result<Self, String> {
        let root = shell::root();
        let folder = root.file_name().map(|name| name.display().to_string().to_lowercase());
        let name: String = folder.unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).collect();
        Ok(Self { mark: place.pid_file("docker"), project: format!("replay-services-{name}") })
    }

    pub(super) fn was_used(&self) -> bool {
        self.mark.exists()
    }

    /// Starts them and waits for their health checks; answers which do not answer us, and why.
    pub(super) fn up(
        &self,
        place: &Place,
        servers: &[Box<dyn Server>],
    ) -> Result<Vec<(&'static str, String)>, String> {
        place::write(&self.mark, "")?;
        let mut compose = self.compose();
        for server in servers {
            if server.probe(place).is_err() {
                server.claim_ports(place)?;
            }
        }
        for (variable, process) in [
            ("KAFKA_PORT", "kafka-1"),
            ("KAFKA_PROXIED_PORT", "kafka-proxied-1"),
            ("KAFKA_OUTSIDE_PORT", "kafka-outside-1"),
            ("CLICKHOUSE_PORT", "clickhouse"),
            ("MINIO_PORT", "minio"),
            ("VERSITYGW_PORT", "versitygw"),
        ] {
            if let Some(port) = place.port(process) {
                compose.env(variable, port.to_string());
            }
        }
        compose.args(["up", "--detach", "--wait", "--wait-timeout", PATIENCE_S]);
        compose.args(servers.iter().map(|server| server.name()));
        shell::quietly(&mut compose)?;
        // Through the published ports, which health checks inside do not try.
        let silent = servers.iter().filter_map(|server| {
            let answer = process::wait_until(ANSWER, || server.probe(place));
            Some((server.name(), answer.err()?))
        });
        Ok(silent.collect())
    }

    pub(super) fn down(
        &self,
        servers: &[Box<dyn Server>],
        all: bool,
        kill: bool,
        purge: bool,
    ) -> Result<(), String> {
        let mut compose = self.compose();
        if !all {
            compose.arg(if kill { "kill" } else { "stop" });
            compose.args(servers.iter().map(|server| server.name()));
            return shell::quietly(&mut compose);
        }
        compose.arg("down");
        compose.args(purge.then_some("--volumes"));
        shell::quietly(&mut compose)?;
        std::fs::remove_file(&self.mark).map_err(|error| format!("{}: {error}", self.mark.display()))
    }

    fn compose(&self) -> Command {
        let mut compose = Command::new("docker");
        compose.args(["compose", "--project-name", &self.project, "--profile", "tests", "--file"]);
        compose.arg(shell::root().join("config/deploy/compose.yaml"));
        compose.envs([("MINIO_ROOT_USER", KEYS.0), ("MINIO_ROOT_PASSWORD", KEYS.1)]);
        // The tests send no password.
        compose.envs([("CLICKHOUSE_PASSWORD", ""), ("CLICKHOUSE_SKIP_USER_SETUP", "1")]);
        compose
    }
}
