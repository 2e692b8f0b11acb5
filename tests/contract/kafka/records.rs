//! Records as others write them: foreign headers, nulls, transactions, gaps, sizes, times.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::message::{Header, OwnedHeaders};
use replay_core::dead_letter::LetterId;
use replay_core::pipeline::ReplayOf;
use replay_ports::{PortError, Source, SourceEvent};
use replay_tests::kafka::Topic;

use super::Client;

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_headers_and_null_values_do_no_harm() {
    let Some(topic) = Topic::new(1).await else { return };
    let foreign = OwnedHeaders::new()
        .insert(Header { key: "traceparent", value: Some("00-1-2-03") })
        .insert(Header { key: "replay-of", value: Some(&[0xff_u8, 0x00][..]) })
        .insert(Header { key: "replay-attempts", value: Some("many") })
        .insert(Header::<&[u8]> { key: "replay-received-at", value: None })
        .insert(Header { key: "", value: Some("") });
    let before = now_ms();
    topic.produce(Some(0), None, Some(b"{}"), Some(foreign)).await;
    topic.produce(Some(0), Some("k"), None, None).await;
    topic.produce(Some(0), None, Some(b""), None).await;
    let mut client = Client::open(&topic.own_settings());
    let records = client.records(3).await;
    assert_eq!(records[0].payload.as_deref(), Some(&b"{}"[..]));
    assert_eq!(records[0].replay_of, None);
    assert!((before..=now_ms()).contains(&records[0].received_at_ms));
    assert_eq!(records[1].payload, None);
    assert_eq!(records[2].payload.as_deref(), Some(&b""[..]));
}

/// A fed-back record keeps its first receipt; its own timestamp is new, so that the topic keeps it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fed_back_record_outlives_the_retention_of_its_receipt() {
    let Some(topic) = Topic::with(1, &[("message.timestamp.before.max.ms", "3600000")]).await else { return };
    let mut client = Client::open(&topic.own_settings());
    let letter = LetterId { topic: "gone".into(), partition: 4, offset: 2 };
    let replay = ReplayOf { letter, attempts: 2 };
    let received_at_ms = now_ms() - 40 * 86_400_000;
    client.source.append("{}".into(), received_at_ms, Some(replay.clone())).await.unwrap();
    let record = client.records(1).await.remove(0);
    assert_eq!((record.received_at_ms, record.replay_of), (received_at_ms, Some(replay)));
}

/// Records of a transaction that failed are not delivered, and marks of transactions are no records.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_leave_gaps_that_are_no_lag() {
    let Some(topic) = Topic::new(1).await else { return };
    let mut settings = topic.own_settings();
    settings.stall_timeout = Duration::from_secs(1);
    topic.transaction(vec!["a".into(), "b".into()], false).await;
    topic.transaction(vec!["c".into()], true).await;
    let mut client = Client::open(&settings);
    let record = client.records(1).await.remove(0);
    assert_eq!(record.payload.as_deref(), Some(&b"c"[..]));
    assert_eq!(record.at.offset, 3, "two aborted records and a mark lie before");
    // The mark behind it is the end, and no reason for the watchdog to bark.
    client.quiet(Duration::from_secs(4)).await;
    assert_eq!(client.source.end_offsets(), [(0, 5)]);
    for (offset, is_there) in [(0, false), (2, false), (3, true), (4, false), (5, false)] {
        let fetched = client.source.fetch(0, offset).await.unwrap();
        assert_eq!(fetched.is_some(), is_there, "offset {offset}");
    }
    assert_eq!(client.source.fetch(7, 0).await, Ok(None), "there is no such partition");
    client.commit(&[0]).await.unwrap();
}

/// What retention took away is gone, and reading begins behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_retention_deleted_are_none() {
    let Some(topic) = Topic::new(1).await else { return };
    let settings = topic.own_settings();
    for _ in 0..10 {
        topic.produce(Some(0), Some("k"), Some(b"{}"), None).await;
    }
    let mut client = Client::open(&settings);
    client.records(10).await;
    let first = replay_ports::CommitTo { partition: 0, epoch: client.held[&0].0, next_offset: 2 };
    client.source.commit(&[first]).await.unwrap();
    topic.delete_before(0, 6).await;
    assert_eq!(client.source.fetch(0, 5).await, Ok(None));
    assert!(client.source.fetch(0, 6).await.unwrap().is_some());
    drop(client);
    let mut again = Client::open(&settings);
    assert_eq!(again.records(4).await[0].at.offset, 6);
}

/// Larger than we store, as large as the topic takes: it comes, so that it can become a dead letter;
/// and what lies behind it comes too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_over_every_bound_comes() {
    let Some(topic) = Topic::new(2).await else { return };
    let mut settings = topic.own_settings();
    (settings.max_record_bytes, settings.fetch_bytes, settings.read_ahead_bytes) =
        (1 << 20, 1 << 20, 1 << 20);
    let large = vec![b'x'; 66_000_000];
    topic.produce(Some(0), Some("k"), Some(b"before"), None).await;
    topic.produce(Some(0), Some("k"), Some(&large), None).await;
    topic.produce(Some(0), Some("k"), Some(b"behind"), None).await;
    topic.produce(Some(1), Some("k"), Some(&large[..30_000_000]), None).await;
    let mut client = Client::open(&settings);
    let records = client.records(4).await;
    let sizes = |partition| -> Vec<usize> {
        let of = records.iter().filter(|record| record.at.partition == partition);
        of.map(|record| record.payload.as_ref().unwrap().len()).collect()
    };
    assert_eq!((sizes(0), sizes(1)), (vec![6, 66_000_000, 6], vec![30_000_000]));
    let fetched = client.source.fetch(0, 1).await.unwrap().unwrap();
    assert!(fetched.payload.as_deref() == Some(&large[..]));
}

/// To append more than the topic takes is refused for this record only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_the_topic_does_not_take_is_rejected() {
    let Some(topic) = Topic::with(1, &[("max.message.bytes", "100000")]).await else { return };
    let client = Client::open(&topic.own_settings());
    let appended = client.source.append(vec![b'x'; 200_000].into(), 1, None).await;
    let Err(PortError::Rejected { what }) = appended else { panic!("{appended:?}") };
    assert!(what.contains("max.message.bytes") && what.contains("200000"), "{what}");
    client.source.append("{}".into(), 1, None).await.unwrap();
}

/// A topic that is made anew under a running consumer: its records come, under another epoch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_made_anew_is_read_from_its_start() {
    let Some(topic) = Topic::new(1).await else { return };
    let settings = super::with(topic.own_settings(), &[("topic.metadata.refresh.interval.ms", "1000")]);
    for _ in 0..5 {
        topic.produce(Some(0), Some("k"), Some(b"old"), None).await;
    }
    let mut client = Client::open(&settings);
    client.records(5).await;
    client.commit(&[0]).await.unwrap();
    let epoch = client.held[&0].0;
    topic.make_anew(1).await;
    for _ in 0..3 {
        topic.produce(Some(0), Some("k"), Some(b"new"), None).await;
    }
    let mut records = Vec::new();
    while records.len() < 3 {
        if let SourceEvent::Record(record) = client.event().await {
            records.push(record);
        }
    }
    assert!(
        records.iter().all(|record| record.payload.as_deref() == Some(b"new") && record.at.epoch > epoch)
    );
    client.commit(&[0]).await.unwrap();
    assert_eq!(topic.committed(&settings.group, 1).await[&0], 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_is_missing_is_refused_with_what_to_do() {
    let Some(topic) = Topic::new(1).await else { return };
    let missing = topic.unmade();
    let client = Client::open(&missing.own_settings());
    let says_so = |error: PortError| {
        let PortError::Refused { what } = error else { panic!("{error:?}") };
        assert!(what.contains(&format!("create topic {}", missing.name)), "{what}");
    };
    says_so(client.source.prepare().await.unwrap_err());
    says_so(client.source.append("{}".into(), 1, None).await.unwrap_err());
    says_so(tokio::time::timeout(super::PATIENCE, client.source.next()).await.unwrap().unwrap_err());
}
