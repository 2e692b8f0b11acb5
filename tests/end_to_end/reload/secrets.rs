//! Secrets in files of their own: one that is not there yet is waited for, and one that is another is taken.

use super::{ALL, CARDS, DONE, REFUSED, Running};
use replay_tests::plugins::config;

const QUICK: &str = "replay: { idle_timeout: 50ms, flush_interval: 20ms }\nreload: { interval: 50ms }\n\
                     limits: { back_off: 50ms, max_back_off: 200ms }\n";

const SAME: &str = "the config on disk is the one that is in force";

#[test]
fn a_secret_whose_file_comes_later_is_taken_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let of = |revision, chain| config(dir.path(), &[("shop", revision, chain)], QUICK);
    let mut running = Running::start_with(dir.path(), &of(1, CARDS));
    assert!(running.stores_addresses("shop"));
    let [access, secret] = ["access", "secret"].map(|name| dir.path().join(name));
    std::fs::write(&access, "key").unwrap();
    let keys = format!(
        "plugins: {{ s3: {{ endpoint: 'minio:9000', access_key_file: {}, secret_key_file: {} }}, dir",
        access.display(),
        secret.display(),
    );
    let next = of(2, ALL).replacen("plugins: { dir", &keys, 1);
    assert!(next.contains(&keys));
    running.rewrite(&next);
    running
        .service
        .wait_until("it is refused", |_| running.times_said("secret_key_file: the file cannot be read") == 1);
    assert_eq!(running.service.metric("replay_config_stale", ""), 1.0);
    // It is there before what is in it.
    std::fs::write(&secret, "").unwrap();
    running
        .service
        .wait_until("it is empty", |_| running.times_said("secret_key_file: the file is empty") == 1);
    assert_eq!(running.times_said(DONE), 0, "{}", running.service.log());
    std::fs::write(&secret, "key-one").unwrap();
    running.service.wait_until("it is taken", |_| running.times_said(DONE) == 1);
    assert_eq!(running.service.metric("replay_config_stale", ""), 0.0);
    assert!(!running.stores_addresses("shop"), "the new chain serves");

    // One that is written anew, and is away when a reload is asked for.
    for (content, said, times) in [("key-one", SAME, 1), ("key-two", DONE, 2)] {
        std::fs::remove_file(&secret).unwrap();
        running.reload(&next, REFUSED);
        std::fs::write(&secret, content).unwrap();
        running.service.wait_until(said, |service| service.metric("replay_config_stale", "") == 0.0);
        assert_eq!(running.times_said(said), times, "{content}: {}", running.service.log());
    }
    assert!(!running.service.log().contains("key-two"));
    assert_eq!(running.service.stop().0, Some(0));
}
