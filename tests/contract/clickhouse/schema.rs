//! The tables' versions: what is shown, applied, accepted and refused.

use std::path::Path;

use replay_ports::{HotStore, PortError};
use replay_servers::clickhouse::{ClickHouseDeadLetters, ClickHouseHot, ClickHouseSettings};

use super::{Database, T0, names, read_all, row, session, tables};
use tables::State;

/// What a server is asked to run, word for word. After a change that is meant, `UPDATE_GOLDEN=1` writes
/// the files anew.
#[test]
fn the_sql_of_each_kind_of_server_is_as_agreed() {
    let plain = ClickHouseSettings::new("http://ch:8123", "gosight");
    let replicated = ClickHouseSettings { replicated: true, ..plain.clone() };
    let distributed = ClickHouseSettings { cluster: Some("replays".into()), ..replicated.clone() };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contract/clickhouse/golden");
    for (name, settings) in [("plain", plain), ("replicated", replicated), ("distributed", distributed)] {
        let path = folder.join(name).with_extension("sql");
        let sql = tables::show(&settings).unwrap();
        if std::env::var("UPDATE_GOLDEN").is_ok() {
            std::fs::write(&path, &sql).unwrap();
        }
        assert_eq!(sql, std::fs::read_to_string(&path).unwrap(), "{name}");
    }
}

fn refusal(opened: Result<ClickHouseHot, PortError>) -> String {
    match opened {
        Err(PortError::Refused { what }) => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_made_once_and_a_cut_off_apply_is_repeated() {
    let Some(database) = Database::new() else { return };
    let settings = &database.settings;
    assert_eq!(tables::state(settings).await.unwrap(), State::Missing);
    assert!(refusal(ClickHouseHot::open(settings).await).contains("schema apply"));
    let lazy = ClickHouseHot::open_lazily(settings).unwrap();
    assert!(matches!(lazy.list_audit(1).await, Err(PortError::Refused { .. })));

    let report = tables::apply(settings, false).await.unwrap();
    assert_eq!((report.from, report.version, report.applied.len()), (State::Missing, tables::VERSION, 2));
    assert_eq!(tables::state(settings).await.unwrap(), State::Current);
    // What was opened before is fine now, without being opened again.
    assert!(lazy.list_audit(1).await.unwrap().is_empty());
    assert!(tables::apply(settings, false).await.unwrap().applied.is_empty());

    // As after a crash before the version was noted, and before the last table was made.
    database.ask("TRUNCATE TABLE {db}.replay_schema");
    database.ask("DROP TABLE {db}.replay_audit SYNC");
    assert_eq!(tables::state(settings).await.unwrap(), State::Missing);
    tables::apply(settings, false).await.unwrap();
    assert!(database.hot().await.list_audit(1).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_shown_makes_the_same_tables() {
    let Some(database) = Database::new() else { return };
    for statement in tables::show(&database.settings).unwrap().split(";\n") {
        if !statement.trim().is_empty() {
            database.ask(statement);
        }
    }
    assert_eq!(tables::state(&database.settings).await.unwrap(), State::Current);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_and_a_newer_schema_are_refused_with_what_to_do() {
    let Some(database) = Database::with_tables().await else { return };
    let settings = &database.settings;
    database.ask("TRUNCATE TABLE {db}.replay_schema");
    database.ask("DROP TABLE {db}.replay_dead_letters SYNC");
    database.ask("INSERT INTO {db}.replay_schema (version) VALUES (1)");
    assert_eq!(tables::state(settings).await.unwrap(), State::Older(1));
    let said = refusal(ClickHouseHot::open(settings).await);
    assert!(said.contains("version 1") && said.contains("schema apply"), "{said}");
    let report = tables::apply(settings, false).await.unwrap();
    assert_eq!((report.from, report.applied.len()), (State::Older(1), 1));
    assert!(ClickHouseDeadLetters::open(settings).await.is_ok());

    database.ask(&format!("INSERT INTO {{db}}.replay_schema (version) VALUES ({})", tables::VERSION + 2));
    let said = refusal(ClickHouseHot::open(settings).await);
    assert!(said.contains("upgrade this process"), "{said}");
    assert!(tables::apply(settings, false).await.is_err(), "never goes back");
}

/// One process opened on this version, another on the next; the change comes while both write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_upgrade_loses_nothing() {
    let Some(database) = Database::with_tables().await else { return };
    let (old, session) = (database.hot().await, session(1));
    let chunk = |index: u32| row(&session, index, 1, T0, format!("[{index}]").as_bytes());
    old.insert(&[chunk(0)]).await.unwrap();

    let writer = {
        let (old, rows) = (old.clone(), (1..30).map(chunk).collect::<Vec<_>>());
        tokio::spawn(async move {
            for row in rows {
                old.insert(&[row]).await.unwrap();
            }
        })
    };
    // As a later build would apply its version: a column more, then the number.
    database.ask("ALTER TABLE {db}.replay_chunks ADD COLUMN added UInt32 DEFAULT 7");
    database.ask("ALTER TABLE {db}.replay_archive ADD COLUMN added String");
    database.ask(&format!("INSERT INTO {{db}}.replay_schema (version) VALUES ({})", tables::VERSION + 1));
    let new = database.hot().await;
    assert_eq!(tables::state(&database.settings).await.unwrap(), State::Next(tables::VERSION + 1));
    for index in 30..40 {
        new.insert(&[chunk(index)]).await.unwrap();
    }
    writer.await.unwrap();

    let expected: Vec<_> = (0..40).map(chunk).collect();
    assert_eq!(read_all(&old, &session).await, expected);
    assert_eq!(read_all(&new, &session).await, expected);
    assert_eq!(old.delete_copies(&session, &names(&expected)).await.unwrap(), 40);
    assert!(read_all(&new, &session).await.is_empty());
}
