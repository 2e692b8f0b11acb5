//! The log over a disk that loses what was not flushed: what was answered survives everything.

mod sim_disk;

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use proptest::prelude::*;
use replay_core::dead_letter::LetterId;
use replay_core::pipeline::{Commit, ReplayOf};
use replay_ports::{PortError, Source, SourceEvent};

use super::*;
use sim_disk::{SimDisk, Tear};

/// A committed offset that survives crashes, as the database's does.
#[derive(Default)]
struct Offsets(AtomicU64);

impl OffsetStore for Offsets {
    fn load(&self) -> Result<u64> {
        Ok(self.0.load(Ordering::SeqCst))
    }

    fn save(&self, next_offset: u64) -> Result<()> {
        self.0.store(next_offset, Ordering::SeqCst);
        Ok(())
    }
}

struct Rig {
    disk: SimDisk,
    offsets: Arc<Offsets>,
    settings: LogSettings,
    fatal: Arc<AtomicUsize>,
}

impl Rig {
    fn new(disk: SimDisk) -> Self {
        let settings = LogSettings { segment_bytes: 400, max_record_bytes: 5_000, ..LogSettings::default() };
        Self { disk, offsets: Arc::default(), settings, fatal: Arc::default() }
    }

    fn open(&self) -> Result<LocalLog> {
        let fatal = Arc::clone(&self.fatal);
        let on_fatal: OnFatal = Arc::new(move |_| _ = fatal.fetch_add(1, Ordering::SeqCst));
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        LocalLog::open_on(disk, "/log".into(), &self.settings, self.offsets.clone(), on_fatal)
    }

    /// The same after a crash.
    fn crashed(&self, tear: Tear) -> Self {
        Self {
            disk: self.disk.crash(tear),
            offsets: Arc::clone(&self.offsets),
            settings: self.settings.clone(),
            fatal: Arc::default(),
        }
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn payload(number: usize) -> Bytes {
    Bytes::from(format!("record {number} {}", "x".repeat(number * 37 % 120)))
}

async fn append(log: &LocalLog, number: usize) -> Result<u64> {
    log.append(payload(number), number as u64, None).await.map(|(_, offset)| offset)
}

/// Every record from the committed offset to the durable end.
async fn read_all(log: &LocalLog) -> Vec<(u64, Bytes)> {
    let end = log.end_offsets()[0].1;
    let SourceEvent::Assigned { next_offset, .. } = log.next().await.unwrap() else { panic!("not assigned") };
    let mut records = Vec::new();
    let mut next = next_offset;
    while next < end {
        let SourceEvent::Record(record) = log.next().await.unwrap() else { panic!("not a record") };
        next = record.at.offset + 1;
        records.push((record.at.offset, record.payload.unwrap()));
    }
    records
}

/// Everything answered is there, in order, with dense offsets; what follows is whole.
fn check_survivors(rig: &Rig, answered: &[(u64, usize)]) {
    run(async {
        let log = rig.open().unwrap();
        let records = read_all(&log).await;
        for (position, (offset, _)) in records.iter().enumerate() {
            assert_eq!(*offset, position as u64);
        }
        for (offset, number) in answered {
            assert_eq!(records[*offset as usize].1, payload(*number), "record {number} at {offset}");
        }
        // And it goes on.
        let next = append(&log, 777).await.unwrap();
        assert_eq!(next, records.len() as u64);
        assert_eq!(log.fetch(0, next).await.unwrap().unwrap().payload, Some(payload(777)));
    });
}

#[test]
fn what_was_answered_survives_a_crash_with_any_tear() {
    run(async {
        let rig = Rig::new(SimDisk::default());
        let log = rig.open().unwrap();
        let mut answered = Vec::new();
        for number in 0..12 {
            answered.push((append(&log, number).await.unwrap(), number));
        }
        // Written and not flushed: the next batch fails to flush, and nobody is told that it is there.
        rig.disk.fail_syncs();
        assert!(append(&log, 12).await.is_err());
        assert_eq!(rig.fatal.load(Ordering::SeqCst), 1, "a failed flush ends the process");
        assert!(append(&log, 13).await.is_err(), "and nothing is written after it");
        let unsynced = rig.disk.unsynced_bytes();
        assert!(unsynced > 0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for cut in 0..=unsynced {
                    check_survivors(&rig.crashed(Tear::Prefix(cut)), &answered);
                    check_survivors(&rig.crashed(Tear::Flipped(cut)), &answered);
                }
                check_survivors(&rig.crashed(Tear::Zeros), &answered);
            });
        });
    });
}

#[test]
fn a_full_disk_refuses_rolls_back_and_goes_on() {
    let rig = Rig::new(SimDisk::with_room(300));
    let answered = run(async {
        let log = rig.open().unwrap();
        let mut answered = Vec::new();
        let mut refused = 0;
        for number in 0..40 {
            match append(&log, number).await {
                Ok(offset) => answered.push((offset, number)),
                Err(PortError::Unavailable { what, .. }) => {
                    assert!(what.contains("disk is full"), "{what}");
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
            if number == 25 {
                rig.disk.set_room(None);
            }
        }
        assert!(refused > 10 && answered.len() > 14, "{refused} refused, {} taken", answered.len());
        assert!(answered.iter().enumerate().all(|(position, (offset, _))| *offset == position as u64));
        answered
    });
    check_survivors(&rig.crashed(Tear::Prefix(0)), &answered);
}

#[test]
fn short_writes_are_completed() {
    let rig = Rig::new(SimDisk::default());
    rig.disk.write_at_most(3);
    let answered = run(async {
        let log = rig.open().unwrap();
        let mut answered = Vec::new();
        for number in 0..5 {
            answered.push((append(&log, number).await.unwrap(), number));
        }
        answered
    });
    check_survivors(&rig.crashed(Tear::Prefix(0)), &answered);
}

#[test]
fn a_newer_format_and_a_foreign_file_are_refused_by_name() {
    let refusal = |header: &[u8]| {
        let rig = Rig::new(SimDisk::default());
        rig.disk.write_raw(Path::new("/log/00000000000000000000.log"), header);
        match rig.open() {
            Err(PortError::Refused { what }) => what,
            _ => panic!("not refused"),
        }
    };
    assert!(refusal(b"GSRL\x02\0\0\0\0\0\0\0\0\0\0\0").contains("log format 2 is newer than this build's 1"));
    assert!(refusal(b"ABCD\x01\0\0\0\0\0\0\0\0\0\0\0").contains("not a segment"));
}

#[test]
fn damage_behind_which_records_follow_is_kept_aside_and_skipped_loudly() {
    run(async {
        let rig = Rig::new(SimDisk::default());
        let log = rig.open().unwrap();
        for number in 0..3 {
            append(&log, number).await.unwrap();
        }
        drop(log);
        // In the last segment: the first record is damaged, two whole ones follow.
        rig.disk.rot("00000000000000000000.log", 30);
        let log = rig.open().unwrap();
        assert_eq!(log.end_offsets(), [(0, 0)]);
        assert!(rig.disk.names().iter().any(|name| name.contains("damaged-16")), "{:?}", rig.disk.names());

        // In an older segment: the rest of it is skipped, what comes after is read.
        let rig = Rig::new(SimDisk::default());
        let log = rig.open().unwrap();
        for number in 0..20 {
            append(&log, number).await.unwrap();
        }
        drop(log);
        rig.disk.rot("00000000000000000000.log", 30);
        let records = read_all(&rig.open().unwrap()).await;
        assert!(records.len() > 5 && records.len() < 20);
        assert_eq!(records.last().unwrap(), &(19, payload(19)));
    });
}

#[test]
fn only_what_is_committed_and_old_is_removed() {
    run(async {
        let rig = Rig::new(SimDisk::default());
        let log = rig.open().unwrap();
        for number in 0..20 {
            append(&log, number).await.unwrap();
        }
        let segments = rig.disk.names().len();
        assert!(segments > 3);
        read_all(&log).await;
        let commit = |next_offset| [Commit { partition: 0, epoch: log.epoch, next_offset }];
        // The sim disk's files were last written at 1 s.
        log.commit(&commit(9)).await.unwrap();
        assert_eq!(log.prune(2_000, 5_000).await.unwrap(), 0, "too young");
        assert!(log.prune(9_000, 5_000).await.unwrap() > 0);
        let left = rig.disk.names();
        assert!(left.len() < segments);
        let first: u64 = left[0].trim_end_matches(".log").parse().unwrap();
        assert!(first <= 9, "the segment with offset 9 is not committed yet");
        assert_eq!(log.fetch(0, 9).await.unwrap().unwrap().payload, Some(payload(9)));
        assert_eq!(log.fetch(0, 0).await.unwrap(), None);
        log.commit(&commit(20)).await.unwrap();
        log.prune(9_000, 5_000).await.unwrap();
        assert_eq!(rig.disk.names(), ["00000000000000000020.log"]);
        // Offsets go on, also when the files are lost.
        drop(log);
        let empty = Rig { disk: SimDisk::default(), ..rig };
        assert_eq!(append(&empty.open().unwrap(), 20).await.unwrap(), 20);
    });
}

#[test]
fn records_keep_what_came_with_them_and_large_ones_go_alone() {
    run(async {
        let rig = Rig::new(SimDisk::default());
        let log = rig.open().unwrap();
        let letter = LetterId { topic: "local".into(), partition: 0, offset: 3 };
        let replay_of = ReplayOf { letter, attempts: 2 };
        let large = Bytes::from(vec![7; 5_000]);
        log.append(large.clone(), 42, Some(replay_of.clone())).await.unwrap();
        let fetched = log.fetch(0, 0).await.unwrap().unwrap();
        assert_eq!((fetched.received_at_ms, fetched.replay_of), (42, Some(replay_of)));
        assert_eq!(fetched.payload, Some(large));
        let refused = log.append(Bytes::from(vec![7; 5_001]), 42, None).await;
        assert!(matches!(refused, Err(PortError::Rejected { .. })));
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Appends, crashes and reopenings in any order.
    #[test]
    fn nothing_answered_is_ever_lost(
        rounds in prop::collection::vec((1usize..8, 0usize..200, any::<bool>()), 1..6),
    ) {
        let mut rig = Rig::new(SimDisk::default());
        let mut answered = Vec::new();
        let mut number = 0;
        for (count, cut, flip) in rounds {
            run(async {
                let log = rig.open().unwrap();
                for _ in 0..count {
                    answered.push((append(&log, number).await.unwrap(), number));
                    number += 1;
                }
                rig.disk.fail_syncs();
                let _ = append(&log, 999).await;
            });
            rig = rig.crashed(if flip { Tear::Flipped(cut) } else { Tear::Prefix(cut) });
            run(async {
                // What survived unanswered takes an offset of its own.
                let log = rig.open().unwrap();
                let records = read_all(&log).await;
                for (offset, number) in &answered {
                    assert_eq!(records[*offset as usize].1, payload(*number));
                }
            });
        }
    }
}
