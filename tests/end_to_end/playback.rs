//! What the masks leave of a recording still plays: rrweb's own player, in a Chromium, builds the same
//! tree from it and says nothing new.
//!
//! Needs node, a Chromium, and `npm ci` in `tests/fixtures/playback`. Where they are missing the tests say
//! SKIPPED and pass, unless `REQUIRE_PLAYBACK=1` says that they must be there.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use replay_tests::plugins::components;
use replay_tests::records::{recordings, visits};
use replay_tests::service::binary;
use serde_json::Value;

/// What `compare.mjs` answers when there is no Chromium.
const NO_CHROMIUM: i32 = 77;

fn player() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/playback")
}

/// Whether a browser can be had; if not, the test that asks has nothing to say.
fn can_play() -> bool {
    let node = Command::new("node").arg("--version").output().is_ok_and(|said| said.status.success());
    let chromium = std::env::var_os("CHROMIUM").unwrap_or_else(|| "/usr/bin/chromium".into());
    let missing = if !node {
        "node"
    } else if !player().join("node_modules/rrweb").is_dir() {
        "`npm ci` in tests/fixtures/playback"
    } else if !Path::new(&chromium).exists() {
        "a Chromium (`apt-get install chromium`, or CHROMIUM=path)"
    } else {
        return true;
    };
    assert!(
        std::env::var_os("REQUIRE_PLAYBACK").is_none_or(|value| value != "1"),
        "playback needs {missing}"
    );
    // Past the capture of what passing tests print.
    let _ = writeln!(std::io::stderr(), "SKIPPED: playback is not compared here: it needs {missing}");
    false
}

fn node(script: &str, args: &[&Path]) -> Output {
    let output = Command::new("node").arg(script).args(args).current_dir(player()).output().unwrap();
    assert_ne!(output.status.code(), Some(NO_CHROMIUM), "the Chromium is gone");
    output
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The recordings as the player reads them: `project/visit.ndjson`.
fn originals(dir: &Path) {
    let output = node("unpack.mjs", &[dir]);
    assert!(output.status.success(), "{}", said(&output));
}

/// What the masks leave of them, under the same names.
fn masked(dir: &Path) {
    let mut command = Command::new(binary());
    command.args(["plugin", "test", "--show", "0", "--settings", "{}", "--settings", "{}"]);
    for plugin in ["mask-inputs", "mask-pii"] {
        command.arg(components().join(format!("{plugin}.wasm")));
    }
    let output = command.arg("--input").arg(recordings()).arg("--write").arg(dir).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    for (project, visit, session, _) in visits() {
        let project = dir.join(project);
        let written = project.join(format!("{session}.ndjson"));
        std::fs::rename(written, project.join(format!("{visit}.ndjson"))).unwrap();
    }
}

fn events(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn masked_recordings_build_the_same_tree_without_new_errors() {
    if !can_play() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = (dir.path().join("before"), dir.path().join("after"));
    originals(&before);
    masked(&after);
    for (project, visit, ..) in visits() {
        let file = format!("{project}/{visit}.ndjson");
        let changed = events(&before.join(&file)) != events(&after.join(&file));
        assert!(changed, "{file}: nothing was masked, so nothing is compared");
    }
    let output = node("compare.mjs", &[&before, &after]);
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    let all = format!("{0} of {0} visits equal", visits().len());
    assert!(said.contains(&all), "{said}");
}

#[test]
fn a_tree_that_differs_is_found() {
    if !can_play() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (all, before, after) = (dir.path().join("all"), dir.path().join("before"), dir.path().join("after"));
    originals(&all);
    let recording = std::fs::read_to_string(all.join("shop/checkout.ndjson")).unwrap();
    let damaged = recording.replace(r#""tagName":"button""#, r#""tagName":"div""#);
    assert_ne!(recording, damaged, "the page has no button");
    for (dir, text) in [(&before, &recording), (&after, &damaged)] {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join("checkout.ndjson"), text).unwrap();
    }
    let output = node("compare.mjs", &[&before, &after]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}
