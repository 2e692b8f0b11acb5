//! A table of the first design: recognised, refused, moved over with nothing lost.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use replay_core::identity::{ProjectId, SessionId, SessionKey};
use replay_core::winner::{ContentHash, Version};
use replay_ports::{HotStore, PortError, SessionFilter};
use replay_servers::clickhouse::ClickHouseHot;
use uuid::Uuid;

use super::{Database, read_all, session, tables};
use tables::State;

/// As the seed's writer and reader name its columns.
const SEED_TABLE: &str = "CREATE TABLE {db}.replay_chunks (session_id UUID, project_id LowCardinality(String), \
    chunk_index UInt16, timestamp_start DateTime64(3), timestamp_end DateTime64(3), data String, data_size UInt32, \
    compressed_size UInt32, event_count UInt16, has_full_snapshot UInt8, \
    chunk_date Date DEFAULT toDate(timestamp_start)) ENGINE = MergeTree PARTITION BY toYYYYMM(chunk_date) \
    ORDER BY (project_id, session_id, chunk_index)";

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A row as the seed's writer inserts it: `compressed_size` is never filled in, `data_size` is the stored one.
fn insert(
    database: &Database,
    project: &str,
    session: u128,
    index: u16,
    start: &str,
    end: &str,
    data: &[u8],
) {
    let hex: String = data.iter().map(|byte| format!("{byte:02X}")).collect();
    database.ask(&format!(
        "INSERT INTO {{db}}.replay_chunks (session_id, project_id, chunk_index, timestamp_start, timestamp_end, \
             data, data_size, event_count, has_full_snapshot) \
         VALUES ('{}', '{project}', {index}, '{start}', '{end}', unhex('{hex}'), {}, 2, {})",
        Uuid::from_u128(session),
        data.len(),
        u8::from(index == 0)
    ));
}

fn fill(database: &Database) {
    database.ask(SEED_TABLE);
    let chunk = |index: u16| gzip(&format!("[{{\"type\":3,\"data\":{index}}}]"));
    for index in 0..4 {
        // Past midnight: the day is that of the start.
        let end = if index == 3 { "2026-01-06 00:00:01.000" } else { "2026-01-05 23:59:59.500" };
        insert(database, "shop", 1, index, &format!("2026-01-05 23:59:5{index}.000"), end, &chunk(index));
    }
    // The same row twice, another copy of the chunk, another day.
    insert(database, "shop", 1, 0, "2026-01-05 23:59:50.000", "2026-01-05 23:59:59.500", &chunk(0));
    insert(
        database,
        "shop",
        1,
        0,
        "2026-01-05 23:59:50.000",
        "2026-01-05 23:59:59.500",
        &gzip("[\"other\"]"),
    );
    insert(database, "shop", 2, 65_535, "2026-02-01 10:00:00.000", "2026-02-01 10:00:01.000", &gzip("[2]"));
    // Stored unpacked by the seed's writer; unpacked and no events; nothing; ids that are none.
    let plain = br#"[{"type":2,"data":{},"timestamp":1}, {"type":3,"timestamp":2}]"#;
    insert(database, "shop", 3, 0, "2026-02-01 10:00:00.000", "2026-02-01 10:00:01.000", plain);
    insert(database, "shop", 3, 1, "2026-02-01 10:00:02.000", "2026-02-01 10:00:03.000", b"not events");
    insert(database, "shop", 3, 2, "2026-02-01 10:00:02.000", "2026-02-01 10:00:03.000", b"");
    insert(database, "no project", 4, 0, "2026-02-01 10:00:00.000", "2026-02-01 10:00:01.000", &gzip("[4]"));
    insert(database, "shop", 0, 0, "2026-02-01 10:00:00.000", "2026-02-01 10:00:01.000", &gzip("[5]"));
}

async fn check_moved(database: &Database) {
    let hot: ClickHouseHot = database.hot().await;
    let rows = read_all(&hot, &session(1)).await;
    assert_eq!(rows.len(), 5, "two copies of the first chunk, one each of three more");
    for row in &rows {
        let hash = ContentHash::of(&row.data);
        assert_eq!(row.meta.content_hash, hash, "the server's xxh3 is ours");
        assert_eq!(row.meta.version, Version::new(0, 0, hash));
        assert_eq!(row.meta.compressed_size, row.data.len() as u64);
        assert_eq!(row.meta.chunk_date().to_string(), "2026-01-05");
    }
    let last = rows.last().unwrap();
    assert_eq!(last.data, gzip("[{\"type\":3,\"data\":3}]"));
    assert_eq!(last.meta.data_size, 21, "from the gzip trailer");
    assert_eq!(last.meta.received_at_ms, 1_767_571_200_000, "its end is not on its day: the day's start");
    assert_eq!(rows[2].meta.received_at_ms, 1_767_657_599_500, "its end");
    assert_eq!(
        (last.meta.key.timestamp_start_ms, last.meta.timestamp_end_ms),
        (1_767_657_593_000, 1_767_657_601_000)
    );

    let packed = read_all(&hot, &session(3)).await;
    assert_eq!(packed.len(), 1);
    assert_eq!((packed[0].meta.event_count, packed[0].meta.has_full_snapshot), (2, true));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*packed[0].data), &mut text).unwrap();
    assert!(text.starts_with("[{\"type\":2,"), "{text}");

    let listed = hot.list_sessions(&SessionFilter::default(), None, 10).await.unwrap();
    let chunks: Vec<_> = listed.iter().map(|summary| summary.chunk_count).collect();
    assert_eq!(chunks, [4, 1, 1]);
    assert_eq!(listed[1].session, session_of("shop", 2));
    assert_eq!(hot.copies(&session(2)).await.unwrap()[0].key.chunk_index, 65_535);
    assert_eq!(database.ask("SELECT count() FROM {db}.replay_chunks_seed"), "12", "the old table is kept");
}

fn session_of(project: &str, number: u128) -> SessionKey {
    let session_id = SessionId::new(Uuid::from_u128(number)).unwrap();
    SessionKey { project_id: ProjectId::new(project).unwrap(), session_id }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_seeds_table_is_refused_and_its_rows_are_moved() {
    let Some(database) = Database::new() else { return };
    database.ask("CREATE DATABASE {db}");
    fill(&database);
    let settings = &database.settings;
    assert_eq!(tables::state(settings).await.unwrap(), State::Seed);
    let Err(PortError::Refused { what }) = ClickHouseHot::open(settings).await else { panic!("opened") };
    assert!(what.contains("first design") && what.contains("schema apply --adopt"), "{what}");
    let Err(PortError::Refused { what }) = tables::apply(settings, false).await else { panic!("applied") };
    assert!(what.contains("--adopt"), "{what}");
    assert_eq!(database.ask("SELECT count() FROM {db}.replay_chunks"), "12", "nothing was touched");

    let report = tables::apply(settings, true).await.unwrap();
    assert_eq!((report.from.clone(), report.adopted_rows), (State::Seed, 8));
    let said = report.to_string();
    assert!(said.contains("4 rows stay") && said.contains("receipt"), "{said}");
    check_moved(&database).await;
    assert_eq!(tables::apply(settings, true).await.unwrap().from, State::Current);
}

/// Cut off behind each step: the rename, the tables, some of the rows, all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_was_cut_off_is_finished_by_the_next() {
    for cut_off in 0..4 {
        let Some(database) = Database::new() else { return };
        let settings = &database.settings;
        database.ask("CREATE DATABASE {db}");
        fill(&database);
        if cut_off == 0 {
            database.ask("RENAME TABLE {db}.replay_chunks TO {db}.replay_chunks_seed");
        } else {
            tables::apply(settings, true).await.unwrap();
            database.ask("TRUNCATE TABLE {db}.replay_schema");
        }
        match cut_off {
            1 => drop(database.ask("TRUNCATE TABLE {db}.replay_chunks")),
            2 => drop(database.ask(
                "ALTER TABLE {db}.replay_chunks DELETE WHERE chunk_index > 1 SETTINGS mutations_sync = 2",
            )),
            _ => {}
        }
        assert_eq!(tables::state(settings).await.unwrap(), State::Seed, "{cut_off}");
        assert!(ClickHouseHot::open(settings).await.is_err(), "not before it is finished");
        assert!(tables::apply(settings, false).await.is_err());
        tables::apply(settings, true).await.unwrap();
        check_moved(&database).await;
    }
}
