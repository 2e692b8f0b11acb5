//! What the store says of sessions, and of what was done.

#![expect(clippy::unwrap_used, reason = "this is test code")]

use std::sync::Arc;

use replay_core::identity::{ProjectId, SessionKey};
use replay_core::row::{ChunkMeta, ChunkRow};
use replay_core::time::DAY_MS;
use replay_core::winner::{ContentHash, Version, winners};
use replay_ports::{AuditEntry, HotStore, SessionAge, SessionFilter, SessionSummary};
use uuid::Uuid;

use super::{Dice, NEXT_DAY, Spec, T0, new_session, session_of};

type Store = Arc<dyn HotStore>;

fn of_project(project_id: &ProjectId) -> SessionFilter {
    SessionFilter { project_id: Some(project_id.clone()), ..SessionFilter::default() }
}

/// What the listing should say, by the core's own choice of winners.
fn summary(session: &SessionKey, rows: &[ChunkRow]) -> SessionSummary {
    let mut copies: Vec<&ChunkMeta> =
        rows.iter().map(|row| &row.meta).filter(|meta| meta.session() == *session).collect();
    // Copies of equal rank are equal but for their receipt; the newest one stands for them.
    copies.sort_by_key(|meta| std::cmp::Reverse(meta.received_at_ms));
    let chunks = winners(copies, |meta| (meta.key, meta.rank()));
    let sum = |of: fn(&ChunkMeta) -> u64| chunks.iter().map(|meta| of(meta)).sum();
    SessionSummary {
        session: session.clone(),
        timestamp_start_ms: chunks.iter().map(|meta| meta.key.timestamp_start_ms).min().unwrap(),
        timestamp_end_ms: chunks.iter().map(|meta| meta.timestamp_end_ms).max().unwrap(),
        chunk_count: chunks.len() as u64,
        event_count: sum(|meta| u64::from(meta.event_count)),
        data_size: sum(|meta| meta.data_size),
        compressed_size: sum(|meta| meta.compressed_size),
        has_full_snapshot: chunks.iter().any(|meta| meta.has_full_snapshot),
        received_at_ms: chunks.iter().map(|meta| meta.received_at_ms).max().unwrap(),
    }
}

/// Losers count for nothing.
pub async fn a_summary_is_of_the_winners(store: Store) {
    let session = new_session();
    let mut loser = Spec { data: b"a loser's bytes", revision: 1, ..Spec::default() }.row(&session);
    loser.meta.event_count = 1_000;
    loser.meta.timestamp_end_ms = T0 + 99_999;
    let winner = Spec { data: b"won", revision: 2, received: NEXT_DAY, ..Spec::default() }.row(&session);
    let second = Spec { data: b"two", start: T0 + 50, index: 1, ..Spec::default() }.row(&session);
    let rows = [loser, winner, second];
    store.insert(&rows).await.unwrap();
    let listed = store.list_sessions(&of_project(&session.project_id), None, 10).await.unwrap();
    assert_eq!(
        listed,
        [SessionSummary {
            session: session.clone(),
            timestamp_start_ms: T0,
            timestamp_end_ms: T0 + 60,
            chunk_count: 2,
            event_count: 6,
            data_size: 42,
            compressed_size: 6,
            has_full_snapshot: true,
            received_at_ms: NEXT_DAY,
        }]
    );
    assert_eq!(listed, [summary(&session, &rows)]);
}

/// On any set of copies, with hashes of all 64 bits and ranks that differ in the last bit alone.
pub async fn winners_are_those_of_the_core(store: Store) {
    let project_id = new_session().project_id;
    let mut dice = Dice(20_260_105);
    let mut rows = Vec::new();
    for number in 1..=20 {
        let session = session_of(&project_id, number);
        for _ in 0..30 {
            let start = T0 + dice.roll(3);
            let received = T0 + dice.roll(3) * DAY_MS;
            let data = vec![b'x'; dice.roll(50) as usize];
            let index = dice.roll(2) as u32;
            let mut row = Spec { start, index, received, data: &data, ..Spec::default() }.row(&session);
            let hash =
                [u64::MAX, u64::MAX - 1, i64::MAX as u64, i64::MAX as u64 + 1, 0][dice.roll(5) as usize];
            let revision = dice.roll(2) as u16;
            row.meta.content_hash = ContentHash(hash);
            // All that a copy holds follows from its rank, as it does where hashes are of the data.
            row.meta.version = Version::new(revision, 0, ContentHash(0));
            row.meta.event_count = u32::from(revision) * 100 + (hash % 97) as u32;
            row.meta.data_size = 10 + hash % 89;
            row.meta.compressed_size = 10 + hash % 83;
            row.meta.has_full_snapshot = hash.is_multiple_of(2);
            row.meta.timestamp_end_ms = start + hash % 1_000;
            rows.push(row);
        }
    }
    // The same bytes under two versions are one physical copy to some stores and two to others; here
    // each hash has one version in a session, so that all stores hold the same set.
    for at in 0..rows.len() {
        let first = rows
            .iter()
            .position(|row| {
                row.meta.session() == rows[at].meta.session()
                    && row.meta.key == rows[at].meta.key
                    && row.meta.content_hash == rows[at].meta.content_hash
            })
            .unwrap();
        let like = rows[first].meta.clone();
        let meta = &mut rows[at].meta;
        (meta.version, meta.event_count) = (like.version, like.event_count);
    }
    for batch in rows.chunks(50) {
        store.insert(batch).await.unwrap();
    }
    let listed = store.list_sessions(&of_project(&project_id), None, 100).await.unwrap();
    let expected: Vec<_> = (1..=20).map(|number| summary(&session_of(&project_id, number), &rows)).collect();
    assert_eq!(listed, expected);
}

/// By project, and by when its chunks start.
pub async fn sessions_are_filtered(store: Store) {
    let project_id = new_session().project_id;
    let [early, long, late] = [1, 2, 3].map(|number| session_of(&project_id, number));
    let at = |session: &SessionKey, start| Spec { start, ..Spec::default() }.row(session);
    let rows = [
        at(&early, T0),
        at(&long, T0 + 50),
        at(&long, T0 + 500),
        at(&late, T0 + 400),
        at(&new_session(), T0),
    ];
    store.insert(&rows).await.unwrap();
    let list = async |since_ms, until_ms| {
        let filter = SessionFilter { project_id: Some(project_id.clone()), since_ms, until_ms };
        let page = store.list_sessions(&filter, None, 10).await.unwrap();
        page.into_iter().map(|summary| summary.session).collect::<Vec<_>>()
    };
    assert_eq!(list(None, None).await, [early.clone(), long.clone(), late.clone()]);
    assert_eq!(list(Some(T0 + 500), None).await, std::slice::from_ref(&long));
    assert_eq!(list(Some(T0 + 400), None).await, [long.clone(), late.clone()]);
    assert_eq!(list(None, Some(T0 + 50)).await, std::slice::from_ref(&early));
    assert_eq!(list(None, Some(T0 + 51)).await, [early, long.clone()]);
    assert_eq!(list(Some(T0 + 450), Some(T0 + 100)).await, std::slice::from_ref(&long));
    assert!(list(Some(T0 + 501), None).await.is_empty());
    // A filter chooses sessions, not chunks: the summary is of the whole session.
    let filter = SessionFilter { since_ms: Some(T0 + 450), ..of_project(&project_id) };
    let page = store.list_sessions(&filter, None, 10).await.unwrap();
    assert_eq!(page, [summary(&long, &rows)]);
}

/// Ascending, each session once, a page following where the last one ended; also across projects.
pub async fn sessions_come_in_pages(store: Store) {
    let prefix = Uuid::new_v4();
    let projects = ["A", "Z", "a"].map(|end| ProjectId::new(&format!("{prefix}{end}")).unwrap());
    let mut sessions = Vec::new();
    for project_id in &projects {
        sessions.extend([u128::MAX, 7, 1 << 127, 1].map(|number| session_of(project_id, number)));
    }
    let rows: Vec<_> = sessions.iter().map(|session| Spec::default().row(session)).collect();
    store.insert(&rows).await.unwrap();
    sessions.sort();
    for limit in [1, 5, 12] {
        let mut seen = Vec::new();
        for project_id in &projects {
            let mut after: Option<SessionKey> = None;
            loop {
                let page = store.list_sessions(&of_project(project_id), after.as_ref(), limit).await.unwrap();
                assert!(page.len() <= limit);
                let Some(last) = page.last() else { break };
                after = Some(last.session.clone());
                seen.extend(page.into_iter().map(|summary| summary.session));
            }
        }
        assert_eq!(seen, sessions);
    }
    // Without a project the page goes on into the next one.
    let page = store.list_sessions(&SessionFilter::default(), Some(&sessions[2]), 3).await.unwrap();
    let page: Vec<_> = page.into_iter().map(|summary| summary.session).collect();
    assert_eq!(page, sessions[3..6]);
    assert!(store.list_sessions(&SessionFilter::default(), None, 0).await.unwrap().is_empty());
}

/// Oldest and newest receipt over all copies, losers too.
pub async fn ages_are_of_every_copy(store: Store) {
    let project_id = new_session().project_id;
    let [young, old, both] = [1, 2, 3].map(|number| session_of(&project_id, number));
    let rows = [
        Spec { received: T0 + 10, ..Spec::default() }.row(&young),
        Spec { received: T0 + 1, ..Spec::default() }.row(&old),
        Spec { received: T0 + 2, revision: 1, data: b"loser", ..Spec::default() }.row(&both),
        Spec { received: NEXT_DAY + 9, revision: 2, ..Spec::default() }.row(&both),
    ];
    store.insert(&rows).await.unwrap();
    let ages = async |before: u64, limit: usize| {
        let mut found = Vec::new();
        // From just before our own project, which other tests' sessions may surround.
        let text = project_id.as_str();
        let before_ours = ProjectId::new(&text[..text.len() - 1]).unwrap();
        let mut after = session_of(&before_ours, u128::MAX);
        loop {
            let page = store.session_ages(before, Some(&after), limit).await.unwrap();
            let Some(last) = page.last() else { break };
            after = last.session.clone();
            found.extend(page.into_iter().filter(|age| age.session.project_id == project_id));
            if after.project_id > project_id {
                break;
            }
        }
        found
    };
    let age = |session: &SessionKey, oldest_received_at_ms, newest_received_at_ms| SessionAge {
        session: session.clone(),
        oldest_received_at_ms,
        newest_received_at_ms,
    };
    let expected =
        [age(&young, T0 + 10, T0 + 10), age(&old, T0 + 1, T0 + 1), age(&both, T0 + 2, NEXT_DAY + 9)];
    assert_eq!(ages(T0 + 11, 1).await, expected);
    assert_eq!(ages(u64::MAX, 10).await, expected);
    assert_eq!(ages(T0 + 10, 1).await, expected[1..]);
    assert_eq!(ages(T0 + 2, 10).await, expected[1..2]);
    assert!(ages(T0 + 1, 10).await.is_empty());
}

/// By when it was done; of one moment, what was written last comes first.
pub async fn the_audit_trail_is_newest_first(store: Store) {
    let actor = format!("test-{}", Uuid::new_v4());
    // Later than every other test's, so that a short page holds ours.
    let entry = |at_ms: u64, action: &str| AuditEntry {
        at_ms: 4_000_000_000_000 + at_ms,
        actor: actor.clone(),
        action: action.into(),
        target: "shop/ä \"quoted\"".into(),
        bytes: 1 << 40,
    };
    let entries = [entry(2, "session_erase"), entry(1, "project_erase"), entry(3, "session_view")];
    for entry in &entries {
        store.append_audit(entry).await.unwrap();
    }
    let mut listed = store.list_audit(1_000).await.unwrap();
    assert!(listed.is_sorted_by_key(|entry| std::cmp::Reverse(entry.at_ms)));
    listed.retain(|entry| entry.actor == actor);
    assert_eq!(listed, [entries[2].clone(), entries[0].clone(), entries[1].clone()]);
    assert_eq!(store.list_audit(2).await.unwrap().len(), 2);
}
