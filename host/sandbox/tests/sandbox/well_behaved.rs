//! A plugin that does what it should.

use std::sync::Arc;

use replay_core::rrweb::{Batch, Changes, Edit, ElementLimits, Elements, Kinds, Replacement, Verdict};
use replay_sandbox::{Class, compile_in_process};

use crate::guests::Guest;
use crate::support::{Room, Texts, texts};

#[test]
fn it_keeps_drops_and_changes() {
    let room = Room::new();
    let plugin = room.load(&Guest::default().build(), "null").unwrap();
    let manifest = plugin.manifest();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("test", "1.0.0"));
    assert_eq!((manifest.kinds, manifest.redacts), (Kinds::ALL, true));
    assert_eq!(
        (&manifest.drop_reasons[..], &manifest.error_codes[..]),
        (&["bot".into()][..], &["broken".into()][..])
    );

    let answer = plugin.process_chunks(&texts(&["Keep", "Drop", "Change"])).unwrap();
    let star = Edit { field: 0, start: 0, end: 1, replacement: Replacement::Mask('*') };
    let change = Verdict::Change(Changes { edits: vec![star], ..Changes::default() });
    assert_eq!(answer.verdicts, [Verdict::Keep, Verdict::Drop(0), change]);
    assert!(!answer.usage.cpu.is_zero());
    assert!(answer.usage.memory_bytes >= 2 << 16);
}

#[test]
fn a_dropped_chunk_is_not_shown() {
    let room = Room::new();
    let plugin = room.load_here(&Guest::default().build());
    let chunks = Texts(vec![None, Some("Drop".into()), None, Some("Keep".into())]);
    let answer = plugin.process_chunks(&(Arc::new(chunks) as _)).unwrap();
    assert_eq!(answer.verdicts, [Verdict::Drop(0), Verdict::Keep]);
}

#[test]
fn a_batch_is_given_back_when_the_call_is_over() {
    let room = Room::new();
    let plugin = room.load_here(&Guest::default().build());
    let batch = Arc::new(Batch::new(Kinds::ALL, Elements::new(ElementLimits { max_bytes: 1 << 20 })));
    assert_eq!(plugin.process(&batch).unwrap().verdicts, []);
    assert!(Arc::try_unwrap(batch).is_ok());
}

#[test]
fn nothing_survives_a_call() {
    // Its first field's edit is as long as the number of calls it remembers.
    let counter = Guest {
        process: "(global.set $count (i32.add (global.get $count) (i32.const 1)))
            (if (i32.eq (local.get $len) (i32.const 1)) (then
              (i32.store (i32.const 5000) (global.get $count))
              (i32.store8 (i32.const 6000) (i32.add (i32.load8_u (i32.const 6000)) (i32.const 1)))
              (i32.store (i32.const 5004) (i32.load8_u (i32.const 6000)))
              (call $log (i32.const 1) (i32.const 5000) (i32.const 8))))"
            .into(),
        ..Guest::default()
    };
    let room = Room::new();
    let plugin = room.load_here(&counter.build());
    let seen: Vec<Vec<u8>> = (0..5)
        .map(|_| {
            let (answer, lines) = plugin.process_with_logs(&texts(&["Keep"]));
            answer.unwrap();
            lines[0].text.clone().into_bytes()
        })
        .collect();
    assert!(seen.iter().all(|counts| *counts == seen[0]), "{seen:?}");
    // One call in the memory's byte; in the global also the one that warmed it up.
    assert_eq!(seen[0], [2, 0, 0, 0, 1, 0, 0, 0]);
}

/// Part of a memory is written over between calls, the rest is given back.
#[test]
fn no_byte_of_a_call_is_there_for_the_next_in_its_place() {
    // Says whether any byte beyond its heap is set, and sets them all.
    let scribbler = |name: &str| {
        let mut guest = Guest::on_a_batch(
            "(drop (memory.grow (i32.const 38)))
             (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 1023)) (i32.const -1024)))
             (loop $on
               (local.set $byte (i32.or (local.get $byte) (i32.load (local.get $at))))
               (local.set $at (i32.add (local.get $at) (i32.const 4)))
               (br_if $on (i32.lt_u (local.get $at) (i32.const 2621440))))
             (i32.store8 (i32.const 5000) (i32.add (i32.const 48) (i32.ne (local.get $byte) (i32.const 0))))
             (call $log (i32.const 1) (i32.const 5000) (i32.const 1))
             (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 1023)) (i32.const -1024)))
             (if (i32.gt_u (local.get $at) (i32.const 524288)) (then unreachable))
             (memory.fill (local.get $at) (i32.const 165) (i32.sub (i32.const 2621440) (local.get $at)))
             (local.set $at (i32.const 0))",
        );
        guest.name = Some(name.to_owned());
        guest
    };
    let room = Room::with(|settings| settings.concurrency = 1);
    let plugins = ["one", "two"].map(|name| room.load_here(&scribbler(name).build()));
    for plugin in plugins.iter().chain(&plugins) {
        for _ in 0..2 {
            let (answer, lines) = plugin.process_with_logs(&texts(&["Keep"]));
            assert!(answer.unwrap().usage.memory_bytes > 2 << 20);
            assert_eq!(lines[0].text, "0");
        }
    }
}

#[test]
fn a_component_that_cannot_be_snapshotted_is_configured_for_each_call() {
    // A memory that cannot grow: the snapshotter panics on it.
    let stiff = Guest {
        memory: Some("8 8".into()),
        configure: "(global.set $count (i32.const 7))".into(),
        process: "(if (i32.ne (global.get $count) (i32.const 7)) (then unreachable))
            (global.set $count (i32.const 7))"
            .into(),
        ..Guest::default()
    };
    let room = Room::new();
    let plugin = room.load(&stiff.build(), "null").unwrap();
    let compiled =
        compile_in_process(&stiff.build(), Class::Compiled, "null", &room.settings.limits).unwrap();
    assert!(!compiled.snapshotted);
    for _ in 0..3 {
        assert_eq!(plugin.process_chunks(&texts(&["Drop"])).unwrap().verdicts, [Verdict::Drop(0)]);
    }
    let compiled =
        compile_in_process(&Guest::default().build(), Class::Compiled, "null", &room.settings.limits);
    assert!(compiled.unwrap().snapshotted);
    // Nor is one that the operator says is a script.
    let script = compile_in_process(&Guest::default().build(), Class::Script, "null", &room.settings.limits);
    assert!(!script.unwrap().snapshotted);
}

#[test]
fn calls_beyond_the_places_wait_for_one() {
    let room = Room::new();
    let plugin = room.load_here(&Guest::default().build());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(
                        plugin.process_chunks(&texts(&["Drop"])).unwrap().verdicts,
                        [Verdict::Drop(0)]
                    );
                }
            });
        }
    });
}
