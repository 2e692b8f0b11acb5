//! Plugins out of a bucket: found, pinned, promoted, bridged while the store is away, refused when unknown.

use std::path::Path;

use replay_tests::plugins::{components, config, sha256, stores_addresses};
use replay_tests::proxy::{Network, Proxy};
use replay_tests::s3::TestBucket;
use replay_tests::servers::{S3, S3_KEYS, S3_OTHER, address};
use replay_tests::service::Service;

const QUICK: &str = "replay: { idle_timeout: 50ms, flush_interval: 20ms }\nreload: { interval: 50ms }\n\
                     limits: { back_off: 50ms, max_back_off: 200ms }\n";

/// A config with one chain whose components lie below `registry/v1` of the bucket, behind the proxy.
fn text(dir: &Path, proxy: &Proxy, bucket: &TestBucket, revision: u16, chain: &[(&str, &str)]) -> String {
    let text = config(dir, &[("shop", revision, chain)], QUICK);
    let (access, secret) = S3_KEYS;
    let plugins = format!(
        "plugins: {{ cache_dir: {cache}, registries: ['s3://{bucket}/registry/v1'], \
         s3: {{ endpoint: '{endpoint}', access_key: {access}, secret_key: {secret} }} }}",
        cache = dir.join("cache").display(),
        bucket = bucket.name,
        endpoint = proxy.address(),
    );
    let line = |line: &str| match line.starts_with("plugins: {") {
        true => format!("{plugins}\n"),
        false => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn upload(bucket: &TestBucket, component: &str, name: &str) {
    let bytes = std::fs::read(components().join(component)).unwrap();
    let answer = bucket.send("PUT", &format!("/registry/v1/{name}"), &[], &bytes);
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn components_come_out_of_a_bucket_and_outlast_it() {
    for url in [S3, S3_OTHER].into_iter().filter_map(address) {
        let (bucket, proxy) = (TestBucket::make(&url), Proxy::start(&url));
        let dir = tempfile::tempdir().unwrap();
        let masks: &[(&str, &str)] = &[("mask-pii", "{}")];
        let of = |revision, chain| text(dir.path(), &proxy, &bucket, revision, chain);
        let mut service = Service::prepare_with(dir.path(), &of(1, masks));

        // Not there yet: said, and the start is refused.
        let refused = service.cli(&["run"]);
        assert_eq!(refused.status.code(), Some(78));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("no mask-pii.wasm"), "{refused:?}");
        assert_eq!(service.cli(&["check"]).status.code(), Some(78));
        // Another under its name is not it.
        upload(&bucket, "block-url.wasm", &format!("mask-pii/{}.wasm", sha256("mask-pii")));
        let refused = service.cli(&["run"]);
        assert!(String::from_utf8_lossy(&refused.stderr).contains(&sha256("block-url")), "{refused:?}");

        upload(&bucket, "mask-pii.wasm", "mask-pii.wasm");
        assert_eq!(service.cli(&["check"]).status.code(), Some(0));
        let said = service.ok(&["doctor"]);
        assert!(said.contains("plugin registry: s3://") && said.contains("every component"), "{said}");
        service.run();
        assert!(!stores_addresses(&service, 1));

        // A reload while the store is away: what is new is not to be had, and the old chain serves.
        proxy.set(Network::Cut);
        let both: &[(&str, &str)] = &[("mask-pii", "{}"), ("mask-inputs", "{}")];
        std::fs::write(dir.path().join("replay.yaml"), of(2, both)).unwrap();
        service.wait_until("it is refused", |service| service.metric("replay_config_stale", "") == 1.0);
        assert!(service.log().contains("no copy of it is kept"), "{}", service.log());
        assert!(!stores_addresses(&service, 2));
        // It is back, with the component: the refused config is tried again, and taken.
        upload(&bucket, "mask-inputs.wasm", &format!("mask-inputs-{}.wasm", &sha256("mask-inputs")[..12]));
        proxy.set(Network::Open);
        service.wait_until("it is taken", |service| service.metric("replay_config_stale", "") == 0.0);
        assert!(!stores_addresses(&service, 3));
        assert_eq!(service.stop().0, Some(0));

        // A start while it is away: the copies serve, and everybody hears of it.
        proxy.set(Network::Cut);
        let doctor = service.cli(&["doctor"]);
        assert_eq!(doctor.status.code(), Some(69), "{doctor:?}");
        service.run();
        assert!(!stores_addresses(&service, 4));
        assert_eq!(service.metric("replay_components_away", ""), 2.0);
        assert!(service.get("/readyz").1.contains("plugin_registry"));
        proxy.set(Network::Open);
        service.wait_until("it is back", |service| service.metric("replay_components_away", "") == 0.0);
        assert!(!service.log().contains(S3_KEYS.1), "{}", service.log());
        assert_eq!(service.stop().0, Some(0));
    }
}

#[test]
fn a_component_that_comes_into_a_bucket_later_is_taken_by_itself() {
    for url in [S3, S3_OTHER].into_iter().filter_map(address) {
        let (bucket, proxy) = (TestBucket::make(&url), Proxy::start(&url));
        let dir = tempfile::tempdir().unwrap();
        let of = |revision, chain| text(dir.path(), &proxy, &bucket, revision, chain);
        let mut service = Service::prepare_with(dir.path(), &of(1, &[]));
        service.run();
        assert!(stores_addresses(&service, 1));

        // The bucket answers, and has nothing of that name.
        std::fs::write(dir.path().join("replay.yaml"), of(2, &[("mask-pii", "{}")])).unwrap();
        service.wait_until("it is refused", |service| service.metric("replay_config_stale", "") == 1.0);
        assert!(service.log().contains("no mask-pii.wasm"), "{}", service.log());
        assert!(stores_addresses(&service, 2), "the old chain serves");
        // Then another under its name, which is not it.
        let name = format!("mask-pii/{}.wasm", sha256("mask-pii"));
        upload(&bucket, "block-url.wasm", &name);
        service.wait_until("it is looked at", |service| service.log().contains(&sha256("block-url")));
        assert_eq!(service.metric("replay_config_stale", ""), 1.0);
        upload(&bucket, "mask-pii.wasm", &name);
        service.wait_until("it is taken", |service| service.metric("replay_config_stale", "") == 0.0);
        assert!(!stores_addresses(&service, 3));
        assert_eq!(service.metric("replay_components_away", ""), 0.0);
        assert_eq!(service.stop().0, Some(0));
    }
}
