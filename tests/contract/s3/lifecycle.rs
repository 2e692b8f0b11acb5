//! Moves, expiry, erasure and reconciliation on real stores: a fault at every call, two movers at once,
//! versions, and a store that holds no conditions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use replay_core::archive::{self, Member, ObjectHeader, object_key};
use replay_core::identity::SessionKey;
use replay_core::row::Codec;
use replay_core::tombstone::EraseScope;
use replay_ports::{ColdStore, HotStore, Precondition};
use replay_processor::lifecycle::{Lifecycle, MoveReport};
use replay_servers::s3::{S3Cold, S3Settings};
use replay_tests::s3::{Fate, Proxy};

use super::conditions::ignore_conditions;
use super::world::{World, chunk, events, long_ago, now_ms, session};
use super::{buckets, first_bucket, open, settings};

/// Found in no store once its chunk is erased.
const CANARY: &str = "canary-of-what-was-erased";

async fn moved(lifecycle: &Lifecycle) -> MoveReport {
    let report = lifecycle.run_once().await.unwrap();
    assert_eq!(report.failures, []);
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_move_merge_and_are_erased() {
    for bucket in buckets() {
        let world = World::over(bucket);
        let (one, other) = (session(), session());
        world.store(&one, 0, long_ago(), CANARY).await;
        world.store(&one, 1, long_ago(), "b").await;
        world.store(&other, 0, long_ago(), "c").await;
        let lifecycle = world.process(&world.bucket.raw.url).await;
        assert_eq!(moved(&lifecycle).await.sessions_moved, 2);
        world.store(&one, 2, long_ago(), "late").await;
        assert_eq!(moved(&lifecycle).await.sessions_moved, 1);
        assert_eq!(world.objects().await.len(), 2);
        assert_eq!(world.hot_copies(&one).await, 0);
        world.assert_reads(&one, &[CANARY, "b", "late"]).await;
        world.assert_reconciled(&lifecycle).await;

        // A foreign client sees gzip members, and says so of them.
        let key = object_key(&one, Codec::Gzip, 1_700_000_000_000);
        let seen = world.bucket.send("GET", &format!("/{key}"), &[], b"");
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&seen.body[..]), &mut text)
            .unwrap();
        assert_eq!(text, [CANARY, "b", "late"].map(|text| events(text) + "\n").concat());
        assert_eq!(seen.header("content-type"), Some("application/gzip"));

        let report = lifecycle.erase(EraseScope::Session(one.clone()), "anna").await.unwrap();
        assert!(report.verified && report.bytes > 0, "{report:?}");
        assert_eq!(world.objects().await.len(), 1);
        assert_eq!(world.read(&one).await.len(), 0);
        world.assert_reads(&other, &["c"]).await;
        world.assert_reconciled(&lifecycle).await;
    }
}

/// The store fails at one call after the other, in each way: nothing is lost, and the next run finishes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_at_any_call_loses_nothing() {
    for bucket in buckets() {
        let world = World::over(bucket);
        for fate in [Fate::error(503, "SlowDown"), Fate::LoseAnswer, Fate::Break] {
            for last in 0.. {
                let one = session();
                world.store(&one, 0, long_ago(), "a").await;
                moved(&world.process(&world.bucket.raw.url).await).await;
                // The move that goes wrong is a merge: it reads, writes under a condition and reads back.
                world.store(&one, 1, long_ago(), "b").await;
                let calls = Arc::new(AtomicUsize::new(usize::MAX / 2));
                let (count, fault) = (Arc::clone(&calls), fate.clone());
                let proxy =
                    Proxy::start(&world.bucket.raw.url, move |_| match count.fetch_add(1, SeqCst) == last {
                        true => fault.clone(),
                        false => Fate::Pass,
                    });
                let once = S3Settings { attempts: 1, ..settings(&proxy.url, &world.bucket.name) };
                let cold = S3Cold::open(&once).await.unwrap();
                calls.store(0, SeqCst);
                let report = world.lifecycle(cold).run_once().await.unwrap();
                world.assert_reads(&one, &["a", "b"]).await;
                if calls.load(SeqCst) <= last {
                    assert!(last > 4, "a move has more calls");
                    assert_eq!(report.failures, []);
                    break;
                }
                moved(&world.process(&world.bucket.raw.url).await).await;
                assert_eq!(world.hot_copies(&one).await, 0, "{fate:?} at {last}");
                world.assert_reads(&one, &["a", "b"]).await;
            }
        }
        world.assert_reconciled(&world.process(&world.bucket.raw.url).await).await;
    }
}

/// Late chunks keep coming while two processes move the same sessions.
async fn two_processes_move(world: &World, url: &str) {
    let sessions: Vec<SessionKey> = (0..8).map(|_| session()).collect();
    for session in &sessions {
        world.store(session, 0, long_ago(), "a").await;
    }
    let (first, second) = (world.process(url).await, world.process(url).await);
    let late = async {
        for index in 1..6 {
            for session in &sessions {
                world.store(session, index, long_ago(), "late").await;
                assert_eq!(world.read(session).await.len(), index as usize + 1);
            }
        }
    };
    let moving = async |lifecycle: &Lifecycle| {
        for _ in 0..6 {
            lifecycle.run_once().await.unwrap();
        }
    };
    tokio::join!(moving(&first), moving(&second), late);
    // Whoever was in another's way has backed off; a new process has not.
    moved(&world.process(url).await).await;
    for session in &sessions {
        assert_eq!(world.hot_copies(session).await, 0);
        world.assert_reads(session, &["a", "late", "late", "late", "late", "late"]).await;
    }
    world.assert_reconciled(&first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_move_the_same_sessions() {
    for bucket in buckets() {
        let world = World::over(bucket);
        two_processes_move(&world, &world.bucket.raw.url).await;
        assert_eq!(world.objects().await.len(), 8, "one object a session");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_conditional_writes_each_move_writes_its_own_object() {
    for bucket in buckets() {
        let world = World::over(bucket);
        let proxy = Proxy::start(&world.bucket.raw.url, ignore_conditions);
        let one = session();
        let lifecycle = world.process(&proxy.url).await;
        for (index, text) in [(0, CANARY), (1, "b")] {
            world.store(&one, index, long_ago(), text).await;
            assert_eq!(moved(&lifecycle).await.sessions_moved, 1);
        }
        let objects = world.objects().await;
        assert_eq!(objects.len(), 2, "{objects:?}");
        let stem = object_key(&one, Codec::Gzip, 1_700_000_000_000).replace(".gz", ".");
        assert!(
            objects.iter().all(|key| key.starts_with(&stem) && key.len() == stem.len() + 19),
            "{objects:?}"
        );
        world.assert_reads(&one, &[CANARY, "b"]).await;
        world.assert_reconciled(&lifecycle).await;
        let report = lifecycle.erase(EraseScope::Session(one.clone()), "anna").await.unwrap();
        assert!(report.verified, "{report:?}");
        assert_eq!(world.objects().await, Vec::<String>::new());

        two_processes_move(&world, &proxy.url).await;
        let report = lifecycle.erase(EraseScope::Project(one.project_id), "anna").await.unwrap();
        assert!(report.verified, "{report:?}");
        assert_eq!(world.objects().await, Vec::<String>::new());
    }
}

/// A merge leaves the version before it; an erasure leaves none, of the session or of what came before
/// the project's tombstone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_reaches_every_version() {
    let Some(bucket) = first_bucket() else { return };
    bucket.keep_versions();
    let world = World::over(bucket);
    let lifecycle = world.process(&world.bucket.raw.url).await;
    let (one, other) = (session(), session());
    for (index, text) in [(0, CANARY), (1, "b"), (2, "c")] {
        world.store(&one, index, long_ago(), text).await;
        world.store(&other, index, long_ago(), text).await;
        assert_eq!(moved(&lifecycle).await.sessions_moved, 2);
    }
    assert_eq!(world.bucket.versions().len(), 6);
    let report = lifecycle.erase(EraseScope::Session(one.clone()), "anna").await.unwrap();
    assert!(report.verified, "{report:?}");
    assert_eq!(world.bucket.versions().len(), 3);

    // Of the other one a chunk is received after the project's erasure begins; the rest is erased.
    world.store(&other, 3, now_ms() + 60_000, "after").await;
    lifecycle.move_session(other.clone()).await.unwrap();
    assert_eq!(world.bucket.versions().len(), 4);
    let report = lifecycle.erase(EraseScope::Project(other.project_id.clone()), "anna").await.unwrap();
    assert!(report.verified, "{report:?}");
    let versions = world.bucket.versions();
    assert_eq!(versions.len(), 1, "{versions:?}");
    for (key, id) in versions {
        let bytes = world.bucket.send("GET", &format!("/{key}?versionId={id}"), &[], b"").body;
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut text).unwrap();
        assert!(text.contains("after") && !text.contains(CANARY), "{text}");
    }
    assert_eq!(world.read(&other).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_is_deleted_with_all_its_versions() {
    for (number, bucket) in buckets().into_iter().enumerate() {
        if number == 0 {
            bucket.keep_versions();
        }
        let world = World::over(bucket);
        let cold = open(&world.bucket.raw.url, &world.bucket).await;
        let one = session();
        let row = chunk(&one, 0, long_ago(), "a");
        let header = ObjectHeader {
            session: one.clone(),
            codec: Codec::Gzip,
            generation: 1,
            first_moved_at_ms: now_ms() - 1_000,
            expires_at_ms: now_ms() - 1,
        };
        let key = object_key(&one, Codec::Gzip, row.meta.key.timestamp_start_ms);
        let member = Member::of_copy(&row.meta, Codec::Gzip, row.data).unwrap();
        let built = archive::build(key.clone(), header, vec![member]).unwrap();
        super::put(&cold, &key, &built.pieces, Precondition::Absent).await;
        let tag = cold.head(&key).await.unwrap().unwrap().tag;
        super::put(&cold, &key, &built.pieces, Precondition::Matches(tag)).await;
        world.hot.put_archive(&built.row).await.unwrap();
        assert_eq!(world.read(&one).await.len(), 1);

        let lifecycle = world.lifecycle(cold);
        assert_eq!(moved(&lifecycle).await.objects_expired, 1);
        assert_eq!(world.objects().await, Vec::<String>::new());
        if number == 0 {
            assert_eq!(world.bucket.versions(), []);
        }
        assert_eq!(world.read(&one).await.len(), 0);
        world.assert_reconciled(&lifecycle).await;
    }
}

/// A bucket that is gone is no store without objects: nothing is taken for lost, and nothing is deleted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_takes_nothing_with_it() {
    for bucket in buckets() {
        let world = World::over(bucket);
        let one = session();
        world.store(&one, 0, long_ago(), "a").await;
        let is_away = Arc::new(AtomicUsize::new(0));
        let away = Arc::clone(&is_away);
        let proxy = Proxy::start(&world.bucket.raw.url, move |_| match away.load(SeqCst) {
            0 => Fate::Pass,
            1 => Fate::error(404, "NoSuchBucket"),
            _ => Fate::Break,
        });
        let lifecycle = world.process(&proxy.url).await;
        assert_eq!(moved(&lifecycle).await.sessions_moved, 1);
        world.store(&one, 1, long_ago(), "b").await;
        for how in [1, 2] {
            is_away.store(how, SeqCst);
            let report = lifecycle.run_once().await.unwrap();
            assert_ne!(report.failures, []);
            assert_eq!(report.sessions_moved, 0);
            assert!(lifecycle.reconcile(true, 0).await.is_err());
            world.assert_reads(&one, &["a", "b"]).await;
        }
        is_away.store(0, SeqCst);
        moved(&world.process(&proxy.url).await).await;
        assert_eq!(world.hot_copies(&one).await, 0);
        world.assert_reads(&one, &["a", "b"]).await;
    }
}
