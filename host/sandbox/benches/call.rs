//! What a call costs beside the plugin's own work: a fresh instance, fields handed over, one verdict.
#![allow(missing_docs, clippy::unwrap_used, dead_code, reason = "a bench, on what the tests share")]

#[path = "../tests/sandbox/guests.rs"]
mod guests;
#[path = "../tests/sandbox/support.rs"]
mod support;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use guests::Guest;
use support::{Room, texts};

fn calls(criterion: &mut Criterion) {
    let room = Room::new();
    let fresh = room.load_here(&Guest { memory: Some("40".into()), ..Guest::default() }.build());
    // A memory that cannot grow is not snapshotted: it is configured for each call.
    let stiff = Guest { memory: Some("40 40".into()), ..Guest::default() };
    let configured = room.load_here(&stiff.build());
    let mut group = criterion.benchmark_group("call");
    for (name, bytes) in [("small", 16), ("100 KB", 100 << 10), ("1 MiB", 1 << 20)] {
        let chunks = texts(&[&"K".repeat(bytes)]);
        group.throughput(Throughput::Bytes(bytes as u64));
        group.bench_function(format!("snapshot, {name}"), |bencher| {
            bencher.iter(|| fresh.process_chunks(&chunks).unwrap());
        });
        group.bench_function(format!("configured anew, {name}"), |bencher| {
            bencher.iter(|| configured.process_chunks(&chunks).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, calls);
criterion_main!(benches);
