//! What moving a session costs, against copying its bytes (read from SQLite, written to a file,
//! flushed): until it is moved for everybody who reads, and until what was moved is also overwritten in
//! SQLite's files, which is done when nobody else writes. On real stores in a temporary directory, in
//! turns; wall time, since most of it is the disk's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use replay_core::identity::{ChunkKey, SessionKey};
use replay_core::lifecycle::{Retention, RetentionPolicy};
use replay_core::row::{ChunkMeta, ChunkRow, Codec};
use replay_core::tombstone::EraseScope;
use replay_core::winner::{ContentHash, Version};
use replay_embedded::dir::DirCold;
use replay_embedded::sqlite::{SqliteDeadLetters, SqliteHot, SqliteSettings};
use replay_ports::{ColdStore, DeadLetters, HotStore};
use tokio::runtime::Runtime;

use super::samples::Sample;
use super::{Measure, rounded};
use crate::cli::CliError;
use crate::clock::Clock;
use crate::lifecycle::{Lifecycle, LifecycleSettings};
use crate::observe::Metrics;
use crate::stores::Kept;

const ROUNDS: usize = 15;
/// A session of about this many stored bytes, so that what is measured is not the set-up.
const SESSION_BYTES: usize = 8 << 20;

pub(super) fn measure(samples: &[Sample]) -> Result<[Measure; 2], CliError> {
    let dir = std::env::temp_dir().join(format!("replay-bench-{}", uuid::Uuid::new_v4().simple()));
    let measured = Runtime::new()?.block_on(in_turns(samples, &dir));
    let _ = std::fs::remove_dir_all(&dir);
    let rounds = measured?;
    Ok([
        summary(&rounds, "migrate_session", |round| round.moving),
        summary(&rounds, "migrate_session_and_wipe", |round| round.moving + round.wiping),
    ])
}

fn summary(rounds: &[Round], name: &'static str, took: fn(&Round) -> Duration) -> Measure {
    let mut seconds: Vec<f64> = rounds.iter().map(|round| took(round).as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    let (median_s, slowest_s) = (seconds[seconds.len() / 2], seconds[(seconds.len() - 1) * 99 / 100]);
    let mut ratios: Vec<f64> =
        rounds.iter().map(|round| round.copying.div_duration_f64(took(round))).collect();
    ratios.sort_by(f64::total_cmp);
    Measure {
        name,
        raw_mb_per_cpu_s: rounded(rounds[0].raw_bytes as f64 / 1e6 / median_s, 10.0),
        chunks_per_cpu_s: rounded(rounds[0].chunks as f64 / median_s, 1.0),
        ratio: ratios.get(ratios.len() / 2).map(|ratio| rounded(*ratio, 1e3)),
        ratio_min: ratios.first().map(|ratio| rounded(*ratio, 1e3)),
        ratio_max: ratios.last().map(|ratio| rounded(*ratio, 1e3)),
        against: Some("copy"),
        p50_us: rounded(median_s * 1e6, 10.0),
        p99_us: rounded(slowest_s * 1e6, 10.0),
    }
}

struct Round {
    moving: Duration,
    copying: Duration,
    wiping: Duration,
    raw_bytes: usize,
    chunks: usize,
}

async fn in_turns(samples: &[Sample], dir: &std::path::Path) -> Result<Vec<Round>, CliError> {
    std::fs::create_dir_all(dir)?;
    let settings = SqliteSettings::default();
    let hot: Arc<dyn HotStore> = Arc::new(SqliteHot::open(&dir.join("replays.sqlite"), &settings)?);
    let letters: Arc<dyn DeadLetters> =
        Arc::new(SqliteDeadLetters::open(&dir.join("dead.sqlite"), &settings)?);
    let cold: Arc<dyn ColdStore> = Arc::new(DirCold::open(&dir.join("cold"))?);
    let kept = Kept { hot: Arc::clone(&hot), cold: Some(cold), letters };
    let lifecycle = Lifecycle::new(kept, lifecycle_settings(), Clock::start(), Arc::new(Metrics::default()));
    let mut rounds = Vec::new();
    for number in 0..ROUNDS as u128 {
        let (copied, rows) = session(samples, 2 * number + 1)?;
        hot.insert(&rows).await?;

        let start = Instant::now();
        let copies = hot.copies(&copied).await?;
        let ids: Vec<_> = copies.iter().map(ChunkMeta::copy_id).collect();
        let read = hot.read(&copied, &ids).await?;
        let path = dir.join("copy");
        tokio::task::spawn_blocking(move || copy(&read, &path))
            .await
            .map_err(|error| CliError::failed(error.to_string()))??;
        let copying = start.elapsed();
        hot.delete_copies(&copied, &ids).await?;
        hot.wipe(&EraseScope::Session(copied)).await?;

        let (moved, rows) = session(samples, 2 * number + 2)?;
        hot.insert(&rows).await?;

        let start = Instant::now();
        let report = lifecycle.move_session(moved.clone()).await?;
        let moving = start.elapsed();
        if report.sessions_moved != 1 {
            return Err(CliError::failed(format!("the session was not moved: {:?}", report.failures)));
        }
        let start = Instant::now();
        hot.wipe(&EraseScope::Session(moved)).await?;
        let wiping = start.elapsed();
        let raw_bytes = rows.iter().map(|row| usize::try_from(row.meta.data_size).unwrap_or(0)).sum();
        rounds.push(Round { moving, copying, wiping, raw_bytes, chunks: rows.len() });
    }
    Ok(rounds)
}

fn copy(rows: &[ChunkRow], path: &std::path::Path) -> std::io::Result<()> {
    use std::io::Write;
    let mut file = std::fs::File::create(path)?;
    rows.iter().try_for_each(|row| file.write_all(&row.data))?;
    file.sync_all()
}

/// The samples, again and again, as chunks of one session.
fn session(samples: &[Sample], number: u128) -> Result<(SessionKey, Vec<ChunkRow>), CliError> {
    let name = format!("bench/{}", uuid::Uuid::from_u128(number).as_hyphenated());
    let session = SessionKey::parse(&name).ok_or_else(|| CliError::failed("no session"))?;
    let mut rows = Vec::new();
    let mut stored_bytes = 0;
    for (index, sample) in samples.iter().cycle().enumerate() {
        let data = Bytes::copy_from_slice(&sample.member);
        stored_bytes += data.len();
        let content_hash = ContentHash::of(&data);
        let meta = ChunkMeta {
            project_id: session.project_id.clone(),
            session_id: session.session_id,
            key: ChunkKey { timestamp_start_ms: index as u64, chunk_index: 0 },
            timestamp_end_ms: index as u64,
            received_at_ms: crate::clock::unix_ms(),
            codec: Codec::Gzip,
            data_size: sample.raw.len() as u64,
            compressed_size: data.len() as u64,
            event_count: 1,
            has_full_snapshot: false,
            version: Version::new(0, 0, content_hash),
            content_hash,
        };
        rows.push(ChunkRow { meta, data });
        if stored_bytes >= SESSION_BYTES {
            break;
        }
    }
    Ok((session, rows))
}

fn lifecycle_settings() -> LifecycleSettings {
    LifecycleSettings {
        max_session_bytes: u64::MAX,
        policy: RetentionPolicy::new(Retention { hot_ms: u64::MAX / 4, cold_ms: u64::MAX / 4 }),
        migration_enabled: true,
        cold_codec: Codec::Gzip,
        level: 6,
        batch_size: 100,
        letter_retention: Duration::MAX,
        tombstone_retention: Duration::MAX,
        max_raw_bytes: 128 << 20,
    }
}
