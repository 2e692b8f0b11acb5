//! What the changing commands do, wherever they run: inside `run` (asked through its admin endpoint)
//! or in a command's own process when no service owns the data.

mod feed_back;
mod reports;
mod reprocess;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use replay_core::dead_letter::{DeadLetter, LetterId};
use replay_core::identity::SessionKey;
use replay_core::tombstone::EraseScope;
use replay_ports::{PortError, Result};
use tokio::sync::Mutex;

use crate::clock::unix_ms;
use crate::lifecycle::{EraseReport, Lifecycle, MoveReport, PolicyReport, ReconcileReport};
use crate::stores::Stores;

pub use feed_back::FeedBack;
pub use reports::{FedBack, FeedBackReport, IngestReport};
pub use reprocess::{ReprocessReport, ReprocessScope};

/// Appends under way at a time during `ingest`.
const APPENDS_AT_A_TIME: usize = 64;

/// The operations, over the stores of this process.
#[derive(Clone)]
pub struct Ops {
    stores: Stores,
    lifecycle: Arc<Lifecycle>,
    /// One run on request at a time; the machines would stand more, the operator not.
    turn: Arc<Mutex<()>>,
}

impl Ops {
    /// Operations over these stores.
    pub fn new(stores: Stores, lifecycle: Arc<Lifecycle>) -> Self {
        Self { stores, lifecycle, turn: Arc::new(Mutex::new(())) }
    }

    /// Erases a session or a project, and verifies that it is gone. Waits for no move.
    pub async fn erase(&self, scope: EraseScope, actor: &str) -> Result<EraseReport> {
        self.lifecycle.erase(scope, actor).await
    }

    /// Moves everything that is due, then deletes what is over.
    pub async fn migrate(&self) -> Result<MoveReport> {
        let _turn = self.turn.lock().await;
        self.lifecycle.run_once().await
    }

    /// Moves one session now, whatever its age.
    pub async fn migrate_session(&self, session: SessionKey) -> Result<MoveReport> {
        let _turn = self.turn.lock().await;
        self.lifecycle.move_session(session).await
    }

    /// How long what stays where, also of tenants that left the config since the start.
    pub fn retention(&self) -> PolicyReport {
        PolicyReport::from(&*self.lifecycle.policy())
    }

    /// Compares the archive with the cold store; mends it if told to. Objects younger than `grace_ms`
    /// are left alone: their move may be under way.
    pub async fn reconcile(&self, repair: bool, grace_ms: u64) -> Result<ReconcileReport> {
        let _turn = self.turn.lock().await;
        self.lifecycle.reconcile(repair, grace_ms).await
    }

    /// The original record of a letter: its own copy, or the source's while it still has it.
    pub async fn original(&self, id: &LetterId) -> Result<Option<Bytes>> {
        let Some(letter) = self.stores.kept.letters.get(id).await? else { return Ok(None) };
        if letter.payload.is_some() || id.topic != self.stores.source.topic() {
            return Ok(letter.payload);
        }
        let found = self.stores.source.fetch(id.partition, id.offset).await?;
        Ok(found.and_then(|record| referred(&letter, record.payload?)))
    }

    /// Appends records, one a line, to the source; each is durable when this returns.
    pub async fn ingest(&self, lines: &[u8]) -> Result<IngestReport> {
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let records: Vec<Bytes> = lines.map(Bytes::copy_from_slice).collect();
        let append = |record| {
            let source = Arc::clone(&self.stores.source);
            async move { source.append(record, unix_ms(), None).await }
        };
        // Many at a time share one flush to the disk; in the order of the lines.
        let mut appends = stream::iter(records).map(append).buffered(APPENDS_AT_A_TIME);
        let mut report = IngestReport::default();
        while let Some(appended) = appends.next().await {
            match appended {
                Ok(_) => report.appended += 1,
                Err(PortError::Rejected { .. }) => report.rejected += 1,
                Err(error) => return Err(error),
            }
        }
        Ok(report)
    }
}

/// What lies where the letter died, if that can be its record: in a topic that was made anew or cut, another one
/// has come to lie there, of another visit or tenant.
fn referred(letter: &DeadLetter, found: Bytes) -> Option<Bytes> {
    (found.len() as u64 == letter.payload_size).then_some(found)
}

#[cfg(test)]
mod tests {
    use replay_core::reject::Reason;

    use super::*;

    #[test]
    fn another_record_in_the_place_of_a_letter_s_is_not_its_original() {
        let letter = DeadLetter {
            id: LetterId { topic: "replays".into(), partition: 0, offset: 7 },
            reason: Reason::TooLarge,
            detail: String::new(),
            project_id: None,
            session_id: None,
            received_at_ms: 1,
            dead_at_ms: 2,
            attempts: 1,
            payload_size: 5,
            payload: None,
        };
        assert_eq!(referred(&letter, "12345".into()), Some("12345".into()));
        assert_eq!(referred(&letter, "of another visit".into()), None);
    }
}
