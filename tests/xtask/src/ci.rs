//! All that must hold before a change lands, with the seconds of each stage.

use std::time::Instant;

use crate::{deploy, doctor, servers, services, shell};

type Stage = (&'static str, fn() -> Result<(), String>);

/// What was compiled for one stage serves those after it. The README's tests last: theirs is the closing line.
const STAGES: &[Stage] = &[
    ("format", format),
    ("core alone", core_alone),
    ("clippy", clippy),
    ("clippy without servers", clippy_embedded),
    ("docs", docs),
    ("SDK as published", sdk_package),
    ("dependencies", dependencies),
    ("recipes", recipes),
    ("tests on servers", tests_on_servers),
    ("demo", demo),
    ("tests", tests),
];

/// With the servers, and with all that needs them.
const SERVERS: [&str; 2] = ["--features", "replay-tests/servers"];

pub(crate) fn ci() -> Result<(), String> {
    doctor::doctor()?;
    // Servers are downloaded and built beside the first compile; `up` waits for it and says what is missing.
    std::thread::spawn(services::prepare);
    let mut times = Vec::new();
    for (name, stage) in STAGES {
        eprintln!("\n== {name}");
        let start = Instant::now();
        let result = stage();
        times.push(format!("{name} {} s", start.elapsed().as_secs()));
        if let Err(why) = result {
            return Err(format!("{name}: {why}\nstages so far: {}", times.join(", ")));
        }
    }
    eprintln!("\nstages: {}", times.join(", "));
    Ok(())
}

fn format() -> Result<(), String> {
    shell::cargo(&["fmt", "--all", "--check"])
}

/// The heart builds without the rest of the workspace, and without the guards' removal.
fn core_alone() -> Result<(), String> {
    shell::cargo(&["build", "--package", "replay-core"])
}

fn clippy() -> Result<(), String> {
    let args = ["clippy", "--workspace", "--all-targets"];
    shell::cargo(&[&args[..], &SERVERS, &["--", "-D", "warnings"]].concat())
}

/// The same service as the README's commands build it.
fn clippy_embedded() -> Result<(), String> {
    let args = ["clippy", "--package", "replay-processor", "--package", "replay-tests", "--all-targets"];
    shell::cargo(&[&args[..], &["--no-default-features", "--", "-D", "warnings"]].concat())
}

fn docs() -> Result<(), String> {
    let args = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    let args = [&args[..], &SERVERS].concat();
    shell::run_with_env(&shell::cargo_program(), &args, &[("RUSTDOCFLAGS", "-D warnings")])
}

/// The SDK builds from what would be published of it, alone.
fn sdk_package() -> Result<(), String> {
    shell::cargo(&["package", "--package", "replay-plugin", "--allow-dirty"])
}

fn dependencies() -> Result<(), String> {
    if shell::output("cargo-deny", &["--version"]).is_err() {
        eprintln!("SKIPPED: cargo-deny is not installed (cargo install --locked cargo-deny)");
        return Ok(());
    }
    shell::run("cargo-deny", &["check", "bans", "licenses", "sources"])
}

/// These recipes themselves, what they start, and the files for a deployment.
fn recipes() -> Result<(), String> {
    shell::cargo(&["test", "--package", "xtask"])?;
    services::test()?;
    deploy::check()
}

fn tests_on_servers() -> Result<(), String> {
    let _down = services::DownAtTheEnd;
    servers::test(&[])
}

/// The demo as nobody watches it; what it prints must hold its promises.
fn demo() -> Result<(), String> {
    let said = shell::output(&crate::build()?, &["demo"])?;
    println!("{said}");
    for promise in [
        "moved to cold",
        "byte for byte",
        "dead letters",
        "compression",
        "session export",
        "redacted",
        "before",
        "after",
    ] {
        if !said.contains(promise) {
            return Err(format!("the demo does not say `{promise}`"));
        }
    }
    Ok(())
}

/// With a hundred of each hostile plugin in a row, and ten of each script: those take their quarter of a second.
fn tests() -> Result<(), String> {
    let cargo = shell::cargo_program();
    let rounds = [(crate::HOSTILE_ROUNDS, "100"), (crate::SCRIPT_ROUNDS, "10")];
    shell::run_with_env(&cargo, &["xtask", "test"], &rounds)
}
