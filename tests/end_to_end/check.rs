//! `check` and `doctor` refuse what a start would refuse, name every tenant that has to be mended, and change
//! nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use replay_tests::plugins::{components, config, sha256, sha256_of};
use replay_tests::service::{FAST, Service};

const CARDS: &[(&str, &str)] = &[("mask-pii", r#"{"kinds": ["card"]}"#)];
/// No such kind.
const EMIAL: &[(&str, &str)] = &[("mask-pii", r#"{"kinds": ["card", "emial"]}"#)];

/// The exit code of a command, and what it complains of.
fn complaint(service: &Service, command: &[&str]) -> (Option<i32>, String) {
    let output = service.cli(command);
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn with(dir: &Path, text: &str) -> Service {
    Service::prepare_with(dir, text)
}

/// A config whose `shop` has one plugin, as this line says, with components beside it.
fn one_plugin(dir: &Path, line: &str) -> String {
    let text = config(dir, &[("shop", 1, &[])], FAST);
    text.replace("    plugins: []\n", &format!("    plugins:\n      - {{ {line} }}\n"))
}

#[test]
fn what_a_start_refuses_is_refused_by_check_and_doctor() {
    let dir = tempfile::tempdir().unwrap();
    let pin = sha256("mask-pii");
    let truncated = dir.path().join("truncated.wasm");
    let whole = std::fs::read(components().join("mask-pii.wasm")).unwrap();
    std::fs::write(&truncated, &whole[..whole.len() / 2]).unwrap();
    let half = sha256_of(&truncated);
    for (line, why) in [
        (format!("name: mask-pii, sha256: {pin}, config: {{ kinds: card }}"), "`configure` failed"),
        (format!("name: mask-pii, sha256: {pin}, config: {{ kindz: [card] }}"), "kindz"),
        (format!("name: mask-pii, sha256: {pin}, config: {{ kinds: [emial] }}"), "emial"),
        (
            format!(
                "name: mask-pii, sha256: {pin}, config: {{ patterns: [{{ name: x, regex: '(', replace: y }}] }}"
            ),
            "`configure` failed",
        ),
        (format!("name: half, from: ./truncated.wasm, sha256: {half}"), "not a plugin"),
        (format!("name: mask-pii, sha256: {half}"), "no mask-pii.wasm"),
    ] {
        let service = with(dir.path(), &one_plugin(dir.path(), &line));
        for command in ["check", "run"] {
            let (code, said) = complaint(&service, &[command]);
            assert_eq!(code, Some(78), "{command} of {line}: {said}");
            assert!(
                said.contains("tenants.shop.plugins[0]: plugin `") && said.contains(why),
                "{line}: {said}"
            );
        }
        let doctor = service.cli(&["doctor"]);
        assert_eq!(doctor.status.code(), Some(78), "{line}: {doctor:?}");
        assert!(String::from_utf8_lossy(&doctor.stdout).contains("tenants.shop.plugins[0]"), "{doctor:?}");
        assert_eq!(service.cli(&["check", "--no-load"]).status.code(), Some(0), "{line}");
    }
}

#[test]
fn a_file_without_tokens_is_said_with_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let line = format!("name: mask-pii, sha256: {}, config: {{ kinds: [emial] }}", sha256("mask-pii"));
    let text = one_plugin(dir.path(), &line);
    let listens = "api: { listen: \"127.0.0.1:0\"";
    assert!(text.contains(listens), "{text}");
    std::fs::write(dir.path().join("tokens.txt"), "# none yet\n").unwrap();
    let service = with(dir.path(), &text.replace(listens, &format!("{listens}, tokens_file: ./tokens.txt")));
    let (code, said) = complaint(&service, &["check"]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("emial") && said.contains("tokens.txt holds no token"), "{said}");
}

#[test]
fn tenants_with_the_same_mistake_are_named_and_every_mistake_is_said_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let tenants: Vec<_> = ["a", "b", "c", "d", "e"].map(|name| (name, 1, EMIAL)).into();
    let service = with(dir.path(), &config(dir.path(), &tenants[..2], FAST));
    for command in ["check", "run"] {
        let (code, said) = complaint(&service, &[command]);
        assert_eq!(code, Some(78), "{said}");
        assert_eq!(said.matches("configure").count(), 1, "one line: {said}");
        assert!(said.contains("tenants.a.plugins[0], tenants.b.plugins[0]: plugin `mask-pii`"), "{said}");
    }
    // More of them, another mistake, and a component that is not there.
    let text = config(dir.path(), &[&tenants[..], &[("f", 1, CARDS), ("g", 1, CARDS)]].concat(), FAST);
    let text = text.replacen(r#"{"kinds": ["card"]}"#, r#"{"kinds": "card"}"#, 1);
    let last = format!("{}, config: {}", sha256("mask-pii"), CARDS[0].1);
    assert!(text.contains(&last), "{text}");
    let service = with(dir.path(), &text.replace(&last, &"0".repeat(64)));
    let (code, said) = complaint(&service, &["check"]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("tenants.c.plugins[0] and 2 more: plugin"), "{said}");
    assert!(said.contains("tenants.f.plugins[0]: plugin"), "{said}");
    assert!(said.contains("tenants.g.plugins[0]: plugin `mask-pii`: no mask-pii.wasm"), "{said}");
    assert!(said.contains("in its config, counted as JSON"), "{said}");
}

#[test]
fn a_chain_that_changed_under_its_revision_is_found_and_nothing_is_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let of = |revision, chain| config(dir.path(), &[("shop", revision, chain)], FAST);
    let all: &[(&str, &str)] = &[("mask-pii", "{}")];
    let mut service = with(dir.path(), &of(1, CARDS));
    let remembered = dir.path().join("data/chains.json");
    assert_eq!(service.cli(&["check"]).status.code(), Some(0));
    assert!(!remembered.exists());
    service.run();
    let before = std::fs::read(&remembered).unwrap();
    // Beside the running service, which notices none of it.
    for (text, code) in [(of(1, all), 78), (of(2, all), 0), (of(1, CARDS), 0)] {
        let other = dir.path().join("other.yaml");
        std::fs::write(&other, text).unwrap();
        for args in [&["check"][..], &["check", "--no-load"], &["doctor"]] {
            let output = service.cli(&[args, &["--config", other.to_str().unwrap()]].concat());
            assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
            let said = [output.stdout, output.stderr].concat();
            assert_eq!(String::from_utf8_lossy(&said).contains("raise it to 2"), code == 78);
        }
    }
    assert_eq!(std::fs::read(&remembered).unwrap(), before);
    assert_eq!(service.stop().0, Some(0));
    // One that nobody understands is refused by both.
    std::fs::write(&remembered, "{").unwrap();
    std::fs::set_permissions(&remembered, std::fs::Permissions::from_mode(0o600)).unwrap();
    for command in ["check", "run"] {
        assert!(complaint(&service, &[command]).1.contains("mend it, or remove it"));
    }
}

#[test]
fn what_a_reload_was_refused_for_is_told_by_status() {
    let dir = tempfile::tempdir().unwrap();
    let text = |revision, chain| {
        config(dir.path(), &[("shop", revision, chain)], &format!("{FAST}reload: {{ interval: 50ms }}\n"))
    };
    let mut service = with(dir.path(), &text(1, CARDS));
    service.run();
    let stale = |service: &Service| service.metric("replay_config_stale", "") == 1.0;
    std::fs::write(dir.path().join("replay.yaml"), text(2, EMIAL)).unwrap();
    service.wait_until("it is refused", stale);
    let said = service.ok(&["status"]);
    assert!(said.contains("tenants.shop.plugins[0]") && said.contains("`kinds[1]`"), "{said}");
    assert!(!service.get("/readyz").1.contains("emial"), "it is for the operator");
    std::fs::write(dir.path().join("replay.yaml"), text(1, CARDS)).unwrap();
    service.wait_until("it is mended", |service| !stale(service));
    assert!(!service.ok(&["status"]).contains("tenants.shop"));
    assert_eq!(service.stop().0, Some(0));
}
