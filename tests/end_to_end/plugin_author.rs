//! What an author does while a plugin changes, and with a record that production could not treat.

use std::time::{Duration, Instant};

use replay_tests::plugins::{build_hostile, components, config};
use replay_tests::records::{TestChunk, session_id};
use replay_tests::service::{FAST, Service, files_with, signal};
use serde_json::Value;

use crate::plugin_walk::{command, pin_versions};

/// What it says when a run is over.
const WAITS: &str = "watching; Ctrl-C ends it\n";

/// Two builds of a plugin.
const BUILDS: Duration = Duration::from_secs(300);

#[test]
fn a_watched_plugin_is_built_and_run_again_and_only_differences_are_shown() {
    let dir = tempfile::tempdir().unwrap();
    let plugin = dir.path().join("hide-things");
    let made = command(dir.path(), &["replay-processor", "plugin", "new", "hide-things"]).output().unwrap();
    assert!(made.status.success());
    pin_versions(&plugin);
    let args = ["plugin", "test", ".", "--input", "recordings", "--watch", "--output", "json"];
    // What it shows and what it complains of, in the order in which it says it.
    let log = dir.path().join("said");
    let said = std::fs::File::options().create(true).append(true).open(&log).unwrap();
    let mut watching = command(&plugin, &[&["replay-processor"], &args[..]].concat())
        .stdout(said.try_clone().unwrap())
        .stderr(said)
        .spawn()
        .unwrap();
    // Everything from one wait to the next.
    let mut heard = 0;
    let mut round = || {
        let deadline = Instant::now() + BUILDS;
        loop {
            let text = std::fs::read_to_string(&log).unwrap();
            if let Some((round, _)) = text[heard..].split_once(WAITS) {
                heard += round.len() + WAITS.len();
                return round.lines().map(str::to_owned).collect::<Vec<String>>();
            }
            assert!(Instant::now() < deadline, "{text}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let changed = |round: &[String]| -> Vec<Value> {
        let lines = round.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line.is_object()).collect()
    };
    let first = changed(&round());
    assert!(first.iter().any(|line| line["after"] == "Your order *********** is on its way"), "{first:#?}");

    let code = std::fs::read_to_string(plugin.join("src/lib.rs")).unwrap();
    std::fs::write(plugin.join("src/lib.rs"), code.replace("Kind::Url, ", "")).unwrap();
    let second = changed(&round());
    assert!(!second.is_empty() && second.len() < first.len(), "{second:#?}");
    for line in &second {
        let (before, after) = (line["before"].as_str().unwrap(), line["after"].as_str().unwrap());
        assert!(line["kind"] == "url" && before.contains('*') && after.contains("ORD-7301842"), "{line}");
    }

    std::fs::write(plugin.join("src/lib.rs"), "no Rust").unwrap();
    let broken = round();
    assert!(broken.iter().any(|line| line.contains("could not build")), "{broken:#?}");
    signal(watching.id(), "INT");
    assert_eq!(watching.wait().unwrap().code(), Some(0));
}

#[test]
fn a_quarantined_record_is_run_again_out_of_the_configured_stores() {
    const SECRET: &str = "letter-canary-77@spun.example";
    let dir = tempfile::tempdir().unwrap();
    let plugins = dir.path().join("plugins");
    let spin = build_hostile(&plugins);
    let tenant = format!(
        "  hostile:\n    keys: [pk_live_hostile]\n    chain_revision: 1\n    plugins: [{{ name: spin, sha256: {spin} }}]\n\
         {FAST}"
    );
    let text = config(dir.path(), &[("shop", 0, &[])], &tenant);
    let shipped = format!("plugins: {{ dir: {}", components().display());
    let mut service = Service::prepare_with(
        dir.path(),
        &text.replace(&shipped, &format!("plugins: {{ dir: {}", plugins.display())),
    );
    service.run();
    let chunk = TestChunk::new("hostile", &session_id(1), 0, 1_700_000_000_000, 2, &format!("spin {SECRET}"));
    assert!(service.feed(&["ingest", "-"], chunk.record().as_bytes()).status.success());
    service
        .wait_until("the record is a letter", |service| !service.json(&["dead-letter", "list"]).is_empty());
    let letter = service.json(&["dead-letter", "list"]).remove(0);
    let id = letter["id"].as_str().unwrap().to_owned();
    assert_eq!(letter["reason"], "plugin_timeout");

    let spin = plugins.join("spin.wasm").display().to_string();
    let mask = components().join("mask-pii.wasm").display().to_string();
    // The letter holds a reference: the service follows it, and then, without one, the command itself.
    for is_running in [true, false] {
        if !is_running {
            service.stop();
        }
        let output = service.cli(&["plugin", "test", &spin, "--dead-letter", &id, "--output", "json"]);
        assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&report["letter"], &report["letter_reason"]), (&letter["id"], &letter["reason"]));
        assert!(
            report["failures"][0]
                .as_str()
                .unwrap()
                .ends_with("spin: plugin_timeout: 50 ms are its limit on so much text (at chunk 0)"),
            "{report}"
        );

        let said = service.ok(&["plugin", "test", &mask, "--dead-letter", &id]);
        assert!(said.contains(&format!("- spin {SECRET}")) && said.contains("+ ****"), "{said}");
    }
    assert!(!service.log().contains(SECRET));
    let letters = files_with(&dir.path().join("data"), SECRET.as_bytes());
    assert!(letters.iter().all(|path| !path.ends_with("dead.sqlite")), "{letters:?}");

    for (wrong, exit) in [("local/0/999999", 1), ("nonsense", 2)] {
        let output = service.cli(&["plugin", "test", &mask, "--dead-letter", wrong]);
        assert_eq!(output.status.code(), Some(exit), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_record_that_is_no_chunk_is_said_to_be_none() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    assert!(service.feed(&["ingest", "-"], b"{\"secret\": \"anna@example.com\"}\n").status.success());
    service.wait_settled(1);
    let id = service.json(&["dead-letter", "list"])[0]["id"].as_str().unwrap().to_owned();
    let mask = components().join("mask-pii.wasm").display().to_string();
    let output = service.cli(&["plugin", "test", &mask, "--dead-letter", &id]);
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("no plugin ever saw it") && !complaint.contains("anna"), "{complaint}");
}
