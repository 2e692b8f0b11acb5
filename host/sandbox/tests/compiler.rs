//! The compiling process for the tests of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("compile-plugin") => replay_sandbox::compile_child(),
        Some(_) | None => ExitCode::FAILURE,
    }
}
