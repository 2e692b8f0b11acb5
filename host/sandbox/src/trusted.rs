//! The workspace's one `unsafe` call: mapping compiled code into this process.
//!
//! Compiled code does whatever it says. It is loaded only from a regular file that this user owns, that
//! nobody else can read or write, and whose bytes have the hash that was noted when it was compiled; all
//! of that is asked of one open file, and the same file is mapped.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FileType, OFlags, fstat};
use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::inspect::hex;

/// Why a file is not trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Distrust {
    #[error("it cannot be read")]
    Unreadable,
    #[error("it is not a file of this user's alone")]
    NotOurs,
    #[error("its hash is another than was noted")]
    Changed,
    #[error("it was compiled for another plugin, or another config")]
    Another,
    #[error("the engine refuses it")]
    Refused,
}

/// Opens a file that only this user can read or write; follows no link.
pub(crate) fn open_private(path: &Path) -> Result<File, Distrust> {
    let no_follow = i32::try_from(OFlags::NOFOLLOW.bits()).map_err(|_| Distrust::Unreadable)?;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(no_follow).open(path);
    let file = file.map_err(|_| Distrust::Unreadable)?;
    let stat = fstat(file.as_fd()).map_err(|_| Distrust::Unreadable)?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    if !is_file || stat.st_uid != rustix::process::geteuid().as_raw() || stat.st_mode & 0o077 != 0 {
        return Err(Distrust::NotOurs);
    }
    Ok(file)
}

/// Maps the compiled component at `path`, whose bytes must have `sha256` (lower-case hexadecimal).
pub(crate) fn load(engine: &Engine, path: &Path, sha256: &str) -> Result<Component, Distrust> {
    let mut file = open_private(path)?;
    if hash(&mut file)? != sha256 {
        return Err(Distrust::Changed);
    }
    // Names the open file itself, whatever happened to the path since.
    let checked = format!("/proc/self/fd/{}", file.as_raw_fd());
    map(engine, Path::new(&checked)).ok_or(Distrust::Refused)
}

fn hash(file: &mut File) -> Result<String, Distrust> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = file.read(&mut buffer).map_err(|_| Distrust::Unreadable)?;
        match buffer.get(..count) {
            None | Some([]) => return Ok(hex(&digest.finalize())),
            Some(bytes) => digest.update(bytes),
        }
    }
}

#[allow(unsafe_code, reason = "compiled code cannot be checked, only where it comes from")]
fn map(engine: &Engine, path: &Path) -> Option<Component> {
    // SAFETY: the bytes are what this engine's compiler wrote: `load` found the hash that was noted then,
    // in a file that only this user can write, and `path` names that very file. The mapping is private,
    // and the cache replaces files, never writes into one.
    unsafe { Component::deserialize_file(engine, path) }.ok()
}
