//! Whose sealed batch is transformed next: round-robin over projects, so that none waits for another.

use std::collections::{BTreeMap, VecDeque};

use super::limits::Limits;
use super::sessions::Sealed;
use crate::identity::ProjectId;

#[derive(Debug)]
pub(super) struct Dispatch<P> {
    limits: Limits,
    queues: BTreeMap<ProjectId, VecDeque<Sealed<P>>>,
    /// Projects with waiting batches; the front is next.
    turn: VecDeque<ProjectId>,
    running: BTreeMap<ProjectId, usize>,
    running_total: usize,
    waiting: usize,
}

impl<P> Dispatch<P> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            queues: BTreeMap::new(),
            turn: VecDeque::new(),
            running: BTreeMap::new(),
            running_total: 0,
            waiting: 0,
        }
    }

    pub(super) fn push(&mut self, batch: Sealed<P>) {
        let project_id = batch.session.project_id.clone();
        let queue = self.queues.entry(project_id.clone()).or_default();
        if queue.is_empty() {
            self.turn.push_back(project_id);
        }
        queue.push_back(batch);
        self.waiting += 1;
    }

    /// The next batch that may start. A project with all its slots taken passes its turn to any
    /// other that waits; alone it may use every slot.
    pub(super) fn start(&mut self) -> Option<Sealed<P>> {
        if self.running_total >= self.limits.transform_jobs {
            return None;
        }
        let has_slot = |project_id: &ProjectId| {
            self.running.get(project_id).copied().unwrap_or(0) < self.limits.project_slots
        };
        let position = self.turn.iter().position(has_slot);
        let position = position.or_else(|| (self.turn.len() == 1).then_some(0))?;
        let project_id = self.turn.remove(position)?;
        let queue = self.queues.get_mut(&project_id)?;
        let batch = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(&project_id);
        } else {
            self.turn.push_back(project_id.clone());
        }
        *self.running.entry(project_id).or_default() += 1;
        self.running_total += 1;
        self.waiting -= 1;
        Some(batch)
    }

    pub(super) fn finished(&mut self, project_id: &ProjectId) {
        if let Some(running) = self.running.get_mut(project_id) {
            *running -= 1;
            self.running_total -= 1;
            if *running == 0 {
                self.running.remove(project_id);
            }
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use super::super::sessions::SealReason;
    use super::*;
    use crate::identity::{SessionId, SessionKey};

    fn batch(project: &str) -> Sealed<()> {
        let project_id = ProjectId::new(project).unwrap();
        let session_id = SessionId::new(uuid::Uuid::from_u128(1)).unwrap();
        Sealed { session: SessionKey { project_id, session_id }, chunks: Vec::new(), why: SealReason::Idle }
    }

    fn started(dispatch: &mut Dispatch<()>) -> Vec<String> {
        std::iter::from_fn(|| dispatch.start()).map(|batch| batch.session.project_id.to_string()).collect()
    }

    #[test]
    fn a_busy_project_leaves_a_slot_to_one_that_waits() {
        let limits = Limits { transform_jobs: 2, project_slots: 1, ..Limits::default() };
        let mut dispatch = Dispatch::new(limits);
        for _ in 0..5 {
            dispatch.push(batch("loud"));
        }
        dispatch.push(batch("quiet"));
        assert_eq!(started(&mut dispatch), ["loud", "quiet"]);
        dispatch.finished(&ProjectId::new("quiet").unwrap());
        assert_eq!(started(&mut dispatch), ["loud"], "alone it may use every slot");
        dispatch.push(batch("quiet"));
        dispatch.finished(&ProjectId::new("loud").unwrap());
        assert_eq!(started(&mut dispatch), ["quiet"], "the other's turn comes at once");
        assert_eq!(dispatch.waiting(), 3);
    }
}
