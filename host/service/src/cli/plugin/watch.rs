//! `plugin test --watch`: the run again whenever a component or what it is built from changes, and only
//! the fields that came out differently.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::TestArgs;
use super::test::{ChangedLine, Run, Trial, Whose, components, say_change};
use crate::cli::{CliError, Exit, output};

const POLL: Duration = Duration::from_millis(300);
/// Files that are looked at in each round.
const MAX_FILES: usize = 20_000;
/// What builds leave behind, and what they bring in.
const LEFT_OUT: [&str; 10] = [
    "target",
    "node_modules",
    ".git",
    "__pycache__",
    ".venv",
    "venv",
    "dist",
    "build",
    "sdk",
    "componentize_py",
];

/// Size and time of each file that is watched.
type Seen = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

/// Runs until it is stopped by a signal.
pub(super) fn watch(trial: &Trial, args: &TestArgs, workshop: &Path) -> Result<Exit, CliError> {
    let mut pauses = Pauses::new()?;
    let mut before: Option<Run> = None;
    let mut seen = look(&args.components)?;
    loop {
        match components(args, workshop).and_then(|components| trial.run(&components, None)) {
            Ok(run) => {
                say(before.as_ref(), &run, trial.whose, args)?;
                let used = run.used.iter().map(|(sha256, own)| (sha256.as_str(), own.as_str()));
                // What is left of earlier versions goes with the directory, at the latest.
                let _ = trial.sandbox.retain(used);
                before = Some(run);
            }
            Err(error) => output::complain(&error.message),
        }
        output::complain("watching; Ctrl-C ends it");
        loop {
            if pauses.pause() {
                return Ok(Exit::Done);
            }
            let now = look(&args.components)?;
            if now != seen {
                seen = settled(now, &args.components, &mut pauses)?;
                break;
            }
        }
    }
}

/// Waits until files keep still: an editor or a build writes more than one.
fn settled(mut seen: Seen, components: &[PathBuf], pauses: &mut Pauses) -> Result<Seen, CliError> {
    loop {
        // A signal is still there at the next pause.
        let stopped = pauses.pause();
        let now = look(components)?;
        if stopped || now == seen {
            return Ok(now);
        }
        seen = now;
    }
}

fn look(components: &[PathBuf]) -> Result<Seen, CliError> {
    let mut seen = Seen::new();
    for path in components {
        collect(path, &mut seen, path)?;
    }
    Ok(seen)
}

/// A file that is not there just now is being written, or will be missed by the run.
fn collect(path: &Path, seen: &mut Seen, root: &Path) -> Result<(), CliError> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if metadata.is_dir() {
        let Ok(entries) = std::fs::read_dir(path) else { return Ok(()) };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if !LEFT_OUT.contains(&&*name) && !name.ends_with(".wasm") {
                collect(&entry.path(), seen, root)?;
            }
        }
        return Ok(());
    }
    if seen.len() >= MAX_FILES {
        return Err(CliError::usage(format!(
            "over {MAX_FILES} files in {}: too many to watch; name the component, or a directory with the plugin \
             alone",
            root.display()
        )));
    }
    seen.insert(path.to_owned(), (metadata.len(), metadata.modified().ok()));
    Ok(())
}

/// The first time every changed field, then those that differ from the run before.
fn say(before: Option<&Run>, run: &Run, whose: Whose, args: &TestArgs) -> Result<(), CliError> {
    let lines = match before {
        Some(before) => differences(&before.changed, &run.changed),
        None => run.changed.clone(),
    };
    run.logged.say();
    lines.iter().take(args.show).try_for_each(|line| say_change(line, whose, args.output.output))?;
    for failure in run.report.failures() {
        output::complain(failure);
    }
    let changed = run.changed.len();
    output::complain(&match before {
        Some(_) => format!("{} fields differ from the run before; {changed} are changed in all", lines.len()),
        None => format!("{changed} fields are changed"),
    });
    Ok(())
}

/// The fields whose text differs after two runs: `before` is what the earlier one made of them.
fn differences(earlier: &[ChangedLine], later: &[ChangedLine]) -> Vec<ChangedLine> {
    let mut places: BTreeMap<_, (Vec<&ChangedLine>, Vec<&ChangedLine>)> = BTreeMap::new();
    let place = |line: &'_ ChangedLine| {
        (line.session.clone(), line.chunk, line.event, line.kind, line.name.clone(), line.before.clone())
    };
    earlier.iter().for_each(|line| places.entry(place(line)).or_default().0.push(line));
    later.iter().for_each(|line| places.entry(place(line)).or_default().1.push(line));
    let mut differences = Vec::new();
    for (earlier, later) in places.into_values() {
        for at in 0..earlier.len().max(later.len()) {
            let (was, is) = (earlier.get(at), later.get(at));
            // A field that a run did not change is as it was recorded.
            let Some(line) = is.or(was) else { continue };
            let told = |said: Option<&&ChangedLine>| match said {
                Some(said) => (said.left(), said.after.clone(), said.gone),
                None => (line.before.clone(), line.before.clone(), None),
            };
            let ((before, was, was_gone), (_, after, gone)) = (told(was), told(is));
            if (was, was_gone) != (after.clone(), gone) {
                differences.push(ChangedLine { before, after, gone, ..(*line).clone() });
            }
        }
    }
    differences
}

/// Waiting that a signal ends.
struct Pauses {
    runtime: tokio::runtime::Runtime,
    interrupted: Signal,
    terminated: Signal,
    is_over: bool,
}

impl Pauses {
    fn new() -> Result<Self, CliError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (interrupted, terminated) = {
            let _inside = runtime.enter();
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
        };
        Ok(Self { runtime, interrupted, terminated, is_over: false })
    }

    /// Waits a little; true once a signal came.
    fn pause(&mut self) -> bool {
        if !self.is_over {
            let (interrupted, terminated) = (&mut self.interrupted, &mut self.terminated);
            self.is_over = self.runtime.block_on(async {
                tokio::select! {
                    _ = interrupted.recv() => true,
                    _ = terminated.recv() => true,
                    () = tokio::time::sleep(POLL) => false,
                }
            });
        }
        self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(event: u32, before: &str, after: &str) -> ChangedLine {
        let (session, name) = ("p/s".to_owned(), String::new());
        ChangedLine {
            file: String::new(),
            gone: None,
            session,
            chunk: 0,
            event,
            kind: "text",
            name,
            before: before.into(),
            after: after.into(),
        }
    }

    #[test]
    fn only_what_came_out_differently_is_told() {
        let earlier = [line(1, "a1", "**"), line(2, "b2", "**"), line(3, "c3", "**"), line(3, "c3", "**")];
        let later = [line(1, "a1", "**"), line(2, "b2", "b*"), line(3, "c3", "**"), line(4, "d4", "**")];
        let told: Vec<_> = differences(&earlier, &later)
            .into_iter()
            .map(|line| (line.event, line.before, line.after))
            .collect();
        let row = |event, before: &str, after: &str| (event, before.to_owned(), after.to_owned());
        assert_eq!(told, [row(2, "**", "b*"), row(3, "**", "c3"), row(4, "d4", "**")]);
    }

    #[test]
    fn what_left_and_is_back_is_told() {
        let gone = [ChangedLine { gone: Some("blocked"), ..line(1, "a1", "") }];
        let told = |earlier: &[ChangedLine], later: &[ChangedLine]| {
            let differences = differences(earlier, later);
            let [line] = &differences[..] else { panic!("{differences:?}") };
            (line.before.clone(), line.left())
        };
        assert_eq!(told(&gone, &[]), ("(blocked)".to_owned(), "a1".to_owned()));
        assert_eq!(told(&[], &gone), ("a1".to_owned(), "(blocked)".to_owned()));
        assert!(differences(&gone, &gone).is_empty());
    }

    #[test]
    fn sources_are_watched_and_what_builds_leave_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["src/lib.rs", "target/debug/x", "sdk/src/lib.rs", "hide.wasm", "Cargo.toml"] {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), "x").unwrap();
        }
        let seen = look(&[dir.path().to_owned()]).unwrap();
        assert_eq!(seen.keys().collect::<Vec<_>>(), [&path("Cargo.toml"), &path("src/lib.rs")]);
        assert_eq!(look(&[path("hide.wasm"), path("gone.wasm")]).unwrap().len(), 1);
        std::fs::write(path("src/lib.rs"), "longer").unwrap();
        assert_ne!(look(&[dir.path().to_owned()]).unwrap(), seen);
    }
}
