//! The promises of [`replay_ports::HotStore`].
//!
//! `hot_contract!(crate::open)` makes a test of each, where `open` is an
//! `async fn() -> Option<(Arc<dyn HotStore>, impl Sized)>`: the store with what must outlive it, or
//! `None` where the server it needs is not there.

#![expect(clippy::unwrap_used, reason = "this is test code")]

use bytes::Bytes;
use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::row::{ChunkMeta, ChunkRow, Codec};
use replay_core::time::DAY_MS;
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_core::winner::{ContentHash, Version};
use uuid::Uuid;

pub mod archive;
pub mod erasure;
pub mod listing;
pub mod rows;

/// Tests of every promise of the hot store.
#[macro_export]
macro_rules! hot_contract {
    ($open:path) => {
        $crate::hot_contract! { @ $open,
            rows: [
                what_is_stored_reads_back,
                extreme_numbers_read_back,
                storing_again_changes_nothing_but_the_receipt,
                the_greater_version_of_one_copy_stays,
                copies_of_a_chunk_lie_side_by_side,
                copies_come_in_order_of_play,
                exactly_the_named_copies_are_deleted,
                a_deleted_copy_is_seen_nowhere,
                large_rows_and_large_batches_fit,
                an_empty_batch_is_fine,
                inserts_and_reads_run_side_by_side,
            ],
            erasure: [
                an_erased_session_is_never_stored_again,
                an_erased_project_is_stored_again_after_that_moment,
                a_later_tombstone_replaces_an_earlier_one,
                tombstones_are_listed_and_forgotten,
                erasing_deletes_what_is_covered_and_nothing_else,
                erasing_many_rows_leaves_none,
                no_insert_slips_past_a_tombstone,
            ],
            listing: [
                a_summary_is_of_the_winners,
                winners_are_those_of_the_core,
                sessions_are_filtered,
                sessions_come_in_pages,
                ages_are_of_every_copy,
                the_audit_trail_is_newest_first,
            ],
            archive: [
                an_archive_row_reads_back,
                the_greatest_generation_counts,
                a_generation_is_deleted_but_no_later_one,
                archive_rows_are_filtered_and_paged,
            ],
        }
    };
    (@ $open:path, $($part:ident: [$($promise:ident),* $(,)?]),* $(,)?) => {
        $(mod $part {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                if let Some((store, _keep)) = $open().await {
                    $crate::contract::hot::$part::$promise(store).await;
                }
            })*
        })*
    };
}

/// 2026-01-05, Unix milliseconds: a moment to count from.
const T0: u64 = 1_767_571_200_000;

/// A session of a project that nobody else uses.
fn new_session() -> SessionKey {
    let project_id = ProjectId::new(&format!("p-{}", Uuid::new_v4())).unwrap();
    session_of(&project_id, Uuid::new_v4().as_u128())
}

fn session_of(project_id: &ProjectId, number: u128) -> SessionKey {
    let session_id = SessionId::new(Uuid::from_u128(number)).unwrap();
    SessionKey { project_id: project_id.clone(), session_id }
}

/// A copy of a chunk, for which only what matters to the test is said.
#[derive(Clone, Copy)]
struct Spec<'a> {
    start: u64,
    index: u32,
    received: u64,
    revision: u16,
    data: &'a [u8],
}

impl Default for Spec<'_> {
    fn default() -> Self {
        Self { start: T0, index: 0, received: T0 + 1_000, revision: 1, data: b"[1]" }
    }
}

impl Spec<'_> {
    fn row(self, session: &SessionKey) -> ChunkRow {
        let content_hash = ContentHash::of(self.data);
        ChunkRow {
            meta: ChunkMeta {
                project_id: session.project_id.clone(),
                session_id: session.session_id,
                key: ChunkKey { timestamp_start_ms: self.start, chunk_index: self.index },
                timestamp_end_ms: self.start + 10,
                received_at_ms: self.received,
                codec: Codec::Gzip,
                data_size: self.data.len() as u64 * 7,
                compressed_size: self.data.len() as u64,
                event_count: 3,
                has_full_snapshot: self.index == 0,
                version: Version::new(self.revision, 0, content_hash),
                content_hash,
            },
            data: Bytes::copy_from_slice(self.data),
        }
    }
}

/// In an order that does not depend on the store.
fn sorted(mut rows: Vec<ChunkRow>) -> Vec<ChunkRow> {
    rows.sort_by_key(|row| row.meta.copy_id());
    rows
}

fn session_tombstone(session: &SessionKey, erased_at_ms: u64) -> Tombstone {
    Tombstone { scope: EraseScope::Session(session.clone()), erased_at_ms }
}

fn project_tombstone(project_id: &ProjectId, erased_at_ms: u64) -> Tombstone {
    Tombstone { scope: EraseScope::Project(project_id.clone()), erased_at_ms }
}

/// Numbers that look random and repeat (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// The day after `T0`, at the same time.
const NEXT_DAY: u64 = T0 + DAY_MS;
