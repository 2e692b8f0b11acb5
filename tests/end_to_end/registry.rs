//! Components from directories, the copies that bridge a registry that is away, and a cache that somebody
//! tampered with.

use std::path::{Path, PathBuf};

use replay_tests::plugins::{components, config, sha256, stores_addresses};
use replay_tests::service::Service;

const QUICK: &str = "replay: { idle_timeout: 50ms, flush_interval: 20ms }\nreload: { interval: 50ms }\n\
                     limits: { back_off: 50ms, max_back_off: 200ms }\n";

/// A config with one tenant that masks addresses, whose plugins come from where `places` says.
fn with_places(dir: &Path, revision: u16, places: &str) -> String {
    let text = config(dir, &[("shop", revision, &[("mask-pii", "{}")])], QUICK);
    let cache = dir.join("cache");
    let line = |line: &str| match line.starts_with("plugins: {") {
        true => format!("plugins: {{ cache_dir: {}, {places} }}\n", cache.display()),
        false => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn put(from: &str, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(components().join(from), to).unwrap();
}

#[test]
fn a_registry_that_is_away_is_bridged_and_one_that_lacks_a_component_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = dir.path().join("shelf");
    put("mask-pii.wasm", &shelf.join(format!("mask-pii/{}.wasm", sha256("mask-pii"))));
    let text = with_places(dir.path(), 1, &format!("registries: [{}]", shelf.display()));
    let mut service = Service::prepare_with(dir.path(), &text);
    assert_eq!(service.cli(&["check"]).status.code(), Some(0));
    assert!(!dir.path().join("cache").exists(), "`check` writes nothing");
    service.run();
    assert!(!stores_addresses(&service, 1));
    assert_eq!(service.stop().0, Some(0));

    let elsewhere = dir.path().join("elsewhere");
    std::fs::rename(&shelf, &elsewhere).unwrap();
    let doctor = service.cli(&["doctor"]);
    let said = String::from_utf8(doctor.stdout).unwrap();
    assert!(said.contains("plugin registry") && said.contains("copies that are kept serve"), "{said}");
    assert!(service.ok(&["check"]).contains("the copy that is kept would serve"));
    service.run();
    assert!(!stores_addresses(&service, 2), "the copy serves");
    assert!(service.log().contains("a registry is away"), "{}", service.log());
    assert_eq!(service.metric("replay_components_away", ""), 1.0);
    let (code, ready) = service.get("/readyz");
    assert!(code == 200 && ready.contains("degraded") && ready.contains("plugin_registry"), "{ready}");
    // It comes back while the service runs.
    std::fs::rename(&elsewhere, &shelf).unwrap();
    service.wait_until("the registry is back", |service| service.metric("replay_components_away", "") == 0.0);
    assert!(service.get("/readyz").1.contains("\"ready\""));
    assert_eq!(service.stop().0, Some(0));

    // There, and without the component.
    std::fs::remove_dir_all(shelf.join("mask-pii")).unwrap();
    let refused = service.cli(&["run"]);
    assert_eq!(refused.status.code(), Some(78));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no mask-pii.wasm"), "{refused:?}");
    // Away, and never seen.
    std::fs::remove_dir_all(&shelf).unwrap();
    std::fs::remove_dir_all(dir.path().join("cache/components")).unwrap();
    for command in ["run", "check", "doctor"] {
        let refused = service.cli(&[command]);
        let said = [&refused.stdout[..], &refused.stderr].concat();
        assert!(String::from_utf8_lossy(&said).contains("no copy of it is kept"), "{refused:?}");
        assert_eq!(refused.status.code(), Some(69), "{command}");
    }
}

#[test]
fn a_config_that_came_before_its_component_is_taken_when_that_comes() {
    let dir = tempfile::tempdir().unwrap();
    let shelf = dir.path().join("shelf");
    put("mask-pii.wasm", &shelf.join("mask-pii.wasm"));
    let (places, pin) = (format!("dir: {}", shelf.display()), sha256("mask-pii"));
    let mut service = Service::prepare_with(dir.path(), &with_places(dir.path(), 1, &places));
    service.run();
    assert!(!stores_addresses(&service, 1));
    // The next version of the chain: the same settings, with another component, by a path of its own.
    let next = with_places(dir.path(), 2, &places).replace(
        &format!("name: mask-pii, sha256: {pin}, config: {{}}"),
        &format!("name: block, from: ./incoming/b.wasm, sha256: {}, config: {{\"blockUrls\": [\"/x\"], \"on_unknown\": \"keep\"}}", sha256("block-url")),
    );
    assert!(next.contains("incoming"));
    std::fs::create_dir(dir.path().join("incoming")).unwrap();
    std::fs::write(dir.path().join("replay.yaml"), next).unwrap();
    service.wait_until("it is refused", |service| service.metric("replay_config_stale", "") == 1.0);
    assert!(service.log().contains("incoming/b.wasm"), "{}", service.log());
    // The old version's file is overwritten meanwhile; its chain runs on.
    std::fs::write(shelf.join("mask-pii.wasm"), "another version").unwrap();
    let before = service.metric("replay_reloads_total", "");
    put("block-url.wasm", &dir.path().join("incoming/b.wasm"));
    service.wait_until("it is taken", |service| service.metric("replay_reloads_total", "") > before);
    assert_eq!(service.metric("replay_config_stale", ""), 0.0);
    assert!(stores_addresses(&service, 2), "the new chain masks nothing");
    assert_eq!(service.stop().0, Some(0));
}

/// Files of the cache with this extension.
fn cached(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir.join("cache")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

#[test]
fn a_cache_that_somebody_tampered_with_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let text = with_places(dir.path(), 1, &format!("dir: {}", components().display()));
    let mut service = Service::prepare_with(dir.path(), &text);
    service.run();
    assert_eq!(service.stop().0, Some(0));
    let [code] = &*cached(dir.path(), "cwasm") else { panic!("one plugin") };
    let whole = std::fs::read(code).unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for (number, bytes) in [&flipped[..], &whole[..whole.len() / 3]].into_iter().enumerate() {
        std::fs::write(code, bytes).unwrap();
        let before = service.log().matches("is refused, and compiled again").count();
        service.run();
        assert!(!stores_addresses(&service, number as u64 + 1));
        assert!(
            service.log().matches("is refused, and compiled again").count() > before,
            "{}",
            service.log()
        );
        assert_eq!(service.stop().0, Some(0));
        assert_eq!(std::fs::read(code).unwrap().len(), whole.len(), "it was made anew");
    }
}
