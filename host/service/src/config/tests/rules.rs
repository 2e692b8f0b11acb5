//! The rules that a configuration must keep, one by one.

use std::io::Write;
use std::time::Duration;

use replay_core::identity::ProjectId;
use replay_core::row::Codec;

use super::{BASE, bad, good, one, parse};
use crate::config::{
    ColdStore, DeadLetterStore, Hot, OnPluginFailure, PluginClass, ProjectLabel, Settings, Source,
};

fn file_with(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[test]
fn kinds_follow_their_sections() {
    let servers = "kafka: {}\nclickhouse: {}\nminio: {endpoint: 'm:1'}\n";
    let settings = parse(servers).unwrap();
    assert!(matches!(settings.source, Source::Kafka(_)) && matches!(settings.hot, Hot::ClickHouse(_)));
    assert!(matches!(settings.cold.store, ColdStore::S3(_)));
    assert!(matches!(settings.dead_letters.store, DeadLetterStore::Topic { .. }));
    let embedded = good("");
    assert!(matches!(embedded.source, Source::Local) && matches!(embedded.hot, Hot::Sqlite));
    assert!(matches!(embedded.dead_letters.store, DeadLetterStore::Table));
    let mixed = parse("kafka: {}\nhot: {kind: sqlite}\ncold: {kind: none}\n").unwrap();
    let lacking: &[&str] =
        if cfg!(feature = "servers") { &[] } else { &["source.kind: kafka", "dead_letters.kind: topic"] };
    assert_eq!(mixed.unsupported_servers(), lacking);
}

#[test]
fn silence_about_a_store_is_an_error() {
    let report = |text: &str| parse(text).unwrap_err().to_string();
    let nothing = report("replay: {}\n");
    for line in ["`source:` and `  kind: local`", "`hot:` and `  kind: sqlite`", "`cold:` and `  kind: dir`"]
    {
        assert!(nothing.contains(line), "{nothing}");
    }
    let embedded = report("embedded: {}\nminio: {endpoint: 'm:1'}\n");
    assert!(embedded.contains("source.kind") && embedded.contains("hot.kind"), "{embedded}");
    assert!(report("kafka: {}\n").contains("cold.kind: nothing says which one"));
    assert!(report(&BASE.replace("dir", "s3")).contains("add a section `minio`"));
}

#[test]
fn codecs_have_their_own_levels() {
    assert_eq!(good("").replay.compression_level, 6);
    let zstd = good("replay: {compression: zstd}\n");
    assert_eq!((zstd.replay.compression_level, zstd.cold.codec), (3, Codec::Zstd));
    assert_eq!(good("replay: {compression: zstd, compression_level: 19}\n").replay.compression_level, 19);
    one("replay: {compression_level: 13}\n", 1, 29, &["gzip has levels from 1 to 12"]);
    one("replay: {compression_level: 0}\n", 1, 29, &["out of range"]);
    one("replay: {compression: zstd, compression_level: 20}\n", 1, 48, &["out of range", "1 to 19"]);
}

#[test]
fn others_may_only_listen_in_with_tokens() {
    for wide in ["0.0.0.0:80", "'[::]:80'", "10.0.0.1:8080"] {
        let found = bad(&format!("api: {{listen: {wide}}}\n"));
        assert!(found.len() == 1 && found[0].2.contains("needs tokens"), "{found:?}");
    }
    for narrow in ["127.0.0.1:80", "'[::1]:80'", "localhost:8080", "127.9.9.9:1"] {
        assert!(good(&format!("api: {{listen: {narrow}}}\n")).api.listen.ip().is_loopback());
    }
    let tokens = file_with("t");
    good(&format!("api: {{listen: 0.0.0.0:80, tokens_file: {}}}\n", tokens.path().display()));
    one("api: {listen: 0.0.0.0:80, tokens_file: /no/where}\n", 1, 40, &["cannot be read"]);
    one("api: {listen: example.com}\n", 1, 15, &["is not an address"]);
    one("api: {allowed_origins: [https://a.example/path]}\n", 1, 25, &["without a path"]);
    assert_eq!(good("api: {allowed_origins: ['https://a.example', '*']}\n").api.allowed_origins.len(), 2);
}

#[test]
fn secrets_come_from_files_too() {
    let (access, secret) = (file_with("me"), file_with("s3cret\n"));
    let lines = format!(
        "endpoint: 'm:1', access_key_file: {}, secret_key_file: {}",
        access.path().display(),
        secret.path().display()
    );
    let settings = parse(&format!("kafka: {{}}\nminio: {{{lines}}}\n")).unwrap();
    let ColdStore::S3(s3) = settings.cold.store else { panic!() };
    let (access, secret) = s3.credentials.unwrap();
    assert_eq!((access.expose(), secret.expose()), ("me", "s3cret"));

    let found = bad(&format!("minio: {{{lines}, secret_key: x}}\n"));
    assert!(found.len() == 1 && found[0].2.contains("minio.secret_key is given too"), "{found:?}");
    one("clickhouse: {password_file: /no/where}\n", 1, 29, &["clickhouse.password_file", "cannot be read"]);
    one("minio: {endpoint: 'm:1', access_key: a}\n", 1, 8, &["no `secret_key`"]);
    one("minio: {access_key: a, secret_key: b}\n", 1, 8, &["minio.endpoint: is missing"]);
    one(
        "minio: {endpoint: 'm:1', access_key: a, secret_key: '${EMPTY}'}\n",
        1,
        53,
        &["secret_key: is empty"],
    );
    let empty = file_with("\n");
    let found = bad(&format!("clickhouse: {{password_file: {}}}\n", empty.path().display()));
    assert!(found[0].2.contains("the file is empty"), "{found:?}");
}

#[test]
fn bounds_fit_together() {
    one("limits: {memory_budget: 32MiB}\n", 1, 25, &["less than limits.max_record_bytes (64MiB)"]);
    one("limits: {project_buffer_bytes: 512MiB}\n", 1, 9, &["limits.memory_budget", "project_buffer_bytes"]);
    one("limits: {insert_max_bytes: 1MiB}\n", 1, 28, &["max_stored_chunk_bytes (8MiB)"]);
    one("limits: {back_off: 2m}\n", 1, 9, &["limits.max_back_off", "shorter than limits.back_off (2m)"]);
    let limits = good("limits: {workers: 8, memory_budget: 1GiB}\n").limits;
    assert_eq!((limits.project_slots, limits.max_decode_jobs), (7, 32));
    assert_eq!(limits.project_buffer_bytes, 256 << 20);
    assert_eq!(good("limits: {workers: 1}\n").limits.project_slots, 1);
    assert_eq!(good("limits: {workers: 2, project_slots: 9}\n").limits.project_slots, 2);
    assert_eq!(good("limits: {max_record_bytes: 67108864}\n").limits.max_record_bytes, 64 << 20);
}

#[test]
fn marks_of_erasure_outlive_sessions() {
    one("erasure: {tombstone_retention: 120d}\n", 1, 32, &["120d", "sessions can live (120d)"]);
    good("erasure: {tombstone_retention: 121d}\n");
    one("dead_letters: {retention: 400d}\n", 0, 0, &["dead letters can live (400d)"]);
    one(
        "tenants: {defaults: {plugins: []}, shop: {cold_retention_days: 500}}\n",
        0,
        0,
        &["erasure.tombstone_retention", "530d"],
    );
}

#[test]
fn no_cold_store_means_no_migration() {
    let base = BASE.replace("kind: dir", "kind: none");
    assert!(!parse(&base).unwrap().replay.migration.enabled);
    let report = parse(&format!("{base}replay: {{migration: {{enabled: true}}}}\n")).unwrap_err().to_string();
    assert!(report.contains("no cold store to move to"), "{report}");
    let report = parse(&base.replace("none", "none, dir: x")).unwrap_err().to_string();
    assert!(report.contains("means nothing with kind none"), "{report}");
}

#[test]
fn dead_letters_need_a_place_of_their_own() {
    one("dead_letters: {kind: topic}\n", 1, 22, &["needs a Kafka cluster"]);
    let settings = good("dead_letters: {kind: topic}\nkafka: {brokers: ['k:1']}\n");
    assert!(
        matches!(settings.dead_letters.store, DeadLetterStore::Topic { kafka, .. } if kafka.brokers == ["k:1"])
    );
    let report =
        parse("minio: {endpoint: 'm:1'}\ndead_letters: {topic: gosight.replay.chunks}\n").unwrap_err();
    assert!(report.to_string().contains("is the topic that records are read from"), "{report}");
}

#[test]
fn nobody_stores_unredacted_data_by_omission() {
    one("tenants: {unlisted: reject}\n", 1, 10, &["tenants.defaults.plugins is missing"]);
    one("tenants: {defaults: {redacts: true}}\n", 1, 21, &["plugins is missing"]);
    one("tenants:\n", 1, 8, &["plugins is missing"]);
    one("tenants: {defaults: {plugins: null}}\n", 1, 31, &["write `plugins: []`"]);
    let none = good("").tenants;
    assert!(none.defaults.plugins.is_empty() && none.listed.is_empty());
}

const CHAIN: &str = "[{name: mask-pii, sha256: \
    0000000000000000000000000000000000000000000000000000000000000000, config: {kinds: [email], n: 3}}]";

#[test]
fn a_chain_is_read() {
    let settings = tenants(&format!("  shop: {{chain_revision: 3, plugins: {CHAIN}}}\n"));
    let shop = settings.tenants.of(&ProjectId::new("shop").unwrap()).unwrap();
    let [plugin] = &*shop.plugins else { panic!("{shop:?}") };
    assert_eq!((shop.chain_revision, &*plugin.name, plugin.mask_only), (3, "mask-pii", false));
    assert_eq!(plugin.config, serde_json::json!({"kinds": ["email"], "n": 3}));
    assert!(shop.redacts, "unless the file says otherwise");
    assert!(!format!("{plugin:?}").contains("email"), "its settings are confidential");
}

#[test]
fn chains_are_checked() {
    let found = |tenant: &str| -> String {
        let text = format!("tenants: {{defaults: {{plugins: []}}, shop: {{{tenant}}}}}\n");
        bad(&text).into_iter().map(|(_, _, words)| words + "\n").collect()
    };
    assert!(found(&format!("plugins: {CHAIN}")).contains("needs a `chain_revision`"));
    let pass = found(&format!("chain_revision: 1, on_plugin_failure: pass, plugins: {CHAIN}"));
    assert!(pass.contains("should have redacted"), "{pass}");
    tenants(&format!(
        "  shop: {{chain_revision: 1, redacts: false, on_plugin_failure: pass, plugins: {CHAIN}}}\n"
    ));
    assert!(
        found("plugins: [{}]").contains("has no `name`")
            && found("plugins: [{}]").contains("has no `sha256`")
    );
    assert!(found("plugins: [{name: a/b, sha256: 12, config: {}}]").contains("not a plugin's name"));
    assert!(found("plugins: [{name: a, sha256: 12}]").contains("not a SHA-256"));
    assert!(found("plugins: mask-pii").contains("a list of plugins"));
    assert!(found("chain_revision: 32768").contains("out of range"));
    let both = CHAIN.replace("config:", "allow_replace: true, mask_only: true, config:");
    assert!(found(&format!("chain_revision: 1, plugins: {both}")).contains("contradicts `mask_only`"));
    let secret = CHAIN.replace("n: 3", "n: '${MINIO_ROOT_PASSWORD}'");
    assert!(found(&format!("chain_revision: 1, plugins: {secret}")).contains("variables are not filled in"));
}

#[test]
fn a_chain_of_its_own_inherits_nothing_that_weakens_it() {
    let settings = good(&format!(
        "tenants:\n  defaults: {{plugins: [], redacts: false, on_plugin_failure: pass, dead_letter_payload: include}}\n  \
         shop: {{chain_revision: 1, plugins: {CHAIN}}}\n"
    ));
    let shop = settings.tenants.of(&ProjectId::new("shop").unwrap()).unwrap();
    assert!(shop.redacts);
    assert_eq!((shop.on_plugin_failure, shop.dead_letter_payload), (OnPluginFailure::Quarantine, None));
}

fn tenants(lines: &str) -> Settings {
    good(&format!("tenants:\n  defaults: {{plugins: []}}\n{lines}"))
}

#[test]
fn tenants_inherit_and_override() {
    let settings = tenants(
        "  unlisted: reject\n  shop.eu: {keys: [pk_1, pk_2], hot_retention_days: 7}\n  other: {on_plugin_failure: drop}\n",
    );
    let id = |text| ProjectId::new(text).unwrap();
    let shop = settings.tenants.of(&id("shop.eu")).unwrap();
    assert_eq!((shop.hot_retention_days, shop.cold_retention_days), (7, 90));
    assert_eq!(shop.dead_letter_payload, None);
    assert_eq!(settings.tenants.of(&id("other")).unwrap().on_plugin_failure, OnPluginFailure::Drop);
    assert!(settings.tenants.of(&id("stranger")).is_none());
    assert_eq!(settings.tenants.by_key("pk_2"), Some(&id("shop.eu")));
    assert_eq!(settings.tenants.by_key("pk_3"), None);
    assert!(tenants("").tenants.of(&id("stranger")).is_some());
}

#[test]
fn tenants_have_keys_of_their_own() {
    let text =
        "tenants:\n  defaults: {plugins: []}\n  a: {keys: [k]}\n  b: {keys: [k]}\n  c: {keys: [j, j]}\n";
    let found = bad(text);
    assert_eq!(found.iter().map(|f| (f.0, f.1)).collect::<Vec<_>>(), [(4, 13), (5, 13)], "{found:?}");
    assert!(found[0].2.contains("`k` of `b` is also a key of `a`"), "{found:?}");
    one("tenants: {defaults: {plugins: [], keys: [k]}}\n", 1, 41, &["defaults have no keys"]);
    one("tenants: {defaults: {plugins: []}, a: {hot_retention_days: 0}}\n", 1, 60, &["out of range"]);
    one("tenants: {defaults: {plugins: []}, 'a b': {}}\n", 1, 36, &["not a project id"]);
}

#[test]
fn labels_times_and_sizes_become_types() {
    let settings = good(
        "telemetry: {project_label: 'top:5', log_format: json}\nreplay: {idle_timeout: 500ms}\nembedded: {log: {segment_bytes: 2MiB}}\n",
    );
    assert_eq!(settings.telemetry.project_label, ProjectLabel::Top(5));
    assert_eq!(settings.replay.idle_timeout, Duration::from_millis(500));
    assert_eq!(settings.embedded.log.segment_bytes, 2 << 20);
    one("telemetry: {project_label: top}\n", 1, 28, &["`top:N`"]);
}

#[test]
fn a_script_is_called_one() {
    let chain = |class: &str| {
        let pin = "0".repeat(64);
        format!(
            "tenants: {{defaults: {{plugins: []}}, a: {{chain_revision: 1, plugins: [{{name: x, sha256: {pin}{class}}}]}}}}\n"
        )
    };
    let class = |text: &str| {
        let settings = good(&chain(text));
        settings.tenants.of(&ProjectId::new("a").unwrap()).unwrap().plugins[0].class
    };
    assert_eq!(class(""), PluginClass::Compiled);
    assert_eq!(class(", class: script"), PluginClass::Script);
    let found = bad(&chain(", class: python"));
    assert!(
        found.len() == 1 && found[0].2.contains("compiled") && found[0].2.contains("script"),
        "{found:?}"
    );
    let plugins = good("").plugins;
    let (limits, scripts) = (plugins.limits, plugins.script_limits);
    assert_eq!(scripts.time_per_batch, 5 * limits.time_per_batch);
    assert_eq!(scripts.time_per_mib, 200 * limits.time_per_mib);
}
