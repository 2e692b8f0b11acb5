//! The binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    replay_processor::cli::main()
}
