//! kill -9 under load: nothing that was answered 200 is lost, nothing is shown twice.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use replay_tests::records::{TestChunk, session_id};
use replay_tests::service::{FAST, Service};

const KILLS: usize = 20;
const SENDERS: u64 = 4;

/// What was answered 200: events by session and chunk.
type Acknowledged = Arc<Mutex<BTreeMap<(String, u32), String>>>;

#[test]
fn killed_twenty_times_under_load_it_loses_nothing_and_shows_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Service::start(dir.path(), FAST);
    let acknowledged: Acknowledged = Arc::default();
    let address = Arc::new(Mutex::new(service.api().to_owned()));
    let stop = Arc::new(AtomicBool::new(false));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (acknowledged, address, stop) = (acknowledged.clone(), address.clone(), stop.clone());
            std::thread::spawn(move || send(sender, &acknowledged, &address, &stop))
        })
        .collect();

    let mut known = 0;
    for round in 0..KILLS {
        // Under load means that records were taken since the last kill.
        service
            .wait_until("more records are acknowledged", |_| acknowledged.lock().unwrap().len() > known + 20);
        // At another moment of the flush every time.
        std::thread::sleep(Duration::from_millis(round as u64 * 7 % 45));
        service.kill();
        known = acknowledged.lock().unwrap().len();
        service.run();
        *address.lock().unwrap() = service.api().to_owned();
    }
    stop.store(true, Ordering::Relaxed);
    senders.into_iter().for_each(|sender| sender.join().unwrap());

    service.wait_until("the log is read to its end", |service| {
        service.metric("replay_partition_lag_records", "") == 0.0
            && service.metric("replay_records_received_total", "") > 0.0
    });
    let acknowledged = acknowledged.lock().unwrap();
    let mut shown: BTreeMap<(String, u32), String> = BTreeMap::new();
    for session in acknowledged.keys().map(|(session, _)| session).collect::<std::collections::BTreeSet<_>>()
    {
        let rows = service.json(&["session", "show", "shop", session]);
        let export = service.ok(&["session", "export", "shop", session]);
        assert_eq!(rows.len(), export.lines().count());
        for (row, events) in rows.iter().zip(export.lines()) {
            let index = u32::try_from(row["chunk_index"].as_u64().unwrap()).unwrap();
            let twice = shown.insert((session.clone(), index), events.to_owned());
            assert_eq!(twice, None, "{session}/{index} is shown twice");
        }
    }
    let lost: Vec<_> =
        acknowledged.iter().filter(|(chunk, events)| shown.get(*chunk) != Some(*events)).collect();
    assert!(lost.is_empty(), "{} of {} lost, the first: {:?}", lost.len(), acknowledged.len(), lost.first());
    assert!(acknowledged.len() > KILLS * 20);
    assert_eq!(service.metric("replay_records_settled_total", "dead_lettered"), 0.0);
}

fn send(sender: u64, acknowledged: &Acknowledged, address: &Mutex<String>, stop: &AtomicBool) {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(10)))
        .build()
        .into();
    for number in 0.. {
        let session = session_id(sender * 1_000 + number / 20);
        let index = u32::try_from(number % 20).unwrap();
        let chunk = TestChunk::new(
            "shop",
            &session,
            index,
            1_700_000_000_000 + number,
            3,
            &format!("{sender}/{number}"),
        );
        let body = chunk.body("pk_live_shop").to_string();
        // Like the SDK: the same body again until it is taken.
        loop {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let url = format!("{}/v1/replay", address.lock().unwrap());
            if agent.post(url).send(body.as_bytes()).is_ok_and(|answer| answer.status() == 200) {
                acknowledged.lock().unwrap().insert((session.clone(), index), chunk.events.clone());
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
