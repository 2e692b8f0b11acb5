//! What the masks leave of a recording still plays: rrweb's own player, in a Chromium, builds the same
//! tree from it and says nothing new.
//!
//! Needs node, a Chromium, and `npm ci` in `tests/fixtures/playback`. Where they are missing the tests say
//! SKIPPED and pass, unless `REQUIRE_PLAYBACK=1` says that they must be there.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::pipeline::ChunkHead;
use replay_core::row::Codec;
use replay_core::rrweb::{
    Batch, Changes, EditRules, ElementLimits, Elements, Finished, Kinds, ScanLimits, Verdict,
};
use replay_tests::plugins::{components, patient, privacy_chain};
use replay_tests::records::{visits, whole_recordings};
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

/// What a chain leaves of them, under the same names.
fn masked(dir: &Path, chain: &[(String, String)]) {
    let mut command = Command::new(binary());
    command.arg("--config").arg(patient(dir.parent().unwrap())).args(["plugin", "test", "--show", "0"]);
    for (plugin, settings) in chain {
        command.arg(components().join(format!("{plugin}.wasm"))).args(["--settings", settings]);
    }
    let output = command.arg("--input").args(whole_recordings()).arg("--write").arg(dir).output().unwrap();
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
    let masks = ["mask-inputs", "mask-pii"].map(|plugin| (plugin.to_owned(), "{}".to_owned()));
    plays_the_same(&masks);
}

#[test]
fn what_the_privacy_levels_leave_builds_the_same_tree() {
    for level in ["essential", "enhanced", "maximum"] {
        plays_the_same(&privacy_chain(level));
    }
}

fn plays_the_same(chain: &[(String, String)]) {
    if !can_play() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = (dir.path().join("before"), dir.path().join("after"));
    originals(&before);
    masked(&after, chain);
    for (project, visit, ..) in visits() {
        let file = format!("{project}/{visit}.ndjson");
        let changed = events(&before.join(&file)) != events(&after.join(&file));
        assert!(changed, "{file}: nothing was masked, so nothing is compared");
    }
    let output = node("compare.mjs", &[&before, &after]);
    let said = said(&output);
    assert!(output.status.success(), "{chain:?}\n{said}");
    let all = format!("{0} of {0} visits equal", visits().len());
    assert!(said.contains(&all), "{said}");
}

/// Blocks the elements that `compare.mjs` is told of; each chunk is a batch of its own, as if each had
/// waited long for the next. The index starts again on a new page, as do the ids.
fn blocked(chunks: &str) -> String {
    let mut elements = Elements::new(ElementLimits { max_bytes: 64 << 20 });
    let limits =
        ScanLimits { max_raw_chunk_bytes: 64 << 20, max_ratio: 1000, max_depth: 512, max_fields: 1 << 20 };
    let rules = EditRules {
        allow_replace: false,
        mask_only: false,
        extra_edits: 100_000,
        max_text_bytes: 0,
        drop_reasons: 0,
    };
    let mut left = String::new();
    let mut index = 0;
    for (time, json) in (1..).zip(chunks.lines()) {
        let events: Vec<Value> = serde_json::from_str(json).unwrap();
        index = if events.iter().any(|event| event["type"] == META) { 0 } else { index + 1 };
        let mut batch = Batch::new(Kinds::default(), elements);
        batch.add(&head(index, time), json.into(), &limits).unwrap();
        let named = batch.nodes(0).unwrap();
        let named = named.as_chunks().0.iter().map(|node| u32::from_le_bytes(*node));
        let wanted = named.filter(|node| *node > FROM && node.is_multiple_of(EVERY));
        let nodes: Vec<u32> = wanted.filter(|node| batch.element(0, *node).is_some()).collect();
        let change = Verdict::Change(Changes { block_nodes: nodes, ..Changes::default() });
        batch.apply(0, Kinds::default(), vec![change], &rules).unwrap();
        let (finished, known) = batch.finish();
        elements = known;
        elements.forget_old_pages();
        match &finished[0] {
            Finished::Unchanged => left.push_str(json),
            Finished::Changed { json, .. } => left.push_str(std::str::from_utf8(json).unwrap()),
            Finished::Dropped { .. } => continue,
            Finished::Failed => panic!("{finished:?}"),
        }
        left.push('\n');
    }
    left
}

/// Every 11th element but for the outermost.
const FROM: u32 = 8;
const EVERY: u32 = 11;

/// The type of the event with which a page begins.
const META: u64 = 4;

fn head(index: u32, time: u64) -> ChunkHead {
    ChunkHead {
        session: SessionKey {
            project_id: ProjectId::new("shop").unwrap(),
            session_id: SessionId::parse("0191f0c4-7e1a-7c3b-9d55-0123456789ab").unwrap(),
        },
        key: ChunkKey { timestamp_start_ms: time, chunk_index: index },
        timestamp_end_ms: time,
        event_count: 0,
        has_full_snapshot: false,
        data_size: 0,
        codec: Codec::Gzip,
    }
}

#[test]
fn blocked_elements_leave_a_tree_without_their_inside_and_no_new_errors() {
    if !can_play() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = (dir.path().join("before"), dir.path().join("after"));
    originals(&before);
    for (project, visit, ..) in visits() {
        let file = format!("{project}/{visit}.ndjson");
        let recorded = std::fs::read_to_string(before.join(&file)).unwrap();
        let left = blocked(&recorded);
        assert!(left.len() < recorded.len(), "{file}: nothing was blocked, so nothing is compared");
        std::fs::create_dir_all(after.join(project)).unwrap();
        std::fs::write(after.join(&file), left).unwrap();
    }
    let rule = serde_json::json!({ "from": FROM, "every": EVERY }).to_string();
    let output = node("compare.mjs", &[&before, &after, Path::new(&rule)]);
    let said = said(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains(&format!("{0} of {0} visits equal", visits().len())), "{said}");
    // And they are no longer the same without that rule.
    assert_eq!(node("compare.mjs", &[&before, &after]).status.code(), Some(1));
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
