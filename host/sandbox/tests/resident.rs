//! Memory of this process under hostile plugins: alone in its program, as other tests would blur it.
#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(dead_code, reason = "what the other suite uses of the shared files")]

#[path = "sandbox/guests.rs"]
mod guests;
#[path = "sandbox/support.rs"]
mod support;

use guests::Guest;
use replay_sandbox::Plugin;
use support::{Room, texts};

/// Growth that is no leak: slots of the pool and the allocator's own, filled once.
const SLACK_BYTES: usize = 8 << 20;

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

fn call(plugins: &[Plugin]) {
    for plugin in plugins {
        plugin.process_chunks(&texts(&["Keep"])).unwrap_err();
    }
}

#[test]
fn hostile_plugins_leave_nothing_behind() {
    let rounds = std::env::var("SANDBOX_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20);
    let room = Room::new();
    let plugins: Vec<Plugin> = [
        "(loop $on (br $on))",
        // Memory is touched, not only taken.
        "(loop $on
           (i32.store (i32.mul (memory.grow (i32.const 16)) (i32.const 65536)) (i32.const 1)) (br $on))",
        "(memory.fill (i32.const 0) (i32.const 1)
           (i32.mul (i32.const 65536) (i32.add (memory.grow (i32.const 900)) (i32.const 900)))) unreachable",
        "(drop (memory.grow (i32.const 900)))
         (call $release (i32.load (local.get $ptr)))
         (i32.store (i32.const 8192) (i32.const 3)) (i32.store (i32.const 8196) (i32.const 65536))
         (i32.store (i32.const 8200) (i32.const 50000000))
         (i32.store (i32.const 4096) (i32.const 0)) (i32.store (i32.const 4100) (i32.const 8192))
         (i32.store (i32.const 4104) (i32.const 1)) (return (i32.const 4096))",
        "(loop $on (call $fields (i32.load (local.get $ptr)) (i32.const 3000)) (br $on))",
        "(loop $on (call $log (i32.const 3) (i32.const 16384) (i32.const 16384)) (br $on))",
    ]
    .iter()
    .map(|code| room.load_here(&Guest::on_a_batch(code).build()))
    .collect();
    for _ in 0..3 {
        call(&plugins);
    }
    let before = resident_bytes();
    for _ in 0..rounds {
        call(&plugins);
    }
    let after = resident_bytes();
    println!("{rounds} rounds: {} -> {} KiB", before >> 10, after >> 10);
    assert!(after < before + SLACK_BYTES, "{} -> {} KiB", before >> 10, after >> 10);
}
