//! Reports: everything at once, in place, with what to do, and never a secret.

use super::{BASE, bad, one, parse, parse_with};

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = "\
replya:
  enabled: true
replay:
  enabled: yes
  max_chunks_per_session: -1
  idle_timeout: 30
  flush_interval: 10 minutes
  compression: brotli
  batch_size: 5
  migration:
    hot_retention_days: 0
    cold_retention_days: 1.5
    interval: [1h]
source: {kind: kafak}
api:
  listen: 0.0.0.0:8080
  alowed_origins: []
limits:
  memory_budget: 256MB
  max_depth: 99999999999999999999
minio:
  endpoint: http://minio:9000
  access_key: ${NOT_THERE}
  secret_key: ${MINIO_ROOT_PASSWORD}
  bucket: Nope
tenants:
  unlisted: maybe
  -bad-: {}
";
    let errors = parse(text).unwrap_err();
    let found: Vec<_> = errors
        .problems()
        .iter()
        .map(|p| (p.line.unwrap_or(0), p.column.unwrap_or(0), p.message.as_str(), p.help.as_str()))
        .collect();
    let expected = [
        (1, 1, "unknown key `replya`", "did you mean `replay`?"),
        (4, 12, "`yes` is neither", "`true` or `false`"),
        (5, 27, "`-1` is not a whole number", "without a sign"),
        (6, 17, "`30` has no unit", "write `30s`"),
        (7, 19, "`10 minutes` is not a time", "`5m`"),
        (8, 16, "`brotli` is not one", "write `gzip` or `zstd`"),
        (9, 3, "unknown key `batch_size` in `replay`", "`replay.migration.batch_size`"),
        (11, 25, "`0` is out of range", "from 1 to 3650"),
        (12, 26, "`1.5` is not a whole number", "digits"),
        (13, 15, "not a list", "one value"),
        (14, 16, "`kafak` is not one", "`kafka` or `local`"),
        (16, 11, "needs tokens", "api.tokens_file"),
        (17, 3, "unknown key `alowed_origins`", "did you mean `allowed_origins`?"),
        (19, 18, "`256MB` is not a size", "write `256MiB`"),
        (20, 14, "is not a whole number in range", "digits"),
        (22, 13, "has a scheme", "only host and port"),
        (23, 15, "`NOT_THERE` is not set", "set NOT_THERE"),
        (25, 11, "`Nope` is not a bucket", "lower-case"),
        (27, 3, "tenants.defaults.plugins is missing", "`plugins: []`"),
        (27, 13, "`maybe` is not one", "`defaults` or `reject`"),
        (28, 3, "not a project id", "letter or digit first"),
    ];
    assert_eq!(found.len(), expected.len(), "{errors}");
    for (got, want) in found.iter().zip(expected) {
        assert_eq!((got.0, got.1), (want.0, want.1), "{got:?} for {want:?}");
        assert!(got.2.contains(want.2) && got.3.contains(want.3), "{got:?} for {want:?}");
    }
}

#[test]
fn a_report_reads_well() {
    let errors = parse(&format!("{BASE}replay:\n  idle_timeout: 30\n")).unwrap_err();
    let report = errors.to_string();
    for words in ["replay.yaml:5:17", "idle_timeout: 30", "help: write `30s`", "replay.yaml: 1 problem"] {
        assert!(report.contains(words), "{words:?} is not in\n{report}");
    }
    assert!(!report.contains('\u{1b}'), "plain text has no escapes");
    assert!(errors.render(true).contains('\u{1b}'));
}

#[test]
fn columns_count_characters() {
    let found = bad("kafka: {topic: \"ä ö\", gruop: x}\n");
    assert_eq!(found.iter().map(|f| (f.0, f.1)).collect::<Vec<_>>(), [(1, 16), (1, 23)], "{found:?}");
}

#[test]
fn lines_count_as_editors_count_them() {
    let errors = parse(&format!("{BASE}replay:\r\n  enabled: true\r\n  idle_timeout: 30\r\n")).unwrap_err();
    assert_eq!((errors.problems()[0].line, errors.problems()[0].column), (Some(6), Some(17)));
}

#[test]
fn unknown_keys_get_the_nearest_name() {
    one("replay: {migration: {batchsize: 1}}\n", 1, 22, &["replay.migration", "did you mean `batch_size`?"]);
    one("brokers: [a:1]\n", 1, 1, &["there is `kafka.brokers`"]);
    one("embedded: {colour: red}\n", 1, 12, &["known here: dir, log_retention"]);
    one("tenants: {defaults: {plugin: [], plugins: []}}\n", 1, 22, &["did you mean `plugins`?"]);
}

/// Every way a secret could get into a report.
#[test]
fn secrets_stay_out_of_reports() {
    let texts = [
        "minio: {secret_key: hunter2, secret_key_file: /nowhere, endpoint: 1}\n",
        "minio:\n  secretkey: hunter2\n  endpoint: m:1\n",
        "minio: {secret_key: [hunter2], access_key: {a: hunter2}}\n",
        "clickhouse: {url: 'http://user:hunter2@host:8123'}\n",
        "minio: {endpoint: 'user:hunter2@minio:9000'}\n",
        "api: {listen: '${MINIO_ROOT_PASSWORD}'}\n",
        "replay: {max_chunks_per_session: '${MINIO_ROOT_PASSWORD}'}\n",
        "replay: {idle_timeout: '${NOT_THERE:-}${MINIO_ROOT_PASSWORD}'}\n",
        "kafka: {brokers: [], properties: {sasl.password: hunter2}}\n",
        "kafka: {properties: hunter2}\n",
        "minio:\n  endpoint: 1 # was hunter2\n",
        "minio:\n  secret_key: \"hunter2\n",
        "minio:\n  secret_key: ${BAD NAME:-hunter2}\n",
        "minio:\n  secret_key: hunter2\n  secret_key: x\n",
        "minio:\n  secret_key: |\n    hunter2\n  endpoint: [1]\n",
        "tenants: {defaults: {plugins: [{name: a b, config: {salt: hunter2}}]}}\n",
        "minio: {secret_key: x, secret_key: hunter2}\n",
        "minio: {secret_key: x, secret_key: [{a: [hunter2]}]}\n",
        "minio: {[a]: hunter2, [hunter2]: b}\n",
        "minio: {secret_key: *hunter2, endpoint: m}\n",
        "minio: {secret_key: &hunter2, endpoint: m}\n",
        "minio: {secret_key: !hunter2 x, endpoint: m}\n",
        "minio: {secret_key: !hunter2}\n",
        "minio: {secret_key: @hunter2, endpoint: m}\n",
        "minio:\n  secret_key: %hunter2\n  endpoint: m\n",
        "minio:\n  secret_key: x # y\n  hunter2\n",
        "minio:\n  secret_key: x\n    hunter2: y\n",
        "minio: {secret_key:hunter2, endpoint: 'm:1'}\n",
        "minio: {? secret_key=hunter2, ? secret_key=hunter2}\n",
        "minio:\n  secret_key:hunter2\n  endpoint: m:1\n",
        "minio: hunter2\n",
        "minio:\n  - hunter2\n",
    ];
    for text in texts {
        let errors = parse(&format!("{BASE}{text}")).expect_err(text);
        let shown = format!("{errors}{}{errors:?}", errors.render(true));
        assert!(!shown.contains("hunter2") && !shown.contains("unter"), "{text}\n{errors}");
    }
}

#[test]
fn a_value_from_the_environment_is_never_yaml() {
    let env = [("V", "x\nreplay: {enabled: false}"), ("N", "null"), ("L", "[a, b]")];
    let parse = |more: &str| parse_with(&format!("{BASE}{more}"), &env);
    assert!(parse("kafka: {group: '${V}'}\n").is_err());
    let settings = parse("minio: {endpoint: 'm:1', access_key: '${N}', secret_key: '${V}'}\n");
    assert!(settings.unwrap().replay.enabled);
    assert!(parse("kafka: {brokers: '${L}'}\n").is_err());
}

#[test]
fn variables_fill_in() {
    let env = [("HOST", "ch"), ("PORT", "9"), ("NUMBER", "7"), ("EMPTY", "")];
    let text = format!(
        "{BASE}clickhouse: {{url: 'http://${{HOST}}:${{PORT}}', user: '$${{raw}}', database: '${{EMPTY:-gosight}}'}}\n\
         replay: {{max_chunks_per_session: '${{NUMBER}}', enabled: '${{NOPE:-false}}'}}\nhot2: 1\n"
    );
    let errors = parse_with(&text, &env).unwrap_err();
    assert_eq!(errors.problems().len(), 1, "{errors}");
    let text = text.replace("hot2: 1\n", "").replace("kind: sqlite", "kind: clickhouse");
    let settings = parse_with(&text, &env).unwrap_or_else(|errors| panic!("{errors}"));
    let crate::config::Hot::ClickHouse(ch) = &settings.hot else { panic!() };
    assert_eq!((&*ch.url, &*ch.user, &*ch.database), ("http://ch:9", "${raw}", "gosight"));
    assert_eq!((settings.replay.max_chunks_per_session, settings.replay.enabled), (7, false));
}

#[test]
fn variables_that_are_wrong_are_named() {
    one("kafka: {group: '${NOPE}'}\n", 1, 16, &["kafka.group", "`NOPE` is not set"]);
    one("kafka: {group: '${NOPE'}\n", 1, 16, &["not closed"]);
    one("kafka: {group: '${1A}'}\n", 1, 16, &["not the name of a variable"]);
    assert_eq!(bad("kafka: {group: '${A}', topic: '${B}', brokers: ['${C}', '${D}']}\n").len(), 4);
}

#[test]
fn reports_are_bounded() {
    let many: String = (0..5000).map(|n| format!("key_{n}: 1\n")).collect();
    let report = parse(&many).unwrap_err();
    assert_eq!(report.problems().len(), 200);
    assert!(
        report.to_string().contains("5003 problems, the first 200 shown"),
        "{}",
        report.to_string().len()
    );
}

#[test]
fn colour_is_for_terminals_whose_owner_wants_it() {
    let wants =
        |value: Option<&str>, terminal| crate::config::wants_colour(&|_| value.map(str::to_owned), terminal);
    assert!(wants(None, true) && wants(Some(""), true));
    assert!(!wants(None, false) && !wants(Some("1"), true));
}

#[test]
fn what_is_hidden_does_not_show_its_length_and_the_mark_stays_in_place() {
    let text = format!("{BASE}minio: {{secret_key: 'hünter2', access_key: 'a', endpoint: http}}\n");
    let report = parse(&text).unwrap_err().to_string();
    let shown = "minio: {secret_key: ***, access_key: ***, endpoint: http}\n";
    let mark = format!("   :{}^^^^\n", " ".repeat(53));
    assert!(report.contains(shown) && report.contains(&mark) && report.contains("yaml:4:59"), "{report}");
}

#[test]
fn long_lines_are_cut_around_the_place() {
    let long = format!("kafka: {{brokers: [{}bad, 'k:1']}}\n", "'kafka:9092', ".repeat(1000));
    let report = parse(&format!("{BASE}{long}")).unwrap_err().to_string();
    assert!(report.contains("bad") && report.len() < 1000, "{report}");
}

/// Whatever is done to a file, it is read or refused: nothing panics.
#[test]
fn mutilated_files_are_read_or_refused() {
    let text = include_str!("../../../../../config/replay.yaml");
    let places = text.char_indices().map(|(at, _)| at).step_by(127);
    for at in places {
        let (head, tail) = text.split_at(at);
        for mutilated in
            [head.to_owned(), format!("{head}\u{1f9e8}: {tail}"), format!("{head}[{{\n\t'{tail}")]
        {
            if let Err(errors) = parse(&mutilated) {
                assert!(!errors.render(false).is_empty() && !errors.problems().is_empty());
            }
        }
    }
}
