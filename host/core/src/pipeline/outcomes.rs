//! What the pipeline does with the outcome of each kind of job.

use std::collections::BTreeSet;

use super::inserts::RowBatch;
use super::io::{Chunk, Commit, Decoded, Failure, JobId, Letter, Origin, Outcome, Payload, Row, Verdict};
use super::ledger::Stage;
use super::sessions::Sealed;
use super::status::Ending;
use super::{Job, Pipeline, Transforming};
use crate::guards::Guard;
use crate::identity::SessionKey;
use crate::reject::{Reason, Reject, Skip};
use crate::time::Now;

impl<P: Payload> Pipeline<P> {
    pub(super) fn done(&mut self, now: Now, job: JobId, outcome: Outcome<P>) {
        match self.jobs.remove(&job) {
            Some(Job::Decode(origin, raw)) => self.decoded(now, origin, raw, outcome),
            Some(Job::Transform(batch)) => self.transformed(now, batch, outcome),
            Some(Job::Insert(rows)) => self.inserted(now, rows, outcome),
            Some(Job::Letter(letter)) => self.letter_done(now, letter, outcome),
            Some(Job::Commit(commits)) => self.committed(now, &commits, outcome),
            None => {}
        }
    }

    pub(super) fn decoded(&mut self, now: Now, origin: Origin, raw: P, outcome: Outcome<P>) {
        self.decodes_running -= 1;
        self.budget.give(raw.bytes());
        if !self.ledger.is_current(origin.at) {
            self.counts.stale_results += 1;
            return;
        }
        match outcome {
            Outcome::Decoded(Decoded::Chunk { head, data }) => {
                self.budget.take(data.bytes());
                self.ledger.advance(origin.at, Stage::Buffer);
                if let Some(batch) = self.sessions.push(now.mono_ms, Chunk { origin, head, data }) {
                    self.sealed(batch);
                }
            }
            Outcome::Decoded(Decoded::Skip(skip)) => self.ended(origin, Ending::Skipped(skip)),
            Outcome::Decoded(Decoded::Reject { reject, project_id, session_id }) => {
                self.dead(Letter { origin, reject, project_id, session_id, payload: Some(raw) });
            }
            Outcome::Failed(_) | Outcome::Transformed(_) | Outcome::Inserted { .. } | Outcome::Written => {
                let reject = Reject::new(Reason::InternalError, "the decoder failed on this record");
                let payload = Some(raw);
                self.dead(Letter { origin, reject, project_id: None, session_id: None, payload });
            }
        }
    }

    pub(super) fn sealed(&mut self, batch: Sealed<P>) {
        *self.counts.sealed.entry(batch.why).or_default() += 1;
        self.counts.sealed_chunks += batch.chunks.len() as u64;
        for chunk in &batch.chunks {
            self.ledger.advance(chunk.origin.at, Stage::Transform);
            if !self.guards.has(Guard::SettleOnlyOnWritten) {
                self.ledger.settle(chunk.origin.at);
            }
        }
        if self.dispatch.is_overloaded(&batch.session.project_id) {
            return self.refuse_overload(batch);
        }
        self.dispatch.push(batch);
    }

    /// The tenant's chain is slow, and much waits for it: nobody else is to wait for that.
    fn refuse_overload(&mut self, batch: Sealed<P>) {
        let SessionKey { project_id, session_id } = batch.session;
        for chunk in batch.chunks {
            self.budget.give(chunk.data.bytes());
            if !self.ledger.is_current(chunk.origin.at) {
                self.counts.stale_results += 1;
                continue;
            }
            self.dead(Letter {
                origin: chunk.origin,
                reject: Reject::new(Reason::PluginOverloaded, "the chain is slow, and its queue full"),
                project_id: Some(project_id.clone()),
                session_id: Some(session_id),
                payload: None,
            });
        }
    }

    pub(super) fn transformed(&mut self, now: Now, batch: Transforming, outcome: Outcome<P>) {
        let Transforming { session, started_ms, held } = batch;
        let bytes = held.iter().map(|(_, bytes)| bytes).sum();
        self.dispatch.finished(&session, now.mono_ms.saturating_sub(started_ms), bytes);
        let mut verdicts = match outcome {
            Outcome::Transformed(verdicts) if verdicts.len() == held.len() => verdicts.into_iter(),
            Outcome::Transformed(_)
            | Outcome::Decoded(_)
            | Outcome::Inserted { .. }
            | Outcome::Written
            | Outcome::Failed(_) => Vec::new().into_iter(),
        };
        for (origin, held_bytes) in held {
            self.budget.give(held_bytes);
            if !self.ledger.is_current(origin.at) {
                self.counts.stale_results += 1;
                verdicts.next();
                continue;
            }
            let failed = || Verdict::Reject(Reject::new(Reason::InternalError, "the transform failed"));
            match verdicts.next().unwrap_or_else(failed) {
                Verdict::Store { meta, data } => {
                    self.budget.take(data.bytes());
                    self.ledger.advance(origin.at, Stage::Insert);
                    self.inserts.push(now, Row { origin, meta, data });
                }
                Verdict::Drop => self.ended(origin, Ending::DroppedByPlugin),
                Verdict::Reject(reject) => {
                    let SessionKey { project_id, session_id } = session.clone();
                    let (project_id, session_id) = (Some(project_id), Some(session_id));
                    self.dead(Letter { origin, reject, project_id, session_id, payload: None });
                }
            }
        }
    }

    pub(super) fn inserted(&mut self, now: Now, rows: RowBatch<P>, outcome: Outcome<P>) {
        match outcome {
            Outcome::Inserted { tombstoned } => {
                self.inserts.succeeded();
                let tombstoned: BTreeSet<usize> = tombstoned.into_iter().collect();
                for (index, row) in rows.iter().enumerate() {
                    self.budget.give(row.data.bytes());
                    let ending = if tombstoned.contains(&index) {
                        Ending::Skipped(Skip::Tombstoned)
                    } else {
                        self.counts.stored_bytes += row.meta.compressed_size;
                        self.counts.stored_raw_bytes += row.meta.data_size;
                        Ending::Stored
                    };
                    self.ended(row.origin.clone(), ending);
                }
            }
            Outcome::Failed(Failure::Reject { what }) => {
                if let Some(row) = self.inserts.rejected(&rows) {
                    self.budget.give(row.data.bytes());
                    self.dead(Letter {
                        origin: row.origin,
                        reject: Reject::new(Reason::StoreRejected, what),
                        project_id: Some(row.meta.project_id),
                        session_id: Some(row.meta.session_id),
                        payload: None,
                    });
                }
            }
            Outcome::Failed(failure) => self.inserts.failed(now, rows, &failure),
            Outcome::Decoded(_) | Outcome::Transformed(_) | Outcome::Written => {
                self.inserts.failed(now, rows, &Failure::Panicked);
            }
        }
    }

    pub(super) fn committed(&mut self, now: Now, commits: &[Commit], outcome: Outcome<P>) {
        self.commits_running -= 1;
        match outcome {
            Outcome::Written => {
                self.commit_circuit.succeeded();
                for &commit in commits {
                    self.ledger.committed(commit);
                }
            }
            Outcome::Failed(failure) => self.commit_circuit.failed(now, &failure),
            Outcome::Decoded(_) | Outcome::Transformed(_) | Outcome::Inserted { .. } => {
                self.commit_circuit.failed(now, &Failure::Panicked);
            }
        }
    }
}
