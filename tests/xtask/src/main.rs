//! The recipes of this repository: `cargo xtask demo`, `test`, `ci`, `services`, `soak`, `doctor`. What people run is
//! what CI runs. No dependencies, so that it starts at once.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to people")]

mod ci;
mod deploy;
mod doctor;
mod servers;
mod services;
mod shell;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask demo      build what it needs and play recorded sessions through a real service
cargo xtask test      every test that needs no server
cargo xtask test --servers   those that need Kafka, ClickHouse or S3, on servers that it starts
cargo xtask ci        all that must hold before a change lands
cargo xtask services  up, down, status: Kafka, ClickHouse and S3 for the tests that need them
cargo xtask bench e2e how fast chunks go from Kafka to ClickHouse and on to S3, and what each process costs
cargo xtask soak      hostile plugins, a thousand of each in a row; thousands of tenants
cargo xtask doctor    look at compiler, C compiler and disk
cargo xtask rebuild   how long a build takes after touching one file of the command line";

/// How often the sandbox's tests try each hostile plugin.
const HOSTILE_ROUNDS: &str = "SANDBOX_ROUNDS";

/// How often the same is tried with hostile scripts, which take a quarter of a second each.
const SCRIPT_ROUNDS: &str = "SCRIPT_ROUNDS";

/// The compiled plugins that this repository ships: folders of `plugins/`.
const PLUGINS: [&str; 9] = [
    "mask-pii",
    "mask-inputs",
    "mask-text",
    "mask-selectors",
    "scrub-network",
    "block-url",
    "drop-console",
    "thin-mouse",
    "sample",
];

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next();
    let rest: Vec<String> = args.collect();
    let result = match command.as_deref() {
        Some("demo") => demo(&rest),
        Some("test") => test(&rest),
        Some("ci") => ci::ci(),
        Some("doctor") => doctor::doctor(),
        Some("services") => services::services(&rest),
        Some("soak") => soak(),
        Some("bench") => servers::bench(&rest),
        Some("rebuild") => rebuild(),
        Some(other) => Err(format!("there is no recipe `{other}`\n\n{HELP}")),
        None => {
            println!("{HELP}");
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

fn demo(rest: &[String]) -> Result<(), String> {
    doctor::doctor()?;
    let binary = build()?;
    let mut args = vec!["demo"];
    args.extend(rest.iter().map(String::as_str));
    shell::run(&binary, &args)
}

/// The service, and with it the plugins that this repository ships, as their author would build them.
/// Answers where the binary lies.
fn build() -> Result<String, String> {
    shell::cargo(&["build", "--package", "replay-processor", "--no-default-features"])?;
    plugins()
}

/// The shipped plugins, by the binary that was just built; answers where that lies.
fn plugins() -> Result<String, String> {
    let binary = shell::target_dir().join("debug").join("replay-processor").display().to_string();
    let out = shell::target_dir().join("plugins").display().to_string();
    for plugin in PLUGINS {
        let dir = shell::root().join("plugins").join(plugin).display().to_string();
        shell::run(&binary, &["plugin", "build", &dir, "--out", &out])?;
    }
    Ok(binary)
}

fn test(rest: &[String]) -> Result<(), String> {
    doctor::doctor()?;
    match rest.split_first() {
        Some((first, rest)) if first == "--servers" => servers::test(rest),
        _ => test_embedded(rest),
    }
}

/// All at once, so that every crate is compiled for one set of features; the end-to-end tests come last, and
/// theirs is the closing line.
fn test_embedded(rest: &[String]) -> Result<(), String> {
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    // The tests start the real binary, and give it real plugins.
    build()?;
    let args = ["test", "--workspace", "--exclude", "xtask", "--no-default-features"];
    shell::cargo(&[&args[..], &["--lib", "--bins", "--tests"], &rest].concat())
}

/// Every hostile plugin a thousand times; the tests try each a few times, the gate a hundred.
fn soak() -> Result<(), String> {
    // Of the whole workspace, as `test` builds it: of one crate alone wasmtime would be built again.
    let args = ["test", "--workspace", "--exclude", "xtask", "--no-default-features"];
    let hostile = [&args[..], &["--test", "sandbox", "--test", "resident"]].concat();
    shell::run_with_env(&shell::cargo_program(), &hostile, &[(HOSTILE_ROUNDS, "1000")])?;
    let scripts = [&args[..], &["--test", "class_script", "hostile"]].concat();
    shell::run_with_env(&shell::cargo_program(), &scripts, &[(SCRIPT_ROUNDS, "1000")])?;
    // Many tenants, and more configs than are kept: by the binary that people run.
    shell::cargo(&["build", "--release", "--package", "replay-processor", "--no-default-features"])?;
    let binary = shell::target_dir().join("release").join("replay-processor").display().to_string();
    let out = shell::target_dir().join("plugins").display().to_string();
    shell::run(&binary, &["plugin", "build", "plugins/mask-pii", "--out", &out])?;
    let many = [&args[..], &["--test", "end_to_end", "many_tenants", "--", "--ignored"]].concat();
    shell::run_with_env(&shell::cargo_program(), &many, &[("REPLAY_BINARY", &binary)])
}

fn rebuild() -> Result<(), String> {
    let file = shell::root().join("host/service/src/cli/status.rs");
    let build = ["build", "--package", "replay-processor", "--no-default-features"];
    shell::cargo(&build)?;
    let touched = std::fs::OpenOptions::new()
        .append(true)
        .open(&file)
        .and_then(|file| file.set_modified(std::time::SystemTime::now()));
    touched.map_err(|error| format!("cannot touch {}: {error}", file.display()))?;
    let start = std::time::Instant::now();
    shell::cargo(&build)?;
    println!("a build after touching one file of the command line: {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}
