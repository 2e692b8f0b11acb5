//! Every erasure again: what a late write, a migrator that died or a slow source brought back goes.
//!
//! Once one has given up, a store seems to be away. The others are tried once each until one comes to its end:
//! none is passed by, and none waits as long as the first did. Meanwhile nothing else can be erased.

use std::collections::{BTreeMap, VecDeque};

use super::{Erasure, ErasureEnd, ErasureReport, ErasureSettings};
use crate::archive::{project_prefix, session_of_key};
use crate::identity::{ProjectId, SessionKey};
use crate::lifecycle::ask::{Answer, Ask, Machine, ObjectHead, Step};
use crate::time::Now;
use crate::tombstone::{EraseScope, Tombstone};

/// What a sweep came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Tombstones gone over.
    pub tombstones: u64,
    /// Erasures that found something, each to be written to the audit trail.
    pub found: Vec<ErasureReport>,
    /// Erasures that are not complete, and why.
    pub incomplete: Vec<(EraseScope, String)>,
    /// Why the sweep could not go over all of them.
    pub failed: Option<String>,
}

/// The machine that goes over every tombstone. Looks through the objects of a project once, however
/// many of its sessions are erased.
#[derive(Clone, Debug)]
pub struct ErasureSweep {
    settings: ErasureSettings,
    state: State,
    left: VecDeque<Tombstone>,
    /// Projects with erased sessions, to be looked through.
    projects: VecDeque<ProjectId>,
    after_object: Option<String>,
    /// Objects of erased sessions, with their sizes.
    found: BTreeMap<SessionKey, BTreeMap<String, u64>>,
    /// The last erasure gave up.
    is_hasty: bool,
    report: SweepReport,
}

#[derive(Clone, Debug)]
enum State {
    Tombstones,
    ListObjects(ProjectId),
    Erasing(Box<Erasure>),
}

impl Machine for ErasureSweep {
    type End = SweepReport;

    fn step(&mut self, now: Now, answer: Option<Answer>) -> Step<SweepReport> {
        let Some(answer) = answer else {
            *self = Self::new(self.settings.clone());
            return Step::Ask(Ask::AllTombstones);
        };
        match std::mem::replace(&mut self.state, State::Tombstones) {
            State::Tombstones => match answer.tombstones() {
                Ok(tombstones) => self.take_tombstones(now, tombstones),
                Err(what) => self.end(Some(what)),
            },
            State::ListObjects(project_id) => match answer.heads() {
                Ok(heads) => self.take_heads(now, project_id, heads),
                Err(what) => self.end(Some(what)),
            },
            State::Erasing(erasure) => self.step_erasure(now, erasure, Some(answer)),
        }
    }
}

impl ErasureSweep {
    /// A sweep that has not started.
    pub fn new(settings: ErasureSettings) -> Self {
        Self {
            settings,
            state: State::Tombstones,
            left: VecDeque::new(),
            projects: VecDeque::new(),
            after_object: None,
            found: BTreeMap::new(),
            is_hasty: false,
            report: SweepReport::default(),
        }
    }

    fn take_tombstones(&mut self, now: Now, tombstones: Vec<Tombstone>) -> Step<SweepReport> {
        let mut projects: Vec<ProjectId> = tombstones
            .iter()
            .filter(|tombstone| tombstone.scope.session_id().is_some())
            .map(|tombstone| tombstone.scope.project_id().clone())
            .collect();
        projects.sort();
        projects.dedup();
        self.projects = projects.into();
        for tombstone in &tombstones {
            if let EraseScope::Session(session) = &tombstone.scope {
                self.found.insert(session.clone(), BTreeMap::new());
            }
        }
        self.left = tombstones.into();
        self.next_project(now)
    }

    fn next_project(&mut self, now: Now) -> Step<SweepReport> {
        self.after_object = None;
        match self.projects.pop_front() {
            Some(project_id) => self.ask_objects(project_id),
            None => self.next_tombstone(now),
        }
    }

    fn ask_objects(&mut self, project_id: ProjectId) -> Step<SweepReport> {
        let prefix = project_prefix(&project_id);
        self.state = State::ListObjects(project_id);
        let limit = self.settings.batch_size.max(1);
        Step::Ask(Ask::ListObjects { prefix, after: self.after_object.clone(), limit })
    }

    fn take_heads(&mut self, now: Now, project_id: ProjectId, heads: Vec<ObjectHead>) -> Step<SweepReport> {
        let is_full = heads.len() >= self.settings.batch_size.max(1);
        self.after_object = heads.last().filter(|_| is_full).map(|head| head.key.clone());
        for head in heads {
            let erased = session_of_key(&head.key).and_then(|session| self.found.get_mut(&session));
            if let Some(objects) = erased {
                objects.insert(head.key, head.size);
            }
        }
        if self.after_object.is_some() { self.ask_objects(project_id) } else { self.next_project(now) }
    }

    fn next_tombstone(&mut self, now: Now) -> Step<SweepReport> {
        let Some(tombstone) = self.left.pop_front() else { return self.end(None) };
        self.report.tombstones += 1;
        let settings = self.settings.clone();
        let mut erasure = match &tombstone.scope {
            EraseScope::Session(session) => {
                let objects = self.found.remove(session).unwrap_or_default();
                Erasure::over_found(tombstone, objects, settings)
            }
            EraseScope::Project(_) => Erasure::again(tombstone, settings),
        };
        if self.is_hasty {
            erasure.max_failures = 1;
        }
        self.step_erasure(now, Box::new(erasure), None)
    }

    fn step_erasure(
        &mut self,
        now: Now,
        mut erasure: Box<Erasure>,
        answer: Option<Answer>,
    ) -> Step<SweepReport> {
        let end = match erasure.step(now, answer) {
            Step::Ask(ask) => {
                self.state = State::Erasing(erasure);
                return Step::Ask(ask);
            }
            Step::Wait { until_mono_ms } => {
                self.state = State::Erasing(erasure);
                return Step::Wait { until_mono_ms };
            }
            Step::Done(end) => end,
        };
        self.is_hasty = erasure.has_given_up();
        let report = match end {
            ErasureEnd::Erased(report) => report,
            ErasureEnd::Incomplete { report, what } => {
                self.report.incomplete.push((report.tombstone.scope.clone(), what));
                report
            }
        };
        if report.passes > 1 {
            self.report.found.push(report);
        }
        self.next_tombstone(now)
    }

    fn end(&mut self, failed: Option<String>) -> Step<SweepReport> {
        self.report.failed = failed;
        Step::Done(std::mem::take(&mut self.report))
    }
}
