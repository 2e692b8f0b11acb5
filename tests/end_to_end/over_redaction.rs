//! What the masks change that nothing asked them to change, as `plugin test --canaries` counts it.

use std::process::{Command, Output};

use replay_tests::plugins::components;
use replay_tests::records::{recordings, whole_recordings};
use replay_tests::service::binary;
use serde_json::Value;

/// Of a hundred characters, so many may be changed that no canary explains.
const MOST_PERCENT: f64 = 1.0;

/// A chain over all recordings: how it ended, and its report.
fn judge(chain: &[(&str, &str)]) -> (Output, Value) {
    judge_by(chain, Command::new(binary()))
}

/// The same, by a command that has its config already.
pub(crate) fn judge_by(chain: &[(&str, &str)], mut command: Command) -> (Output, Value) {
    command.args(["plugin", "test", "--show", "0", "--output", "json"]);
    for (plugin, settings) in chain {
        command.arg(components().join(format!("{plugin}.wasm"))).args(["--settings", settings]);
    }
    command.arg("--input").args(whole_recordings()).arg("--canaries").arg(recordings().join("canaries.json"));
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    let report = said.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let report = report.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output, report)
}

fn percent(report: &Value) -> f64 {
    report["over_redacted_percent"].as_f64().unwrap()
}

#[test]
fn the_masks_change_what_they_must_and_hardly_anything_else() {
    let (output, report) = judge(&[("mask-inputs", "{}"), ("mask-pii", "{}")]);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert_eq!(report["canaries_left"].as_array().map(Vec::len), Some(0), "{report}");
    assert!(report["chars_changed"].as_u64().unwrap() > 50_000, "{report}");
    assert!(percent(&report) <= MOST_PERCENT, "{report}");
}

#[test]
fn a_chain_that_masks_everything_and_one_that_masks_too_little_are_told() {
    let all = r#"{"patterns": [{"name": "all", "regex": "[ -~]+"}]}"#;
    let (output, report) = judge(&[("mask-pii", all)]);
    assert_eq!(output.status.code(), Some(0), "{report}");
    assert!(percent(&report) > 30.0 * MOST_PERCENT, "{report}");

    // Names that were typed are no pattern's business.
    let (output, report) = judge(&[("mask-pii", "{}")]);
    assert_ne!(output.status.code(), Some(0), "{report}");
    let left: Vec<&str> =
        report["canaries_left"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(left.contains(&"shop-password") && !left.contains(&"article-email"), "{left:?}");
}
