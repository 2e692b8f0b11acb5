//! What drives the lifecycle's machines: they decide, this asks the stores and keeps the pace.

mod edges;
mod reports;

use std::sync::Arc;
use std::time::Duration;

use replay_core::guards::Guards;
use replay_core::identity::SessionKey;
use replay_core::lifecycle::{
    Answer, Ask, ColdWrites, Erasure, ErasureEnd, ErasureSettings, ErasureSweep, FindingKind, Machine,
    Migration, MigrationReport, MigrationSettings, MoveEnd, MoveSettings, Reconcile, ReconcileSettings,
    RetentionPolicy, RetentionReport, RetentionSettings, RetentionSweep, SessionMove, Share, Step,
};
use replay_core::row::Codec;
use replay_core::tombstone::{EraseScope, Tombstone};
use replay_ports::{HotStore, PortError, Result};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::clock::{Clock, millis};
use crate::observe::{Metrics, Part};
use crate::stores::Kept;
use crate::swap::Swap;

use edges::Edges;
pub use reports::{EraseReport, MoveReport, PlannedMove, PolicyReport, ReconcileReport};

/// First and longest wait after a failure.
const BACK_OFF_MS: u64 = 1_000;
const MAX_BACK_OFF_MS: u64 = 600_000;
/// An upload to the cold store that began this long ago has no writer any more.
const UPLOAD_AGE: Duration = Duration::from_secs(24 * 3600);

/// What the lifecycle goes by.
#[derive(Clone, Debug)]
pub struct LifecycleSettings {
    /// How long what stays where.
    pub policy: RetentionPolicy,
    /// Whether sessions move to the cold store.
    pub migration_enabled: bool,
    /// How first objects are compressed.
    pub cold_codec: Codec,
    /// Level for members that have to be recompressed.
    pub level: u8,
    /// Sessions and objects listed at a time.
    pub batch_size: usize,
    /// From a dead letter's death to its deletion.
    pub letter_retention: Duration,
    /// From an erasure to the end of its tombstone.
    pub tombstone_retention: Duration,
    /// Cap on one decompressed chunk.
    pub max_raw_bytes: usize,
    /// Compressed bytes of a session that moves.
    pub max_session_bytes: u64,
}

/// Moves, ends and erases.
pub struct Lifecycle {
    edges: Edges,
    settings: LifecycleSettings,
    /// That of the settings, until a reload brings another.
    policy: Swap<RetentionPolicy>,
    clock: Clock,
    metrics: Arc<Metrics>,
    seed: u64,
    writes: ColdWrites,
    /// Lives as long as the process: it remembers which sessions back off.
    migration: Mutex<Migration>,
    /// Of the machines that delete objects one at a time may run.
    deleting: Mutex<()>,
}

impl Lifecycle {
    /// A lifecycle over these stores.
    pub fn new(stores: Kept, settings: LifecycleSettings, clock: Clock, metrics: Arc<Metrics>) -> Self {
        let seed = u64::from(std::process::id()) << 32 | (clock.now().unix_ms & 0xffff_ffff);
        let writes = match stores.cold.as_ref().is_none_or(|cold| cold.conditional_writes()) {
            true => ColdWrites::Conditional,
            false => ColdWrites::Once { writer: Uuid::new_v4().as_u64_pair().0 },
        };
        let migration = Migration::new(MigrationSettings {
            policy: settings.policy.clone(),
            cold_codec: settings.cold_codec,
            writes,
            batch_size: settings.batch_size,
            share: Share::ALL,
            back_off_ms: BACK_OFF_MS,
            max_back_off_ms: MAX_BACK_OFF_MS,
            seed,
            guards: Guards::ALL,
        });
        let (level, max_raw_bytes) = (settings.level, settings.max_raw_bytes);
        let max_session_bytes = settings.max_session_bytes;
        let edges = Edges { stores, level, max_raw_bytes, max_session_bytes, metrics: Arc::clone(&metrics) };
        Self {
            edges,
            policy: Swap::new(settings.policy.clone()),
            settings,
            clock,
            metrics,
            seed,
            writes,
            migration: Mutex::new(migration),
            deleting: Mutex::new(()),
        }
    }

    /// Goes by another policy from the next run on.
    pub fn follow(&self, policy: RetentionPolicy) {
        self.policy.set(policy);
    }

    /// What the next run goes by.
    pub fn policy(&self) -> Arc<RetentionPolicy> {
        self.policy.get()
    }

    /// Ends what is over, moves what is due, and sweeps after erasures. In this order: what is over must
    /// not begin a second life in the cold store. An erasure on request waits for none of the moves.
    pub async fn run_once(&self) -> Result<MoveReport> {
        let mut report = MoveReport::default();
        {
            let _deleting = self.deleting.lock().await;
            let mut sweep = RetentionSweep::new(self.retention());
            let run = self.drive(&mut sweep).await;
            self.complete(Part::Retention, run.failures.is_empty());
            note_retention(&mut report, run);
        }
        if self.settings.migration_enabled {
            let mut migration = self.migration.lock().await;
            migration.follow(RetentionPolicy::clone(&self.policy.get()));
            let run = self.drive(&mut *migration).await;
            self.complete(Part::Migration, run.failures.is_empty() && run.stopped.is_none());
            note_moves(&mut report, run);
        } else {
            self.complete(Part::Migration, true);
        }
        self.sweep_uploads(&mut report).await;
        report.failures.extend(self.sweep().await?);
        self.count(&report);
        Ok(report)
    }

    /// Aborts what writers that died had begun to send to the cold store.
    async fn sweep_uploads(&self, report: &mut MoveReport) {
        let Some(cold) = &self.edges.stores.cold else { return };
        match cold.sweep_uploads(UPLOAD_AGE).await {
            Ok(0) => {}
            Ok(uploads) => tracing::info!(uploads, "aborted unfinished uploads to the cold store"),
            Err(error) => report.failures.push(("unfinished uploads".to_owned(), error.to_string())),
        }
    }

    /// Goes over every erasure again: what came back late is erased. Returns what is not complete.
    pub async fn sweep(&self) -> Result<Vec<(String, String)>> {
        let _deleting = self.deleting.lock().await;
        let swept = self.drive(&mut ErasureSweep::new(self.erasure("sweeper"))).await;
        for erased in &swept.found {
            if let Err(error) = self.edges.stores.hot.append_audit(&erased.audit).await {
                let target = erased.audit.target.as_str();
                tracing::error!(target, %error, "an erasure is missing in the audit trail");
            }
        }
        self.complete(Part::Erasures, swept.incomplete.is_empty() && swept.failed.is_none());
        let incomplete = swept.incomplete.into_iter().map(|(scope, what)| (scope.to_string(), what));
        let failed = swept.failed.map(|what| ("erasure sweep".to_owned(), what));
        Ok(incomplete.chain(failed).collect())
    }

    /// The same, for the clock: what happened goes to the log and the metrics.
    pub async fn run_and_log(&self) {
        match self.run_once().await {
            Ok(report) if report.failures.is_empty() => {
                tracing::info!(
                    sessions_moved = report.sessions_moved,
                    copies_expired = report.copies_expired,
                    objects_expired = report.objects_expired,
                    letters_expired = report.letters_expired,
                    "lifecycle run"
                );
            }
            Ok(report) => {
                let (what, why) = &report.failures[0];
                tracing::error!(
                    failures = report.failures.len(),
                    first = %format!("{what}: {why}"),
                    "lifecycle run with failures; they are tried again"
                );
                self.failed(format!("{what}: {why}"));
            }
            Err(error) => {
                tracing::error!(%error, "lifecycle run failed; it is tried again");
                self.failed(error.to_string());
            }
        }
    }

    /// Moves one session now, whatever its age.
    pub async fn move_session(&self, session: SessionKey) -> Result<MoveReport> {
        let settings = MoveSettings {
            cold_codec: self.settings.cold_codec,
            cold_retention_ms: self.policy.get().of(&session.project_id).cold_ms,
            writes: self.writes,
            guards: Guards::ALL,
        };
        let mut report = MoveReport::default();
        let name = session.to_string();
        match self.drive(&mut SessionMove::new(session, settings)).await {
            MoveEnd::Moved { copies, chunks, bytes, .. } => {
                report.sessions_moved = 1;
                report.chunks_moved = chunks;
                report.bytes_moved = bytes;
                report.copies_deleted = copies;
            }
            MoveEnd::Nothing | MoveEnd::Erased => {}
            MoveEnd::WaitForRetention => {
                report.failures.push((name, "its object has expired and is about to be deleted".to_owned()));
            }
            MoveEnd::Busy { what } | MoveEnd::Failed { what } => report.failures.push((name, what)),
        }
        self.count(&report);
        Ok(report)
    }

    /// Erases, and verifies by reading back.
    pub async fn erase(&self, scope: EraseScope, actor: &str) -> Result<EraseReport> {
        let target = scope.to_string();
        // From here on nobody reads it, however long whatever deletes just now takes.
        let tombstone = Tombstone { scope: scope.clone(), erased_at_ms: self.clock.now().unix_ms };
        let put = self.edges.answer(Ask::PutTombstone(tombstone.clone())).await;
        let is_put = matches!(put, Answer::Done);
        let _deleting = self.deleting.lock().await;
        let mut erasure = match is_put {
            true => Erasure::again(tombstone, self.erasure(actor)),
            false => Erasure::new(scope, self.erasure(actor)),
        };
        let end = self.drive(&mut erasure).await;
        let (report, verified) = match end {
            ErasureEnd::Erased(report) => (report, true),
            ErasureEnd::Incomplete { report, what } => {
                tracing::error!(target, what, "an erasure is not complete; the sweeper goes on with it");
                (report, false)
            }
        };
        let bytes = report.copy_bytes + report.object_bytes + report.letter_bytes;
        if let Err(error) = self.edges.stores.hot.append_audit(&report.audit).await {
            tracing::error!(target, actor, %error, "an erasure is missing in the audit trail");
        }
        self.metrics.update_lifecycle(|counts| counts.bytes_erased += bytes);
        tracing::info!(target, actor, bytes, verified, "erased");
        Ok(EraseReport { target, bytes, verified })
    }

    /// Compares archive rows with objects; mends if told to.
    pub async fn reconcile(&self, repair: bool, grace_ms: u64) -> Result<ReconcileReport> {
        let _deleting = self.deleting.lock().await;
        let settings = ReconcileSettings {
            repair,
            grace_ms,
            batch_size: self.settings.batch_size,
            // A row whose chunks are nowhere else is the last trace of a loss: a person decides.
            forget_lost: false,
        };
        let report = self.drive(&mut Reconcile::new(settings)).await;
        if let Some(what) = report.failed {
            return Err(PortError::unavailable(what));
        }
        let findings =
            report.findings.iter().map(|finding| (finding.object_key.clone(), what_is_wrong(finding.kind)));
        Ok(ReconcileReport {
            objects: report.objects,
            rows: report.rows,
            findings: findings.collect(),
            found: report.found,
            repaired: report.findings.iter().filter(|finding| finding.repaired).count() as u64,
        })
    }

    async fn drive<M: Machine>(&self, machine: &mut M) -> M::End {
        let mut answer = None;
        loop {
            match machine.step(self.clock.now(), answer.take()) {
                Step::Ask(ask) => answer = Some(self.edges.answer(ask).await),
                Step::Wait { until_mono_ms } => {
                    tokio::time::sleep_until(self.clock.instant(until_mono_ms).into()).await;
                    answer = Some(Answer::Done);
                }
                Step::Done(end) => return end,
            }
        }
    }

    fn retention(&self) -> RetentionSettings {
        RetentionSettings {
            policy: RetentionPolicy::clone(&self.policy.get()),
            migration_enabled: self.settings.migration_enabled,
            letter_retention_ms: millis(self.settings.letter_retention),
            tombstone_retention_ms: millis(self.settings.tombstone_retention),
            batch_size: self.settings.batch_size,
            guards: Guards::ALL,
        }
    }

    fn erasure(&self, actor: &str) -> ErasureSettings {
        ErasureSettings {
            actor: actor.to_owned(),
            batch_size: self.settings.batch_size,
            back_off_ms: BACK_OFF_MS,
            max_back_off_ms: MAX_BACK_OFF_MS,
            seed: self.seed,
            guards: Guards::ALL,
        }
    }

    fn count(&self, report: &MoveReport) {
        let now_ms = self.clock.now().unix_ms;
        self.metrics.update_lifecycle(|counts| {
            counts.sessions_moved += report.sessions_moved;
            counts.chunks_moved += report.chunks_moved;
            counts.bytes_moved += report.bytes_moved;
            counts.move_failures += report.failures.len() as u64;
            counts.copies_expired += report.copies_expired;
            counts.objects_expired += report.objects_expired;
            counts.letters_expired += report.letters_expired;
            counts.last_run_at_ms = Some(now_ms);
        });
    }

    /// The sweep between two runs.
    pub async fn sweep_and_log(&self) {
        let failures = match self.sweep().await {
            Ok(failures) => failures,
            Err(error) => vec![("erasure sweep".to_owned(), error.to_string())],
        };
        for (what, why) in failures {
            tracing::error!(what, why, "an erasure is not complete; it is tried again");
            self.failed(format!("{what}: {why}"));
        }
    }

    /// Notes that a part of a run has ended, if nothing of it failed.
    fn complete(&self, part: Part, whole: bool) {
        if whole {
            let now_ms = self.clock.now().unix_ms;
            self.metrics.update_lifecycle(|counts| _ = counts.complete_at_ms.insert(part, now_ms));
        }
    }

    fn failed(&self, what: String) {
        self.metrics.update_lifecycle(|counts| {
            counts.failed_runs += 1;
            counts.last_error = Some(what);
        });
    }
}

/// What a move would do now: the sessions that are due.
pub async fn plan(hot: &dyn HotStore, policy: &RetentionPolicy, now_ms: u64) -> Result<Vec<PlannedMove>> {
    const PAGE: usize = 500;
    let oldest_before_ms = policy.due_before_ms(now_ms);
    let mut planned = Vec::new();
    let mut after: Option<SessionKey> = None;
    loop {
        let page = hot.session_ages(oldest_before_ms, after.as_ref(), PAGE).await?;
        for age in page.iter().filter(|age| policy.of(&age.session.project_id).is_due(age, now_ms)) {
            planned.push(PlannedMove {
                project_id: age.session.project_id.to_string(),
                session_id: age.session.session_id.to_string(),
                oldest_received_at: age.oldest_received_at_ms,
                newest_received_at: age.newest_received_at_ms,
            });
        }
        if page.len() < PAGE {
            return Ok(planned);
        }
        after = page.last().map(|age| age.session.clone());
    }
}

fn note_moves(report: &mut MoveReport, run: MigrationReport) {
    report.sessions_moved = run.moved;
    report.chunks_moved = run.chunks;
    report.bytes_moved = run.bytes;
    report.copies_deleted = run.copies;
    report.failures.extend(run.failures.into_iter().map(|(session, what)| (session.to_string(), what)));
    report.failures.extend(run.stopped.map(|what| ("migration".to_owned(), what)));
}

fn note_retention(report: &mut MoveReport, run: RetentionReport) {
    report.copies_expired = run.copies;
    report.objects_expired = run.objects;
    report.letters_expired = run.letters;
    report.failures.extend(run.failures.into_iter().map(|what| ("retention".to_owned(), what)));
}

fn what_is_wrong(kind: FindingKind) -> String {
    let text = match kind {
        FindingKind::OrphanObject => "an object without an archive row",
        FindingKind::StaleRow => "an archive row that is older than its object",
        FindingKind::RowWithoutObject => "an archive row without an object; nothing is lost",
        FindingKind::LostObject => "an archive row without an object, and its chunks are nowhere else",
        FindingKind::ObjectOlderThanRow => "an object that is older than its row: the cold store went back",
        FindingKind::DamagedObject => "an object that does not read",
        FindingKind::ErasedObject => "an object of an erased session",
        FindingKind::ForeignKey => "a key that is none of ours",
    };
    text.to_owned()
}

#[cfg(test)]
mod tests;
