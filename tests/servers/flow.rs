//! Many records through several consumers that come, go and are killed: each chunk once, with its bytes.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use replay_tests::plugins::{build_hostile, components};
use replay_tests::records::{TestChunk, session_id};
use replay_tests::service::{FAST, Service};
use replay_tests::stage::{Sent, Stage};

/// Records in all. The chunks are small, so that the gate stays in its time.
const CHUNKS: u64 = 200_000;
const CHUNKS_A_SESSION: u64 = 40;
/// A visit goes to a new page, where the index starts again, after so many chunks.
const CHUNKS_A_PAGE: u64 = 10;
const PARTITIONS: i32 = 6;
const PRODUCERS: u64 = 3;

/// One session in so many belongs to the tenant whose plugin never answers.
const HOSTILE_EVERY: u64 = 100;

const ADDRESS: &str = "anna.smith@mail.example";

/// The longest that all of it may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

fn project(session: u64) -> &'static str {
    match session {
        session if session % HOSTILE_EVERY == 0 => "hostile",
        session if session % 3 == 0 => "clinic",
        _ => "shop",
    }
}

/// What was typed: no two chunks are alike.
fn typed(number: u64) -> String {
    let word = if project(number / CHUNKS_A_SESSION) == "hostile" { "spin" } else { "typed" };
    format!("{word} {number} by {ADDRESS}")
}

fn chunk(number: u64) -> TestChunk {
    let (session, position) = (number / CHUNKS_A_SESSION, number % CHUNKS_A_SESSION);
    let text = typed(number);
    let start_ms = 1_700_000_000_000 + position * 1_000;
    let index = u32::try_from(position % CHUNKS_A_PAGE).unwrap();
    TestChunk::new(project(session), &session_id(session), index, start_ms, 2, &text)
}

/// The events as they are stored: the tenant that masks masks a typed value whole when it holds an address.
fn wanted(number: u64) -> String {
    let chunk = chunk(number);
    let masked: String = typed(number).chars().map(|c| if c == ' ' { c } else { '*' }).collect();
    match &*chunk.project {
        "clinic" => chunk.events.replace(&typed(number), &masked),
        _ => chunk.events,
    }
}

/// Each producer sends its share; the chunks of a session lie on every partition.
fn produce(stage: &Stage, numbers: std::ops::Range<u64>) {
    let share = |producer: u64| numbers.clone().filter(move |number| number % PRODUCERS == producer);
    std::thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            scope.spawn(move || {
                stage.produce(share(producer).map(|number| {
                    let partition = i32::try_from(number % 6).unwrap();
                    Sent::new(partition, chunk(number).record())
                }));
            });
        }
    });
}

fn consumer(stage: &Stage, dir: &Path, name: &str, spin: &str) -> Service {
    let dir = dir.join(name);
    let plugins = dir.parent().unwrap().join("plugins");
    let config = stage.config(&dir, &[("shop", 0, &[]), ("clinic", 1, &[("mask-pii", "{}")])], FAST);
    let config = config.replace(&components().display().to_string(), &plugins.display().to_string());
    let hostile =
        format!("  hostile:\n    chain_revision: 1\n    plugins: [{{ name: spin, sha256: {spin} }}]\n{FAST}");
    Service::prepare_with(&dir, &config.replace(FAST, &hostile))
}

#[test]
fn two_consumers_a_third_that_joins_and_one_that_is_killed_lose_nothing() {
    let Some(mut stage) = Stage::new(PARTITIONS) else { return };
    stage.kafka_keys = "properties: { session.timeout.ms: 6000, heartbeat.interval.ms: 1000 },".into();
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("plugins")).unwrap();
    let spin = build_hostile(&dir.path().join("plugins"));
    std::fs::copy(components().join("mask-pii.wasm"), dir.path().join("plugins/mask-pii.wasm")).unwrap();
    let mut services: Vec<Service> =
        ["a", "b", "c"].map(|name| consumer(&stage, dir.path(), name, &spin)).into();
    services[0].ok(&["schema", "apply"]);
    services[0].run();
    services[1].run();

    let started = Instant::now();
    produce(&stage, 0..CHUNKS / 2);
    stage.wait_committed(CHUNKS / 10, PATIENCE, &[&services[0], &services[1]]);
    services[2].run();
    stage.wait_committed(CHUNKS / 4, PATIENCE, &[&services[0], &services[2]]);
    services[0].kill();
    produce(&stage, CHUNKS / 2..CHUNKS);
    // Whoever starts feeds back what waits for a plugin's breaker: there are more records than were produced.
    stage.wait_all_committed(CHUNKS, PATIENCE, &[&services[1], &services[2]]);
    eprintln!("{CHUNKS} records committed after {:.1} s", started.elapsed().as_secs_f64());
    services[1].check_balance();
    services[2].check_balance();

    check_rows(&stage);
    check_exports(&services[1]);
    check_letters(&services[1]);
    for service in &mut services[1..] {
        let (code, said) = service.stop();
        assert_eq!(code, Some(0), "{said}\n{}", service.log());
        assert!(said.contains("left uncommitted 0"), "{said}");
    }
}

/// What lies in the table, read with plain SQL: the winner of every chunk, and no other chunk.
fn check_rows(stage: &Stage) {
    let rows = stage.sql(&format!(
        "SELECT session_id, toUnixTimestamp64Milli(timestamp_start), chunk_index, \
                base64Encode(argMax(data, version)) \
         FROM {}.replay_chunks GROUP BY project_id, session_id, timestamp_start, chunk_index",
        stage.name
    ));
    let mut found: BTreeMap<(String, u64), Vec<u8>> = BTreeMap::new();
    for row in rows.lines() {
        let cells: Vec<&str> = row.split('\t').collect();
        let data = replay_tests::records::unbase64(cells[3]);
        found.insert((cells[0].to_owned(), cells[1].parse().unwrap()), data);
    }
    let mut expected = 0;
    for number in 0..CHUNKS {
        let chunk = chunk(number);
        if chunk.project == "hostile" {
            continue;
        }
        expected += 1;
        let data = found.get(&(chunk.session.clone(), chunk.start_ms));
        let data = data.unwrap_or_else(|| {
            panic!("chunk {number} is lost: {} are there, {:?}", found.len(), stage.offsets())
        });
        let mut events = String::new();
        GzDecoder::new(&data[..]).read_to_string(&mut events).unwrap();
        assert_eq!(events, wanted(number), "chunk {number}");
    }
    assert_eq!(found.len(), expected);
}

/// What readers are shown: each chunk once, in order of play.
fn check_exports(service: &Service) {
    let sessions = (0..CHUNKS / CHUNKS_A_SESSION).filter(|session| project(*session) != "hostile");
    for session in sessions.step_by(251) {
        let exported = service.ok(&["session", "export", project(session), &session_id(session)]);
        let chunks = (0..CHUNKS_A_SESSION).map(|position| session * CHUNKS_A_SESSION + position);
        let wanted: Vec<String> = chunks.map(wanted).collect();
        assert_eq!(exported.lines().collect::<Vec<_>>(), wanted, "session {session}");
    }
}

/// Every record of the tenant whose plugin never answers is a letter, by reference.
fn check_letters(service: &Service) {
    let letters = service.json(&["dead-letter", "list", "--limit", "1000000"]);
    assert!(letters.iter().all(|letter| letter["project_id"] == "hostile"));
    let sessions = (0..CHUNKS / CHUNKS_A_SESSION).filter(|session| project(*session) == "hostile");
    assert_eq!(letters.len() as u64, sessions.count() as u64 * CHUNKS_A_SESSION);
    let id = letters[0]["id"].as_str().unwrap();
    let original = service.ok(&["dead-letter", "show", id, "--payload"]);
    assert!(original.contains("\"project_id\":\"hostile\""), "{original}");
}
