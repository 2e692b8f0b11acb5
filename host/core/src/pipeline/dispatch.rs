//! Whose sealed batch is transformed next: that of the project whose chain has worked least, so that a slow
//! one takes no more time than any other (fair queueing by start times: Goyal, Vin, Cheng 1996, with the time
//! that a batch took for its length). One that had nothing to do saves nothing up.
//!
//! The batches of one session run one at a time, in the order in which they were sealed: what a chain
//! knows of a page grows from batch to batch. A project whose chain is slow may let only so much wait
//! while others wait too; beyond that its batches are refused (see [`Dispatch::is_overloaded`]). A
//! backlog alone never makes a chain slow: what counts is its time for a byte.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::limits::Limits;
use super::sessions::Sealed;
use crate::identity::{ProjectId, SessionKey};

#[derive(Debug)]
pub(super) struct Dispatch<P> {
    limits: Limits,
    projects: BTreeMap<ProjectId, Project<P>>,
    /// Projects with waiting batches; the first is next.
    turn: BTreeSet<(Turn, ProjectId)>,
    turns: u64,
    /// What the project that started last had worked.
    worked_ms: u64,
    running_sessions: BTreeSet<SessionKey>,
    running_total: usize,
    waiting: usize,
}

/// A project's place among those that wait: by the time that its chain has worked, then by who came first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    worked_ms: u64,
    number: u64,
}

#[derive(Debug)]
struct Project<P> {
    queue: VecDeque<Sealed<P>>,
    waiting_bytes: usize,
    running: usize,
    pace: Pace,
    turn: Turn,
}

/// How fast a chain was lately: both sums are halved now and then.
#[derive(Debug, Default)]
struct Pace {
    took_ms: u64,
    bytes: u64,
}

/// Transformed bytes after which older measures count half.
const PACE_WINDOW_BYTES: u64 = 16 << 20;

/// Time below which nothing is said of a chain.
const PACE_LEAST_MS: u64 = 100;

impl Pace {
    fn add(&mut self, took_ms: u64, bytes: usize) {
        self.took_ms += took_ms;
        self.bytes += bytes as u64;
        if self.bytes > PACE_WINDOW_BYTES {
            self.took_ms /= 2;
            self.bytes /= 2;
        }
    }

    fn is_slower_than(&self, ms_per_mib: u64) -> bool {
        self.took_ms >= PACE_LEAST_MS && self.took_ms << 20 > self.bytes.saturating_mul(ms_per_mib)
    }
}

impl<P> Dispatch<P> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            projects: BTreeMap::new(),
            turn: BTreeSet::new(),
            turns: 0,
            worked_ms: 0,
            running_sessions: BTreeSet::new(),
            running_total: 0,
            waiting: 0,
        }
    }

    pub(super) fn push(&mut self, batch: Sealed<P>) {
        let project_id = batch.session.project_id.clone();
        let project = self.projects.entry(project_id.clone()).or_insert_with(|| Project {
            queue: VecDeque::new(),
            waiting_bytes: 0,
            running: 0,
            pace: Pace::default(),
            turn: Turn::default(),
        });
        if project.queue.is_empty() {
            if project.running == 0 {
                project.turn.worked_ms = project.turn.worked_ms.max(self.worked_ms);
            }
            self.turns += 1;
            project.turn.number = self.turns;
            self.turn.insert((project.turn, project_id));
        }
        project.waiting_bytes += batch.bytes;
        project.queue.push_back(batch);
        self.waiting += 1;
    }

    /// Whether another batch of this project would only keep others waiting.
    pub(super) fn is_overloaded(&self, project_id: &ProjectId) -> bool {
        let others_wait = self.turn.iter().any(|(_, other)| other != project_id);
        self.projects.get(project_id).is_some_and(|project| {
            others_wait
                && project.waiting_bytes > self.limits.project_waiting_bytes
                && project.pace.is_slower_than(self.limits.slow_chain_ms_per_mib)
        })
    }

    /// The next batch that may start. A project with all its slots taken passes its turn to any
    /// other that waits; alone it may use every slot.
    pub(super) fn start(&mut self) -> Option<Sealed<P>> {
        if self.running_total >= self.limits.transform_jobs {
            return None;
        }
        let alone = self.turn.len() == 1;
        let ready = |project_id: &ProjectId| {
            let project = self.projects.get(project_id)?;
            let has_slot = alone || project.running < self.limits.project_slots;
            let rests = |batch: &Sealed<P>| !self.running_sessions.contains(&batch.session);
            has_slot.then(|| project.queue.iter().position(rests)).flatten()
        };
        let (next, batch) = self.turn.iter().find_map(|next| Some((next.clone(), ready(&next.1)?)))?;
        self.turn.remove(&next);
        let (_, project_id) = next;
        let project = self.projects.get_mut(&project_id)?;
        let batch = project.queue.remove(batch)?;
        self.worked_ms = self.worked_ms.max(project.turn.worked_ms);
        project.running += 1;
        project.waiting_bytes -= batch.bytes;
        if !project.queue.is_empty() {
            self.turns += 1;
            project.turn.number = self.turns;
            self.turn.insert((project.turn, project_id));
        }
        self.running_sessions.insert(batch.session.clone());
        self.running_total += 1;
        self.waiting -= 1;
        Some(batch)
    }

    /// A batch of `bytes` ended `took_ms` after it was started.
    pub(super) fn finished(&mut self, session: &SessionKey, took_ms: u64, bytes: usize) {
        if !self.running_sessions.remove(session) {
            return;
        }
        self.running_total -= 1;
        let Some(project) = self.projects.get_mut(&session.project_id) else { return };
        project.running -= 1;
        project.pace.add(took_ms, bytes);
        let waits = self.turn.remove(&(project.turn, session.project_id.clone()));
        // Each batch counts, however short.
        project.turn.worked_ms += took_ms.max(1);
        if waits {
            self.turn.insert((project.turn, session.project_id.clone()));
        }
        if project.running == 0 && project.queue.is_empty() && project.pace.took_ms < PACE_LEAST_MS {
            self.projects.remove(&session.project_id);
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
    use crate::identity::SessionId;

    fn batch(project: &str, session: u128) -> Sealed<()> {
        let project_id = ProjectId::new(project).unwrap();
        let session_id = SessionId::new(uuid::Uuid::from_u128(session)).unwrap();
        let session = SessionKey { project_id, session_id };
        Sealed { session, chunks: Vec::new(), bytes: 1 << 20, why: SealReason::Idle }
    }

    fn session(project: &str, session: u128) -> SessionKey {
        batch(project, session).session
    }

    fn started(dispatch: &mut Dispatch<()>) -> Vec<String> {
        std::iter::from_fn(|| dispatch.start()).map(|batch| batch.session.project_id.to_string()).collect()
    }

    #[test]
    fn a_busy_project_leaves_a_slot_to_one_that_waits() {
        let limits = Limits { transform_jobs: 2, project_slots: 1, ..Limits::default() };
        let mut dispatch = Dispatch::new(limits);
        for number in 1..=5 {
            dispatch.push(batch("loud", number));
        }
        dispatch.push(batch("quiet", 1));
        assert_eq!(started(&mut dispatch), ["loud", "quiet"]);
        dispatch.finished(&session("quiet", 1), 1, 1);
        assert_eq!(started(&mut dispatch), ["loud"], "alone it may use every slot");
        dispatch.push(batch("quiet", 1));
        dispatch.finished(&session("loud", 1), 1, 1);
        assert_eq!(started(&mut dispatch), ["quiet"], "the other's turn comes at once");
        assert_eq!(dispatch.waiting(), 3);
    }

    /// Runs each batch that starts to its end, one at a time, for so many milliseconds by its project.
    fn times(
        dispatch: &mut Dispatch<()>,
        total_ms: u64,
        ms_of: impl Fn(&str) -> u64,
    ) -> BTreeMap<String, u64> {
        let mut times = BTreeMap::new();
        while times.values().sum::<u64>() < total_ms {
            let Some(batch) = dispatch.start() else { break };
            let project = batch.session.project_id.to_string();
            let took_ms = ms_of(&project);
            dispatch.finished(&batch.session, took_ms, batch.bytes);
            *times.entry(project).or_default() += took_ms;
        }
        times
    }

    #[test]
    fn a_slow_chain_takes_no_more_time_than_the_others() {
        let limits = Limits { transform_jobs: 1, project_slots: 1, ..Limits::default() };
        let mut dispatch = Dispatch::new(limits);
        for number in 1..=1_000 {
            for project in ["quick", "slow", "usual"] {
                dispatch.push(batch(project, number));
            }
        }
        let ms_of = |project: &str| match project {
            "slow" => 50,
            "usual" => 3,
            _ => 1,
        };
        let taken = times(&mut dispatch, 900, ms_of);
        assert!(taken.values().all(|ms| (250..=350).contains(ms)), "{taken:?}");
    }

    #[test]
    fn who_had_nothing_to_do_saves_nothing_up() {
        let limits = Limits { transform_jobs: 1, project_slots: 1, ..Limits::default() };
        let mut dispatch = Dispatch::new(limits);
        for number in 1..=1_000 {
            dispatch.push(batch("busy", number));
        }
        times(&mut dispatch, 500, |_| 1);
        for number in 1..=1_000 {
            dispatch.push(batch("late", number));
        }
        let taken = times(&mut dispatch, 100, |_| 1);
        assert!(taken.values().all(|ms| *ms == 50), "{taken:?}");
    }

    #[test]
    fn the_batches_of_a_session_run_in_turn() {
        let limits = Limits { transform_jobs: 3, project_slots: 3, ..Limits::default() };
        let mut dispatch = Dispatch::new(limits);
        for number in [1, 1, 2, 1] {
            dispatch.push(batch("shop", number));
        }
        let ids = |dispatch: &mut Dispatch<()>| -> Vec<SessionKey> {
            std::iter::from_fn(|| dispatch.start()).map(|batch| batch.session).collect()
        };
        assert_eq!(ids(&mut dispatch), [session("shop", 1), session("shop", 2)]);
        dispatch.finished(&session("shop", 2), 1, 1);
        assert_eq!(ids(&mut dispatch), [], "the others are of the session that runs");
        dispatch.finished(&session("shop", 1), 1, 1);
        assert_eq!(ids(&mut dispatch), [session("shop", 1)]);
    }

    #[test]
    fn only_a_slow_chain_that_others_wait_beside_is_overloaded() {
        let limits = Limits { transform_jobs: 1, project_waiting_bytes: 1 << 20, ..Limits::default() };
        let slow_ms = 2 * limits.slow_chain_ms_per_mib;
        let id = ProjectId::new("slow").unwrap();
        let mut dispatch = Dispatch::new(limits);
        for number in 1..=5 {
            dispatch.push(batch("slow", number));
        }
        assert!(dispatch.start().is_some());
        dispatch.push(batch("quiet", 1));
        assert!(!dispatch.is_overloaded(&id), "a backlog makes no chain slow");
        dispatch.finished(&session("slow", 1), slow_ms, 1 << 20);
        assert!(dispatch.is_overloaded(&id));
        assert!(!dispatch.is_overloaded(&ProjectId::new("quiet").unwrap()));
        assert_eq!(started(&mut dispatch), ["quiet"], "it worked least");
        assert!(!dispatch.is_overloaded(&id), "nobody waits beside it");
    }
}
