//! A consumer at full speed on a backlog with large records stays in its memory.

use std::time::Duration;

use replay_tests::records::{TestChunk, session_id};
use replay_tests::service::{FAST, Service};
use replay_tests::stage::{Sent, Stage};

/// Records in the backlog, of which one in so many is large. By hand, ten times as many: `REPLAY_TEST_BACKLOG`.
struct Backlog {
    records: u64,
    large_every: u64,
    large_bytes: usize,
}

/// The longest that all of it may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// Events in plain sight, as the HTTP ingestor sends them. They pack about as well as recorded ones do: what a
/// broker answers is bounded in packed bytes.
fn large_events(bytes: usize) -> String {
    let mut events = String::with_capacity(bytes + 1_000);
    let mut seed = 1_u64;
    while events.len() < bytes {
        let noise: String = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            format!("{:016x}", seed)
        })
        .take(4)
        .collect();
        let line = "a long line that is much like the next one; ".repeat(10);
        let comma = if events.is_empty() { "" } else { "," };
        events += &format!(
            "{comma}{{\"type\":3,\"timestamp\":1700000000000,\"data\":{{\"source\":5,\"id\":7,\"text\":\"{noise}{line}\"}}}}"
        );
    }
    events
}

fn large(number: u64, events: &str) -> String {
    let session = session_id(number);
    format!(
        "{{\"project_id\":\"shop\",\"session_id\":\"{session}\",\"chunk_index\":0,\
          \"timestamp_start\":1700000000000,\"timestamp_end\":1700000000000,\"events\":[{events}]}}"
    )
}

fn small(number: u64) -> String {
    TestChunk::new("shop", &session_id(number), 0, 1_700_000_000_000, 3, "a quiet visit").record()
}

/// The most that the process ever held.
fn peak_mib(service: &Service) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

/// The most memory that a consumer took for a backlog, or `None` where it cannot be had.
fn peak_mib_of(backlog: &Backlog) -> Option<u64> {
    if !cfg!(target_os = "linux") {
        eprintln!("SKIPPED: memory is read from /proc");
        return None;
    }
    let mut stage = Stage::new(3)?;
    stage.producer_compression = "zstd";
    let &Backlog { records, large_every, large_bytes } = backlog;
    let events = large_events(large_bytes);
    let record = |number: u64| {
        let payload = if number.is_multiple_of(large_every) { large(number, &events) } else { small(number) };
        Sent::new(i32::try_from(number % 3).unwrap(), payload)
    };
    stage.produce((0..records).map(record));
    let dir = tempfile::tempdir().unwrap();
    let service = stage.start(dir.path(), &[("shop", 0, &[])], FAST);
    stage.wait_committed(records, PATIENCE, &[&service]);
    let peak_mib = peak_mib(&service);
    let large_mib = large_bytes >> 20;
    eprintln!("{records} records, {} of {large_mib} MiB: {peak_mib} MiB at the most", records / large_every);
    let rows = stage.sql(&format!(
        "SELECT count(), sum(data_size > {}) FROM {}.replay_chunks",
        large_bytes - 1_000,
        stage.name
    ));
    assert_eq!(rows.trim(), format!("{records}\t{}", records / large_every));
    Some(peak_mib)
}

#[test]
fn a_backlog_with_large_records_stays_under_512_mib() {
    let records = std::env::var("REPLAY_TEST_BACKLOG").map_or(20_000, |count| count.parse().unwrap());
    let backlog = Backlog { records, large_every: 100, large_bytes: 20 << 20 };
    let Some(peak_mib) = peak_mib_of(&backlog) else { return };
    assert!(peak_mib < 512, "{peak_mib} MiB");
}

/// The largest records that the defaults take.
#[test]
fn a_backlog_with_the_largest_records_stays_under_1_gib() {
    let backlog = Backlog { records: 1_000, large_every: 25, large_bytes: 63 << 20 };
    let Some(peak_mib) = peak_mib_of(&backlog) else { return };
    assert!(peak_mib < 1_024, "{peak_mib} MiB");
}
