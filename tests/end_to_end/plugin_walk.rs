//! The README's "Write a plugin", step by step as a newcomer would follow it.

use std::path::PathBuf;
use std::process::{Command, Output};

use replay_tests::records::recordings;
use replay_tests::service::binary;

/// The README's blocks of one language below that heading.
fn blocks(language: &str) -> Vec<String> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let (_, section) = readme.split_once("## Write a plugin").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let fence = format!("```{language}\n");
    section.split(&fence).skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

fn run(dir: &std::path::Path, args: &[&str]) -> Output {
    let target = binary().ancestors().nth(2).unwrap().join("plugin-walk");
    Command::new(binary()).args(args).current_dir(dir).env("CARGO_TARGET_DIR", target).output().unwrap()
}

#[test]
fn the_readme_leads_to_a_plugin_that_works() {
    let dir = tempfile::tempdir().unwrap();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let sdk = root.join("plugins/sdk").display().to_string();
    let crate_dir = dir.path().join("hide-word");
    std::fs::create_dir_all(crate_dir.join("src")).unwrap();
    let manifest = blocks("toml").remove(0).replace("../replay-processor/plugins/sdk", &sdk);
    std::fs::write(crate_dir.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(crate_dir.join("src/lib.rs"), blocks("rust").remove(0)).unwrap();
    // The versions that this repository was tested with.
    std::fs::copy(root.join("Cargo.lock"), crate_dir.join("Cargo.lock")).unwrap();

    let steps = blocks("sh").remove(1);
    let recordings = recordings().join("shop").display().to_string();
    let mut said = Vec::new();
    for step in steps.lines() {
        let step = step.strip_prefix("replay-processor ").unwrap().replace("RECORDINGS", &recordings);
        // The one argument with spaces is quoted.
        let (before, settings, after) = match step.split('\'').collect::<Vec<_>>()[..] {
            [before, settings, after] => (before.to_owned(), Some(settings.to_owned()), after.to_owned()),
            _ => (step.clone(), None, String::new()),
        };
        let mut args: Vec<&str> = before.split_whitespace().collect();
        args.extend(settings.as_deref());
        args.extend(after.split_whitespace());
        let output = run(dir.path(), &args);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{step}\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
        said.push(text);
    }
    assert!(said[0].contains("- { name: hide-word, sha256: "), "{}", said[0]);
    assert!(said[1].contains("hide-word") && said[1].contains("text; attribute"), "{}", said[1]);
    assert!(said[2].contains("+ ********"), "{}", said[2]);

    let settings = r#"{"word": ""}"#;
    let output = run(dir.path(), &["plugin", "inspect", "hide-word.wasm", "--settings", settings]);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("`word` is empty"), "{complaint}");
}
