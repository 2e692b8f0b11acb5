//! The recipes of this repository: `cargo xtask demo`, `test`, `ci`, `soak`, `doctor`. What people run is
//! what CI runs. No dependencies, so that it starts at once.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it talks to people")]

mod ci;
mod doctor;
mod shell;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask demo      build what it needs and play recorded sessions through a real service
cargo xtask test      every test that needs no server
cargo xtask ci        all that must hold before a change lands
cargo xtask soak      hostile plugins, a thousand of each in a row
cargo xtask doctor    look at compiler, C compiler and disk
cargo xtask rebuild   how long a build takes after touching one file of the command line";

/// How often the sandbox's tests try each hostile plugin.
const HOSTILE_ROUNDS: &str = "SANDBOX_ROUNDS";

/// The plugins that this repository ships: folders of `plugins/`.
const PLUGINS: [&str; 3] = ["mask-pii", "mask-inputs", "block-url"];

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next();
    let rest: Vec<String> = args.collect();
    let result = match command.as_deref() {
        Some("demo") => demo(&rest),
        Some("test") => test(&rest),
        Some("ci") => ci::ci(),
        Some("doctor") => doctor::doctor(),
        Some("soak") => soak(),
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
    shell::cargo(&["build", "--package", "replay-processor"])?;
    let binary = shell::target_dir().join("debug").join("replay-processor").display().to_string();
    let out = shell::target_dir().join("plugins").display().to_string();
    for plugin in PLUGINS {
        let dir = shell::root().join("plugins").join(plugin).display().to_string();
        shell::run(&binary, &["plugin", "build", &dir, "--out", &out])?;
    }
    Ok(binary)
}

/// The end-to-end crate last: its closing line is the one that counts.
fn test(rest: &[String]) -> Result<(), String> {
    doctor::doctor()?;
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    // The tests start the real binary, and give it real plugins.
    build()?;
    shell::cargo(&[
        "test",
        "--workspace",
        "--exclude",
        "replay-tests",
        "--exclude",
        "xtask",
        "--lib",
        "--bins",
        "--tests",
    ])?;
    shell::cargo(&[&["test", "--package", "replay-tests", "--tests"], rest.as_slice()].concat())
}

/// Every hostile plugin a thousand times; the tests try each a few times, the gate a hundred.
fn soak() -> Result<(), String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    // Of the whole workspace, as `test` builds it: of one crate alone wasmtime would be built again.
    let args = ["test", "--workspace", "--exclude", "xtask", "--test", "sandbox", "--test", "resident"];
    shell::run_with_env(&cargo, &args, &[(HOSTILE_ROUNDS, "1000")])
}

fn rebuild() -> Result<(), String> {
    let file = shell::root().join("host/service/src/cli/status.rs");
    shell::cargo(&["build", "--package", "replay-processor"])?;
    let touched = std::fs::OpenOptions::new()
        .append(true)
        .open(&file)
        .and_then(|file| file.set_modified(std::time::SystemTime::now()));
    touched.map_err(|error| format!("cannot touch {}: {error}", file.display()))?;
    let start = std::time::Instant::now();
    shell::cargo(&["build", "--package", "replay-processor"])?;
    println!("a build after touching one file of the command line: {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}
