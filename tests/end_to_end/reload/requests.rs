//! A request for a reload that comes while the service still starts.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::Command;

use replay_tests::plugins::components;
use replay_tests::service::{Service, signal};
use serde_json::Value;

use super::{ALL, BY_SIGNAL, CARDS, DONE, config};

#[test]
fn a_request_during_the_start_is_served_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let (late, whole) = (dir.path().join("late.wasm"), dir.path().join("whole.wasm"));
    let component = std::fs::read(components().join("mask-pii.wasm")).unwrap();
    std::fs::write(&whole, &component).unwrap();
    // The start goes on when a component comes through here.
    assert!(Command::new("mkfifo").arg(&late).status().unwrap().success());
    let text = config(dir.path(), &[("shop", 1, CARDS), ("clinic", 1, ALL)], BY_SIGNAL);
    let from = format!("name: mask-pii, from: {}, sha256", late.display());
    let text = text.replacen("name: mask-pii, sha256", &from, 1);
    let mut service = Service::prepare_with(dir.path(), &text);
    std::thread::scope(|scope| {
        let start = scope.spawn(|| service.run());
        // Opens once the service does.
        let mut pipe = OpenOptions::new().write(true).open(&late).unwrap();
        let lock = std::fs::read_to_string(dir.path().join("data/lock")).unwrap();
        let owner: Value = serde_json::from_str(&lock).unwrap();
        assert_eq!((&owner["command"], &owner["admin"]), (&Value::from("run"), &Value::Null), "it starts");
        signal(u32::try_from(owner["pid"].as_u64().unwrap()).unwrap(), "HUP");
        // For whoever reads it next.
        std::fs::rename(&whole, &late).unwrap();
        pipe.write_all(&component).unwrap();
        drop(pipe);
        start.join().unwrap();
    });
    service.wait_until("the request is served", |service| service.log().contains(DONE));
    assert_eq!(service.log().matches("reading the config anew").count(), 1);
    assert_eq!(service.stop().0, Some(0));
}
