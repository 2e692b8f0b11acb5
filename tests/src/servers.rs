//! Where the servers of a test are: `cargo xtask services up` starts them and says so in the environment.
//!
//! A test that needs a server that is not there says so and is skipped; with `REQUIRE_SERVICES=1` it fails.

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::proxy::{Network, Proxy};

/// Brokers, as `host:port`.
pub const KAFKA: &str = "REPLAY_TEST_KAFKA";
/// HTTP address of a ClickHouse.
pub const CLICKHOUSE: &str = "REPLAY_TEST_CLICKHOUSE";
/// HTTP address of a first S3-compatible store.
pub const S3: &str = "REPLAY_TEST_S3";
/// HTTP address of a second, unrelated one.
pub const S3_OTHER: &str = "REPLAY_TEST_S3_OTHER";
/// Where proxies before the brokers listen, and what they forward to: `LISTEN=BROKER,…`.
pub const KAFKA_PROXIED: &str = "REPLAY_TEST_KAFKA_PROXIED";
/// Folder of Kafka's jars, its command-line tools among them.
pub const KAFKA_LIB: &str = "REPLAY_TEST_KAFKA_LIB";
/// What starts and ends the servers.
const CONTROL: &str = "REPLAY_TEST_SERVICES";
/// Access key and secret key of both.
pub const S3_KEYS: (&str, &str) = ("replay-test", "replay-test-secret");

/// Takes a server away, as a crash would; `start` brings it back with its data, on its port.
///
/// Tests that share it see that: only for a suite that runs alone.
///
/// # Panics
/// When it cannot be ended.
pub fn kill(name: &str) {
    control(&["down", name, "--kill"]);
}

/// Starts a server and waits until it answers.
///
/// # Panics
/// When it does not.
pub fn start(name: &str) {
    control(&["up", name]);
}

fn control(args: &[&str]) {
    let program = std::env::var_os(CONTROL).expect("the servers were started by `cargo xtask services up`");
    let output = Command::new(program).arg("services").args(args).output().unwrap();
    assert!(output.status.success(), "services {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A proxy before each broker. Kafka tells its clients where to come back to, so there is one place to listen:
/// a test has it alone, until this is dropped.
#[derive(Debug)]
pub struct ProxiedKafka {
    /// In the order of the brokers.
    pub proxies: Vec<Proxy>,
    _alone: MutexGuard<'static, ()>,
}

impl ProxiedKafka {
    /// `None` when this machine has no broker.
    ///
    /// # Panics
    /// With `REQUIRE_SERVICES=1`, when there is none.
    pub fn start() -> Option<Self> {
        static ALONE: Mutex<()> = Mutex::new(());
        let pairs = address(KAFKA_PROXIED)?;
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = pairs.split(',').map(|pair| pair.split_once('=').unwrap());
        let proxies = pairs.map(|(listen, broker)| Proxy::start_on(listen, broker)).collect();
        Some(Self { proxies, _alone: alone })
    }

    /// Brokers as a client is told.
    pub fn brokers(&self) -> String {
        self.proxies.iter().map(Proxy::address).collect::<Vec<_>>().join(",")
    }

    /// The network to all brokers.
    pub fn set(&self, network: Network) {
        self.proxies.iter().for_each(|proxy| proxy.set(network));
    }
}

/// The address that the variable holds; `None` when this machine has no such server.
///
/// # Panics
/// With `REQUIRE_SERVICES=1`, when there is none.
pub fn address(variable: &str) -> Option<String> {
    let found = std::env::var(variable).ok().filter(|address| !address.is_empty());
    if found.is_none() {
        let required = std::env::var("REQUIRE_SERVICES").is_ok_and(|value| value == "1");
        assert!(!required, "REQUIRE_SERVICES=1, and {variable} is not set: run `cargo xtask services up`");
        eprintln!("SKIPPED: {variable} is not set (`cargo xtask services up` starts servers)");
    }
    found
}

/// A port that nobody listens on, below those that the kernel gives to whoever asks for any: a server that is
/// away for a while finds it free when it comes back.
///
/// # Panics
/// When there is none.
pub fn quiet_port() -> u16 {
    const LOWEST: u16 = 10_000;
    const COUNT: u128 = 11_000;
    (0..1_000)
        .map(|_| LOWEST + (uuid::Uuid::new_v4().as_u128() % COUNT) as u16)
        .find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port")
}
