//! The suites that need servers: the service with all its stores, on whatever servers this machine has.

use std::path::Path;

use crate::{plugins, services, shell};

/// Compiled together and without the core's tests, so that the binary under test is as it ships: those tests
/// build a core whose guards can be removed.
const PACKAGES: [&str; 6] =
    ["--package", "replay-servers", "--package", "replay-processor", "--package", "replay-tests"];

/// What needs servers, and the units beside it; the rest is `cargo xtask test`.
const TARGETS: [&str; 6] = ["--lib", "--bins", "--test", "contract", "--test", "servers"];

/// Builds the binary with its servers, starts what is not running, and runs the suites. The servers go on.
pub(crate) fn test(rest: &[String]) -> Result<(), String> {
    build()?;
    let exports = services::up_all()?;
    let env: Vec<(&str, &str)> = exports.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let features = features();
    let args = [&["test"], &PACKAGES[..], &["--features", &features], &TARGETS, &rest];
    shell::run_with_env(&shell::cargo_program(), &args.concat(), &env)
}

/// How fast the released binary goes from Kafka to ClickHouse and on to S3; minutes, by hand.
pub(crate) fn bench(rest: &[String]) -> Result<(), String> {
    if rest != ["e2e"] {
        return Err(
            "`cargo xtask bench e2e` is the one there is; `replay-processor bench` has the others".into()
        );
    }
    build()?;
    shell::cargo(&["build", "--release", "--package", "replay-processor"])?;
    let binary = shell::target_dir().join("release").join("replay-processor").display().to_string();
    let exports = services::up_all()?;
    let env = exports.iter().map(|(name, value)| (*name, value.as_str()));
    let env: Vec<(&str, &str)> = env.chain([("REPLAY_BINARY", binary.as_str())]).collect();
    let features = features();
    let test = ["--features", &features, "--test", "servers", "throughput", "--", "--ignored", "--nocapture"];
    shell::run_with_env(&shell::cargo_program(), &[&["test"], &PACKAGES[..], &test].concat(), &env)
}

/// Beside the tests, so that both are of one set of features and nothing is compiled twice.
fn build() -> Result<(), String> {
    shell::cargo(&[&["build"], &PACKAGES[..], &["--features", &features()], &TARGETS].concat())?;
    plugins().map(|_| ())
}

/// With TLS where OpenSSL's headers are, as in releases.
fn features() -> String {
    if has_openssl() {
        return "replay-tests/servers,replay-processor/tls".into();
    }
    eprintln!(
        "NOT TESTED: TLS to the servers: OpenSSL's headers are not here (apt-get install libssl-dev pkg-config)"
    );
    "replay-tests/servers".into()
}

/// As `openssl-sys` finds them.
fn has_openssl() -> bool {
    std::env::var_os("OPENSSL_DIR").is_some()
        || shell::output("pkg-config", &["--exists", "openssl"]).is_ok()
        || Path::new("/usr/include/openssl/ssl.h").exists()
}
