//! By hand, on a quiet machine: what a consumer holds at full speed, and how fast it is.
//! `cargo test --release … --test contract kafka::memory -- --ignored --nocapture`

use std::time::Instant;

use replay_ports::Source;
use replay_tests::kafka::Topic;

use super::Client;

const LARGE: usize = 20 << 20;
const SMALL: usize = 8 << 10;
const RECORDS: usize = 3_000;

/// The most memory that this process had since the last call, MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    // Begins the count anew.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    kib / 1024
}

/// One record in a hundred is large; the sum of the bounds is what a budget may count on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a quiet machine and 700 MB of the broker's disk"]
async fn a_backlog_with_large_records_stays_within_the_bounds() {
    let Some(topic) = Topic::new(6).await else { return };
    let settings = topic.own_settings();
    let mut bytes = 0;
    let writer = Client::open(&settings);
    for number in 0..RECORDS {
        let size = if number % 100 == 0 { LARGE } else { SMALL };
        bytes += size;
        writer.source.append(vec![b'x'; size].into(), 1, None).await.unwrap();
    }
    drop(writer);
    peak_mib();
    let mut client = Client::open(&settings);
    let begun = Instant::now();
    for _ in 0..RECORDS {
        client.records(1).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    let peak = peak_mib();
    println!("{} MB in {seconds:.1} s, peak {peak} MiB", bytes / 1_000_000);
    let bounds = settings.read_ahead_bytes + settings.inbox_bytes + settings.fetch_bytes + 3 * LARGE as u64;
    assert!(peak < 40 + bounds / (1 << 20), "peak {peak} MiB");
}
