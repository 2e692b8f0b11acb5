//! Random operations, faults and crashes against a model that is a list.

use proptest::prelude::*;

use super::crash::{History, check_after_crash};
use super::sim::{Names, SimDisk, Tear};
use super::*;

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<usize>),
    Roll,
    Reopen,
    FullAfter(usize),
    Room,
    Crash(Tear, Names, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let tear = (0..4_u8, 0..400_usize).prop_map(|(kind, n)| match kind {
        0 => Tear::Cut(n),
        1 => Tear::Zeros(n),
        2 => Tear::Garbage(n),
        _ => Tear::Late(n),
    });
    let names = prop_oneof![Just(Names::Synced), Just(Names::All)];
    prop_oneof![
        6 => proptest::collection::vec(0..200_usize, 1..6).prop_map(Step::Write),
        1 => Just(Step::Roll),
        1 => Just(Step::Reopen),
        1 => (0..300_usize).prop_map(Step::FullAfter),
        2 => Just(Step::Room),
        2 => (tear, names, 0..6_usize).prop_map(|(tear, names, changes)| Step::Crash(tear, names, changes)),
    ]
}

fn entries(sizes: &[usize], serial: &mut u64) -> Vec<Entry> {
    let fill = |&size: &usize| {
        *serial += 1;
        let payload = serial.to_le_bytes().repeat(1 + size / 8).into();
        Entry { payload, received_at_ms: *serial, replay_of: None }
    };
    sizes.iter().map(fill).collect()
}

/// Writes while the power may go; afterwards the disk holds what was stored, a prefix of the rest.
fn crash(
    disk: &SimDisk,
    stored: &mut Vec<Entry>,
    batch: Vec<Entry>,
    (tear, names, changes): (Tear, Names, usize),
) -> SimDisk {
    let mut submitted = stored.clone();
    let mut log = writer(disk, small()).unwrap();
    disk.power_fails_after(changes);
    let (_, answers) = write(&mut log, batch.clone());
    submitted.extend(batch);
    let answered = stored.len() + answers.iter().flatten().count();
    let history = History { submitted: submitted.clone(), answered };
    check_after_crash(&disk.after_crash(tear, names), &history, &small());
    let after = disk.after_crash(tear, names);
    let kept = read_all(&writer(&after, small()).unwrap().shared(), 0, 100).len();
    submitted.truncate(kept);
    *stored = submitted;
    after
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_log_holds_what_it_answered(steps in proptest::collection::vec(step(), 1..25)) {
        let mut disk = SimDisk::default();
        let mut log = writer(&disk, small()).unwrap();
        let (mut stored, mut serial) = (Vec::new(), 0);
        for step in steps {
            match step {
                Step::Write(sizes) => {
                    let batch = entries(&sizes, &mut serial);
                    let (went_on, answers) = write(&mut log, batch.clone());
                    prop_assert!(went_on);
                    for (entry, answer) in batch.into_iter().zip(answers) {
                        let Some(offset) = answer else { continue };
                        prop_assert_eq!(offset, stored.len() as u64);
                        stored.push(entry);
                    }
                }
                Step::Roll => prop_assert!(log.roll_if_used().is_ok()),
                Step::FullAfter(bytes) => disk.set_room(Some(bytes)),
                Step::Room => disk.set_room(None),
                Step::Reopen => {
                    disk.set_room(None);
                    log = writer(&disk, small()).unwrap();
                }
                Step::Crash(tear, names, changes) => {
                    disk.set_room(None);
                    let batch = entries(&[30, 5, 120, 1], &mut serial);
                    disk = crash(&disk, &mut stored, batch, (tear, names, changes));
                    log = writer(&disk, small()).unwrap();
                }
            }
            let records = read_all(&log.shared(), 0, 100);
            prop_assert_eq!(records.len(), stored.len());
            for (offset, (record, entry)) in records.iter().zip(&stored).enumerate() {
                prop_assert_eq!(record.at.offset, offset as u64);
                prop_assert!(is(record, entry));
                let fetched = reader::fetch(&log.shared(), offset as u64, 1, 100).unwrap();
                prop_assert_eq!(fetched.as_ref(), Some(record));
            }
        }
        prop_assert_eq!(log.shared().counters.gaps.load(SeqCst), 0);
    }
}
