//! What `plugin test` says of a chain, and what it must not pass over.

use std::path::{Path, PathBuf};
use std::process::Output;

use replay_tests::plugins::{components, config, sha256_of};
use replay_tests::records::recordings;
use serde_json::{Value, json};

use crate::plugin_walk::command;

#[path = "../../host/sandbox/tests/sandbox/guests.rs"]
#[allow(dead_code, reason = "the sandbox's own tests use the rest")]
mod guests;

/// Answers as its config says.
const EVERYTHING: &str = include_str!("../fixtures/components/1.0.0/everything.wat");

/// An order number as a key, and what comes after it.
const KEYED: &str = concat!(
    r#"[{"type":5,"timestamp":1000,"data":{"tag":"order","payload":{"ORD-9999":"key"}}},"#,
    r#"{"type":5,"timestamp":1001,"data":{"tag":"mail","payload":{"to":"ann.leaky@mail.example"}}},"#,
    r#"{"type":5,"timestamp":1002,"data":{"tag":"again","payload":{"of":"order ORD-1234"}}}]"#,
);

/// Something for each part of an answer.
const EACH: &str = include_str!("../fixtures/components/1.0.0/everything.json");

fn everything(dir: &Path) -> PathBuf {
    everything_but(dir, "everything.wasm", EVERYTHING)
}

/// The component of another text, under that name.
fn everything_but(dir: &Path, name: &str, text: &str) -> PathBuf {
    let file = dir.join(name);
    std::fs::write(&file, guests::component(text)).unwrap();
    file
}

/// How `plugin test` ends in `dir` with these arguments, and what it says and complains of.
fn test(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } =
        command(dir, &[&["replay-processor", "plugin", "test"], args].concat()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// The changed fields, and the report.
fn lines(said: &str) -> (Vec<Value>, Value) {
    let mut lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let report = lines.pop().unwrap();
    (lines, report)
}

#[test]
fn a_masked_key_hides_neither_canaries_nor_changes_after_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("visit.json"), KEYED).unwrap();
    let canaries = json!([
        {"id": "leaky", "text": "ann.leaky@mail.example", "how": "planted", "rule": "mask-pii:email"},
        {"id": "order", "text": "ORD-9999", "how": "planted", "rule": "mask-pii:order"},
        {"id": "again", "text": "ORD-1234", "how": "planted", "rule": "mask-pii:order"},
    ]);
    std::fs::write(dir.path().join("canaries.json"), canaries.to_string()).unwrap();
    let mask = components().join("mask-pii.wasm").display().to_string();
    let settings = r#"{"kinds": ["card"], "patterns": [{"name": "order", "regex": "ORD-[0-9]+"}]}"#;
    let args = [&*mask, "--settings", settings, "--input", "visit.json", "--output", "json"];

    let (exit, said, _) = test(dir.path(), &[&args[..], &["--canaries", "canaries.json"]].concat());
    let (_, report) = lines(&said);
    assert_eq!((exit, &report["canaries_left"]), (Some(3), &json!(["leaky"])), "{report}");
    assert_eq!((&report["chars_changed"], &report["chars_over_redacted"]), (&json!(16), &json!(0)));

    let (exit, said, _) = test(dir.path(), &args);
    let (changed, _) = lines(&said);
    let told: Vec<_> = changed
        .iter()
        .map(|line| (line["before"].as_str().unwrap(), line["after"].as_str().unwrap()))
        .collect();
    assert_eq!(exit, Some(0));
    assert_eq!(told, [("ORD-9999", "********"), ("order ORD-1234", "order ********")]);
}

#[test]
fn what_left_is_shown_with_what_it_left_and_what_was_logged_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("visit.json"), EACH).unwrap();
    let everything = everything(dir.path()).display().to_string();
    let args = [&*everything, "--settings", "\"change\"", "--input", "visit.json"];
    let (exit, said, complained) = test(dir.path(), &args);
    assert_eq!(exit, Some(0), "{said}{complained}");
    for part in [
        "chunk 0 event 4 text textContent\n  - inside\n  + (blocked)\n",
        "  - /one\n  + (dropped)\n",
        "  - cookie\n  + (dropped)\n",
        "  - k=v\n  + (dropped)\n",
        "  - typed\n  + new\n",
        "chunk 0: blocked nodes 1\n",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(!said.contains("- /two") && !said.contains("- */*"), "{said}");
    for line in [
        "log info chunk 0 everything: href",
        "log warn chunk 0 everything: https://shop.example/",
        "log error chunk 0 everything: main",
    ] {
        assert!(complained.lines().any(|complaint| complaint == line), "{line}\n{complained}");
    }

    let (_, said, _) = test(dir.path(), &[&args[..], &["--output", "json"]].concat());
    let (changed, report) = lines(&said);
    let inside = changed.iter().find(|line| line["before"] == "inside").unwrap();
    assert_eq!((&inside["gone"], &inside["after"]), (&json!("blocked"), &json!("")));
    assert_eq!((&report["nodes_blocked"], &report["log_lines"]), (&json!(1), &json!(4)));

    // A second file is a second chunk, which has to be told from the first.
    std::fs::write(dir.path().join("later.json"), KEYED.replace("100", "200")).unwrap();
    let mask = components().join("mask-pii.wasm").display().to_string();
    let (_, said, _) = test(dir.path(), &[&mask, "--input", "visit.json", "later.json"]);
    let place = "later.json files/0191f0c4-7e1a-7c3b-9d55-0123456789ab chunk 1 event 1 custom ";
    assert!(said.lines().any(|line| line.starts_with(place)), "{said}");
    let fields = |files: &[&str]| {
        let args = [&["replay-processor", "plugin", "fields"], files].concat();
        String::from_utf8(command(dir.path(), &args).output().unwrap().stdout).unwrap()
    };
    assert!(fields(&["visit.json", "later.json"]).lines().any(|line| line.contains("later.json")));
    assert!(!fields(&["visit.json"]).contains("visit.json"));
}

#[test]
fn canaries_are_looked_for_in_what_is_left_and_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("visit.json"), EACH).unwrap();
    let canary = |id: &str, text: &str| json!({"id": id, "text": text, "how": "planted", "rule": "any"});
    let canaries = json!([canary("blocked", "inside"), canary("dropped", "k=v"), canary("after", "/two")]);
    std::fs::write(dir.path().join("canaries.json"), canaries.to_string()).unwrap();
    let everything = everything(dir.path()).display().to_string();
    for (answer, exit, left) in
        [("change", 3, &["after"][..]), ("drop", 0, &[]), ("keep", 3, &["after", "blocked", "dropped"])]
    {
        let settings = format!("{answer:?}");
        let args = [&*everything, "--settings", &settings, "--input", "visit.json", "--output", "json"];
        let (ended, said, _) = test(dir.path(), &[&args[..], &["--canaries", "canaries.json"]].concat());
        let (changed, report) = lines(&said);
        assert_eq!((ended, &report["canaries_left"]), (Some(exit), &json!(left)), "{answer}: {report}");
        // What a canary explains is not shown, whether it was masked or left.
        assert!(!changed.iter().any(|line| line["before"] == "inside" || line["before"] == "k=v"), "{said}");
    }
}

#[test]
fn a_chain_may_do_what_the_service_would_let_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("visit.json"), EACH).unwrap();
    let file = everything(dir.path());
    let everything = file.display().to_string();
    let ends = |answer: &str, more: &[&str]| {
        let settings = format!("{answer:?}");
        let args = [&everything, "--settings", &settings, "--input", "visit.json", "--output", "json"];
        let (exit, said, _) = test(dir.path(), &[&args[..], more].concat());
        let failures = lines(&said).1["failures"].as_array().unwrap().clone();
        (exit, failures.first().map(|failure| failure.as_str().unwrap().to_owned()).unwrap_or_default())
    };
    let (exit, failure) = ends("replace", &[]);
    assert!(exit == Some(3) && failure.contains("`allow_replace: true`"), "{failure}");
    assert_eq!(ends("replace", &["--allow-replace"]), (Some(0), String::new()));
    let (exit, failure) = ends("change", &["--mask-only"]);
    assert!(exit == Some(3) && failure.contains("only masks are allowed"), "{failure}");
    let (exit, failure) = ends("error", &[]);
    assert!(
        exit == Some(3) && failure.ends_with("everything: plugin_error: it answered `broken`"),
        "{failure}"
    );

    // Another code than it declares, and an answer to any batch, also of made-up chunks.
    let other = [
        (
            "undeclared.wasm",
            r#""\01\00\00\00\28\04\00\00\06\00\00\00""#,
            r#""\01\00\00\00\28\04\00\00\05\00\00\00""#,
        ),
        (
            "always.wasm",
            "(i32.eq (local.get $len) (i32.const 1))",
            "(i32.ge_u (local.get $len) (i32.const 1))",
        ),
    ];
    for (name, was, is) in other {
        assert_eq!(EVERYTHING.matches(was).count(), 1);
        everything_but(dir.path(), name, &EVERYTHING.replace(was, is));
    }
    let args = ["undeclared.wasm", "--settings", "\"error\"", "--input", "visit.json"];
    let (exit, said, _) = test(dir.path(), &args);
    assert!(exit == Some(3) && said.contains("answered a code that its manifest does not declare"), "{said}");
    let args = ["replay-processor", "plugin", "verify", "always.wasm", "--settings", "\"replace\""];
    let output = command(dir.path(), &args).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && said.contains("unless the chain says `allow_replace: true`"),
        "{said}"
    );

    // A tenant's chain comes with its leave and its settings.
    let chain = |leave: &str| {
        format!(
            "  own:\n    keys: [pk_live_own]\n    chain_revision: 1\n    plugins: [{{ name: everything, sha256: {}, \
             from: {everything}, config: replace{leave} }}]\n",
            sha256_of(&file)
        )
    };
    for (leave, expected) in [("", Some(3)), (", allow_replace: true", Some(0))] {
        std::fs::write(dir.path().join("own.yaml"), config(dir.path(), &[], &chain(leave))).unwrap();
        let of =
            |tenant| test(dir.path(), &["--config", "own.yaml", "--tenant", tenant, "--input", "visit.json"]);
        let (exit, said, complained) = of("own");
        assert_eq!(exit, expected, "{said}{complained}");
        let (exit, _, complained) = of("other");
        assert!(exit == Some(2) && complained.contains("`defaults`, and own"), "{complained}");
    }
}

#[test]
fn what_cannot_be_read_is_named_and_no_success() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("good.json", KEYED);
    write("cut.json", "[{\"type\":5,\n");
    write("untimed.json", r#"[{"type":5}]"#);
    write("other.json", r#"{"not": "events"}"#);
    write("empty.ndjson", "\n");
    // Quickly compiled.
    let everything = everything(dir.path()).display().to_string();
    let run = |input: &[&str]| test(dir.path(), &[&[&*everything, "--input"], input].concat());
    assert_eq!(run(&["good.json"]).0, Some(0));
    for (file, why) in [
        ("cut.json", "left out, as broken: cut.json: EOF while parsing"),
        ("untimed.json", "untimed.json: its first event has no timestamp"),
        ("other.json", "other.json: no array of events"),
        ("empty.ndjson", "empty.ndjson: no record in it"),
    ] {
        let (exit, said, complained) = run(&["good.json", file]);
        assert!(exit == Some(3) && complained.contains(why), "{file}: {exit:?} {complained}");
        assert!(said.contains("records_broken") && said.contains("chunks_changed"), "{said}");
        let (exit, _, complained) = run(&[file]);
        assert!(
            exit == Some(2) && complained.contains(why) && complained.contains("no chunks in"),
            "{complained}"
        );
    }
    let args = ["replay-processor", "plugin", "fields", "good.json", "cut.json"];
    assert_eq!(command(dir.path(), &args).output().unwrap().status.code(), Some(3));

    // In a directory, what is no recording is passed over, and what is broken is not.
    for file in ["cut.json", "untimed.json", "empty.ndjson"] {
        std::fs::remove_file(dir.path().join(file)).unwrap();
    }
    let (exit, _, complained) = run(&["."]);
    assert!(exit == Some(0) && complained.contains("passed over"), "{complained}");
    let broken = recordings().join("broken.ndjson").display().to_string();
    let (exit, _, complained) = run(&["good.json", &broken]);
    assert_eq!(exit, Some(3));
    assert!(
        complained.contains("broken.ndjson:1: invalid_json") && complained.contains("in all"),
        "{complained}"
    );
}
