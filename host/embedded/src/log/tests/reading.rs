//! Delivery: in order, once, only what is durable; while others append, pause and give up waiting.

use std::time::Duration;

use replay_ports::{CommitTo, PortError};
use tokio::time::timeout;

use super::sim::SimDisk;
use super::*;

const A_MOMENT: Duration = Duration::from_millis(30);

fn log_on(disk: &SimDisk, settings: LogSettings) -> (LocalLog, Arc<MemoryOffsets>) {
    let offsets = Arc::new(MemoryOffsets::default());
    (open(disk, settings, &offsets).unwrap(), offsets)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_arrive_in_order_while_others_append_and_it_is_paused_and_cancelled() {
    let log = Arc::new(log_on(&SimDisk::default(), small()).0);
    let writers: Vec<_> = (0..4_u64)
        .map(|task| {
            let log = log.clone();
            tokio::spawn(async move {
                for n in 0..100 {
                    append(&log, entry(task * 100 + n)).await.unwrap();
                }
            })
        })
        .collect();
    let pauser = log.clone();
    let pausing = tokio::spawn(async move {
        loop {
            pauser.pause(0);
            tokio::time::sleep(Duration::from_micros(300)).await;
            pauser.resume(0);
            tokio::time::sleep(Duration::from_micros(300)).await;
        }
    });
    let mut received = Vec::new();
    while received.len() < 400 {
        // Given up again and again: nothing may get lost by that.
        if let Ok(event) = timeout(Duration::from_micros(200), log.next()).await
            && let SourceEvent::Record(record) = event.unwrap()
        {
            received.push(record);
        }
    }
    pausing.abort();
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(received.iter().enumerate().all(|(n, record)| record.at.offset == n as u64));
    assert!(timeout(A_MOMENT, next_record(&log)).await.is_err());
}

#[tokio::test]
async fn a_paused_log_delivers_nothing_and_goes_on_where_it_stopped() {
    let (log, _) = log_on(&SimDisk::default(), LogSettings::default());
    for n in 0..5 {
        append(&log, entry(n)).await.unwrap();
    }
    assert_eq!(next_record(&log).await.at.offset, 0);
    log.pause(0);
    log.pause(0);
    assert!(timeout(A_MOMENT, log.next()).await.is_err());
    append(&log, entry(5)).await.unwrap();
    assert!(timeout(A_MOMENT, log.next()).await.is_err());
    log.resume(7);
    assert!(timeout(A_MOMENT, log.next()).await.is_err());
    log.resume(0);
    log.resume(0);
    for n in 1..6 {
        assert_eq!(next_record(&log).await.at.offset, n);
    }
}

#[tokio::test]
async fn a_waiting_reader_is_woken_by_an_append_and_by_resume() {
    let log = Arc::new(log_on(&SimDisk::default(), small()).0);
    for n in 0..20 {
        let reader = log.clone();
        let waiting = tokio::spawn(async move { next_record(&reader).await });
        tokio::task::yield_now().await;
        if n % 2 == 0 {
            log.pause(0);
        }
        append(&log, entry(n)).await.unwrap();
        log.resume(0);
        assert_eq!(timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap().at.offset, n);
    }
}

#[tokio::test]
async fn commits_only_rise_and_only_for_this_assignment() {
    let (disk, offsets) = (SimDisk::default(), Arc::new(MemoryOffsets::default()));
    let log = open(&disk, small(), &offsets).unwrap();
    for n in 0..4 {
        append(&log, entry(n)).await.unwrap();
    }
    let Ok(SourceEvent::Assigned { partition: 0, epoch, next_offset: 0 }) = log.next().await else {
        panic!()
    };
    let to = |next_offset| [CommitTo { partition: 0, epoch, next_offset }];
    log.commit(&to(3)).await.unwrap();
    log.commit(&to(2)).await.unwrap();
    log.commit(&[]).await.unwrap();
    assert_eq!(offsets.load(), Ok(3));
    assert!(matches!(log.commit(&to(5)).await, Err(PortError::Refused { .. })));
    for stale in [CommitTo { epoch: epoch + 1, ..to(4)[0] }, CommitTo { partition: 1, ..to(4)[0] }] {
        assert!(matches!(log.commit(&[stale]).await, Err(PortError::Stale { .. })));
    }
    drop(log);

    let log = open(&disk, small(), &offsets).unwrap();
    let Ok(SourceEvent::Assigned { epoch: second, next_offset: 3, .. }) = log.next().await else { panic!() };
    assert!(second > epoch);
    assert!(matches!(log.commit(&to(4)).await, Err(PortError::Stale { .. })));
    assert!(is(&next_record(&log).await, &entry(3)));
}

#[tokio::test]
async fn fetch_finds_each_record_and_only_those() {
    let disk = SimDisk::default();
    let (log, _) = log_on(&disk, small());
    for n in 0..30 {
        append(&log, entry(n)).await.unwrap();
    }
    assert!(log.status().segments > 3);
    let check = async |log: &LocalLog| {
        for n in (0..30).rev() {
            assert!(is(&log.fetch(0, n).await.unwrap().unwrap(), &entry(n)));
        }
        assert_eq!(log.fetch(0, 30).await, Ok(None));
        assert_eq!(log.fetch(0, u64::MAX).await, Ok(None));
        assert_eq!(log.fetch(1, 0).await, Ok(None));
    };
    check(&log).await;
    drop(log);
    check(&log_on(&disk, small()).0).await;
}

#[tokio::test]
async fn large_records_pass_and_the_index_finds_what_lies_behind_them() {
    let disk = SimDisk::default();
    let (log, _) = log_on(&disk, LogSettings::default());
    let sizes = [64 << 20, 0, 5 << 20, 3 << 20, 10];
    for (n, size) in sizes.into_iter().enumerate() {
        let payload = Bytes::from(vec![n as u8; size]);
        assert_eq!(log.append(payload, n as u64, None).await, Ok((0, n as u64)));
    }
    assert_eq!(log.status().segments, 2);
    drop(log);
    let (log, _) = log_on(&disk, LogSettings::default());
    for (n, size) in sizes.into_iter().enumerate() {
        let record = next_record(&log).await;
        assert_eq!(record.payload.as_ref().map(Bytes::len), Some(size));
        assert_eq!(log.fetch(0, n as u64).await.unwrap(), Some(record));
    }
}
