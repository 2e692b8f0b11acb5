//! The real binary as a child process, on embedded stores in a directory of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long anything that must happen may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The config of the tests: two tenants with keys; `extra` is appended.
pub fn config(dir: &Path, extra: &str) -> String {
    format!(
        "source: {{ kind: local }}\n\
         hot: {{ kind: sqlite }}\n\
         cold: {{ kind: dir }}\n\
         dead_letters: {{ kind: table }}\n\
         embedded: {{ dir: {dir} }}\n\
         api: {{ listen: \"127.0.0.1:0\" }}\n\
         tenants:\n  \
           unlisted: defaults\n  \
           defaults: {{ plugins: [] }}\n  \
           shop: {{ keys: [pk_live_shop], plugins: [] }}\n  \
           clinic: {{ keys: [pk_live_clinic], plugins: [] }}\n\
         {extra}",
        dir = dir.join("data").display(),
    )
}

/// Fast sealing, so that tests wait for little.
pub const FAST: &str = "replay: { idle_timeout: 50ms, flush_interval: 20ms }\n";

/// The binary under test: where cargo puts it, or, to measure another build, what `REPLAY_BINARY` names.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("REPLAY_BINARY") {
        return PathBuf::from(path).canonicalize().expect("REPLAY_BINARY names a file");
    }
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    let path = path.join("replay-processor");
    assert!(path.exists(), "{} is missing: `cargo build -p replay-processor` first", path.display());
    path
}

/// A directory with a config file, and the service running on it or not.
pub struct Service {
    /// Config and data.
    pub dir: PathBuf,
    child: Option<Child>,
    api: String,
    /// What it said on stderr so far.
    log: std::sync::Arc<std::sync::Mutex<String>>,
}

impl Service {
    /// Writes the config; nothing runs yet.
    pub fn prepare(dir: &Path, extra: &str) -> Self {
        Self::prepare_with(dir, &config(dir, extra))
    }

    /// The same with a config of the test's own.
    pub fn prepare_with(dir: &Path, config: &str) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join("replay.yaml"), config).unwrap();
        Self { dir: dir.to_owned(), child: None, api: String::new(), log: Default::default() }
    }

    /// Writes the config and starts the service.
    pub fn start(dir: &Path, extra: &str) -> Self {
        let mut service = Self::prepare(dir, extra);
        service.run();
        service
    }

    /// Starts (again) and waits until it takes records.
    pub fn run(&mut self) {
        let mut child = self.command(&["run"]).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let log = self.log.clone();
        let (address, announced) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some((_, rest)) = line.split_once("listening on http://") {
                    let _ = address.send(rest.split_whitespace().next().unwrap_or("").to_owned());
                }
                let mut log = log.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        self.child = Some(child);
        match announced.recv_timeout(PATIENCE) {
            Ok(address) => self.api = format!("http://{address}"),
            Err(_) => panic!("the service did not start:\n{}", self.log()),
        }
        self.wait_until("the service is ready", |service| service.get("/readyz").0 == 200);
    }

    /// What the service said on stderr.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// A command of the binary with this config.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.arg("--config").arg(self.dir.join("replay.yaml")).args(args).current_dir(&self.dir);
        command.env("NO_COLOR", "1");
        command
    }

    /// Runs a command to its end.
    pub fn cli(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a command that must succeed and returns its stdout.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.cli(args);
        assert!(
            output.status.success(),
            "{args:?} ended with {}\n{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr),
            self.log()
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a listing with `--output json`.
    pub fn json(&self, args: &[&str]) -> Vec<Value> {
        let text = self.ok(&[args, &["--output", "json"]].concat());
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Feeds a command through its standard input.
    pub fn feed(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        let _ = writer.join();
        output
    }

    /// GET on the public address: status and body; 0 when nobody answers.
    pub fn get(&self, path: &str) -> (u16, String) {
        answer(agent().get(format!("{}{path}", self.api)).call())
    }

    /// POST to the intake: status and body; 0 when nobody answers.
    pub fn post(&self, body: &[u8]) -> (u16, String) {
        answer(agent().post(format!("{}/v1/replay", self.api)).content_type("application/json").send(body))
    }

    /// The public address.
    pub fn api(&self) -> &str {
        &self.api
    }

    /// The sum of all series of a metric whose line holds `label`.
    pub fn metric(&self, name: &str, label: &str) -> f64 {
        sum(&self.get("/metrics").1, name, label)
    }

    /// Waits until everything that was received is settled, and `received` is at least `count`.
    pub fn wait_settled(&self, count: u64) {
        self.wait_until(&format!("{count} records are settled"), |service| {
            service.metric("replay_records_received_total", "") >= count as f64
                && service.metric("replay_records_unsettled", "") == 0.0
        });
        self.check_balance();
    }

    /// received = settled + unsettled + released, all of one moment.
    pub fn check_balance(&self) {
        let (_, text) = self.get("/metrics");
        let received = sum(&text, "replay_records_received_total", "");
        let settled = sum(&text, "replay_records_settled_total", "");
        let unsettled = sum(&text, "replay_records_unsettled", "");
        let released = sum(&text, "replay_records_released_total", "");
        assert_eq!(received, settled + unsettled + released, "{settled} + {unsettled} + {released}");
    }

    /// Awaits a condition; panics with the log when it does not come.
    pub fn wait_until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self) {
            assert!(Instant::now() < deadline, "waited in vain until {what}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// kill -9.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGTERM; returns the exit code and what it wrote to stdout.
    pub fn stop(&mut self) -> (Option<i32>, String) {
        let Some(mut child) = self.child.take() else { return (None, String::new()) };
        signal(child.id(), "TERM");
        let mut said = String::new();
        child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        (child.wait().unwrap().code(), said)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal by name.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap();
    assert!(status.success());
}

fn sum(text: &str, name: &str, label: &str) -> f64 {
    let lines = text.lines().filter(|line| {
        let named = line.strip_prefix(name);
        named.is_some_and(|rest| rest.starts_with([' ', '{'])) && line.contains(label)
    });
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)))
        .build()
        .into()
}

fn answer(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> (u16, String) {
    match result {
        Ok(mut response) => {
            let status = response.status().as_u16();
            (status, response.body_mut().read_to_string().unwrap_or_default())
        }
        Err(_) => (0, String::new()),
    }
}

/// Every file below `dir` in which `needle` occurs, raw.
pub fn files_with(dir: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(bytes) = std::fs::read(&path)
                && bytes.windows(needle.len()).any(|window| window == needle)
            {
                found.push(path);
            }
        }
    }
    found
}
