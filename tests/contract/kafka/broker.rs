//! A broker that goes and comes back, and users that it does not take.

use std::collections::BTreeSet;
use std::time::Duration;

use replay_ports::{DeadLetters, PortError, Source, SourceEvent};
use replay_servers::Verdict;
use replay_servers::kafka::{KafkaDeadLetters, KafkaSettings, examine};
use replay_tests::kafka::Topic;
use replay_tests::kafka_broker::{Broker, USER};

use super::{Client, PATIENCE, eventually, with};

/// While the broker is away, everything says that it may work later; then all goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_was_killed_comes_back_and_nothing_is_lost() {
    let Some(mut broker) = Broker::start().await else { return };
    let topic = Topic::on(&broker.address(), 2, &[]).await;
    let mut settings = topic.own_settings();
    (settings.append_timeout, settings.request_timeout) = (Duration::from_secs(2), Duration::from_secs(2));
    let mut client = Client::open(&settings);
    let mut sent = BTreeSet::new();
    for number in 0..10 {
        sent.insert(client.source.append(format!("{number}").into(), number, None).await.unwrap());
    }
    let mut seen: BTreeSet<(u32, u64)> =
        client.records(6).await.iter().map(|record| (record.at.partition, record.at.offset)).collect();
    broker.kill();
    let is_away = |outcome: replay_ports::Result<()>| matches!(outcome, Err(PortError::Unavailable { .. }));
    assert!(is_away(client.source.append("lost?".into(), 1, None).await.map(|_| ())));
    assert!(is_away(client.commit(&client.partitions()).await));
    assert!(is_away(client.source.fetch(0, 0).await.map(|_| ())));
    // Who starts meanwhile waits for the broker, too.
    let mut late = Client::open(&topic.own_settings());
    let outcome = tokio::time::timeout(PATIENCE, late.source.next()).await.expect("an error in time");
    assert!(is_away(outcome.map(|_| ())));
    let told = async {
        while let Ok(event) = client.source.next().await {
            if let SourceEvent::Record(record) = event {
                seen.insert((record.at.partition, record.at.offset));
            }
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("an error from the reader");
    broker.restart().await;
    late.assigned(2).await;
    let source = &client.source;
    eventually("an append", async || source.append("again".into(), 2, None).await.is_ok()).await;
    for number in 10..20 {
        sent.insert(client.source.append(format!("{number}").into(), number, None).await.unwrap());
    }
    let mut latest = std::collections::BTreeMap::new();
    let all = async {
        while !sent.is_subset(&seen) {
            match client.source.next().await {
                Ok(SourceEvent::Record(record)) => {
                    seen.insert((record.at.partition, record.at.offset));
                    latest.insert(record.at.partition, (record.at.epoch, record.at.offset + 1));
                }
                Ok(SourceEvent::Revoked { partitions, .. }) => client.source.release(&partitions),
                Ok(SourceEvent::Assigned { .. } | SourceEvent::Lost { .. }) => {}
                Err(error) => assert!(is_away(Err(error))),
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("all records");
    let next: Vec<_> = latest
        .into_iter()
        .map(|(partition, (epoch, next_offset))| replay_ports::CommitTo { partition, epoch, next_offset })
        .collect();
    let source = &client.source;
    eventually("a commit", async || source.commit(&next).await.is_ok()).await;
    for commit in next {
        let committed = topic.committed(&settings.group, 2).await;
        assert_eq!(committed[&(commit.partition as i32)], commit.next_offset as i64);
    }
}

fn as_user(broker: &Broker, settings: KafkaSettings, password: &str) -> KafkaSettings {
    let settings = KafkaSettings { brokers: vec![broker.sasl_address()], ..settings };
    with(
        settings,
        &[
            ("security.protocol", "sasl_plaintext"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.username", USER),
            ("sasl.password", password),
        ],
    )
}

fn refused<T: std::fmt::Debug>(outcome: replay_ports::Result<T>) -> String {
    let Err(PortError::Refused { what }) = outcome else { panic!("{outcome:?}") };
    assert!(!what.contains("hunter2") && !what.contains("right"), "{what}");
    what
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_and_missing_rights_are_refused_with_what_to_do() {
    let Some(broker) = Broker::start().await else { return };
    let topic = Topic::on(&broker.address(), 1, &[]).await;
    topic.produce(None, Some("k"), Some(b"{}"), None).await;
    let mut settings = topic.own_settings();
    (settings.append_timeout, settings.request_timeout) = (Duration::from_secs(5), Duration::from_secs(5));

    let stranger = as_user(&broker, settings.clone(), "hunter2");
    let client = Client::open(&stranger);
    for what in [
        refused(client.source.prepare().await),
        refused(client.source.append("{}".into(), 1, None).await),
        refused(tokio::time::timeout(PATIENCE, client.source.next()).await.unwrap()),
    ] {
        assert!(what.contains("sasl."), "{what}");
    }
    let findings = examine(&stranger, Some("dead")).await;
    let last = findings.last().unwrap();
    assert_eq!((last.check, last.verdict), ("kafka brokers", Verdict::Wrong), "{last:?}");

    let nobody = as_user(&broker, settings, "right");
    let client = Client::open(&nobody);
    for what in [
        refused(client.source.prepare().await),
        refused(client.source.append("{}".into(), 1, None).await),
        refused(tokio::time::timeout(PATIENCE, client.source.next()).await.unwrap()),
    ] {
        assert!(what.contains("grant our user"), "{what}");
    }
    let letters = KafkaDeadLetters::open(&nobody, "dead").unwrap();
    let what = refused(letters.list(&replay_ports::LetterFilter::default(), None, 1).await);
    assert!(what.contains("grant"), "{what}");
    let findings = examine(&nobody, Some("dead")).await;
    let wrong: Vec<_> = findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).collect();
    assert!(
        !wrong.is_empty() && wrong.iter().all(|finding| finding.advice.contains("grant")),
        "{findings:?}"
    );
}
