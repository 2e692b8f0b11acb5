//! Processes that outlive us: started with a pid file, ended by it, and never mistaken for another that was
//! given the same number later.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::place::{self, Place};
use crate::shell;

/// Time to stop cleanly before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at a condition that is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Lines of a log that are shown when a server ends on its own.
const LAST_LINES: usize = 20;

/// Starts the command as the server `name`, detached from us; what it says goes to its log.
pub(super) fn start(place: &Place, name: &str, command: &mut Command) -> Result<(), String> {
    let log = place.log(name);
    let said = |error| format!("cannot write {}: {error}", log.display());
    let out = OpenOptions::new().create(true).append(true).open(&log).map_err(said)?;
    let also = out.try_clone().map_err(said)?;
    // A group of its own: Ctrl-C at our terminal is not meant for it.
    command.process_group(0).stdin(Stdio::null()).stdout(out).stderr(also);
    let program = command.get_program().display().to_string();
    let child = command.spawn().map_err(|error| format!("`{program}` did not start: {error}"))?;
    let pid = child.id();
    let started = started_at(pid).ok_or_else(|| ended(place, name))?;
    place::write(&place.pid_file(name), &format!("{pid} {started}\n"))
}

/// The process of this server, if it runs.
pub(super) fn running(place: &Place, name: &str) -> Option<u32> {
    let text = fs::read_to_string(place.pid_file(name)).ok()?;
    let (pid, started) = text.trim().split_once(' ')?;
    let pid = pid.parse().ok()?;
    (started_at(pid)? == started).then_some(pid)
}

/// Why a server that should run does not.
pub(super) fn ended(place: &Place, name: &str) -> String {
    let log = place.log(name);
    let text = fs::read_to_string(&log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n  ");
    format!("{name} ended; the last it said ({}):\n  {last}", log.display())
}

/// Waits until a server answers; an error when it ends or when it takes too long.
pub(super) fn wait_until_ready(
    place: &Place,
    name: &str,
    patience: Duration,
    probe: impl Fn() -> Result<(), String>,
) -> Result<(), String> {
    let mut has_ended = false;
    let answer = wait_until(patience, || {
        let answer = probe();
        // Asked after the probe: another process on its port does not pass for it.
        has_ended = running(place, name).is_none();
        if has_ended { Ok(()) } else { answer }
    });
    if has_ended { Err(ended(place, name)) } else { answer.map_err(|why| format!("{name}: {why}")) }
}

/// Asks again and again until the answer is good.
pub(super) fn wait_until(
    patience: Duration,
    mut probe: impl FnMut() -> Result<(), String>,
) -> Result<(), String> {
    let start = Instant::now();
    loop {
        match probe() {
            Ok(()) => return Ok(()),
            Err(why) if start.elapsed() > patience => {
                return Err(format!("not ready after {} s: {why}", patience.as_secs()));
            }
            Err(_) => std::thread::sleep(LOOK_AGAIN),
        }
    }
}

/// Ends servers that were started here, together; those that do not listen are killed.
pub(super) fn stop(place: &Place, names: &[String], at_once: bool) -> Result<(), String> {
    for name in names {
        if let Some(pid) = running(place, name) {
            signal(pid, if at_once { "-KILL" } else { "-TERM" });
        }
    }
    let start = Instant::now();
    let mut impatient = at_once;
    loop {
        let left: Vec<&String> = names.iter().filter(|name| running(place, name).is_some()).collect();
        if left.is_empty() {
            break;
        }
        if !impatient && start.elapsed() > STOP_PATIENCE {
            impatient = true;
            for name in &left {
                if let Some(pid) = running(place, name) {
                    eprintln!("services: {name} does not stop; it is killed");
                    signal(pid, "-KILL");
                }
            }
        }
        if start.elapsed() > STOP_PATIENCE * 2 {
            return Err(format!("{left:?} cannot be ended"));
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    for name in names {
        remove(&place.pid_file(name));
    }
    Ok(())
}

fn signal(pid: u32, signal: &str) {
    // An error means that it is gone already, which the caller looks at.
    let _ = shell::output("kill", &[signal, &pid.to_string()]);
}

/// When a live process began, in words that differ for a later one with the same number.
fn started_at(pid: u32) -> Option<String> {
    if Path::new("/proc/self/stat").exists() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything, also spaces and parentheses.
        let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
        let is_dead = matches!(*fields.first()?, "Z" | "X");
        return (!is_dead).then(|| (*fields.get(19).unwrap_or(&"")).to_owned());
    }
    let started = shell::output("ps", &["-o", "stat=,lstart=", "-p", &pid.to_string()]).ok()?;
    let (state, started) = started.trim().split_once(' ')?;
    (!state.starts_with('Z')).then(|| started.trim().replace(' ', "_"))
}

fn remove(path: &Path) {
    // It may never have been there.
    let _ = fs::remove_file(path);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// A folder of a test's own under `target`.
    fn place(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("xtask-{name}-{}", std::process::id()));
        Place::at(path).unwrap()
    }

    #[test]
    fn what_was_started_is_ended() {
        let place = place("ended");
        start(&place, "sleeper", Command::new("sleep").arg("600")).unwrap();
        let pid = running(&place, "sleeper").unwrap();
        stop(&place, &["sleeper".to_owned()], false).unwrap();
        assert_eq!(running(&place, "sleeper"), None);
        assert_eq!(started_at(pid), None);
        place.remove();
    }

    #[test]
    fn a_process_that_was_given_the_same_number_later_is_left_alone() {
        let place = place("recycled");
        start(&place, "sleeper", Command::new("sleep").arg("600")).unwrap();
        let pid = running(&place, "sleeper").unwrap();
        let honest = fs::read_to_string(place.pid_file("sleeper")).unwrap();
        place::write(&place.pid_file("sleeper"), &format!("{pid} 1\n")).unwrap();
        assert_eq!(running(&place, "sleeper"), None);
        stop(&place, &["sleeper".to_owned()], true).unwrap();
        assert!(started_at(pid).is_some(), "it was killed");
        place::write(&place.pid_file("sleeper"), &honest).unwrap();
        stop(&place, &["sleeper".to_owned()], true).unwrap();
        assert_eq!(started_at(pid), None);
        place.remove();
    }

    #[test]
    fn one_that_ends_on_its_own_is_told_with_its_last_words() {
        let place = place("last-words");
        let mut command = Command::new("sh");
        command.args(["-c", "echo no such table >&2; exit 3"]);
        // It may be gone before its start is looked up, which is told in the same words.
        let why = match start(&place, "brief", &mut command) {
            Ok(()) => wait_until_ready(&place, "brief", Duration::from_secs(20), || Err("no".into())),
            Err(why) => Err(why),
        };
        let why = why.unwrap_err();
        assert!(why.contains("brief ended") && why.contains("no such table"), "{why}");
        place.remove();
    }

    #[test]
    fn waiting_is_bounded() {
        let place = place("bounded");
        start(&place, "mute", Command::new("sleep").arg("600")).unwrap();
        let patience = Duration::from_millis(10);
        let why = wait_until_ready(&place, "mute", patience, || Err("it says nothing".into())).unwrap_err();
        assert!(why.contains("not ready") && why.contains("it says nothing"), "{why}");
        stop(&place, &["mute".to_owned()], false).unwrap();
        place.remove();
    }
}
