//! A rolling upgrade: the tables get their next version while two replicas of the present one run.

use std::time::Duration;

use replay_tests::records::session_id;
use replay_tests::service::{FAST, Service};
use replay_tests::stage::{Sent, Stage};

use crate::visits::{CHUNKS_A_SESSION, check_export, chunk};

const CHUNKS: u64 = 3_000;

/// The longest that all of it may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

fn send(stage: &Stage, numbers: std::ops::Range<u64>) {
    stage.produce(numbers.map(|number| Sent::new((number % 4) as i32, chunk(number).record())));
}

/// What the next version does, as any may: tables only gain.
fn to_the_next_version(stage: &Stage) {
    let name = &stage.name;
    stage.sql(&format!("ALTER TABLE {name}.replay_chunks ADD COLUMN of_the_next UInt8 DEFAULT 7"));
    stage.sql(&format!("ALTER TABLE {name}.replay_archive ADD COLUMN of_the_next String DEFAULT 'x'"));
    stage.sql(&format!(
        "INSERT INTO {name}.replay_schema (version) SELECT max(version) + 1 FROM {name}.replay_schema"
    ));
}

#[test]
fn two_replicas_go_on_while_the_tables_are_upgraded_and_restart_on_them() {
    let Some(mut stage) = Stage::new(4) else { return };
    stage.kafka_keys = "properties: { session.timeout.ms: 6000, heartbeat.interval.ms: 1000 },".into();
    let dir = tempfile::tempdir().unwrap();
    let mut replicas: Vec<Service> =
        ["a", "b"].map(|name| stage.prepare(&dir.path().join(name), &[("shop", 0, &[])], FAST)).into();
    replicas.iter_mut().for_each(Service::run);
    send(&stage, 0..CHUNKS / 3);
    stage.wait_committed(CHUNKS / 6, PATIENCE, &[&replicas[0], &replicas[1]]);
    to_the_next_version(&stage);
    send(&stage, CHUNKS / 3..2 * CHUNKS / 3);
    stage.wait_committed(CHUNKS / 2, PATIENCE, &[&replicas[0], &replicas[1]]);
    // One after the other, as an orchestrator does it.
    for replica in &mut replicas {
        let (code, said) = replica.stop();
        assert_eq!(code, Some(0), "{said}\n{}", replica.log());
        replica.run();
    }
    send(&stage, 2 * CHUNKS / 3..CHUNKS);
    stage.wait_committed(CHUNKS, PATIENCE, &[&replicas[0], &replicas[1]]);
    for session in (0..CHUNKS / CHUNKS_A_SESSION).step_by(13) {
        if session % 2 == 0 {
            replicas[0].ok(&["migrate", "run", "--session", &format!("shop/{}", session_id(session))]);
        }
        check_export(&replicas[1], session);
    }
    replicas.iter().for_each(Service::check_balance);
}
