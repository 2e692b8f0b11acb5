//! A full disk is survived; a failed sync ends the log, and nobody is told Ok.

use std::sync::mpsc::sync_channel;

use replay_ports::PortError;

use super::crash::{History, check_after_crash, check_every_tear};
use super::sim::{Names, SimDisk, Tear};
use super::*;
use crate::log::segments::file_name;
use crate::log::writer::{Request, run};

fn unavailable(answer: &Result<u64>) -> bool {
    matches!(answer, Err(PortError::Unavailable { what, retry_after: Some(_) }) if what.starts_with("disk full"))
}

#[test]
fn a_full_disk_is_rolled_back_at_every_byte_and_the_log_goes_on() {
    let settings = LogSettings::default();
    let batch: Vec<Entry> = (2..6).map(entry).collect();
    let batch_bytes: u64 = batch.iter().map(Entry::frame_bytes).sum();
    for room in 0..batch_bytes as usize {
        let disk = SimDisk::default();
        let mut log = writer(&disk, settings.clone()).unwrap();
        assert!(write(&mut log, vec![entry(0), entry(1)]).0);
        let before = disk.content(&file_name(0));
        disk.set_room(Some(room));
        let syncs = disk.syncs();
        let (appends, answers): (Vec<_>, Vec<_>) = batch.iter().cloned().map(request).unzip();
        assert!(log.write(appends).is_ok());
        for mut answer in answers {
            assert!(unavailable(&answer.try_recv().unwrap()));
        }
        assert_eq!(disk.content(&file_name(0)), before);
        assert_eq!(disk.syncs(), syncs + 1, "the roll-back is durable before anybody is told");
        assert_eq!(read_all(&log.shared(), 0, 100).len(), 2);

        disk.set_room(None);
        assert_eq!(write(&mut log, vec![entry(2)]).1, [Some(2)]);
        let history = History { submitted: (0..3).map(entry).collect(), answered: 3 };
        check_after_crash(&disk.after_crash(Tear::Cut(0), Names::Synced), &history, &settings);
    }
}

#[test]
fn a_disk_too_full_for_a_new_segment_keeps_the_old_one() {
    for room in 0..28 {
        let disk = SimDisk::default();
        let mut log = writer(&disk, small()).unwrap();
        let mut stored = 0;
        while log.shared().segments().list[0].bytes < 250 {
            assert!(write(&mut log, vec![entry(stored)]).0);
            stored += 1;
        }
        disk.set_room(Some(room));
        let big = Entry { payload: vec![b'x'; 400].into(), received_at_ms: 1, replay_of: None };
        assert_eq!(write(&mut log, vec![big.clone()]), (true, vec![None]));
        assert_eq!(disk.names(), [file_name(0)]);
        disk.set_room(None);
        assert_eq!(write(&mut log, vec![big]).1, [Some(stored)]);
        assert_eq!(disk.names(), [file_name(0), file_name(stored)]);
        assert_eq!(read_all(&writer(&disk, small()).unwrap().shared(), 0, 100).len() as u64, stored + 1);
    }
}

#[test]
fn a_crash_between_a_full_disk_and_its_roll_back_loses_nothing_that_was_answered() {
    let settings = LogSettings::default();
    let submitted: Vec<Entry> = (0..5).map(entry).collect();
    let disk = SimDisk::default();
    let mut log = writer(&disk, settings.clone()).unwrap();
    assert!(write(&mut log, submitted[..2].to_vec()).0);
    disk.set_room(Some(60));
    disk.power_fails_after(2);
    assert!(!write(&mut log, submitted[2..].to_vec()).0);
    check_every_tear(&disk, &History { submitted, answered: 2 }, &settings);
}

/// Runs the thread's loop here, with two appends queued.
fn run_two_appends(disk: &SimDisk) -> (Vec<String>, Vec<Option<Result<u64>>>) {
    let log = writer(disk, small()).unwrap();
    disk.sync_fails_after(0);
    let (queue, requests) = sync_channel(8);
    let (appends, answers): (Vec<_>, Vec<_>) = (0..2).map(entry).map(request).unzip();
    appends.into_iter().for_each(|append| queue.try_send(Request::Append(append)).ok().unwrap());
    drop(queue);
    let (hook, told) = remember();
    run(log, &requests, &hook);
    let told = told.lock().unwrap().clone();
    (told, answers.into_iter().map(|mut answer| answer.try_recv().ok()).collect())
}

#[test]
fn a_failed_sync_calls_the_hook_once_and_answers_nobody() {
    let disk = SimDisk::default();
    let (told, answers) = run_two_appends(&disk);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("cannot sync log segment") && told[0].contains("the disk did not take it"));
    assert_eq!(answers, [None, None]);
    assert_eq!(disk.content(&file_name(0)).len(), 28, "the next process must not take them for stored");
}

#[test]
fn a_roll_back_that_fails_is_as_bad_as_a_failed_sync() {
    let disk = SimDisk::default();
    let mut log = writer(&disk, small()).unwrap();
    disk.set_room(Some(10));
    disk.truncate_fails();
    assert_eq!(write(&mut log, vec![entry(0)]), (false, vec![None]));
}

#[test]
fn a_failed_sync_of_a_new_segment_answers_what_was_durable_before() {
    let disk = SimDisk::default();
    let mut log = writer(&disk, small()).unwrap();
    disk.sync_fails_after(1);
    let (went_on, answers) = write(&mut log, (0..20).map(entry).collect());
    assert!(!went_on);
    let answered = answers.iter().flatten().count();
    assert!(answered > 0 && answered < 20 && answers[..answered].iter().all(Option::is_some));
    let history = History { submitted: (0..20).map(entry).collect(), answered };
    check_every_tear(&disk, &history, &small());
}

#[tokio::test]
async fn after_a_failed_sync_the_log_answers_errors() {
    let disk = SimDisk::default();
    let (hook, told) = remember();
    let offsets = Arc::new(MemoryOffsets::default());
    let log = LocalLog::open_on(Arc::new(disk.clone()), small(), offsets, hook).unwrap();
    assert_eq!(append(&log, entry(0)).await, Ok(0));
    disk.sync_fails_after(0);
    for n in 1..3 {
        assert!(matches!(append(&log, entry(n)).await, Err(PortError::Refused { .. })));
    }
    assert_eq!(told.lock().unwrap().len(), 1);
    assert_eq!(log.end_offsets(), [(0, 1)]);
}

#[tokio::test]
async fn too_large_a_record_is_rejected_and_too_many_are_busy() {
    let disk = SimDisk::default();
    let settings = LogSettings { max_record_bytes: 100, queue_bytes: 0, ..LogSettings::default() };
    let log = open(&disk, settings, &Arc::new(MemoryOffsets::default())).unwrap();
    let sized = |bytes: usize| Entry { payload: vec![0; bytes].into(), received_at_ms: 1, replay_of: None };
    assert!(matches!(append(&log, sized(101)).await, Err(PortError::Rejected { .. })));
    assert_eq!(append(&log, sized(100)).await, Ok(0));
    assert_eq!(log.queued_bytes.load(SeqCst), 0);
    log.queued_bytes.store(1, SeqCst);
    let answer = append(&log, sized(1)).await;
    assert!(matches!(answer, Err(PortError::Unavailable { retry_after: Some(_), .. })));
    assert_eq!(log.queued_bytes.load(SeqCst), 1);
}

#[test]
fn a_slow_disk_fills_the_queue_and_what_was_taken_is_answered() {
    let disk = SimDisk::default();
    let settings = LogSettings { queue_records: 2, ..LogSettings::default() };
    let log = open(&disk, settings, &Arc::new(MemoryOffsets::default())).unwrap();
    let slow = disk.hold();
    let mut answers = Vec::new();
    let refused = loop {
        match log.submit(entry(0)) {
            Ok(answer) => answers.push(answer),
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, PortError::Unavailable { retry_after: Some(_), .. }));
    drop(slow);
    for (offset, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.blocking_recv().unwrap(), Ok(offset as u64));
    }
    assert_eq!(log.queued_bytes.load(SeqCst), 0);
}
