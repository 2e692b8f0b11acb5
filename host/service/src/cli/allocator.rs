//! How the C library keeps memory, for a service that runs for months on records of any size.
//!
//! Once it has freed a large block, glibc takes blocks of that size, up to 32 MiB, from its heaps, where a
//! few small ones between them hold them for ever: on a backlog in which every hundredth record has 20 MiB
//! a consumer took 470 to 520 MiB, and with a threshold that stays where it is 210 to 280. glibc reads it
//! from the environment before anything else runs, so the process starts itself anew with it, under its
//! number. What an operator has set is left alone.

/// Blocks of 4 MiB and more are asked of the kernel, and go back to it at once; what is free at the end of a
/// heap does from 32 MiB on, as it would after the first large block.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const SETTINGS: [(&str, &str); 2] =
    [("MALLOC_MMAP_THRESHOLD_", "4194304"), ("MALLOC_TRIM_THRESHOLD_", "33554432")];
/// The other way to say so.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const TUNABLES: &str = "GLIBC_TUNABLES";

/// Comes back if there is nothing to be set, or if it cannot be: then the service takes more memory.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn settle() {
    use std::env;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    let is_set = |name: &str| env::var_os(name).is_some();
    if is_set(TUNABLES) || SETTINGS.iter().any(|(name, _)| is_set(name)) {
        return;
    }
    let (Ok(program), mut args) = (env::current_exe(), env::args_os()) else { return };
    let name = args.next().unwrap_or_else(|| program.clone().into());
    let error = Command::new(&program).arg0(name).args(args).envs(SETTINGS).exec();
    super::CliError::failed(format!(
        "{} cannot be started anew: {error}; it will take more memory",
        program.display()
    ))
    .print();
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn settle() {}
