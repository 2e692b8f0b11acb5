//! The README's "Write a plugin", step by step as a newcomer would follow it, and what may go wrong there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use replay_tests::service::binary;
use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The README's blocks of one language below that heading.
fn blocks(language: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, section) = readme.split_once("## Write a plugin").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let fence = format!("```{language}\n");
    section.split(&fence).skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// The words of a command line, the quoted one without its quotes.
fn words(line: &str) -> Vec<String> {
    let plain = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    match line.split('\'').collect::<Vec<_>>()[..] {
        [before, quoted, after] => [plain(before), vec![quoted.to_owned()], plain(after)].concat(),
        _ => plain(line),
    }
}

/// A program in a directory, with a place for what cargo makes that all these tests share.
pub(crate) fn command(dir: &Path, words: &[&str]) -> Command {
    let (program, args) = words.split_first().unwrap();
    let program = if *program == "replay-processor" { binary() } else { PathBuf::from(program) };
    let target = binary().ancestors().nth(2).unwrap().join("plugin-walk");
    let mut command = Command::new(program);
    command.args(args).current_dir(dir).env("CARGO_TARGET_DIR", target);
    command
}

fn run(dir: &Path, words: &[&str]) -> Output {
    command(dir, words).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn complained(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The versions that this repository was tested with.
pub(crate) fn pin_versions(plugin: &Path) {
    std::fs::copy(root().join("Cargo.lock"), plugin.join("Cargo.lock")).unwrap();
}

#[test]
fn the_readme_leads_to_a_plugin_that_works() {
    let dir = tempfile::tempdir().unwrap();
    let (mut place, mut all) = (dir.path().to_owned(), Vec::new());
    let steps = blocks("sh").remove(0);
    for step in steps.lines() {
        let step = words(step);
        let step: Vec<&str> = step.iter().map(String::as_str).collect();
        if let ["cd", into] = step[..] {
            place.push(into);
            pin_versions(&place);
            continue;
        }
        let output = run(&place, &step);
        assert!(output.status.success(), "{step:?}\n{}\n{}", said(&output), complained(&output));
        all.push(said(&output));
    }
    let [new, tests, build, verify, test, bench] = &all[..] else { panic!("{steps}") };
    assert!(new.contains("cd hide-orders && cargo test") && new.contains("plugin build"), "{new}");
    assert!(tests.contains("3 passed"), "{tests}");
    assert!(build.contains("- { name: hide-orders, sha256: "), "{build}");
    assert_eq!(verify.lines().filter(|line| line.starts_with("ok ")).count(), 9, "{verify}");
    assert!(test.contains("+ Your order *********** is on its way"), "{test}");
    assert!(bench.contains("no-op") && bench.contains("hide-orders"), "{bench}");
    let code = std::fs::read_to_string(place.join("src/lib.rs")).unwrap();
    assert!(code.contains(&blocks("rust").remove(0)), "the README shows other code than `plugin new` writes");

    let output = run(&place, &["replay-processor", "plugin", "inspect", "hide-orders.wasm"]);
    assert!(said(&output).contains("text; input; attribute; url"), "{}", said(&output));
    the_bench_says_all_in_json(&place);
    wrong_settings_are_refused_with_what_and_why(&place);
}

fn the_bench_says_all_in_json(place: &Path) {
    let args = ["plugin", "bench", "hide-orders.wasm", "--seconds", "0.1", "--output", "json"];
    let output = run(place, &[&["replay-processor"], &args[..]].concat());
    let lines: Vec<Value> = said(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [no_op, plugin] = &lines[..] else { panic!("{}", said(&output)) };
    assert_eq!((no_op["plugin"].as_str(), no_op["times_no_op"].as_f64()), (Some("no-op"), Some(1.0)));
    assert_eq!(plugin["plugin"], "hide-orders");
    for line in &lines {
        assert_eq!((line["failed"].as_u64(), line["chunks"].as_u64()), (Some(0), Some(1)), "{line}");
        assert_eq!(line["calls"], no_op["calls"], "one after the other, and so as many");
        for key in ["p50_us", "p99_us", "raw_mb_per_cpu_s", "memory_kib", "worst_of_deadline_percent"] {
            assert!(line[key].as_f64().is_some_and(|value| value > 0.0), "{key}: {line}");
        }
    }
    assert!(complained(&output).contains("--input"), "{}", complained(&output));
}

fn wrong_settings_are_refused_with_what_and_why(place: &Path) {
    std::fs::write(place.join("settings.json"), r#"{"prefix": ""}"#).unwrap();
    let verify = |settings: &str, more: &[&str]| {
        let args = ["replay-processor", "plugin", "verify", "hide-orders.wasm", "--settings", settings];
        run(place, &[&args[..], more].concat())
    };
    let output = verify("@settings.json", &["--output", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", complained(&output));
    let lines: Vec<Value> = said(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let outcomes: Vec<&str> = lines.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes[..4], ["ok", "ok", "failed", "not_reached"]);
    assert!(lines[2]["note"].as_str().unwrap().contains("`prefix` is empty"), "{}", lines[2]);
    assert!(said(&verify("{\"prefx\": 1}", &[])).contains("unknown field `prefx`"));
    for (settings, words) in [("{prefix}", "is not JSON"), ("@nowhere.json", "cannot read nowhere.json")] {
        let output = verify(settings, &[]);
        assert_eq!(output.status.code(), Some(2));
        assert!(complained(&output).contains(words), "{}", complained(&output));
    }
}

#[test]
fn a_new_plugin_takes_no_place_and_no_name_that_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let new = |args: &[&str]| run(dir.path(), &[&["replay-processor", "plugin", "new"], args].concat());
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    let output = new(&["empty"]);
    assert!(output.status.success(), "{}", complained(&output));
    for (args, words) in [
        (&["empty"][..], "not empty"),
        (&["Hide"], "lower-case letters"),
        (&["match"], "Rust needs that word"),
        (&["fine", "--sdk", "nowhere"], "there is no nowhere/Cargo.toml"),
        (&["fine", "--lang", "cobol"], "rust"),
    ] {
        let output = new(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(complained(&output).contains(words), "{args:?}: {}", complained(&output));
    }
    assert!(!dir.path().join("fine").exists());

    let sdk = root().join("plugins/sdk").display().to_string();
    let output = new(&["fine", "--sdk", &sdk]);
    assert!(output.status.success(), "{}", complained(&output));
    let manifest = std::fs::read_to_string(dir.path().join("fine/Cargo.toml")).unwrap();
    assert!(manifest.contains(&format!("path = \"{sdk}\"")) && !dir.path().join("fine/sdk").exists());
}

#[test]
fn what_is_no_component_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("text.wasm"), "not WebAssembly").unwrap();
    let verify = |file| run(dir.path(), &["replay-processor", "plugin", "verify", file]);
    let output = verify("text.wasm");
    assert_eq!(output.status.code(), Some(1), "{}", complained(&output));
    assert!(said(&output).starts_with("failed ") && said(&output).contains("the file is not WebAssembly"));
    assert_eq!(verify("nowhere.wasm").status.code(), Some(2));
    assert_eq!(verify(".").status.code(), Some(2));
    let output = run(dir.path(), &["replay-processor", "plugin", "build", "."]);
    assert!(complained(&output).contains("plugin new"), "{}", complained(&output));
}

/// The SDK stands alone, and so brings the interface along.
#[test]
fn the_sdk_carries_the_newest_interface() {
    let carried = std::fs::read_to_string(root().join("plugins/sdk/wit/replay.wit")).unwrap();
    let mut versions: Vec<(Vec<u32>, PathBuf)> = std::fs::read_dir(root().join("wit"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            (name.split('.').map(|part| part.parse().unwrap()).collect(), path.clone())
        })
        .collect();
    versions.sort();
    let newest = versions.pop().unwrap().1.join("replay.wit");
    let copied = std::fs::read_to_string(&newest).unwrap() == carried;
    assert!(copied, "copy {} to plugins/sdk/wit/replay.wit", newest.display());
    let licence = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    assert_eq!(licence("LICENSE"), licence("plugins/sdk/LICENSE"));
}
