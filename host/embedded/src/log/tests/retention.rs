//! Only what is wholly committed and old enough goes, oldest first.

use replay_ports::CommitTo;

use super::sim::SimDisk;
use super::*;

const LATER_MS: u64 = 1_000_000;

async fn filled(disk: &SimDisk, offsets: &Arc<MemoryOffsets>) -> LocalLog {
    let log = open(disk, small(), offsets).unwrap();
    for n in 0..30 {
        append(&log, entry(n)).await.unwrap();
    }
    log
}

async fn commit(log: &LocalLog, next_offset: u64) {
    log.commit(&[CommitTo { partition: 0, epoch: log.epoch, next_offset }]).await.unwrap();
}

#[tokio::test]
async fn nothing_uncommitted_is_deleted_however_old() {
    for reopened in [false, true] {
        let (disk, offsets) = (SimDisk::default(), Arc::new(MemoryOffsets::default()));
        let mut log = filled(&disk, &offsets).await;
        if reopened {
            drop(log);
            log = open(&disk, small(), &offsets).unwrap();
        }
        for committed in 0..=30 {
            commit(&log, committed).await;
            let before = log.status();
            let freed = log.prune(LATER_MS, 0).await.unwrap();
            let status = log.status();
            assert_eq!(before.bytes - status.bytes, freed);
            assert!(status.first_offset <= committed && status.end_offset == 30);
            for n in committed..30 {
                assert!(is(&log.fetch(0, n).await.unwrap().unwrap(), &entry(n)));
            }
            if let Some(gone) = status.first_offset.checked_sub(1) {
                assert_eq!(log.fetch(0, gone).await, Ok(None));
            }
        }
        assert_eq!((log.status().segments, disk.names().len()), (1, 1), "the active segment stays");
    }
}

#[tokio::test]
async fn a_segment_stays_until_its_newest_record_is_old() {
    for reopened in [false, true] {
        let (disk, offsets) = (SimDisk::default(), Arc::new(MemoryOffsets::default()));
        let mut log = filled(&disk, &offsets).await;
        commit(&log, 30).await;
        if reopened {
            drop(log);
            log = open(&disk, small(), &offsets).unwrap();
        }
        let newest_of_first_ms = 1_000 + log.shared.segments().list[1].base - 1;
        let segments = log.status().segments;
        assert_eq!(log.prune(newest_of_first_ms + 499, 500).await, Ok(0));
        assert!(log.prune(newest_of_first_ms + 500, 500).await.unwrap() > 0);
        assert_eq!(log.status().segments, segments - 1);
    }
}

#[tokio::test]
async fn an_idle_segment_can_be_closed_so_that_it_ages_out() {
    let (disk, offsets) = (SimDisk::default(), Arc::new(MemoryOffsets::default()));
    let log = open(&disk, small(), &offsets).unwrap();
    assert_eq!(log.roll().await, Ok(false), "an empty one stays");
    append(&log, entry(0)).await.unwrap();
    commit(&log, 1).await;
    assert_eq!(log.prune(LATER_MS, 0).await, Ok(0));
    assert_eq!(log.roll().await, Ok(true));
    assert!(log.prune(LATER_MS, 0).await.unwrap() > 0);
    assert_eq!(log.status().first_offset, 1);
    drop(log);
    let log = open(&disk, small(), &offsets).unwrap();
    assert_eq!(append(&log, entry(1)).await, Ok(1), "offsets go on though nothing is left");
    assert!(is(&next_record(&log).await, &entry(1)));
    assert_eq!(log.status().gaps, 0);
}

#[tokio::test]
async fn ageing_out_closes_the_active_segment_only_when_all_of_it_is_due() {
    let (disk, offsets) = (SimDisk::default(), Arc::new(MemoryOffsets::default()));
    let log = open(&disk, LogSettings::default(), &offsets).unwrap();
    append(&log, entry(0)).await.unwrap();
    append(&log, entry(1)).await.unwrap();
    commit(&log, 1).await;
    assert_eq!(log.age_out(LATER_MS, 0).await, Ok(0), "one is not committed");
    commit(&log, 2).await;
    assert_eq!(log.age_out(1_100, 100).await, Ok(0), "one is not old");
    assert_eq!(log.status().segments, 1);
    assert!(log.age_out(1_101, 100).await.unwrap() > 0);
    assert_eq!(log.age_out(LATER_MS, 0).await, Ok(0), "an empty one is left");
    let status = log.status();
    assert_eq!((status.first_offset, status.end_offset, status.segments), (2, 2, 1));
}
