//! All that must hold before a change lands, with the seconds of each stage.

use std::time::Instant;

use crate::{doctor, shell};

type Stage = (&'static str, fn() -> Result<(), String>);

/// The tests last, so that theirs is the closing line.
const STAGES: &[Stage] = &[
    ("format", format),
    ("core alone", core_alone),
    ("clippy", clippy),
    ("docs", docs),
    ("dependencies", dependencies),
    ("demo", demo),
    ("tests", tests),
];

pub(crate) fn ci() -> Result<(), String> {
    doctor::doctor()?;
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
    shell::cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])
}

fn docs() -> Result<(), String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let args = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    shell::run_with_env(&cargo, &args, &[("RUSTDOCFLAGS", "-D warnings")])
}

fn dependencies() -> Result<(), String> {
    if shell::output("cargo-deny", &["--version"]).is_err() {
        eprintln!("SKIPPED: cargo-deny is not installed (cargo install --locked cargo-deny)");
        return Ok(());
    }
    shell::run("cargo-deny", &["check", "bans", "licenses", "sources"])
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

/// With a hundred of each hostile plugin in a row.
fn tests() -> Result<(), String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    shell::run_with_env(&cargo, &["xtask", "test"], &[(crate::HOSTILE_ROUNDS, "100")])
}
