//! `plugin build` of projects that are not whole: what is missing is named, and what brings it. And the SDKs' own
//! tests, as their authors run them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::guests::{Language, modules, plugin_build};

fn complaint(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A directory with these files, in one that goes when it is dropped.
fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().join("project");
    std::fs::create_dir(&project).unwrap();
    for (name, text) in files {
        std::fs::write(project.join(name), text).unwrap();
    }
    (dir, project)
}

/// The same in JavaScript, with the tools that are installed.
fn javascript(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let (dir, project) = project(files);
    std::os::unix::fs::symlink(modules(), project.join("node_modules")).unwrap();
    (dir, project)
}

/// What `plugin build` says of a directory with these files.
fn refused(files: &[(&str, &str)]) -> String {
    let (_dir, project) = project(files);
    complaint(&plugin_build(&project, &project))
}

#[test]
fn what_is_no_plugin_is_told_what_one_is() {
    let said = refused(&[("README.md", "")]);
    for part in ["Cargo.toml", "package.json", "plugin.py"] {
        assert!(said.contains(part), "{said}");
    }
    let said = refused(&[("package.json", "{")]);
    assert!(said.contains("package.json is not JSON"), "{said}");
    let said = refused(&[("package.json", r#"{"name": "a b", "main": "p.js"}"#), ("p.js", "")]);
    assert!(said.contains("`a b` is no name for a plugin"), "{said}");
    let said = refused(&[("package.json", r#"{"name": "a"}"#)]);
    assert!(said.contains("`main` is plugin.js, and there is no such file"), "{said}");
    let said = refused(&[("plugin.py", "")]);
    assert!(said.contains("requirements.txt") && said.contains("componentize-py==…"), "{said}");
    let said = refused(&[("plugin.py", ""), ("requirements.txt", "componentize-py\n")]);
    assert!(said.contains("pins no `componentize-py==…`"), "{said}");
    let said = refused(&[("plugin.py", ""), ("requirements.txt", "componentize-py==1\n-e ./sdk\n")]);
    assert!(said.contains("./sdk"), "{said}");
}

#[test]
fn tools_that_are_not_there_are_named_with_what_brings_them() {
    let (_dir, project) = project(&[
        ("package.json", r#"{"name": "a", "devDependencies": {"esbuild": "1.0.0"}}"#),
        ("plugin.js", ""),
        ("plugin.py", ""),
        ("requirements.txt", "componentize-py==9.9.9\n"),
    ]);
    let build = |path: &Path| {
        let mut command = Command::new(replay_tests::service::binary());
        command.args(["plugin", "build"]).arg(&project).arg("--out").arg(&project);
        complaint(&command.env("PATH", path).env_remove("VIRTUAL_ENV").output().unwrap())
    };
    let nowhere = project.join("nowhere");
    assert!(build(&nowhere).contains("there is no `node`: nodejs.org brings it"));
    // A program of that name is enough to be asked for its packages.
    std::fs::create_dir(&nowhere).unwrap();
    std::fs::write(nowhere.join("node"), "").unwrap();
    assert!(build(&nowhere).contains("esbuild is not installed: `npm install` in"));
    let package = r#"{"name": "a", "devDependencies": {"esbuild": "^1"}}"#;
    std::fs::write(project.join("package.json"), package).unwrap();
    assert!(
        build(&nowhere).contains("pins no version of esbuild: `npm install --save-dev --save-exact esbuild`")
    );
    std::fs::remove_file(project.join("package.json")).unwrap();
    assert!(build(&nowhere).contains("there is no `python3`"));
    std::fs::write(nowhere.join("python3"), "").unwrap();
    assert!(build(&nowhere).contains(".venv/bin/pip install -r requirements.txt"));
}

#[test]
fn another_version_than_the_pinned_one_is_refused() {
    if Language::JavaScript.is_here() {
        let package = r#"{"name": "a", "devDependencies": {"esbuild": "0.0.1"}}"#;
        let (_dir, project) =
            javascript(&[("package.json", package), ("plugin.js", "export default () => {};")]);
        let said = complaint(&plugin_build(&project, &project));
        assert!(said.contains("is installed") && said.contains("wants 0.0.1"), "{said}");
    }
    if Language::Python.is_here() {
        let said = refused(&[("plugin.py", ""), ("requirements.txt", "componentize-py==0.0.1\n")]);
        assert!(said.contains("wants 0.0.1"), "{said}");
    }
}

#[test]
fn a_mistake_in_the_source_is_shown() {
    if Language::JavaScript.is_here() {
        let pins = std::fs::read_to_string(Language::JavaScript.mask_basics().join("package.json")).unwrap();
        let pins = pins.replace("src/plugin.js", "plugin.js");
        let source = "export default function (";
        let (_dir, project) = javascript(&[("package.json", &pins), ("plugin.js", source)]);
        let said = complaint(&plugin_build(&project, &project));
        assert!(said.contains("plugin.js") && said.contains("Expected identifier"), "{said}");
    }
    if Language::Python.is_here() {
        let sdk = Language::Python.sdk().display().to_string();
        let pins = std::fs::read_to_string(Language::Python.mask_basics().join("requirements.txt")).unwrap();
        let pins = pins.replace("../sdk-py", &sdk);
        let said = refused(&[("plugin.py", "class Plugin(\n"), ("requirements.txt", &pins)]);
        assert!(said.contains("SyntaxError"), "{said}");
    }
}

#[test]
fn their_own_tests_pass() {
    for language in Language::ALL.into_iter().filter(|language| language.is_here()) {
        for dir in [language.sdk(), language.mask_basics()] {
            test_natively(language, &dir, &language.sdk());
        }
    }
}

/// As an author does it, without a component.
fn test_natively(language: Language, dir: &Path, sdk: &Path) {
    let mut command = match language {
        Language::JavaScript => Command::new("node"),
        Language::Python => Command::new("python3"),
    };
    match language {
        Language::JavaScript => command.arg("--test"),
        Language::Python => command.args(["-B", "-m", "unittest"]).env("PYTHONPATH", sdk),
    };
    let output = command.current_dir(dir).output().unwrap();
    let said =
        [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
    let none = said.contains("# pass 0") || said.contains("Ran 0 tests");
    assert!(output.status.success() && !none, "{}: {said}", dir.display());
}

#[test]
fn a_new_project_tests_and_builds_at_once() {
    for (language, lang) in [(Language::JavaScript, "js"), (Language::Python, "python")] {
        if !language.is_here() {
            continue;
        }
        let dir = tempfile::tempdir().unwrap();
        let project = dir.path().join("hide-orders");
        let mut new = Command::new(replay_tests::service::binary());
        new.args(["plugin", "new", "hide-orders", "--lang", lang]).current_dir(dir.path());
        let output = new.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        if language == Language::JavaScript {
            // What `npm install` would bring.
            std::os::unix::fs::symlink(modules(), project.join("node_modules")).unwrap();
        }
        test_natively(language, &project, &project.join("sdk"));
        let output = plugin_build(&project, dir.path());
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("- { name: hide-orders, sha256: ") && said.contains("class: script"), "{said}");
    }
}
