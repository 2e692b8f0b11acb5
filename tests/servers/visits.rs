//! Made visits of one project: chunks by number, and what an export of a visit must print.

use replay_tests::records::{TestChunk, session_id};
use replay_tests::service::Service;

pub(crate) const CHUNKS_A_SESSION: u64 = 10;

/// The chunk of that number: every one differs from every other.
pub(crate) fn chunk(number: u64) -> TestChunk {
    let (session, position) = (number / CHUNKS_A_SESSION, number % CHUNKS_A_SESSION);
    let start_ms = 1_700_000_000_000 + position * 1_000;
    TestChunk::new("shop", &session_id(session), position as u32, start_ms, 5, &format!("chunk {number}"))
}

/// The session reads as it was sent, wherever its chunks lie.
pub(crate) fn check_export(service: &Service, session: u64) {
    let exported = service.ok(&["session", "export", "shop", &session_id(session)]);
    let wanted: Vec<String> =
        (0..CHUNKS_A_SESSION).map(|at| chunk(session * CHUNKS_A_SESSION + at).events).collect();
    assert_eq!(exported.lines().collect::<Vec<_>>(), wanted, "session {session}");
}
