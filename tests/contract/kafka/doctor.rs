//! `doctor` names each thing that is wrong with the topics, and what to do about it.

use std::time::Duration;

use replay_servers::kafka::{KafkaSettings, examine, refused_properties};
use replay_servers::{Finding, Verdict};
use replay_tests::kafka::Topic;

use super::with;

async fn found(settings: &KafkaSettings, dead: Option<&Topic>) -> Vec<Finding> {
    examine(settings, dead.map(|dead| dead.name.as_str())).await
}

fn of<'a>(findings: &'a [Finding], check: &str) -> &'a Finding {
    findings.iter().find(|finding| finding.check == check).unwrap_or_else(|| panic!("{check}: {findings:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_cluster_is_fine() {
    let Some(topic) = Topic::new(3).await else { return };
    topic.produce(None, Some("session"), Some(b"{}"), None).await;
    let letters = topic.unmade();
    let settings = topic.own_settings();
    let findings = found(&settings, Some(&letters)).await;
    assert!(findings.iter().all(|finding| finding.verdict == Verdict::Fine), "{findings:#?}");
    assert!(of(&findings, "dead-letter topic").detail.contains("will be created"));
    // As it is once the store has made it.
    let store = replay_servers::kafka::KafkaDeadLetters::open(&settings, &letters.name).unwrap();
    store.prepare().await.unwrap();
    let findings = found(&settings, Some(&letters)).await;
    assert!(findings.iter().all(|finding| finding.verdict == Verdict::Fine), "{findings:#?}");
    assert!(findings.len() >= 10, "{findings:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_that_does_not_fit_is_named() {
    let config = [("max.message.bytes", "1000000"), ("retention.ms", "3600000")];
    let Some(topic) = Topic::with(1, &config).await else { return };
    topic.produce(None, None, Some(b"{}"), None).await;
    let letters = topic.unmade();
    letters.make(1, &[("max.message.bytes", "1000")]).await;
    let findings = found(&topic.own_settings(), Some(&letters)).await;
    for (check, verdict, advice) in [
        ("kafka topic keys", Verdict::Warning, "key by session_id"),
        ("kafka topic message size", Verdict::Wrong, "max.message.bytes"),
        ("kafka topic retention", Verdict::Warning, "retention.ms"),
        ("dead-letter topic compaction", Verdict::Wrong, "cleanup.policy=compact"),
        ("dead-letter topic message size", Verdict::Warning, "max.message.bytes"),
        ("kafka group", Verdict::Fine, ""),
    ] {
        let finding = of(&findings, check);
        assert!(finding.verdict == verdict && finding.advice.contains(advice), "{finding:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_topic_of_records_would_lose_them() {
    let Some(topic) = Topic::with(1, &[("cleanup.policy", "compact")]).await else { return };
    let letters = topic.unmade();
    letters.make(1, &[("cleanup.policy", "compact")]).await;
    let findings = found(&topic.own_settings(), Some(&letters)).await;
    assert_eq!(of(&findings, "kafka topic retention").verdict, Verdict::Wrong);
    let compaction = of(&findings, "dead-letter topic compaction");
    assert!(compaction.verdict == Verdict::Warning && compaction.advice.contains("max.compaction.lag.ms"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_named() {
    let Some(topic) = Topic::new(1).await else { return };
    let (records, letters) = (topic.unmade(), topic.unmade());
    let mut settings = records.own_settings();
    settings.letters.replication_factor = 3;
    let findings = found(&settings, Some(&letters)).await;
    let missing = of(&findings, "kafka topic");
    assert!(missing.verdict == Verdict::Wrong && missing.advice.contains("--create"), "{missing:?}");
    let impossible = of(&findings, "dead-letter topic");
    assert!(
        impossible.verdict == Verdict::Wrong && impossible.detail.contains("replication_factor"),
        "{impossible:?}"
    );
    settings.letters.create = false;
    let findings = found(&settings, Some(&letters)).await;
    assert_eq!(of(&findings, "dead-letter topic").verdict, Verdict::Wrong);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_are_away_are_unreachable() {
    // Nobody listens on a port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = KafkaSettings {
        brokers: vec![format!("127.0.0.1:{port}")],
        request_timeout: Duration::from_secs(1),
        ..KafkaSettings::default()
    };
    let findings = examine(&settings, Some("dead")).await;
    let brokers = of(&findings, "kafka brokers");
    assert!(brokers.verdict == Verdict::Unreachable && brokers.advice.contains("advertised.listeners"));
}

/// Another deployment under the same group's name, which divides partitions in another way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_others_use_differently_is_named() {
    let Some(topic) = Topic::new(1).await else { return };
    let settings = topic.own_settings();
    let mut other =
        super::Client::open(&with(settings.clone(), &[("partition.assignment.strategy", "range")]));
    other.assigned(1).await;
    let findings = found(&settings, None).await;
    let group = of(&findings, "kafka group");
    assert!(group.verdict == Verdict::Wrong && group.detail.contains("range"), "{group:?}");
    let findings = found(&with(settings, &[("partition.assignment.strategy", "range")]), None).await;
    assert_eq!(of(&findings, "kafka group").verdict, Verdict::Fine);
}

#[tokio::test]
async fn a_property_that_breaks_the_contract_is_named_before_anything_is_asked() {
    let settings =
        with(KafkaSettings::default(), &[("enable.auto.commit", "true"), ("sasl.pasword", "hunter2")]);
    let findings = examine(&settings, None).await;
    assert_eq!(findings.len(), 2);
    assert!(
        findings
            .iter()
            .all(|finding| finding.check == "kafka properties" && finding.verdict == Verdict::Wrong)
    );
    assert!(!format!("{findings:?}").contains("hunter2"));
    assert_eq!(refused_properties(&settings.properties).len(), 2);
    assert!(replay_servers::kafka::KafkaSource::open(&settings).is_err());
}
