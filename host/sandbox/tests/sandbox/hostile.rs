//! Plugins that pass their trial run and then turn: each call ends as its typed failure, as often as it
//! is tried, and leaves nothing behind.

use std::time::Instant;

use replay_core::rrweb::Verdict;
use replay_sandbox::{FailureKind, Limits, Plugin, PluginFailure};

use crate::guests::Guest;
use crate::support::{Room, texts};

/// How often each is tried: more by `SANDBOX_ROUNDS`.
fn rounds() -> usize {
    std::env::var("SANDBOX_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(5)
}

fn fail(plugin: &Plugin) -> PluginFailure {
    plugin.process_chunks(&texts(&["Keep"])).unwrap_err()
}

/// Tries `guest` many times, with a good plugin in between.
fn always_ends_as(guest: &Guest, kind: FailureKind) {
    let room = Room::new();
    let (bad, good) = (room.load_here(&guest.build()), room.load_here(&Guest::default().build()));
    for _ in 0..rounds() {
        let failure = fail(&bad);
        assert_eq!(failure.kind, kind);
        let answer = good.process_chunks(&texts(&["Drop"])).unwrap();
        assert_eq!(answer.verdicts, [Verdict::Drop(0)]);
    }
}

#[test]
fn an_endless_loop() {
    always_ends_as(&Guest::on_a_batch("(loop $on (br $on))"), FailureKind::Timeout);
}

#[test]
fn an_endless_loop_where_memory_is_asked_for() {
    let realloc = "(if (i32.eq (i32.load (i32.const 7000)) (i32.const 1)) (then (loop $on (br $on))))";
    let process = "(i32.store (i32.const 7000) (i32.eq (local.get $len) (i32.const 1)))";
    let guest = Guest { realloc: realloc.into(), process: process.into(), ..Guest::default() };
    always_ends_as(&guest, FailureKind::Timeout);
}

#[test]
fn a_memory_bomb() {
    let bomb = "(loop $on (drop (memory.grow (i32.const 16))) (br $on))";
    always_ends_as(&Guest::on_a_batch(bomb), FailureKind::Memory);
    let at_once = "(drop (memory.grow (i32.const 65000)))";
    always_ends_as(&Guest::on_a_batch(at_once), FailureKind::Memory);
}

#[test]
fn a_table_bomb() {
    // The pool has no room for such a table: growing fails, and the guest can go on.
    let grow = "(if (i32.ne (table.grow $bomb (ref.null func) (i32.const 90000000)) (i32.const -1)) (then unreachable))";
    let mut bomb = Guest::on_a_batch(grow);
    bomb.fields = "(table $bomb 1 funcref)".into();
    let answer = Room::new().load_here(&bomb.build()).process_chunks(&texts(&["Keep"])).unwrap();
    assert!(answer.usage.memory_bytes < 1 << 20);
    // What it has room for counts as memory.
    let mut tables = Guest::on_a_batch(
        "(drop (memory.grow (i32.const 1020))) (drop (table.grow $bomb (ref.null func) (i32.const 90000)))",
    );
    tables.fields = "(table $bomb 1 funcref)".into();
    always_ends_as(&tables, FailureKind::Memory);
}

/// Answers `count` verdicts or edits out of memory that was never written: no more is needed.
fn answers(code: &str) -> Guest {
    Guest::on_a_batch(&format!(
        "(drop (memory.grow (i32.const 900)))
         (call $release (i32.load (local.get $ptr)))
         (i32.store (i32.const 4096) (i32.const 0))
         (i32.store (i32.const 4100) (i32.const 8192))
         (i32.store (i32.const 4104) (i32.const 1))
         {code}
         (return (i32.const 4096))"
    ))
}

#[test]
fn a_huge_answer() {
    let replace = |bytes: u32| {
        answers(&format!(
            "(i32.store (i32.const 8192) (i32.const 3)) (i32.store (i32.const 8196) (i32.const 65536))
             (i32.store (i32.const 8200) (i32.const {bytes}))"
        ))
    };
    always_ends_as(&replace(48 << 20), FailureKind::Output);
    // More than there is memory: not even looked at.
    always_ends_as(&replace(1 << 30), FailureKind::Invalid);
}

#[test]
fn a_million_edits() {
    let edits = answers(
        "(i32.store (i32.const 8192) (i32.const 2)) (i32.store (i32.const 8196) (i32.const 65536))
         (i32.store (i32.const 8200) (i32.const 1000000))
         (i32.store (i32.const 8204) (i32.const 65536)) (i32.store (i32.const 8208) (i32.const 0))",
    );
    always_ends_as(&edits, FailureKind::Output);
}

#[test]
fn a_million_blocked_nodes_and_dropped_items() {
    let list = |offset: u32| {
        answers(&format!(
            "(i32.store (i32.const 8192) (i32.const 2)) (i32.store (i32.const {}) (i32.const 65536))
             (i32.store (i32.const {}) (i32.const 9000000))",
            8192 + offset,
            8192 + offset + 4
        ))
    };
    // A node is four bytes, an item twelve: of the latter there is not even memory for so many.
    always_ends_as(&list(20), FailureKind::Output);
    always_ends_as(&list(28), FailureKind::Invalid);
    let items = answers(
        "(i32.store (i32.const 8192) (i32.const 2)) (i32.store (i32.const 8220) (i32.const 65536))
         (i32.store (i32.const 8224) (i32.const 4000000))",
    );
    always_ends_as(&items, FailureKind::Output);
}

#[test]
fn an_item_that_is_none() {
    let item = answers(
        "(i32.store (i32.const 8192) (i32.const 2)) (i32.store (i32.const 8220) (i32.const 65536))
         (i32.store (i32.const 8224) (i32.const 1)) (i32.store (i32.const 65536) (i32.const 3))",
    );
    always_ends_as(&item, FailureKind::Invalid);
}

#[test]
fn a_million_verdicts() {
    always_ends_as(&answers("(i32.store (i32.const 4104) (i32.const 1000000))"), FailureKind::Output);
    always_ends_as(&answers("(i32.store (i32.const 4104) (i32.const 2))"), FailureKind::Invalid);
}

#[test]
fn an_answer_that_is_none() {
    // A verdict's number that there is not, and a list outside of the memory.
    always_ends_as(&answers("(i32.store (i32.const 8192) (i32.const 9))"), FailureKind::Invalid);
    always_ends_as(&answers("(i32.store (i32.const 4100) (i32.const -4096))"), FailureKind::Invalid);
}

#[test]
fn a_panic() {
    always_ends_as(&Guest::on_a_batch("unreachable"), FailureKind::Trap);
    always_ends_as(&Guest::on_a_batch("(drop (i32.load (i32.const -8)))"), FailureKind::Trap);
    always_ends_as(&Guest::on_a_batch("(drop (i32.div_u (i32.const 1) (i32.const 0)))"), FailureKind::Trap);
}

#[test]
fn calls_without_end() {
    let mut guest = Guest::on_a_batch("(call $deeper (i32.const 0))");
    guest.fields = "(func $deeper (param i32) (call $deeper (i32.add (local.get 0) (i32.const 1))))".into();
    always_ends_as(&guest, FailureKind::Stack);
}

#[test]
fn a_chunk_that_is_kept_goes_with_its_instance() {
    let keeps = "(i32.store (i32.const 4096) (i32.const 0)) (i32.store (i32.const 4100) (i32.const 8192))
        (i32.store (i32.const 4104) (i32.const 1)) (return (i32.const 4096))";
    let room = Room::new();
    let plugin = room.load_here(&Guest::on_a_batch(keeps).build());
    for _ in 0..rounds() {
        assert_eq!(plugin.process_chunks(&texts(&["Keep"])).unwrap().verdicts, [Verdict::Keep]);
    }
}

#[test]
fn a_chunk_that_is_made_up() {
    let code = "(call $fields (i32.const 77) (i32.const 3000))";
    always_ends_as(&Guest::on_a_batch(code), FailureKind::Invalid);
}

#[test]
fn asking_over_and_over() {
    let ask = "(loop $on (call $fields (i32.load (local.get $ptr)) (i32.const 3000)) (br $on))";
    always_ends_as(&Guest::on_a_batch(ask), FailureKind::Output);
    let element =
        "(loop $on (call $element (i32.load (local.get $ptr)) (i32.const 1) (i32.const 3000)) (br $on))";
    always_ends_as(&Guest::on_a_batch(element), FailureKind::Timeout);
    let events = "(call $events (i32.load (local.get $ptr)) (i32.const 3000))";
    always_ends_as(&Guest::on_a_batch(events), FailureKind::Invalid);
}

#[test]
fn a_flood_of_log_lines() {
    let flood = Guest::on_a_batch(
        "(loop $on (call $log (i32.const 3) (i32.const 16384) (i32.const 16384)) (br $on))",
    );
    always_ends_as(&flood, FailureKind::Timeout);
    let room = Room::new();
    let plugin = room.load_here(&flood.build());
    let (result, lines) = plugin.process_with_logs(&texts(&["Keep"]));
    let [debug, info, warn, error] = result.unwrap_err().usage.log_lines;
    assert_eq!((debug, info, warn), (0, 0, 0));
    assert!(error > 100);
    assert_eq!(lines.len(), Limits::default().log_lines as usize);
    assert!(lines.iter().all(|line| line.text.len() <= 4096));
}

#[test]
fn an_error_is_a_code_or_unknown() {
    let room = Room::new();
    for (said, code) in [("broken", "broken"), ("anna@example.com", "unknown"), ("", "unknown")] {
        let plugin = room.load_here(&Guest { error: Some(said.into()), ..Guest::default() }.build());
        let failure = fail(&plugin);
        assert_eq!(failure.kind, FailureKind::Error { code: code.into() });
        assert_eq!(failure.kind.as_str(), "plugin_error");
    }
}

#[test]
fn the_chunk_asked_about_last_is_named() {
    let mut guest = Guest::on_a_batch("");
    guest.process = "(if (i32.eq (local.get $len) (i32.const 4)) (then
        (call $info (i32.load offset=8 (local.get $ptr)) (i32.const 3000)) unreachable))"
        .into();
    let plugin = Room::new().load_here(&guest.build());
    let chunks = crate::support::Texts(
        [Some("a"), None, Some("b"), Some("c"), Some("d")].map(|text| text.map(str::to_owned)).into(),
    );
    let failure = plugin.process_chunks(&(std::sync::Arc::new(chunks) as _)).unwrap_err();
    assert_eq!((failure.kind, failure.chunk), (FailureKind::Trap, Some(3)));
}

#[test]
fn the_deadline_holds_and_grows_with_the_text() {
    let plugin = Room::new().load_here(&Guest::on_a_batch("(loop $on (br $on))").build());
    let limits = Limits::default();
    let started = Instant::now();
    assert_eq!(fail(&plugin).kind, FailureKind::Timeout);
    assert!(started.elapsed() >= limits.time_per_batch);
    let text = "x".repeat(8 << 20);
    let started = Instant::now();
    let failure = plugin.process_chunks(&texts(&[&text])).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert!(started.elapsed() >= limits.time_per_batch + limits.time_per_mib * 8);
}
