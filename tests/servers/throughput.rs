//! How fast recorded chunks go from Kafka to ClickHouse and on to S3, and what that costs each process.
//! By hand: `cargo xtask bench e2e`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use replay_tests::records::{recorded, session_id, visits};
use replay_tests::service::{FAST, Service};
use replay_tests::stage::{Sent, Stage};
use serde_json::{Value, json};

/// How often the recorded visits are sent, each time as sessions of their own.
const ROUNDS: u64 = 20;
const PARTITIONS: u64 = 6;
const PATIENCE: Duration = Duration::from_secs(900);

/// Words in the command line by which a process is known.
const PROCESSES: [(&str, &str); 3] =
    [("kafka", "kafka.Kafka"), ("clickhouse", "services/clickhouse"), ("s3", "minio")];

/// CPU seconds that a process has used.
fn cpu_s(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// CPU seconds of the service and of each server, all processes of a kind together.
fn cpu_of_all(service: &Service) -> Vec<(&'static str, f64)> {
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let commands: Vec<(u32, String)> = pids
        .map(|pid| (pid, std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default()))
        .collect();
    let of = |word: &str| -> f64 {
        commands.iter().filter(|(_, line)| line.contains(word)).map(|(pid, _)| cpu_s(*pid)).sum()
    };
    let servers = PROCESSES.iter().map(|(name, word)| (*name, of(word)));
    std::iter::once(("service", cpu_s(service.pid()))).chain(servers).collect()
}

/// Recorded chunks as sessions of their own, received so long ago that they are due to move.
fn backlog() -> Vec<Sent> {
    let long_ago = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - Duration::from_secs(40 * 86_400);
    let timestamp_ms = i64::try_from(long_ago.as_millis()).unwrap();
    let visits: Vec<Vec<Value>> = visits()
        .iter()
        .map(|(project, visit, ..)| {
            recorded(project, visit).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
        })
        .collect();
    let mut sent = Vec::new();
    for round in 0..ROUNDS {
        for (number, visit) in visits.iter().enumerate() {
            let session = round * visits.len() as u64 + number as u64;
            for record in visit {
                let mut record = record.clone();
                record["session_id"] = json!(session_id(session));
                let partition = i32::try_from(session % PARTITIONS).unwrap();
                sent.push(Sent {
                    timestamp_ms: Some(timestamp_ms),
                    ..Sent::new(partition, record.to_string())
                });
            }
        }
    }
    sent
}

fn report(name: &str, chunks: f64, raw_bytes: f64, took: Duration, cpu: &[(&str, f64)]) {
    let seconds = took.as_secs_f64();
    let cpu: Vec<String> =
        cpu.iter().map(|(process, s)| format!("{process} {:.2}", s / (raw_bytes / 1e9))).collect();
    eprintln!(
        "{name:<22} {:>7.1} MB/s {:>7.0} chunks/s; CPU s a GB: {}",
        raw_bytes / 1e6 / seconds,
        chunks / seconds,
        cpu.join(", ")
    );
}

/// What `work` takes: wall time, and CPU of each process.
fn measured(service: &Service, work: impl FnOnce()) -> (Duration, Vec<(&'static str, f64)>) {
    let (before, start) = (cpu_of_all(service), Instant::now());
    work();
    let took = start.elapsed();
    let after = cpu_of_all(service);
    (took, after.into_iter().zip(before).map(|((name, after), (_, before))| (name, after - before)).collect())
}

#[test]
#[ignore = "a measure, by hand: cargo xtask bench e2e"]
fn from_kafka_to_clickhouse_and_on_to_s3() {
    let zstd =
        "replay: { compression: zstd, recompress: always, idle_timeout: 50ms, flush_interval: 20ms }\n";
    let mask: &[(&str, &str)] = &[("mask-pii", "{}")];
    for (name, chain, extra) in
        [("gzip, unchanged", &[][..], FAST), ("gzip, mask-pii", mask, FAST), ("zstd", &[], zstd)]
    {
        let Some(stage) = Stage::new(i32::try_from(PARTITIONS).unwrap()) else { return };
        let sent = backlog();
        let chunks = sent.len() as u64;
        stage.produce(sent);
        let dir = tempfile::tempdir().unwrap();
        let tenants =
            [("shop", u16::from(!chain.is_empty()), chain), ("clinic", u16::from(!chain.is_empty()), chain)];
        let service = stage.start(dir.path(), &tenants, extra);
        let (took, cpu) = measured(&service, || stage.wait_committed(chunks, PATIENCE, &[&service]));
        let raw = service.metric("replay_stored_raw_bytes_total", "");
        report(name, chunks as f64, raw, took, &cpu);
        let (took, cpu) = measured(&service, || drop(service.ok(&["migrate", "run"])));
        report(&format!("  {name}, moved"), chunks as f64, raw, took, &cpu);
    }
}
