//! Tombstones and erasure.

#![expect(clippy::unwrap_used, reason = "this is test code")]

use std::sync::Arc;

use replay_core::tombstone::Tombstone;
use replay_ports::HotStore;

use super::{NEXT_DAY, Spec, T0, new_session, project_tombstone, session_of, session_tombstone};

type Store = Arc<dyn HotStore>;

/// Whatever its receipt, whenever it comes; rows beside it in the batch are stored.
pub async fn an_erased_session_is_never_stored_again(store: Store) {
    let erased = new_session();
    let other = session_of(&erased.project_id, 5);
    store.put_tombstone(&session_tombstone(&erased, T0)).await.unwrap();
    let rows = [
        Spec { received: T0 - 10, ..Spec::default() }.row(&erased),
        Spec::default().row(&other),
        Spec { received: NEXT_DAY, index: 1, ..Spec::default() }.row(&erased),
        Spec { index: 2, ..Spec::default() }.row(&other),
    ];
    let report = store.insert(&rows).await.unwrap();
    assert_eq!(report.tombstoned, [0, 2]);
    assert!(store.copies(&erased).await.unwrap().is_empty());
    assert_eq!(store.copies(&other).await.unwrap().len(), 2);
}

/// A project's tombstone covers what was received up to then, the very millisecond included.
pub async fn an_erased_project_is_stored_again_after_that_moment(store: Store) {
    let session = new_session();
    let elsewhere = new_session();
    store.put_tombstone(&project_tombstone(&session.project_id, T0)).await.unwrap();
    let rows = [
        Spec { received: T0 + 1, index: 0, ..Spec::default() }.row(&session),
        Spec { received: T0, index: 1, ..Spec::default() }.row(&session),
        Spec { received: 0, index: 2, ..Spec::default() }.row(&session),
        Spec { received: T0, ..Spec::default() }.row(&elsewhere),
    ];
    assert_eq!(store.insert(&rows).await.unwrap().tombstoned, [1, 2]);
    assert_eq!(store.copies(&session).await.unwrap(), [rows[0].meta.clone()]);
    assert_eq!(store.copies(&elsewhere).await.unwrap().len(), 1);
}

/// Of one scope the latest moment counts, in whatever order they were written.
pub async fn a_later_tombstone_replaces_an_earlier_one(store: Store) {
    let session = new_session();
    let of = |at| project_tombstone(&session.project_id, at);
    store.put_tombstone(&of(T0)).await.unwrap();
    store.put_tombstone(&of(T0 + 5)).await.unwrap();
    assert_eq!(store.tombstones(&session).await.unwrap(), [of(T0 + 5)]);
    store.put_tombstone(&session_tombstone(&session, T0 + 7)).await.unwrap();
    let mut marks = store.tombstones(&session).await.unwrap();
    marks.sort_by_key(|mark| mark.erased_at_ms);
    assert_eq!(marks, [of(T0 + 5), session_tombstone(&session, T0 + 7)]);
    let neighbour = session_of(&session.project_id, 3);
    assert_eq!(store.tombstones(&neighbour).await.unwrap(), [of(T0 + 5)]);
    assert!(store.tombstones(&new_session()).await.unwrap().is_empty());
}

/// All of them, oldest first; those of erasures before a moment are forgotten.
pub async fn tombstones_are_listed_and_forgotten(store: Store) {
    // Far in the past, so that forgetting touches no other test's.
    let (first, second, third) = (new_session(), new_session(), new_session());
    let marks = [
        session_tombstone(&first, 1_000),
        project_tombstone(&second.project_id, 2_000),
        session_tombstone(&third, 3_000),
    ];
    for mark in [&marks[2], &marks[0], &marks[1]] {
        store.put_tombstone(mark).await.unwrap();
    }
    let ours =
        |all: Vec<Tombstone>| -> Vec<_> { all.into_iter().filter(|mark| marks.contains(mark)).collect() };
    let all = store.list_tombstones().await.unwrap();
    assert!(all.is_sorted_by_key(|mark| mark.erased_at_ms));
    assert_eq!(ours(all), marks);
    assert!(store.delete_tombstones(3_000).await.unwrap() >= 2);
    assert_eq!(ours(store.list_tombstones().await.unwrap()), marks[2..]);
    assert_eq!(store.delete_tombstones(3_000).await.unwrap(), 0);
}

/// The count says what is covered, before and after; the bytes are those that were stored.
pub async fn erasing_deletes_what_is_covered_and_nothing_else(store: Store) {
    let session = new_session();
    let neighbour = session_of(&session.project_id, 9);
    let elsewhere = new_session();
    let rows = [
        Spec { data: b"four", ..Spec::default() }.row(&session),
        Spec { data: b"sevenbt", received: NEXT_DAY, ..Spec::default() }.row(&session),
        Spec { received: T0, data: b"old", ..Spec::default() }.row(&neighbour),
        Spec { received: NEXT_DAY, index: 1, ..Spec::default() }.row(&neighbour),
        Spec::default().row(&elsewhere),
    ];
    store.insert(&rows).await.unwrap();

    let one = session_tombstone(&session, T0);
    store.put_tombstone(&one).await.unwrap();
    assert_eq!(store.count_erasable(&one).await.unwrap(), 2);
    assert_eq!(store.erase(&one).await.unwrap(), 11);
    assert_eq!(store.count_erasable(&one).await.unwrap(), 0);
    assert_eq!(store.erase(&one).await.unwrap(), 0);
    assert!(store.copies(&session).await.unwrap().is_empty());
    assert_eq!(store.copies(&neighbour).await.unwrap().len(), 2);

    let all = project_tombstone(&session.project_id, T0 + 10);
    store.put_tombstone(&all).await.unwrap();
    assert_eq!(store.count_erasable(&all).await.unwrap(), 1);
    assert_eq!(store.erase(&all).await.unwrap(), 3);
    assert_eq!(store.copies(&neighbour).await.unwrap(), [rows[3].meta.clone()]);
    assert_eq!(store.copies(&elsewhere).await.unwrap().len(), 1);
}

/// More rows than any store deletes in one step.
pub async fn erasing_many_rows_leaves_none(store: Store) {
    let session = new_session();
    let rows: Vec<_> = (0..3_000).map(|index| Spec { index, ..Spec::default() }.row(&session)).collect();
    store.insert(&rows).await.unwrap();
    let mark = session_tombstone(&session, NEXT_DAY);
    store.put_tombstone(&mark).await.unwrap();
    assert_eq!(store.erase(&mark).await.unwrap(), 9_000);
    assert_eq!(store.count_erasable(&mark).await.unwrap(), 0);
    assert!(store.copies(&session).await.unwrap().is_empty());
}

/// Once the tombstone was answered for, no insert that begins later is stored; and what was stored
/// before is found by the erasure.
pub async fn no_insert_slips_past_a_tombstone(store: Store) {
    let session = new_session();
    let writers: Vec<_> = (0..4u32)
        .map(|writer| {
            let (store, session) = (Arc::clone(&store), session.clone());
            tokio::spawn(async move {
                let mut stored_after_erased = 0;
                let mut erased = false;
                for number in 0..25 {
                    let row = Spec { index: writer * 100 + number, ..Spec::default() }.row(&session);
                    let report = store.insert(&[row]).await.unwrap();
                    stored_after_erased += u32::from(erased && report.tombstoned.is_empty());
                    erased |= !report.tombstoned.is_empty();
                }
                stored_after_erased
            })
        })
        .collect();
    let mark = session_tombstone(&session, T0);
    store.put_tombstone(&mark).await.unwrap();
    store.erase(&mark).await.unwrap();
    for writer in writers {
        assert_eq!(writer.await.unwrap(), 0, "stored after it was refused as erased");
    }
    // An insert that was under way may have landed behind the erasure's back where checking and
    // writing are two steps; the sweeper's next round finds it.
    store.erase(&mark).await.unwrap();
    assert_eq!(store.count_erasable(&mark).await.unwrap(), 0);
    assert_eq!(store.insert(&[Spec::default().row(&session)]).await.unwrap().tombstoned, [0]);
}
