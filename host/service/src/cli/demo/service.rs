//! This binary as a service of its own, asked as its users would.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Sent;
use crate::cli::CliError;

/// How long the service may take to settle what it was given.
const PATIENCE: Duration = Duration::from_secs(60);

/// This binary, running as a child.
pub(super) struct Service {
    config: PathBuf,
    child: Child,
    pub(super) api: String,
    agent: ureq::Agent,
}

impl Service {
    pub(super) fn start(dir: &Path, config_text: &str) -> Result<Self, CliError> {
        std::fs::create_dir_all(dir)?;
        let config = dir.join("replay.yaml");
        if config.exists() {
            let path = config.display();
            return Err(CliError::usage(format!(
                "{path} is there already; --data wants a directory of its own"
            )));
        }
        std::fs::write(&config, config_text)?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("--config")
            .arg(&config)
            .arg("run")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().ok_or_else(|| CliError::failed("the service has no stderr"))?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = String::new();
        let api = loop {
            match lines.next() {
                Some(Ok(line)) => match line.split_once("listening on ") {
                    Some((_, rest)) => break rest.split_whitespace().next().unwrap_or_default().to_owned(),
                    None => said += &(line + "\n"),
                },
                _ => return Err(CliError::failed(format!("the service did not start:\n{said}"))),
            }
        };
        // Its log is not the demo's; but a full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        let agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        Ok(Self { config, child, api, agent })
    }

    pub(super) fn post(&self, body: &[u8], sent: &mut Sent) -> Result<(), CliError> {
        let answer =
            self.agent.post(format!("{}/v1/replay", self.api)).content_type("application/json").send(body);
        let mut answer =
            answer.map_err(|error| CliError::failed(format!("the service does not answer: {error}")))?;
        sent.posted += 1;
        sent.posted_bytes += body.len() as u64;
        if answer.status() == 200 {
            sent.taken += 1;
            return Ok(());
        }
        let mut text = String::new();
        let _ = answer.body_mut().as_reader().read_to_string(&mut text);
        let why = serde_json::from_str::<Value>(&text).ok();
        let why = why.and_then(|why| why["error"].as_str().map(str::to_owned)).unwrap_or(text);
        *sent.refused.entry(format!("{} {why}", answer.status().as_u16())).or_default() += 1;
        Ok(())
    }

    /// What a public path answers.
    pub(super) fn get(&self, path: &str) -> Result<String, CliError> {
        let answer = self.agent.get(format!("{}{path}", self.api)).call();
        let text = answer.and_then(|mut answer| answer.body_mut().read_to_string());
        text.map_err(|error| CliError::failed(format!("the service does not answer: {error}")))
    }

    pub(super) fn wait_settled(&self, count: u64) -> Result<(), CliError> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let status: Value = serde_json::from_slice(&self.command(&["status", "--output", "json"])?)
                .map_err(|error| CliError::failed(error.to_string()))?;
            if status["received"].as_u64() >= Some(count) && status["unsettled"] == 0 {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(CliError::failed(format!("{count} records were not settled within {} s", PATIENCE.as_secs())))
    }

    pub(super) fn command(&self, args: &[&str]) -> Result<Vec<u8>, CliError> {
        let run =
            Command::new(std::env::current_exe()?).arg("--config").arg(&self.config).args(args).output()?;
        if run.status.success() {
            return Ok(run.stdout);
        }
        let complaint = String::from_utf8_lossy(&run.stderr).into_owned();
        Err(CliError::failed(format!("`{}` ended with {}\n{complaint}", args.join(" "), run.status)))
    }

    pub(super) fn json(&self, args: &[&str]) -> Result<Vec<Value>, CliError> {
        let text = self.command(&[args, &["--output", "json"]].concat())?;
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let values = lines.map(serde_json::from_slice).collect::<Result<_, _>>();
        values.map_err(|error| CliError::failed(error.to_string()))
    }

    /// As an operator would: asks, and waits until it has drained.
    pub(super) fn stop(&mut self) -> Result<(), CliError> {
        let config = self.config.parent().map(|dir| dir.join("data")).unwrap_or_default();
        if let Some(endpoint) = crate::lock::running_owner(&config).and_then(|owner| owner.admin) {
            let _: bool = crate::cli::client::Client::new(endpoint).post("/stop", &())?;
        }
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Only after an error: otherwise it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
