//! The power goes at every change, and the unsynced bytes tear at every byte.

use super::sim::{Names, SimDisk, Tear};
use super::*;

/// What the log was told, what it answered, and what it must show after a crash.
pub(super) struct History {
    /// In the order of their offsets, were all of them stored.
    pub(super) submitted: Vec<Entry>,
    /// How many of them were answered Ok.
    pub(super) answered: usize,
}

/// Opens what a crash left and checks the promises; then goes on and opens once more.
pub(super) fn check_after_crash(after: &SimDisk, history: &History, settings: &LogSettings) {
    let mut reopened = writer(after, settings.clone()).unwrap();
    let records = read_all(&reopened.shared(), 0, settings.read_ahead_bytes);
    assert!(records.len() >= history.answered, "{} of {} answered", records.len(), history.answered);
    assert!(records.len() <= history.submitted.len());
    for (offset, (record, entry)) in records.iter().zip(&history.submitted).enumerate() {
        assert_eq!(record.at.offset, offset as u64, "offsets are dense");
        assert!(is(record, entry), "record {offset} is not what was submitted");
    }
    let added = entry(records.len() as u64 + 50);
    let (_, offsets) = write(&mut reopened, vec![added.clone()]);
    assert_eq!(offsets, [Some(records.len() as u64)]);
    let again = writer(after, settings.clone()).unwrap();
    let reread = read_all(&again.shared(), 0, settings.read_ahead_bytes);
    assert_eq!(reread[..records.len()], records);
    assert!(is(&reread[records.len()], &added) && reread.len() == records.len() + 1);
    assert_eq!(again.shared().counters.gaps.load(SeqCst), 0);
}

pub(super) fn check_every_tear(disk: &SimDisk, history: &History, settings: &LogSettings) {
    for names in [Names::Synced, Names::All] {
        for n in 0..=disk.unsynced_bytes() {
            for tear in [Tear::Cut(n), Tear::Zeros(n), Tear::Garbage(n), Tear::Late(n)] {
                check_after_crash(&disk.after_crash(tear, names), history, settings);
            }
        }
    }
}

/// Writes the batches until the power goes.
fn run_until_crash(disk: &SimDisk, batches: &[Vec<Entry>], settings: &LogSettings) -> History {
    let mut history = History { submitted: Vec::new(), answered: 0 };
    let Ok(mut writer) = writer(disk, settings.clone()) else { return history };
    for batch in batches {
        history.submitted.extend(batch.iter().cloned());
        let (went_on, answers) = write(&mut writer, batch.clone());
        for answer in answers.into_iter().flatten() {
            assert_eq!(answer, history.answered as u64);
            history.answered += 1;
        }
        if !went_on || history.answered < history.submitted.len() {
            break;
        }
    }
    history
}

#[test]
fn every_answered_append_survives_a_crash_at_every_point() {
    let batches: Vec<Vec<Entry>> = vec![
        vec![entry(0)],
        (1..4).map(entry).collect(),
        (4..9).map(entry).collect(),
        vec![entry(9), entry(10)],
    ];
    let whole = SimDisk::default();
    assert_eq!(run_until_crash(&whole, &batches, &small()).answered, 11);
    assert!(whole.names().len() >= 2, "the log must begin a second segment");
    for point in 0..=whole.changes() {
        let disk = SimDisk::default();
        disk.write_at_most(37);
        disk.power_fails_after(point);
        let history = run_until_crash(&disk, &batches, &small());
        check_every_tear(&disk, &history, &small());
    }
}

#[test]
fn a_crash_while_recovering_from_a_crash_loses_nothing() {
    let settings = small();
    let disk = SimDisk::default();
    let mut log = writer(&disk, settings.clone()).unwrap();
    let submitted: Vec<Entry> = (0..6).map(entry).collect();
    assert!(write(&mut log, submitted[..3].to_vec()).0);
    disk.power_fails_after(1);
    write(&mut log, submitted[3..].to_vec());
    let history = History { submitted, answered: 3 };
    for n in 0..=disk.unsynced_bytes() {
        for first in [Tear::Cut(n), Tear::Garbage(n), Tear::Late(n)] {
            for point in 0..4 {
                let half = disk.after_crash(first, Names::All);
                half.power_fails_after(point);
                drop(writer(&half, settings.clone()));
                check_after_crash(&half.after_crash(Tear::Garbage(n / 2), Names::All), &history, &settings);
            }
        }
    }
}

/// The process is killed, the machine goes on; the next process must not build on what only the
/// cache holds.
#[test]
fn what_a_killed_process_left_in_the_cache_is_durable_before_more_is_answered() {
    let batches: Vec<Vec<Entry>> =
        vec![vec![entry(0)], (1..9).map(entry).collect(), (9..14).map(entry).collect()];
    let whole = SimDisk::default();
    run_until_crash(&whole, &batches, &small());
    for point in 0..=whole.changes() {
        let disk = SimDisk::default();
        disk.power_fails_after(point);
        let answered = run_until_crash(&disk, &batches, &small()).answered;
        disk.power_is_back();
        let mut log = writer(&disk, small()).unwrap();
        let shown = read_all(&log.shared(), 0, 100).len();
        assert!(shown >= answered);
        let mut submitted: Vec<Entry> = (0..shown as u64).map(entry).collect();
        submitted.push(entry(99));
        let lost = disk.after_crash(Tear::Cut(0), Names::Synced);
        check_after_crash(&lost, &History { submitted: submitted.clone(), answered: shown }, &small());
        assert_eq!(write(&mut log, vec![entry(99)]).1, [Some(shown as u64)]);
        let lost = disk.after_crash(Tear::Cut(0), Names::Synced);
        check_after_crash(&lost, &History { submitted, answered: shown + 1 }, &small());
    }
}
