//! Moving to the cold store: one object a session, readable with everyday tools, byte for byte.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use flate2::read::MultiGzDecoder;
use replay_tests::records::{TestChunk, gzip, recorded, session_id, visits};
use replay_tests::service::{FAST, Service};
use serde_json::Value;

fn objects(service: &Service) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![service.dir.join("data/cold")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().map(Result::unwrap) {
            if entry.path().is_dir() {
                open.push(entry.path());
            } else if entry.path().extension().is_some_and(|extension| extension == "gz") {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

fn zcat(path: &Path) -> Vec<u8> {
    match Command::new("gzip")
        .arg("-dc")
        .stdin(std::fs::File::open(path).unwrap())
        .stdout(Stdio::piped())
        .output()
    {
        Ok(output) => {
            assert!(output.status.success(), "gzip -dc refuses {}", path.display());
            output.stdout
        }
        Err(error) => {
            eprintln!("SKIPPED gzip -dc ({error}); flate2 reads instead");
            let mut text = Vec::new();
            MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut text).unwrap();
            text
        }
    }
}

fn post(service: &Service, chunk: &TestChunk) {
    let key = format!("pk_live_{}", chunk.project);
    assert_eq!(service.post(chunk.body(&key).to_string().as_bytes()).0, 200);
}

fn chunk(session: u64, index: u32, start_ms: u64) -> TestChunk {
    TestChunk::new("shop", &session_id(session), index, start_ms, 20, &format!("{session}/{index}"))
}

#[test]
fn recorded_visits_read_the_same_hot_and_cold_and_with_zcat() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    let mut sent = 0;
    for (project, visit, ..) in visits() {
        let lines = recorded(&project, &visit);
        sent += lines.len() as u64;
        assert!(service.feed(&["ingest", "-"], lines.join("\n").as_bytes()).status.success());
    }
    service.wait_settled(sent);
    for (project, _, session, chunks) in visits() {
        let hot = service.ok(&["session", "export", &project, &session]);
        let name = format!("{project}/{session}");
        let report = service.json(&["migrate", "run", "--session", &name]);
        assert_eq!(report[0]["sessions_moved"], 1);
        let cold = service.ok(&["session", "export", &project, &session]);
        assert!(hot == cold, "{name} changed on its way");
        let path =
            objects(&service).into_iter().find(|path| path.ends_with(format!("{session}.gz"))).unwrap();
        assert_eq!(zcat(&path), cold.as_bytes(), "{name}");
        let rows = service.json(&["session", "show", &project, &session]);
        assert_eq!(rows.len(), chunks);
        assert!(rows.iter().all(|row| row["place"] == "cold"));
        each_chunk_reads_alone(&path, &rows, &cold);
    }
    let states = service.json(&["session", "list"]);
    assert!(states.iter().all(|row| row["state"] == "cold"), "{states:?}");
    assert_eq!(service.json(&["migrate", "reconcile"])[0]["findings"], serde_json::json!([]));
}

fn each_chunk_reads_alone(object: &Path, rows: &[Value], export: &str) {
    let object = std::fs::read(object).unwrap();
    for (row, line) in rows.iter().zip(export.lines()) {
        let offset = usize::try_from(row["offset"].as_u64().unwrap()).unwrap();
        let length = usize::try_from(row["length"].as_u64().unwrap()).unwrap();
        let mut text = String::new();
        let mut member = flate2::read::GzDecoder::new(&object[offset..offset + length]);
        member.read_to_string(&mut text).unwrap();
        assert_eq!(text, line);
    }
}

#[test]
fn late_chunks_are_merged_also_one_that_is_earlier_than_all() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    let name = format!("shop/{}", session_id(1));
    let start_ms = 1_700_000_000_000;
    post(&service, &chunk(1, 5, start_ms));
    service.wait_settled(1);
    service.ok(&["migrate", "run", "--session", &name]);
    let first = objects(&service);
    // Months earlier: the object keeps its name.
    post(&service, &chunk(1, 6, start_ms + 50));
    post(&service, &chunk(1, 0, start_ms - 90 * 86_400_000));
    service.wait_settled(3);
    assert_eq!(service.json(&["session", "list"])[0]["state"], "both");
    service.ok(&["migrate", "run", "--session", &name]);
    assert_eq!(objects(&service), first);
    let rows = service.json(&["session", "show", "shop", &session_id(1)]);
    let indexes: Vec<_> = rows.iter().map(|row| row["chunk_index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, [0, 5, 6]);
    assert_eq!(service.json(&["session", "list"])[0]["state"], "cold");
    let export = service.ok(&["session", "export", "shop", &session_id(1)]);
    assert_eq!(zcat(&first[0]), export.as_bytes());
}

#[test]
fn two_moves_at_once_are_harmless() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    for session in 0..8 {
        (0..3).for_each(|index| post(&service, &chunk(session, index, 1_700_000_000_000 + u64::from(index))));
    }
    service.wait_settled(24);
    let exports = || -> Vec<String> {
        (0..8).map(|session| service.ok(&["session", "export", "shop", &session_id(session)])).collect()
    };
    let before = exports();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for session in 0..8 {
                    let name = format!("shop/{}", session_id(session));
                    let output = service.cli(&["migrate", "run", "--session", &name]);
                    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                }
            });
        }
    });
    assert!(exports() == before);
    assert_eq!(objects(&service).len(), 8);
    assert!(service.json(&["session", "list"]).iter().all(|row| row["state"] == "cold"));
}

#[test]
fn an_object_explains_itself_when_its_archive_row_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Service::start(dir.path(), FAST);
    (0..3).for_each(|index| post(&service, &chunk(1, index, 1_700_000_000_000 + u64::from(index))));
    service.wait_settled(3);
    let name = format!("shop/{}", session_id(1));
    service.ok(&["migrate", "run", "--session", &name]);
    let before = service.ok(&["session", "export", "shop", &session_id(1)]);
    service.stop();
    // The whole database is lost; the object is not.
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(dir.path().join(format!("data/replays.sqlite{suffix}")));
    }
    // The log would bring the chunks back by itself: this is about the object.
    std::fs::remove_dir_all(dir.path().join("data/log")).unwrap();
    service.run();
    assert_eq!(service.json(&["session", "list"]), Vec::<Value>::new());
    let report = service.json(&["migrate", "reconcile", "--repair", "--grace", "0s"]);
    assert_eq!(report[0]["repaired"], 1, "{report:?}");
    assert_eq!(service.ok(&["session", "export", "shop", &session_id(1)]), before);
}

#[test]
fn the_stored_member_is_the_one_that_was_sent() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::start(dir.path(), FAST);
    let sent = chunk(1, 0, 1_700_000_000_000);
    post(&service, &sent);
    service.wait_settled(1);
    service.ok(&["migrate", "run", "--session", &format!("shop/{}", session_id(1))]);
    let object = std::fs::read(&objects(&service)[0]).unwrap();
    assert!(object.starts_with(&gzip(sent.events.as_bytes())), "moving recompresses nothing");
}
