//! Each thing that can be wrong is named, and what to do about it.

use std::time::Duration;

use replay_servers::clickhouse::{ClickHouseSettings, examine};
use replay_servers::{Finding, Verdict};

use super::{Database, proxy, tables};

async fn finding(settings: &ClickHouseSettings, check: &str) -> Finding {
    let found = examine(settings).await;
    let of_check = found.iter().find(|finding| finding.check == check);
    of_check.unwrap_or_else(|| panic!("{check} is not in {found:#?}")).clone()
}

fn behind_proxy(
    database: &Database,
    rule: impl Fn(&str) -> Result<String, (u32, &'static str)> + Send + Sync + 'static,
) -> ClickHouseSettings {
    let url = proxy::before(&database.settings.url, rule);
    ClickHouseSettings { url, ..database.settings.clone() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_wrong_with_a_good_server() {
    let Some(database) = Database::with_tables().await else { return };
    let found = examine(&database.settings).await;
    assert!(found.iter().all(|finding| finding.verdict == Verdict::Fine), "{found:#?}");
    let checks: Vec<_> = found.iter().map(|finding| finding.check).collect();
    for check in
        ["server", "credentials", "version", "clock", "database", "schema", "select", "insert", "delete"]
    {
        assert!(checks.contains(&format!("clickhouse {check}").as_str()), "{checks:?}");
    }
    // Looking changed nothing.
    assert_eq!(database.ask("SELECT count() FROM {db}.replay_chunks"), "0");
}

#[tokio::test]
async fn an_unreachable_server_is_named() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = ClickHouseSettings::new(format!("http://127.0.0.1:{port}"), "gosight");
    let found = examine(&settings).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].check, found[0].verdict), ("clickhouse server", Verdict::Unreachable));
    assert!(found[0].detail.contains("connection refused") && found[0].advice.contains("url"), "{found:?}");
}

#[tokio::test]
async fn a_silent_server_is_unreachable() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let settings = ClickHouseSettings {
        request_timeout: Duration::from_secs(1),
        ..ClickHouseSettings::new(url, "gosight")
    };
    let found = examine(&settings).await;
    assert_eq!(found.last().unwrap().verdict, Verdict::Unreachable, "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_named() {
    let Some(database) = Database::with_tables().await else { return };
    let mut settings = behind_proxy(&database, |_| {
        Err((516, "default: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)"))
    });
    settings.password = Some("hunter2".into());
    let found = finding(&settings, "clickhouse credentials").await;
    assert_eq!(found.verdict, Verdict::Wrong);
    assert!(
        found.detail.contains("516 AUTHENTICATION_FAILED") && found.advice.contains("password"),
        "{found:?}"
    );
    assert!(!format!("{found:?}").contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_database_and_a_missing_schema_are_named() {
    let Some(database) = Database::new() else { return };
    let found = finding(&database.settings, "clickhouse database").await;
    assert_eq!(found.verdict, Verdict::Wrong);
    assert!(found.advice.contains("schema apply"), "{found:?}");
    database.ask("CREATE DATABASE {db}");
    let found = finding(&database.settings, "clickhouse schema").await;
    assert_eq!(found.verdict, Verdict::Wrong);
    assert!(found.advice.contains("schema apply"), "{found:?}");
    database.ask("CREATE TABLE {db}.replay_chunks (x UInt8) ENGINE = MergeTree ORDER BY x");
    let found = finding(&database.settings, "clickhouse schema").await;
    assert!(found.detail.contains("no column session_id"), "{found:?}");
    assert!(tables::apply(&database.settings, true).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_missing_right_is_named_alone() {
    let Some(database) = Database::with_tables().await else { return };
    let statements = [
        ("clickhouse select", "SELECT * FROM", "GRANT SELECT"),
        ("clickhouse insert", "INSERT INTO", "GRANT INSERT"),
        ("clickhouse delete", "ALTER TABLE", "GRANT ALTER DELETE"),
    ];
    for (check, denied, advice) in statements {
        let settings = behind_proxy(&database, move |sql| match sql.starts_with(denied) {
            true => Err((497, "default: Not enough privileges. (ACCESS_DENIED)")),
            false => Ok(sql.to_owned()),
        });
        let found = examine(&settings).await;
        for finding in &found {
            let expected = if finding.check == check { Verdict::Wrong } else { Verdict::Fine };
            assert_eq!(finding.verdict, expected, "{found:#?}");
        }
        let wrong = found.iter().find(|finding| finding.check == check).unwrap();
        assert!(wrong.detail.contains("497 ACCESS_DENIED") && wrong.advice.contains(advice), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_wrong_and_a_server_that_is_too_old_are_named() {
    let Some(database) = Database::with_tables().await else { return };
    for shift in ["now64(3) - INTERVAL 1 HOUR", "now64(3) + INTERVAL 1 HOUR"] {
        let settings = behind_proxy(&database, move |sql| Ok(sql.replace("now64(3)", shift)));
        let found = finding(&settings, "clickhouse clock").await;
        assert_eq!(found.verdict, Verdict::Warning, "{found:?}");
        assert!(found.advice.contains("NTP"), "{found:?}");
    }
    let settings = behind_proxy(&database, |sql| Ok(sql.replace("version() AS", "'22.3.1.1' AS")));
    let found = finding(&settings, "clickhouse version").await;
    assert_eq!(found.verdict, Verdict::Wrong);
    assert!(found.detail.contains("23.12"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_the_server_does_not_know_is_named() {
    let Some(database) = Database::with_tables().await else { return };
    let settings = ClickHouseSettings { cluster: Some("elsewhere".into()), ..database.settings.clone() };
    let found = finding(&settings, "clickhouse cluster").await;
    assert_eq!(found.verdict, Verdict::Wrong);
    assert!(found.detail.contains("elsewhere"), "{found:?}");
    let settings = ClickHouseSettings { replicated: true, ..database.settings.clone() };
    let found = finding(&settings, "clickhouse cluster").await;
    assert!(found.advice.contains("macros"), "{found:?}");
}
