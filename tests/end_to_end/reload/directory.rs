//! Another `tenants.dir`: what is wrong in it, or comes later, is noticed there.

use std::path::Path;

use replay_tests::plugins::components;

use super::{ALL, DONE, REFUSED, Running, tenant_file, with_dir};

const QUICK: &str = "replay: { idle_timeout: 50ms, flush_interval: 20ms }\n\
                     limits: { back_off: 50ms, max_back_off: 200ms }\n";

fn text(dir: &Path, watch: bool) -> String {
    with_dir(dir, "reject", &format!("{QUICK}reload: {{ interval: 50ms, watch: {watch} }}\n"))
}

/// The same with the tenants' files elsewhere.
fn moved(text: &str, dir: &Path) -> String {
    let (old, new) = (format!("{}/tenants\n", dir.display()), format!("{}/others\n", dir.display()));
    assert!(text.contains(&old), "{text}");
    text.replacen(&old, &new, 1)
}

#[test]
fn a_directory_that_is_mended_is_taken_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let text = text(dir.path(), true);
    let mut running = Running::start_with(dir.path(), &text);
    let others = dir.path().join("others");
    // Not there at all, and then with a mistake in it.
    running.rewrite(&moved(&text, dir.path()));
    running.service.wait_until("it is refused", |_| running.times_said("others cannot be read") == 1);
    std::fs::create_dir(&others).unwrap();
    std::fs::write(others.join("shop.yaml"), "keys: [pk_shop]\nplugns: []\n").unwrap();
    running.service.wait_until("it is looked at again", |_| running.times_said("unknown key `plugns`") == 1);
    assert_eq!(running.post("pk_shop"), 401);
    std::fs::write(others.join("shop.yaml"), tenant_file("pk_shop", 1, ALL)).unwrap();
    running.service.wait_until("it is taken", |service| service.metric("replay_config_stale", "") == 0.0);
    assert_eq!((running.post("pk_shop"), running.times_said(DONE)), (200, 1), "{}", running.service.log());
    // From here on its files are as any.
    std::fs::write(others.join("blog.yaml"), "keys: [pk_blog]\n").unwrap();
    running.service.wait_until("the next is taken", |_| running.times_said(DONE) == 2);
    assert_eq!(running.post("pk_blog"), 200);
    assert_eq!(running.service.stop().0, Some(0));
}

#[test]
fn a_registry_that_comes_back_ends_a_reload_that_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (shelf, away) = (dir.path().join("shelf"), dir.path().join("away"));
    std::fs::create_dir(&shelf).unwrap();
    let text = text(dir.path(), false);
    let (before, _) = text.split_once("plugins: { dir").unwrap();
    // A cache of its own has no copies, and nothing is compiled before it has to be.
    let cache = dir.path().join("cache");
    let text = format!(
        "{before}plugins: {{ cache_dir: {}, registries: [{}] }}\n\
         tenants:\n  dir: {}/tenants\n  unlisted: reject\n  defaults: {{ plugins: [] }}\n  \
         anchor: {{ keys: [pk_live_anchor] }}\n{QUICK}reload: {{ interval: 50ms, watch: false }}\n",
        cache.display(),
        shelf.display(),
        dir.path().display()
    );
    let mut running = Running::start_with(dir.path(), &text);
    let others = dir.path().join("others");
    std::fs::create_dir(&others).unwrap();
    // What was never seen, out of a registry that is away.
    std::fs::copy(components().join("block-url.wasm"), shelf.join("block-url.wasm")).unwrap();
    std::fs::rename(&shelf, &away).unwrap();
    let blocks = ("block-url", r#"{"blockUrls": ["/x"], "on_unknown": "keep"}"#);
    std::fs::write(others.join("shop.yaml"), tenant_file("pk_shop", 1, &[blocks])).unwrap();
    let next = moved(&text, dir.path());
    running.reload(&next, REFUSED);
    running.service.wait_until("it is away", |service| service.log().contains("no copy of it is kept"));
    assert_eq!(running.post("pk_shop"), 401);

    // Another edit that nobody asked to take: that is said, and no more is tried.
    let edited = next.replace("keys: [pk_live_anchor]", "keys: [pk_live_anchor, pk_unasked]");
    running.rewrite(&edited);
    running.service.wait_until("it is not taken", |_| running.times_said("ask once more (SIGHUP)") == 1);
    running.reload(&next, REFUSED);
    std::fs::rename(&away, &shelf).unwrap();
    running.service.wait_until("it is taken", |_| running.times_said(DONE) == 1);
    assert_eq!((running.post("pk_shop"), running.post("pk_unasked")), (200, 401));
    assert_eq!(running.service.stop().0, Some(0));
}
