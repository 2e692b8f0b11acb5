//! Where the servers live: tools, data, logs, ports and pid files, all under `target/services`.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::shell;

/// Below the ports that a system hands to outgoing connections: a client that calls a server which is
/// down for a moment could otherwise be given that very port, and talk to itself.
const PORTS: std::ops::Range<u16> = 21_000..29_000;

/// `target/services`.
#[derive(Clone)]
pub(super) struct Place(PathBuf);

impl Place {
    pub(super) fn open() -> Result<Self, String> {
        Self::at(shell::target_dir().join("services"))
    }

    pub(super) fn at(path: PathBuf) -> Result<Self, String> {
        let place = Self(path);
        for folder in ["tools", "data", "log", "run"] {
            make(&place.0.join(folder))?;
        }
        Ok(place)
    }

    /// Held while something is installed, started or ended. Another call waits for it.
    pub(super) fn lock(&self) -> Result<File, String> {
        let path = self.0.join("lock");
        let said = |error| format!("cannot lock {}: {error}", path.display());
        let file = File::create(&path).map_err(said)?;
        if file.try_lock().is_err() {
            eprintln!("services: waiting for another `cargo xtask services` to finish");
            file.lock().map_err(said)?;
        }
        Ok(file)
    }

    /// What was installed, in a folder whose name has the version.
    pub(super) fn tool(&self, name: &str) -> PathBuf {
        self.0.join("tools").join(name)
    }

    /// What a server stores.
    pub(super) fn data(&self, name: &str) -> PathBuf {
        self.0.join("data").join(name)
    }

    /// What a server says.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.0.join("log").join(format!("{name}.log"))
    }

    /// Which process a server is.
    pub(super) fn pid_file(&self, name: &str) -> PathBuf {
        self.0.join("run").join(format!("{name}.pid"))
    }

    /// Removes data and logs; what was installed stays.
    pub(super) fn purge(&self) -> Result<(), String> {
        for folder in ["data", "log"] {
            let path = self.0.join(folder);
            fs::remove_dir_all(&path)
                .map_err(|error| format!("cannot remove {}: {error}", path.display()))?;
            make(&path)?;
        }
        Ok(())
    }

    /// The port of a server: the same at each start, so that its clients find it again.
    pub(super) fn port(&self, name: &str) -> Option<u16> {
        let text = fs::read_to_string(self.0.join("ports")).ok()?;
        let (_, port) = text.lines().filter_map(|line| line.split_once('=')).find(|(key, _)| *key == name)?;
        port.parse().ok()
    }

    /// The port for a server that is about to start: its own if nobody else has taken it, else a new one.
    pub(super) fn claim_port(&self, name: &str) -> Result<u16, String> {
        /// Servers start side by side: two must not read the list before one has written it.
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.0.join("ports");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut ports: Vec<(String, u16)> = text
            .lines()
            .filter_map(|line| line.split_once('='))
            .filter_map(|(key, port)| Some((key.to_owned(), port.parse().ok()?)))
            .collect();
        if let Some((_, port)) = ports.iter().find(|(key, _)| key == name) {
            if is_free(*port) {
                return Ok(*port);
            }
            eprintln!("services: port {port} of {name} is taken by somebody else; it gets another");
        }
        ports.retain(|(key, _)| key != name);
        let taken: Vec<u16> = ports.iter().map(|(_, port)| *port).collect();
        let port = PORTS
            .cycle_from(self.first_port())
            .find(|port| !taken.contains(port) && is_free(*port))
            .ok_or_else(|| format!("no port of {PORTS:?} is free"))?;
        ports.push((name.to_owned(), port));
        let text: String = ports.iter().map(|(key, port)| format!("{key}={port}\n")).collect();
        fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(port)
    }

    #[cfg(test)]
    pub(super) fn remove(&self) {
        let _ = fs::remove_dir_all(&self.0);
    }

    /// Where the search begins: elsewhere for each checkout, so that two rarely meet.
    fn first_port(&self) -> u16 {
        let sum = self
            .0
            .as_os_str()
            .as_encoded_bytes()
            .iter()
            .fold(0u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(u16::from(*byte)));
        PORTS.start + sum % (PORTS.end - PORTS.start)
    }
}

trait CycleFrom {
    /// All of a range, beginning in its middle.
    fn cycle_from(self, first: u16) -> impl Iterator<Item = u16>;
}

impl CycleFrom for std::ops::Range<u16> {
    fn cycle_from(self, first: u16) -> impl Iterator<Item = u16> {
        (first..self.end).chain(self.start..first)
    }
}

/// Makes a folder and those above it.
pub(super) fn make(path: &Path) -> Result<(), String> {
    fs::create_dir_all(path).map_err(|error| format!("cannot create {}: {error}", path.display()))
}

/// Writes a file whole.
pub(super) fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn servers_that_start_side_by_side_get_ports_of_their_own() {
        let path = std::env::temp_dir().join(format!("xtask-ports-{}", std::process::id()));
        let place = Place::at(path).unwrap();
        let claimed: Vec<u16> = std::thread::scope(|scope| {
            let claims: Vec<_> = (0..8)
                .map(|server| {
                    scope.spawn({
                        let place = &place;
                        move || place.claim_port(&format!("server-{server}"))
                    })
                })
                .collect();
            claims.into_iter().map(|claim| claim.join().unwrap().unwrap()).collect()
        });
        let different: std::collections::BTreeSet<u16> = claimed.iter().copied().collect();
        assert_eq!(different.len(), claimed.len(), "{claimed:?}");
        place.remove();
    }
}
