//! What every server can: be installed, be started, say whether it is ready, and where it is.

use std::path::Path;

use super::place::Place;
use crate::shell;

/// `NAME=value` for the environment.
pub(super) type Export = (&'static str, String);

/// A server that this machine may be able to run.
pub(super) trait Server: Send + Sync {
    /// What it is called on the command line.
    fn name(&self) -> &'static str;

    /// Downloads or builds what is not there yet. An error says what the machine lacks.
    fn prepare(&self, place: &Place) -> Result<(), String>;

    /// Whether tests use what is installed, also where Docker runs the server.
    fn is_a_tool(&self) -> bool {
        false
    }

    /// Starts what does not run, and waits until it answers.
    fn up(&self, place: &Place) -> Result<(), String>;

    /// The names of its processes.
    fn processes(&self) -> Vec<String> {
        vec![self.name().to_owned()]
    }

    /// Takes ports for a start: its own again, unless somebody else has them now.
    fn claim_ports(&self, place: &Place) -> Result<(), String> {
        place.claim_port(self.name()).map(|_| ())
    }

    /// Asks it once, in its own protocol.
    fn probe(&self, place: &Place) -> Result<(), String>;

    /// What a test or a config needs to find it.
    fn exports(&self, place: &Place) -> Vec<Export>;
}

/// Installs into a folder once: a mark is left when all of it is there.
pub(super) fn install(folder: &Path, work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let mark = folder.join("complete");
    if mark.exists() {
        return Ok(());
    }
    // What an earlier try left behind is half of something.
    let _ = std::fs::remove_dir_all(folder);
    super::place::make(folder)?;
    work()?;
    super::place::write(&mark, "")
}

/// An error when a program is not installed, with what to do.
pub(super) fn needs(program: &str, argument: &str, advice: &str) -> Result<(), String> {
    shell::output(program, &[argument]).map(|_| ()).map_err(|_| format!("`{program}` is not here: {advice}"))
}

/// The port of a server that runs.
pub(super) fn port(place: &Place, name: &str) -> Result<u16, String> {
    place.port(name).ok_or_else(|| format!("{name} was never started"))
}
