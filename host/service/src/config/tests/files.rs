//! The files that ship, and the schema: they say the same as the code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value as Json;

use super::{ENV, parse, parse_with};
use crate::config::leaf::plain;
use crate::config::node::{self, Data, Node};
use crate::config::report::Problems;
use crate::config::units::{parse_size, parse_time};
use crate::config::{ColdStore, DeadLetterStore, Hot, Settings, Source, json_schema, key_paths};

const SEED: &str = include_str!("../../../tests/fixtures/config/seed-replay.yaml");

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config")
}

fn shipped_text(name: &str) -> String {
    std::fs::read_to_string(shipped().join(name)).unwrap()
}

#[test]
fn the_file_this_began_with_parses_as_it_stands() {
    let settings = parse(SEED).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(settings.replay.max_chunks_per_session, 100);
    assert_eq!(settings.replay.compression_level, 9);
    assert_eq!(settings.replay.flush_interval, Duration::from_secs(10));
    assert_eq!(settings.replay.migration.cold_retention_days, 90);
    let Source::Kafka(kafka) = &settings.source else { panic!("{:?}", settings.source) };
    assert_eq!((&*kafka.brokers[0], &*kafka.topic), ("kafka:9092", "gosight.replay.chunks"));
    assert!(matches!(&settings.hot, Hot::ClickHouse(ch) if ch.url == "http://clickhouse:8123"));
    let ColdStore::S3(s3) = &settings.cold.store else { panic!("{:?}", settings.cold) };
    assert_eq!((s3.url.as_deref(), &*s3.bucket), (Some("http://minio:9000"), "gosight-replays"));
    assert_eq!(s3.credentials.as_ref().map(|(_, secret)| secret.expose()), Some("hunter2"));
    assert!(matches!(settings.dead_letters.store, DeadLetterStore::Topic { .. }));
    assert!(settings.tenants.defaults.plugins.is_empty());
    assert_eq!(settings.unsupported_servers().len(), if cfg!(feature = "servers") { 0 } else { 4 });
}

#[test]
fn without_its_variables_it_names_both() {
    let errors = parse_with(SEED, &[]).unwrap_err();
    let found: Vec<_> = errors.problems().iter().map(|p| (p.line, p.column, p.message.as_str())).collect();
    let message = |key, name| format!("minio.{key}: the environment variable `{name}` is not set");
    let (user, password) =
        (message("access_key", "MINIO_ROOT_USER"), message("secret_key", "MINIO_ROOT_PASSWORD"));
    assert_eq!(found, [(Some(23), Some(15), &*user), (Some(24), Some(15), &*password)], "{errors}");
}

#[test]
fn every_shipped_file_is_good() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(shipped()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "yaml") {
            let lookup =
                |name: &str| ENV.iter().find(|(k, _)| *k == name).map(|(_, value)| (*value).to_owned());
            Settings::load(&path, &lookup).unwrap_or_else(|errors| panic!("{errors}"));
            names.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    names.sort();
    let privacy = ["privacy-enhanced.yaml", "privacy-essential.yaml", "privacy-maximum.yaml"];
    assert_eq!(names, [&["chains.yaml", "embedded.yaml"], &privacy[..], &["replay.yaml"]].concat());
}

#[test]
fn the_embedded_file_needs_nothing_around_it() {
    let settings =
        parse_with(&shipped_text("embedded.yaml"), &[]).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(settings.unsupported_servers().is_empty());
    assert!(settings.api.listen.ip().is_loopback());
    assert!(matches!(&settings.cold.store, ColdStore::Dir(dir) if dir == Path::new("./data/cold")));
}

#[test]
fn settings_shown_say_what_was_chosen_and_no_secret() {
    let shown = parse(SEED).unwrap().describe().join("\n");
    for words in
        ["source: kafka kafka:9092", "cold store: s3 http://minio:9000/gosight-replays", "no plugins"]
    {
        assert!(shown.contains(words), "{words} is not in\n{shown}");
    }
    let debug = format!("{:?}", parse(SEED).unwrap());
    assert!(!shown.contains("hunter2") && !debug.contains("hunter2") && !debug.contains("root-user"));
}

/// The tree of a shipped file with the settings that are commented out (`#key:`) put in.
fn with_comments_in(name: &str) -> Node {
    let text: String = shipped_text(name)
        .lines()
        .map(|line| {
            let indent = line.len() - line.trim_start().len();
            let setting = line[indent..].strip_prefix('#').filter(|rest| !rest.starts_with([' ', '#']));
            format!("{}{}\n", &line[..indent], setting.unwrap_or(&line[indent..]))
        })
        .collect();
    let mut problems = Problems::new();
    let document = node::parse(&text, &mut problems);
    assert!(problems.is_empty(), "{}", problems.finish(name, &text, &document));
    document.root.unwrap()
}

/// The schema's defaults by path, down to the leaves; `null` for keys without one.
fn defaults(schema: &Json, path: &str, all: &mut BTreeMap<String, Json>) {
    for (key, inner) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        if inner.get("properties").is_none() {
            all.insert(path.clone(), inner["default"].clone());
        }
        defaults(inner, &path, all);
    }
}

fn same(node: &Node, default: &Json) -> bool {
    match (&node.data, default) {
        (_, Json::Null) => true,
        (Data::Seq(items), Json::Array(defaults)) => {
            items.len() == defaults.len() && items.iter().zip(defaults).all(|(a, b)| same(a, b))
        }
        (Data::Map(entries), Json::Object(defaults)) => entries.len() == defaults.len(),
        (Data::Scalar(scalar), Json::String(text)) => {
            let time = |text: &str| parse_time(text).ok();
            scalar.text == *text
                || time(text).is_some() && time(text) == time(&scalar.text)
                || parse_size(text).is_ok() && parse_size(text) == parse_size(&scalar.text)
        }
        (Data::Scalar(scalar), other) => scalar.text == plain(other),
        (Data::Seq(_) | Data::Map(_), _) => false,
    }
}

#[test]
fn the_annotated_file_holds_every_key_with_its_default() {
    let (schema, root) = (json_schema(), with_comments_in("replay.yaml"));
    let mut all = BTreeMap::new();
    defaults(&schema, "", &mut all);
    assert!(all.len() > 80, "{}", all.len());
    for (path, default) in &all {
        // Defaults have no SDK keys.
        if path == "tenants.defaults.keys" {
            continue;
        }
        let node = root.at(path).unwrap_or_else(|| panic!("{path} is not in config/replay.yaml"));
        assert!(same(node, default), "{path}: the default is {default}, not {:?}", node.data);
    }
    assert!(root.at("tenants.shop.keys").is_some());
}

/// What the file says about bounds is what the code checks.
#[test]
fn the_annotated_file_names_the_bounds() {
    let text = shipped_text("replay.yaml");
    let schema = json_schema();
    let mut checked = 0;
    for path in key_paths() {
        let pointer = format!("/properties/{}", path.replace('.', "/properties/"));
        let leaf = schema.pointer(&pointer).and_then(|field| field.pointer("/anyOf/0")).cloned();
        let Some(leaf) = leaf.map(|l| l.pointer("/anyOf/0").cloned().unwrap_or(l)) else { continue };
        let range = match (&leaf["minimum"], &leaf["maximum"], &leaf["description"]) {
            (Json::Number(least), Json::Number(most), _) => format!("{least} to {most}"),
            (_, _, Json::String(words)) => words.trim_start_matches("from ").to_owned(),
            _ => continue,
        };
        // Levels are told for each codec.
        if path != "replay.compression_level" {
            assert!(text.contains(&range), "{path}: ({range}) is not in config/replay.yaml");
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked}");
}

#[test]
fn the_schema_documents_every_key() {
    let schema = json_schema();
    for path in key_paths() {
        let pointer = format!("/properties/{}", path.replace('.', "/properties/"));
        let doc = schema.pointer(&format!("{pointer}/description")).and_then(Json::as_str).unwrap_or("");
        assert!(!doc.is_empty(), "{path} is not documented");
    }
    assert_eq!(schema["additionalProperties"], false);
}
