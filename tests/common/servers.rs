//! The servers that tests start for themselves, and the way to Kafka through a proxy.

use std::io::{Read, Write};
use std::net::TcpStream;

use replay_tests::own_clickhouse::OwnClickHouse;
use replay_tests::proxy::Network;
use replay_tests::servers::ProxiedKafka;
use replay_tests::service::PATIENCE;

/// The status and the body of a statement's answer.
fn ask(clickhouse: &OwnClickHouse, sql: &str) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut answer = agent.post(clickhouse.url()).send(sql).unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

#[test]
fn a_clickhouse_of_ones_own_keeps_its_rows_through_a_kill_and_denies_what_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut clickhouse) = OwnClickHouse::start(folder.path(), &[]) else { return };
    assert_eq!(ask(&clickhouse, "CREATE TABLE kept (n UInt8) ENGINE = MergeTree ORDER BY n").0, 200);
    assert_eq!(ask(&clickhouse, "INSERT INTO kept VALUES (7)").0, 200);
    let url = clickhouse.url();
    clickhouse.run(&["--deny", "INSERT"]);
    assert_eq!(clickhouse.url(), url);
    assert_eq!(ask(&clickhouse, "SELECT n FROM kept"), (200, "7\n".to_owned()));
    let (status, answer) = ask(&clickhouse, "INSERT INTO kept VALUES (8)");
    assert!(status == 403 && answer.contains("Code: 497."), "{status} {answer}");
}

/// A request for the versions that a broker speaks, and whether it answers with the same number.
fn asks_versions(address: &str) -> std::io::Result<bool> {
    let mut broker = TcpStream::connect(address)?;
    broker.set_read_timeout(Some(PATIENCE))?;
    broker.write_all(&[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 9, 255, 255])?;
    let mut answer = [0; 8];
    broker.read_exact(&mut answer)?;
    Ok(answer[4..] == [0, 0, 0, 9])
}

/// That clients come back to the proxy, and not past it, is seen by those who use one: here, that there is a
/// broker behind it.
#[test]
fn kafka_is_reached_through_its_proxies_until_they_are_cut() {
    let Some(kafka) = ProxiedKafka::start() else { return };
    for broker in kafka.brokers().split(',') {
        assert!(asks_versions(broker).unwrap());
        kafka.set(Network::Cut);
        assert!(asks_versions(broker).is_err());
        kafka.set(Network::Open);
        assert!(asks_versions(broker).unwrap());
    }
}
