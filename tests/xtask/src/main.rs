//! The recipes of this repository: `cargo xtask demo`, `test`, `ci`, `doctor`. What people run is
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
cargo xtask doctor    look at compiler, C compiler and disk
cargo xtask rebuild   how long a build takes after touching one file of the command line";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next();
    let rest: Vec<String> = args.collect();
    let result = match command.as_deref() {
        Some("demo") => demo(&rest),
        Some("test") => test(&rest),
        Some("ci") => ci::ci(),
        Some("doctor") => doctor::doctor(),
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
    shell::cargo(&["build", "--package", "replay-processor"])?;
    let binary = shell::target_dir().join("debug").join("replay-processor");
    let mut args = vec!["demo"];
    args.extend(rest.iter().map(String::as_str));
    shell::run(&binary.display().to_string(), &args)
}

/// The end-to-end crate last: its closing line is the one that counts.
fn test(rest: &[String]) -> Result<(), String> {
    doctor::doctor()?;
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    // The tests start the real binary.
    shell::cargo(&["build", "--package", "replay-processor"])?;
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
