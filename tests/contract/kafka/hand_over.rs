//! Partitions that go to another member: drained in time, or given up.

use std::time::{Duration, Instant};

use replay_ports::{PortError, Source};
use replay_tests::kafka::Topic;

use super::{Client, with};

/// Two partitions with five records each, and a member that has read them all.
async fn reader_of_ten(topic: &Topic, settings: &replay_servers::kafka::KafkaSettings) -> Client {
    for partition in [0, 1] {
        for _ in 0..5 {
            topic.produce(Some(partition), Some("key"), Some(b"{}"), None).await;
        }
    }
    let mut client = Client::open(settings);
    client.records(10).await;
    client
}

/// What was committed while it drained is where the other begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_committed_in_the_drain_does_not_come_again() {
    let Some(topic) = Topic::new(2).await else { return };
    let settings = topic.own_settings();
    let mut first = reader_of_ten(&topic, &settings).await;
    let mut second = Client::open(&settings);
    let (going, ()) = tokio::join!(
        async {
            let going = first.revoked().await;
            first.give_back(&going).await;
            going
        },
        second.assigned(1)
    );
    assert_eq!(second.held[&going[0]].1, 5);
    second.quiet(Duration::from_secs(1)).await;
}

/// What was released without a commit comes again; a commit that comes too late has no effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_after_the_release_is_stale() {
    let Some(topic) = Topic::new(2).await else { return };
    let settings = topic.own_settings();
    let mut first = reader_of_ten(&topic, &settings).await;
    let mut second = Client::open(&settings);
    let (late, ()) = tokio::join!(
        async {
            let going = first.revoked().await;
            let late = first.read_of(&going);
            first.source.release(&going);
            late
        },
        second.assigned(1)
    );
    assert!(matches!(first.source.commit(&late).await, Err(PortError::Stale { .. })));
    second.records(5).await;
    // The partition that was retained is not touched by that.
    let retained: Vec<u32> = [0, 1].into_iter().filter(|partition| *partition != late[0].partition).collect();
    let mut both = first.read_of(&retained);
    both.extend(late);
    assert!(matches!(first.source.commit(&both).await, Err(PortError::Stale { .. })));
    let committed = topic.committed(&settings.group, 2).await;
    assert_eq!(committed[&(retained[0] as i32)], 5);
    assert_eq!(committed[&(both[1].partition as i32)], -1001);
}

/// A pipeline that never answers does not hold the group up for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_drain_has_a_deadline() {
    let Some(topic) = Topic::new(2).await else { return };
    let mut settings = topic.own_settings();
    settings.revoke_timeout = Duration::from_secs(1);
    let mut first = reader_of_ten(&topic, &settings).await;
    let mut second = Client::open(&settings);
    let ((going, lost), ()) = tokio::join!(
        async {
            let going = first.revoked().await;
            let begun = Instant::now();
            let lost = first.lost().await;
            assert!(begun.elapsed() >= settings.revoke_timeout);
            (going, lost)
        },
        second.assigned(1)
    );
    assert_eq!(going, lost);
    second.records(5).await;
}

/// Polling goes on while everything is paused, for longer than the group waits for a poll.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_member_stays_in_the_group() {
    let Some(topic) = Topic::new(1).await else { return };
    let mut settings =
        with(topic.own_settings(), &[("max.poll.interval.ms", "7000"), ("session.timeout.ms", "6000")]);
    settings.revoke_timeout = Duration::from_secs(1);
    let mut client = Client::open(&settings);
    client.assigned(1).await;
    client.source.pause(0);
    topic.produce(None, Some("key"), Some(b"{}"), None).await;
    client.quiet(Duration::from_secs(9)).await;
    client.source.resume(0);
    client.records(1).await;
    client.commit(&[0]).await.unwrap();
}

/// Nothing takes from the inbox: it stays bounded, the member stays in the group, all comes in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_that_does_not_take_holds_nothing_up() {
    let Some(topic) = Topic::new(2).await else { return };
    let mut settings =
        with(topic.own_settings(), &[("max.poll.interval.ms", "7000"), ("session.timeout.ms", "6000")]);
    (settings.revoke_timeout, settings.inbox_bytes) = (Duration::from_secs(1), 64 << 10);
    let mut first = Client::open(&settings);
    first.assigned(2).await;
    for number in 0..300 {
        first.source.append(vec![b'x'; 4_000].into(), number, None).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(8)).await;
    first.records(300).await;
    first.commit(&[0, 1]).await.unwrap();
    first.quiet(Duration::from_millis(500)).await;
}
