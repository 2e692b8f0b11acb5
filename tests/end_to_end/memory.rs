//! Memory stays bounded: 100,000 open sessions, and a budget that seals instead of growing.

use replay_tests::records::{TestChunk, gzip, session_id};
use replay_tests::service::Service;

const SESSIONS: u64 = 100_000;

/// What a process holds in memory.
pub(crate) fn resident_mib(pid: u32) -> u64 {
    status_mib(pid, "VmRSS:")
}

/// Of that, what is no file's.
pub(crate) fn anonymous_mib(pid: u32) -> u64 {
    status_mib(pid, "RssAnon:")
}

fn status_mib(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

/// One record a line, each of about 1 KB when stored.
fn records(sessions: std::ops::Range<u64>) -> String {
    let line = |number: u64| {
        let noise: String = (1..50u64)
            .map(|n| format!("{:016x}", n.wrapping_mul(number + 7).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
            .collect();
        TestChunk::new("shop", &session_id(number), 0, 1_700_000_000_000, 2, &noise).record() + "\n"
    };
    sessions.map(line).collect()
}

#[test]
fn a_hundred_thousand_open_sessions_fit_in_400_mib() {
    if !cfg!(target_os = "linux") {
        eprintln!("SKIPPED: resident memory is read from /proc");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // Nothing is sealed by time while they come in.
    let extra = "replay: { idle_timeout: 1h, flush_interval: 20ms }\nlimits: { max_session_age: 1h }\n";
    let mut service = Service::start(dir.path(), extra);
    let at_ready_mib = resident_mib(service.pid());
    for page in 0..SESSIONS / 5_000 {
        let records = records(page * 5_000..(page + 1) * 5_000);
        assert!(service.feed(&["ingest", "-"], records.as_bytes()).status.success());
    }
    service.wait_until("all are in open buffers", |service| {
        service.metric("replay_records_received_total", "") == SESSIONS as f64
            && service.metric("replay_open_sessions", "") == SESSIONS as f64
    });
    let grown_mib = resident_mib(service.pid()) - at_ready_mib;
    eprintln!("{SESSIONS} open sessions: {grown_mib} MiB above the {at_ready_mib} MiB at ready");
    assert!(grown_mib < 400, "{grown_mib} MiB above ready");
    let (code, said) = service.stop();
    assert_eq!(code, Some(0), "{said}\n{}", service.log());
}

#[test]
fn a_budget_that_is_reached_seals_the_oldest_instead_of_growing() {
    let dir = tempfile::tempdir().unwrap();
    let extra = "replay: { idle_timeout: 1h, flush_interval: 20ms }\n\
                 limits: { max_session_age: 1h, memory_budget: 8MiB, max_record_bytes: 1MiB, max_stored_chunk_bytes: 1MiB }\n";
    let service = Service::start(dir.path(), extra);
    let records = records(0..20_000);
    assert!(service.feed(&["ingest", "-"], records.as_bytes()).status.success());
    service.wait_until("all are received", |service| {
        service.metric("replay_records_received_total", "") == 20_000.0
    });
    assert!(service.metric("replay_buffers_sealed_total", "reason=\"budget\"") > 1_000.0);
    assert!(service.metric("replay_memory_budget_used_bytes", "") < f64::from(8 << 20));
    assert!(service.metric("replay_records_settled_total", "outcome=\"stored\"") > 10_000.0);
    service.check_balance();
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn large_blocks_are_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Service::start(dir.path(), "");
    let environment = std::fs::read(format!("/proc/{}/environ", service.pid())).unwrap();
    assert!(
        environment.split(|byte| *byte == 0).any(|line| line == b"MALLOC_MMAP_THRESHOLD_=4194304"),
        "the allocator is as the C library has it"
    );
    assert_eq!(service.stop().0, Some(0));
}

#[test]
fn bodies_that_unzip_to_much_are_taken_a_few_at_a_time() {
    if !cfg!(target_os = "linux") {
        eprintln!("SKIPPED: resident memory is read from /proc");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let extra = "replay: { idle_timeout: 50ms, flush_interval: 20ms }\n\
                 limits: { memory_budget: 64MiB, max_record_bytes: 32MiB }\n";
    let service = Service::start(dir.path(), extra);
    let noise: String =
        (1..250u64).map(|n| format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    let text = noise.repeat(7_500);
    let body = format!(
        r#"{{"project_key":"pk_live_shop","session_id":"{}","chunk_index":0,"timestamp_start":1700000000000,
            "timestamp_end":1700000000000,"events":[{{"type":3,"timestamp":1,"data":{{"text":"{text}"}}}}]}}"#,
        session_id(1)
    );
    let body = gzip(body.as_bytes());
    assert!(body.len() < 1 << 20, "{} bytes", body.len());
    let stored = std::thread::scope(|scope| {
        let posts: Vec<_> = (0..24).map(|_| scope.spawn(|| service.post(&body).0)).collect();
        posts.into_iter().map(|post| post.join().unwrap()).filter(|status| *status == 200).count()
    });
    let peak_mib = status_mib(service.pid(), "VmHWM:");
    eprintln!("24 bodies of {} KiB: {stored} taken, peak {peak_mib} MiB", body.len() >> 10);
    assert!(stored > 0, "{}", service.log());
    assert!(peak_mib < 500, "{peak_mib} MiB");
}
