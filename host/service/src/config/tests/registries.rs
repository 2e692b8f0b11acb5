//! Where plugins come from, as the configuration says it.

use super::{bad, good, one};
use crate::config::Place;

const PIN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

fn places(plugins: &str) -> Vec<String> {
    let settings = good(&format!("plugins: {{s3: {{endpoint: 'm:1'}}, {plugins}}}\n"));
    settings.plugin_places.iter().map(Place::to_string).collect()
}

#[test]
fn the_directory_comes_first_if_it_is_meant() {
    assert_eq!(places(""), ["./plugins"]);
    assert_eq!(places("registries: [s3://plugins]"), ["s3://plugins/"]);
    assert_eq!(
        places("dir: ./p, registries: [/shelf, 's3://plugins/c/d']"),
        ["./p", "/shelf", "s3://plugins/c/d/"]
    );
}

#[test]
fn places_are_checked() {
    let wrong =
        |place: &str| bad(&format!("plugins: {{s3: {{endpoint: 'm:1'}}, registries: ['{place}']}}\n"));
    for (place, words) in [
        ("http://x/y", "of no known kind"),
        ("s3://B", "not a bucket"),
        ("s3://bucket/a//b", "no place in a bucket"),
        ("s3://bucket/../b", "no place in a bucket"),
        ("s3://bucket/a b", "no place in a bucket"),
        ("s3://bucket/x.wasm", "is one component"),
        ("./x.wasm", "is one component"),
        ("", "is empty"),
    ] {
        let found = wrong(place);
        assert!(found.len() == 1 && found[0].2.contains(words), "{place}: {found:?}");
    }
    let from = |from: &str| {
        good(&format!(
            "plugins: {{s3: {{endpoint: 'm:1'}}}}\ntenants: {{defaults: {{chain_revision: 1, \
             plugins: [{{name: a, sha256: {PIN}, from: '{from}'}}]}}}}\n"
        ))
        .tenants
        .defaults
        .plugins[0]
            .from
            .clone()
            .unwrap()
    };
    for text in ["./x.wasm", "./x", "s3://plugins/x.wasm", "s3://plugins/x", "s3://plugins"] {
        let json = serde_json::to_string(&from(text)).unwrap();
        assert_eq!(serde_json::from_str::<Place>(&json).unwrap(), from(text), "{json}");
    }
    assert!(matches!(from("./x.wasm"), Place::File(_)) && matches!(from("./x"), Place::Dir(_)));
    assert!(matches!(from("s3://bucket/x.wasm"), Place::Object { .. }));
    assert!(matches!(from("s3://bucket/x/"), Place::Bucket { prefix, .. } if prefix == "x/"));
}

#[test]
fn buckets_need_to_be_reached() {
    one("plugins: {registries: [s3://b-c]}\n", 1, 23, &["needs to know where", "plugins.s3"]);
    let chain = format!("[{{name: a, sha256: {PIN}, from: s3://b-c}}]");
    let found = bad(&format!("tenants: {{defaults: {{chain_revision: 1, plugins: {chain}}}}}\n"));
    assert!(found.len() == 1 && found[0].2.contains("`a` comes from `s3://`"), "{found:?}");
    one("plugins: {s3: {region: eu}}\n", 1, 15, &["plugins.s3.endpoint: is missing"]);
    one(
        "plugins: {s3: {endpoint: 'm:1', access_key: a}}\n",
        1,
        15,
        &["plugins.s3: there is `access_key` but no `secret_key`"],
    );
}

#[test]
fn a_registry_has_keys_of_its_own_or_those_of_the_sessions() {
    let minio = "minio: {endpoint: 'm:1', access_key: a, secret_key: b, region: eu, attempts: 7}\n";
    let shared = good(&format!("{minio}plugins: {{registries: [s3://b-c]}}\n"));
    let s3 = shared.registry_s3.as_ref().unwrap();
    assert_eq!((s3.url.as_deref(), &*s3.region), (Some("http://m:1"), "eu"));
    let own = "plugins: {registries: [s3://b-c], s3: {endpoint: aws, access_key: c, secret_key: d}}\n";
    let own = good(&format!("{minio}{own}"));
    let s3 = own.registry_s3.as_ref().unwrap();
    let (access, secret) = s3.credentials.as_ref().unwrap();
    assert_eq!((s3.url.as_deref(), access.expose(), secret.expose()), (None, "c", "d"));
    assert_eq!((&*s3.region, s3.file.attempts), ("us-east-1", 7), "only the bounds are shared");
    let debug = format!("{own:?}");
    assert!(!debug.contains("expose") && own.describe().join("\n").contains("listed"));
    let lacking: &[&str] = if cfg!(feature = "servers") { &[] } else { &["plugins from s3://"] };
    assert_eq!(own.unsupported_servers(), lacking);
}

#[test]
fn what_changed_beside_tenants_is_named() {
    let one = good("replay: {idle_timeout: 30s}\n");
    assert_eq!(one.other_parts(&good("")), Vec::<&str>::new(), "a default that is written is no change");
    let two = good(
        "replay: {idle_timeout: 31s}\nplugins: {dir: ./elsewhere, registries: [./x], kept_bytes: 2GiB}\n\
         tenants: {defaults: {plugins: []}, shop: {}}\n",
    );
    assert_eq!(one.other_parts(&two), ["replay"], "what is taken at a reload is none of it");
    assert_eq!(one.other_parts(&good("plugins: {batch_bytes: 1MiB}\n")), ["plugins"]);
}
