//! Time passes: rows as they would lie after weeks, then one run of the lifecycle.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use replay_core::archive::{Member, ObjectHeader, build};
use replay_core::identity::{ChunkKey, SessionKey};
use replay_core::row::{ChunkMeta, ChunkRow, Codec};
use replay_core::winner::{ContentHash, Version};
use replay_embedded::dir::DirCold;
use replay_embedded::sqlite::{SqliteHot, SqliteSettings};
use replay_ports::{ArchiveFilter, ColdStore, HotStore, Precondition, PutOutcome};
use replay_tests::records::{TestChunk, gzip, session_id};
use replay_tests::service::{FAST, Service, config, signal};

const DAY: Duration = Duration::from_secs(86_400);

fn days_ago_ms(days: u32) -> u64 {
    let then = SystemTime::now() - DAY * days;
    u64::try_from(then.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A stored chunk that was received so many days ago, whatever its browser's clock said.
fn row(project: &str, session: u64, days: u32) -> ChunkRow {
    let chunk = TestChunk::new(
        project,
        &session_id(session),
        0,
        915_148_800_000,
        10,
        &format!("{project}/{session}"),
    );
    let data = Bytes::from(gzip(chunk.events.as_bytes()));
    let key = SessionKey::parse(&format!("{project}/{}", session_id(session))).unwrap();
    let content_hash = ContentHash::of(&data);
    let meta = ChunkMeta {
        project_id: key.project_id,
        session_id: key.session_id,
        key: ChunkKey { timestamp_start_ms: 915_148_800_000, chunk_index: 0 },
        timestamp_end_ms: 915_148_800_000,
        received_at_ms: days_ago_ms(days),
        codec: Codec::Gzip,
        data_size: chunk.events.len() as u64,
        compressed_size: data.len() as u64,
        event_count: 10,
        has_full_snapshot: false,
        version: Version::new(0, 0, content_hash),
        content_hash,
    };
    ChunkRow { meta, data }
}

fn with_database<T>(service: &Service, work: impl AsyncFnOnce(Arc<SqliteHot>) -> T) -> T {
    let path = service.dir.join("data/replays.sqlite");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let hot = Arc::new(SqliteHot::open(&path, &SqliteSettings::default()).unwrap());
        work(hot).await
    })
}

#[test]
fn each_session_moves_and_ends_when_its_tenant_says() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::prepare(dir.path(), FAST);
    let config = dir.path().join("replay.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("keys: [pk_live_clinic],", "keys: [pk_live_clinic], hot_retention_days: 7,");
    std::fs::write(&config, text).unwrap();
    // Makes the stores.
    service.ok(&["migrate", "run"]);
    // The defaults are 30 days hot and 90 cold.
    let rows = [
        row("shop", 1, 29),
        row("shop", 2, 31),
        row("shop", 3, 121),
        row("clinic", 4, 6),
        row("clinic", 5, 8),
        row("clinic", 6, 98),
    ];
    with_database(&service, async |hot| hot.insert(&rows).await.unwrap());

    let planned = service.json(&["migrate", "plan"]);
    let planned: Vec<_> = planned.iter().map(|row| row["session_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(planned, [5, 6, 2, 3].map(session_id), "what is due, by project");
    let report = service.json(&["migrate", "run"]);
    assert_eq!(report[0]["sessions_moved"], 2, "{report:?}");
    assert_eq!(report[0]["copies_expired"], 2, "older than hot and cold together");
    let states: Vec<_> = service
        .json(&["session", "list"])
        .iter()
        .map(|row| {
            (row["session_id"].as_str().unwrap().to_owned(), row["state"].as_str().unwrap().to_owned())
        })
        .collect();
    let expected = [(4, "hot"), (5, "cold"), (1, "hot"), (2, "cold")];
    assert_eq!(states, expected.map(|(session, state)| (session_id(session), state.to_owned())));
    assert_eq!(service.json(&["migrate", "run"])[0]["sessions_moved"], 0, "nothing is due twice");
}

/// Ninety days later: the object and its row say that their time is over.
async fn expire(service: &Service, hot: &dyn HotStore, session: &str) {
    let cold = DirCold::open(&service.dir.join("data/cold")).unwrap();
    let rows = hot.list_archive(&ArchiveFilter::default(), None, 10).await.unwrap();
    let row = rows.into_iter().find(|row| row.header.session.session_id.to_string() == session).unwrap();
    let (tag, object) = cold.get(&row.object_key).await.unwrap().unwrap();
    let members = row.index.iter().map(|entry| Member::of_object(entry, row.header.codec, &object).unwrap());
    let header = ObjectHeader {
        expires_at_ms: days_ago_ms(1),
        generation: row.header.generation + 1,
        ..row.header.clone()
    };
    let built = build(row.object_key.clone(), header, members.collect()).unwrap();
    let written = cold.put(&row.object_key, &built.pieces, &[], Precondition::Matches(tag)).await.unwrap();
    assert!(matches!(written, PutOutcome::Written(_)));
    hot.put_archive(&built.row).await.unwrap();
}

#[test]
fn an_object_ends_with_its_row_when_its_time_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let service = Service::prepare(dir.path(), FAST);
    with_database(&service, async |hot| hot.insert(&[row("shop", 1, 31), row("shop", 2, 31)]).await.unwrap());
    assert_eq!(service.json(&["migrate", "run"])[0]["sessions_moved"], 2);
    with_database(&service, async |hot| expire(&service, &*hot, &session_id(1)).await);
    let report = service.json(&["migrate", "run"]);
    assert_eq!(report[0]["objects_expired"], 1, "{report:?}");
    let left = service.json(&["session", "list"]);
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["session_id"], session_id(2));
    let report = service.json(&["migrate", "reconcile", "--grace", "0s"]);
    assert_eq!(
        (report[0]["objects"].as_u64(), report[0]["found"].as_u64()),
        (Some(1), Some(0)),
        "{report:?}"
    );
}

#[test]
fn a_session_that_is_too_large_to_move_stays_and_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let moves = |max: &str| format!("replay: {{ migration: {{ max_session_bytes: {max} }} }}\n");
    let service = Service::prepare(dir.path(), &moves("1MiB"));
    service.ok(&["migrate", "run"]);
    // Two of 700 KB: the bytes of a row need be no recording to be moved.
    let large = |index: u32| {
        let mut row = row("shop", 1, 31);
        let mut state = index + 1;
        let bytes = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let data = gzip(&bytes.take(700_000).collect::<Vec<u8>>());
        row.meta.key.chunk_index = index;
        (row.meta.data_size, row.meta.compressed_size) = (700_000, data.len() as u64);
        row.meta.content_hash = ContentHash::of(&data);
        row.meta.version = Version::new(0, 0, row.meta.content_hash);
        ChunkRow { data: data.into(), ..row }
    };
    let rows = [large(0), large(1), row("shop", 2, 31)];
    with_database(&service, async |hot| hot.insert(&rows).await.unwrap());
    let ran = service.cli(&["migrate", "run", "--output", "json"]);
    assert_eq!(ran.status.code(), Some(3), "{ran:?}");
    let report: serde_json::Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(report["sessions_moved"], 1, "{report}");
    assert!(report["failures"][0][1].as_str().unwrap().contains("replay.migration.max_session_bytes"));
    let states = |state: &str| service.json(&["session", "list", "--state", state]).len();
    assert_eq!((states("hot"), states("cold")), (1, 1));

    let text = std::fs::read_to_string(dir.path().join("replay.yaml")).unwrap();
    std::fs::write(dir.path().join("replay.yaml"), text.replace(&moves("1MiB"), &moves("2MiB"))).unwrap();
    assert_eq!(service.json(&["migrate", "run"])[0]["sessions_moved"], 1);
    assert_eq!((states("hot"), states("cold")), (0, 2));
}

/// A cold store that is away stops the moves and nothing else, and the metrics say which.
#[test]
fn what_is_overdue_is_told_part_by_part() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Service::prepare(dir.path(), FAST);
    with_database(&service, async |hot| hot.insert(&[row("shop", 1, 31)]).await.unwrap());
    service.run();
    let complete = |service: &Service, part: &str| {
        service.metric("replay_lifecycle_complete_timestamp_seconds", &format!("part=\"{part}\""))
    };
    let up = |service: &Service| service.metric("replay_edge_up", "edge=\"cold\"");
    // By itself, at the start, or when told to.
    service.ok(&["migrate", "run"]);
    assert!(service.metric("replay_sessions_moved_total", "") > 0.0);
    assert!(up(&service) > 0.0);
    let (moved, retained) = (complete(&service, "migration"), complete(&service, "retention"));

    // A file where the directory was: whatever is asked of it fails.
    let cold = service.dir.join("data/cold");
    std::fs::rename(&cold, dir.path().join("away")).unwrap();
    std::fs::write(&cold, "").unwrap();
    with_database(&service, async |hot| hot.insert(&[row("shop", 2, 31)]).await.unwrap());
    assert_eq!(service.cli(&["migrate", "run"]).status.code(), Some(3));
    assert!(up(&service) < 1.0);
    assert!(complete(&service, "migration") <= moved);
    assert!(complete(&service, "retention") > retained);

    std::fs::remove_file(&cold).unwrap();
    std::fs::rename(dir.path().join("away"), &cold).unwrap();
    // The session that failed waits for its turn.
    service.wait_until("it is moved", |service| service.json(&["migrate", "run"])[0]["sessions_moved"] == 1);
    assert!(up(&service) > 0.0);
    assert!(complete(&service, "migration") > moved);
}

#[test]
fn other_days_of_retention_count_from_the_reload_on() {
    let dir = tempfile::tempdir().unwrap();
    let days = |days: u32| {
        let shop = format!("shop: {{ hot_retention_days: {days}, keys");
        config(dir.path(), FAST).replace("shop: { keys", &shop)
    };
    let mut service = Service::prepare_with(dir.path(), &days(60));
    with_database(&service, async |hot| hot.insert(&[row("shop", 1, 31)]).await.unwrap());
    service.run();
    let moved = |service: &Service| service.json(&["migrate", "run"])[0]["sessions_moved"].clone();
    assert_eq!(moved(&service), 0);
    std::fs::write(dir.path().join("replay.yaml"), days(30)).unwrap();
    signal(service.pid(), "HUP");
    service.wait_until("it is taken", |service| service.metric("replay_reloads_total", "") == 1.0);
    assert_eq!(moved(&service), 1);
    assert_eq!(service.stop().0, Some(0));
}
