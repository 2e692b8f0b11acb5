//! Faults that a real broker does not show on request: librdkafka's mock cluster injects them.

use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use replay_ports::{PortError, Source};
use replay_servers::kafka::KafkaSettings;

use super::Client;

fn settings(brokers: String) -> KafkaSettings {
    KafkaSettings {
        brokers: vec![brokers],
        topic: "records".into(),
        end_offsets_interval: Duration::from_millis(100),
        ..KafkaSettings::default()
    }
}

/// The group does not know us any more: nothing is committed, and everything is read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_assignment_commits_nothing() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("records", 2, 1).unwrap();
    let mut client = Client::open(&settings(cluster.bootstrap_servers()));
    for number in 0..10 {
        client.source.append(format!("{number}").into(), number, None).await.unwrap();
    }
    client.records(10).await;
    let before = client.held.clone();
    let late = client.read_of(&[0, 1]);
    cluster.request_errors(RDKafkaApiKey::Heartbeat, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID]);
    let lost = client.lost().await;
    assert_eq!(lost, [0, 1]);
    assert!(matches!(client.source.commit(&late).await, Err(PortError::Stale { .. })));
    let again = client.records(10).await;
    assert!(again.iter().all(|record| record.at.epoch > before[&record.at.partition].0));
    client.commit(&[0, 1]).await.unwrap();
}

/// A fetcher that gets nothing although records wait: the group is joined anew, until they come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lag_without_progress_is_noticed_and_ends() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("records", 1, 1).unwrap();
    let mut settings = settings(cluster.bootstrap_servers());
    settings.stall_timeout = Duration::from_secs(2);
    let mut client = Client::open(&settings);
    client.source.append("first".into(), 1, None).await.unwrap();
    client.records(1).await;
    client.commit(&[0]).await.unwrap();
    let epoch = client.held[&0].0;
    let failing = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR; 1_000];
    cluster.request_errors(RDKafkaApiKey::Fetch, &failing);
    client.source.append("second".into(), 2, None).await.unwrap();
    assert_eq!(client.lost().await, [0]);
    cluster.clear_request_errors(RDKafkaApiKey::Fetch);
    let record = client.records(1).await.remove(0);
    assert_eq!((record.at.offset, record.payload.as_deref()), (1, Some(&b"second"[..])));
    assert!(record.at.epoch > epoch);
}

/// A commit that the broker refuses for the moment is one to be sent again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_during_a_rebalance_is_to_be_sent_again() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("records", 1, 1).unwrap();
    let mut client = Client::open(&settings(cluster.bootstrap_servers()));
    client.source.append("first".into(), 1, None).await.unwrap();
    client.records(1).await;
    cluster.request_errors(
        RDKafkaApiKey::OffsetCommit,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS],
    );
    let outcome = client.commit(&[0]).await;
    assert!(matches!(outcome, Err(PortError::Unavailable { retry_after: Some(_), .. })), "{outcome:?}");
    client.commit(&[0]).await.unwrap();
}

/// Missing rights are for a person to mend, and said so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_rights_on_the_group_are_refused_at_the_start() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("records", 1, 1).unwrap();
    let failing = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED; 100];
    cluster.request_errors(RDKafkaApiKey::JoinGroup, &failing);
    let client = Client::open(&settings(cluster.bootstrap_servers()));
    let outcome = tokio::time::timeout(super::PATIENCE, client.source.next()).await.unwrap();
    let Err(PortError::Refused { what }) = outcome else { panic!("{outcome:?}") };
    assert!(what.contains("grant our user Describe and Read on group"), "{what}");
}
