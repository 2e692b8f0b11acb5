//! A store that goes away, answers nothing, or crawls: records wait, nothing is lost, and all goes on by itself.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use replay_tests::kafka_broker::Broker;
use replay_tests::proxy::{Network, Proxy};
use replay_tests::servers::ProxiedKafka;
use replay_tests::service::{FAST, Service};
use replay_tests::stage::{Sent, Stage};

use crate::visits::{CHUNKS_A_SESSION, check_export, chunk};

const CHUNKS: u64 = 3_000;

/// How long a store is away.
const OUTAGE: Duration = Duration::from_secs(60);

/// The longest that the rest may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Received so long ago that the session is due to move.
fn long_ago_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from((now - Duration::from_secs(40 * 86_400)).as_millis()).unwrap()
}

fn send(stage: &Stage, numbers: std::ops::Range<u64>) {
    stage.produce(numbers.map(|number| Sent {
        timestamp_ms: Some(long_ago_ms()),
        ..Sent::new((number % 3) as i32, chunk(number).record())
    }));
}

/// Every session reads as it was sent, wherever its chunks lie.
fn check_exports(service: &Service) {
    for session in (0..CHUNKS / CHUNKS_A_SESSION).step_by(17) {
        check_export(service, session);
    }
}

/// A service behind proxies, which moves sessions as soon as they are stored.
struct Outage {
    stage: Stage,
    clickhouse: Proxy,
    s3: Proxy,
    service: Service,
    _dir: tempfile::TempDir,
}

impl Outage {
    fn start() -> Option<Self> {
        let mut stage = Stage::new(3)?;
        let (clickhouse, s3) = (Proxy::start(&stage.clickhouse), Proxy::start(&stage.s3));
        (stage.clickhouse, stage.s3) = (clickhouse.url(), s3.url());
        stage.clickhouse_keys = "insert_timeout: 5s, request_timeout: 5s, ".into();
        let extra = "replay: { idle_timeout: 50ms, flush_interval: 20ms, migration: { interval: 1s } }\n\
                     limits: { back_off: 50ms, max_back_off: 2s }\n";
        let dir = tempfile::tempdir().unwrap();
        let service = stage.start(dir.path(), &[("shop", 0, &[])], extra);
        Some(Self { stage, clickhouse, s3, service, _dir: dir })
    }

    fn wait_moved(&self) {
        let deadline = Instant::now() + PATIENCE;
        let left = || self.stage.sql(&format!("SELECT count() FROM {}.replay_chunks", self.stage.name));
        while left().trim() != "0" {
            assert!(Instant::now() < deadline, "{} rows did not move:\n{}", left(), self.service.log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn check(&self) {
        self.stage.wait_committed(CHUNKS, PATIENCE, &[&self.service]);
        self.wait_moved();
        check_exports(&self.service);
        assert!(self.service.json(&["dead-letter", "list"]).is_empty());
        self.service.check_balance();
    }
}

#[test]
fn both_stores_away_for_a_minute() {
    let Some(outage) = Outage::start() else { return };
    send(&outage.stage, 0..CHUNKS / 3);
    outage.stage.wait_committed(CHUNKS / 6, PATIENCE, &[&outage.service]);
    outage.clickhouse.set(Network::Cut);
    outage.s3.set(Network::Cut);
    let began = Instant::now();
    send(&outage.stage, CHUNKS / 3..CHUNKS);
    outage.service.wait_until("it says that the hot store is away", |service| {
        let (code, body) = service.get("/readyz");
        code == 200 && body.contains("degraded") && body.contains("hot_store")
    });
    assert_eq!(outage.service.get("/livez").0, 200);
    assert!(!outage.stage.is_committed(), "committed what is not stored");
    std::thread::sleep(OUTAGE.saturating_sub(began.elapsed()));
    outage.clickhouse.set(Network::Open);
    outage.s3.set(Network::Open);
    outage.check();
    outage.service.wait_until("it is ready again", |service| service.get("/readyz").1.contains("\"ready\""));
}

#[test]
fn networks_that_stall_or_crawl() {
    let Some(outage) = Outage::start() else { return };
    for (part, network) in
        [Network::Stalled, Network::Slow { bytes_per_s: 100_000 }, Network::Cut].iter().enumerate()
    {
        outage.clickhouse.set(*network);
        outage.s3.set(*network);
        let part = part as u64;
        send(&outage.stage, part * CHUNKS / 3..(part + 1) * CHUNKS / 3);
        // Longer than the time-outs of the config.
        std::thread::sleep(Duration::from_secs(8));
        outage.clickhouse.set(Network::Open);
        outage.s3.set(Network::Open);
        outage.stage.wait_committed((part + 1) * CHUNKS / 3, PATIENCE, &[&outage.service]);
    }
    outage.check();
}

#[test]
fn brokers_that_are_cut_off_or_crawl() {
    let (Some(mut stage), Some(kafka)) = (Stage::new(3), ProxiedKafka::start()) else { return };
    stage.kafka = kafka.brokers();
    stage.kafka_keys = "properties: { session.timeout.ms: 6000, heartbeat.interval.ms: 1000, \
                        socket.timeout.ms: 5000 }, request_timeout: 2s, "
        .into();
    let dir = tempfile::tempdir().unwrap();
    let mut service = stage.start(dir.path(), &[("shop", 0, &[])], FAST);
    for (part, network) in
        [Network::Cut, Network::Stalled, Network::Slow { bytes_per_s: 50_000 }].iter().enumerate()
    {
        kafka.set(*network);
        let part = part as u64;
        // The producer reaches the brokers by another way.
        send(&stage, part * CHUNKS / 3..(part + 1) * CHUNKS / 3);
        std::thread::sleep(Duration::from_secs(8));
        assert_eq!(service.get("/livez").0, 200);
        kafka.set(Network::Open);
        stage.wait_committed((part + 1) * CHUNKS / 3, PATIENCE, &[&service]);
    }
    check_exports(&service);
    service.check_balance();
    let (code, said) = service.stop();
    assert_eq!(code, Some(0), "{said}\n{}", service.log());
}

/// A broker that is killed and started again takes no record with it, and the group goes on by itself.
#[test]
fn the_broker_is_killed_and_started_again() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(mut broker) = runtime.block_on(Broker::start()) else { return };
    let Some(stage) = Stage::on(broker.address(), 3) else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut service = stage.start(dir.path(), &[("shop", 0, &[])], FAST);
    send(&stage, 0..CHUNKS / 2);
    stage.wait_committed(CHUNKS / 6, PATIENCE, &[&service]);
    broker.kill();
    service.wait_until("what was taken in is settled", |service| {
        service.metric("replay_records_unsettled", "") == 0.0
    });
    assert_eq!(service.get("/livez").0, 200);
    runtime.block_on(broker.restart());
    send(&stage, CHUNKS / 2..CHUNKS);
    stage.wait_committed(CHUNKS, PATIENCE, &[&service]);
    check_exports(&service);
    assert!(service.json(&["dead-letter", "list"]).is_empty());
    service.check_balance();
    let (code, said) = service.stop();
    assert_eq!(code, Some(0), "{said}\n{}", service.log());
}

/// Records are taken in while the object store is away from the start; sessions move when it is back.
#[test]
fn a_start_while_the_object_store_is_away() {
    let Some(mut stage) = Stage::new(3) else { return };
    let s3 = Proxy::start(&stage.s3);
    stage.s3 = s3.url();
    let extra = "replay: { idle_timeout: 50ms, flush_interval: 20ms, migration: { interval: 1s } }\n";
    let dir = tempfile::tempdir().unwrap();
    let service = stage.prepare(dir.path(), &[("shop", 0, &[])], extra);
    s3.set(Network::Cut);
    let mut outage = Outage { clickhouse: Proxy::start(&stage.clickhouse), stage, s3, service, _dir: dir };
    outage.service.run();
    assert!(outage.service.log().contains("the cold store is away"), "{}", outage.service.log());
    send(&outage.stage, 0..CHUNKS);
    outage.stage.wait_committed(CHUNKS, PATIENCE, &[&outage.service]);
    outage.s3.set(Network::Open);
    outage.check();
    // Opened anew it counts on conditions again, and finds every object.
    outage.service.kill();
    outage.service.run();
    check_exports(&outage.service);
    let reconciled = &outage.service.json(&["migrate", "reconcile", "--grace", "0s"])[0];
    assert_eq!(reconciled["found"], 0, "{reconciled}");
}
