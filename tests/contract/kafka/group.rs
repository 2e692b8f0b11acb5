//! Members that come and go under load: each record is settled once, and what is retained stays.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use replay_ports::{PortError, Source, SourceEvent};
use replay_servers::kafka::{KafkaSettings, KafkaSource};
use replay_tests::kafka::Topic;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Client, eventually, with};

const PARTITIONS: i32 = 6;
const RECORDS: usize = 1_500;

/// How often each record was settled.
type Settled = Arc<Mutex<BTreeMap<(u32, u64), u32>>>;

struct Worker {
    stop: watch::Sender<bool>,
    ended: JoinHandle<()>,
}

/// A pipeline that settles at once and commits every so often.
fn work(settings: &KafkaSettings, settled: &Settled) -> Worker {
    let (stop, mut stopped) = watch::channel(false);
    let (settled, mut client) = (Arc::clone(settled), Client::open(settings));
    let ended = tokio::spawn(async move {
        let mut uncommitted = 0;
        loop {
            let event = tokio::select! {
                _ = stopped.changed() => break,
                event = client.source.next() => event,
            };
            let event = match event {
                Ok(event) => event,
                Err(PortError::Unavailable { .. }) => continue,
                Err(error) => panic!("{error}"),
            };
            client.note(&event);
            match event {
                SourceEvent::Record(record) => {
                    let at = (record.at.partition, record.at.offset);
                    *settled.lock().unwrap().entry(at).or_default() += 1;
                    uncommitted += 1;
                    if uncommitted >= 40 {
                        uncommitted = 0;
                        // What fails here is committed with the next one, or when it is given back.
                        let _ = client.commit(&client.partitions()).await;
                    }
                }
                SourceEvent::Revoked { partitions, .. } => client.give_back(&partitions).await,
                SourceEvent::Lost { partitions } => panic!("{partitions:?} lost"),
                SourceEvent::Assigned { .. } => {}
            }
        }
        // As a drain does: everything is settled, so everything is committed.
        let held = client.partitions();
        client.give_back(&held).await;
    });
    Worker { stop, ended }
}

impl Worker {
    async fn stop(self) {
        self.stop.send(true).unwrap();
        self.ended.await.unwrap();
    }
}

async fn produce(settings: &KafkaSettings, records: usize) -> JoinHandle<()> {
    let source = KafkaSource::open(settings).unwrap();
    tokio::spawn(async move {
        for number in 0..records {
            source.append(format!("{{\"n\":{number}}}").into(), 1, None).await.unwrap();
        }
    })
}

async fn comes_and_goes(properties: &[(&str, &str)]) {
    let Some(topic) = Topic::new(PARTITIONS).await else { return };
    let settings = with(topic.own_settings(), properties);
    let settled = Settled::default();
    let count = |settled: &Settled| settled.lock().unwrap().len();
    let first = work(&settings, &settled);
    let second = work(&settings, &settled);
    let producing = produce(&settings, RECORDS).await;
    eventually("a third of the records", async || count(&settled) > RECORDS / 3).await;
    let third = work(&settings, &settled);
    eventually("two thirds of the records", async || count(&settled) > 2 * RECORDS / 3).await;
    third.stop().await;
    producing.await.unwrap();
    eventually("all records", async || count(&settled) >= RECORDS).await;
    first.stop().await;
    second.stop().await;
    let settled = settled.lock().unwrap().clone();
    assert_eq!(settled.len(), RECORDS);
    let twice: Vec<_> = settled.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "each partition was drained and committed before it went: {twice:?}");
    let mut ends = BTreeMap::<i32, i64>::new();
    for &(partition, offset) in settled.keys() {
        let end = ends.entry(partition as i32).or_default();
        *end = (*end).max(offset as i64 + 1);
    }
    assert_eq!(topic.committed(&settings.group, PARTITIONS).await, ends);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_member_comes_and_goes_and_nothing_is_lost_or_repeated() {
    comes_and_goes(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_under_the_new_group_protocol() {
    comes_and_goes(&[("group.protocol", "consumer")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_where_everything_is_revoked_each_time() {
    comes_and_goes(&[("partition.assignment.strategy", "range")]).await;
}

/// The other members do not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_static_member_that_returns_gets_its_own_partitions_back() {
    let Some(topic) = Topic::new(2).await else { return };
    let settings = topic.own_settings();
    let named = |name: &str| with(settings.clone(), &[("group.instance.id", name)]);
    let mut other = Client::open(&named("b"));
    other.assigned(2).await;
    let mut first = Client::open(&named("a"));
    let (going, ()) = tokio::join!(
        async {
            let going = other.revoked().await;
            other.give_back(&going).await;
            going
        },
        first.assigned(1)
    );
    assert_eq!(first.partitions(), going);
    drop(first);
    let mut again = Client::open(&named("a"));
    again.assigned(1).await;
    assert_eq!(again.partitions(), going);
    other.quiet(Duration::from_secs(1)).await;
}
