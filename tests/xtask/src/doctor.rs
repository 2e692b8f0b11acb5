//! A look at the machine, in a second: what is missing is named with what to do.

use crate::shell;

/// What a first build leaves in `target`.
const NEEDED_DISK_GIB: u64 = 4;

/// Compiler, C compiler, disk; and what the first build costs.
pub(crate) fn doctor() -> Result<(), String> {
    let mut missing = Vec::new();
    if shell::output("rustc", &["--version"]).is_err() {
        missing.push("a Rust compiler: install rustup; it reads rust-toolchain.toml".to_owned());
    }
    if ["cc", "gcc", "clang"].iter().all(|compiler| shell::output(compiler, &["--version"]).is_err()) {
        missing.push("a C compiler: `apt-get install gcc`, or the Xcode command line tools".to_owned());
    }
    if let Some(free_gib) = free_disk_gib()
        && free_gib < NEEDED_DISK_GIB
    {
        missing.push(format!("{NEEDED_DISK_GIB} GiB of disk; only {free_gib} are free here"));
    }
    if !missing.is_empty() {
        return Err(format!("this machine lacks:\n  - {}", missing.join("\n  - ")));
    }
    if !shell::target_dir().join("debug/replay-processor").exists() {
        eprintln!("the first build compiles about 400 crates: about 5 minutes on two cores");
    }
    Ok(())
}

/// `None` where `df` does not say.
fn free_disk_gib() -> Option<u64> {
    let text = shell::output("df", &["-Pk", "."]).ok()?;
    let free_kib: u64 = text.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    Some(free_kib >> 20)
}
