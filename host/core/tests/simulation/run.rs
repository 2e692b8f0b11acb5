//! One seed: two processes over one world, every step drawn from the seed, faults included.

use std::collections::BTreeSet;

use replay_core::guards::Guards;
use replay_core::identity::{ChunkKey, SessionKey};
use replay_core::lifecycle::ColdWrites;
use replay_core::pipeline::{Failure, Input, Outcome, ReplayOf, Work};
use replay_core::time::Now;
use replay_core::tombstone::EraseScope;

use crate::actor::{Actor, Work as Task};
use crate::model::{Kind, ModelRecord, PARTITIONS, World, later, session};
use crate::node::{Checked, Node, work_name};
use crate::reader::Reader;
use crate::rng::Rng;
use crate::stores::Asker;

pub struct Run {
    rng: Rng,
    guards: Guards,
    pub now: Now,
    pub world: World,
    nodes: Vec<Option<Node>>,
    pub seen: BTreeSet<String>,
    incarnations: u64,
    migrators: [Actor; 2],
    /// How they write to the cold store.
    writes: [ColdWrites; 2],
    /// Erasure, sweep and retention: one at a time.
    janitor: Actor,
    readers: Vec<Reader>,
    /// Every other history spares the lifecycle: then it must tidy up after itself, without a sweep.
    lifecycle_faults: bool,
}

impl Run {
    pub fn new(seed: u64, guards: Guards) -> Self {
        Self::over(World::new(), [ColdWrites::Conditional; 2], seed, guards)
    }

    /// Over a cold store that ignores the conditions of writes.
    pub fn without_conditions(writes: [ColdWrites; 2], seed: u64, guards: Guards) -> Self {
        Self::over(World::without_conditions(), writes, seed, guards)
    }

    fn over(world: World, writes: [ColdWrites; 2], seed: u64, guards: Guards) -> Self {
        // Near midnight, so that chunks of one session fall on two days.
        let now = Now { mono_ms: 1_000, unix_ms: 1_700_006_399_000 };
        let mut run = Self {
            rng: Rng::new(seed),
            guards,
            now,
            world,
            nodes: (0..2).map(|_| None).collect(),
            seen: BTreeSet::new(),
            incarnations: 0,
            migrators: [Actor::new(Asker::Migrator), Actor::new(Asker::Migrator)],
            writes,
            janitor: Actor::new(Asker::Janitor),
            readers: Vec::new(),
            lifecycle_faults: seed % 2 == 1,
        };
        (0..2).for_each(|index| run.boot(index));
        run
    }

    /// Plays `steps` steps, then lets everything end without faults and checks the end.
    pub fn play(&mut self, steps: usize) -> Checked {
        for _ in 0..steps {
            self.world.steps += 1;
            self.step()?;
            self.lifecycle(self.lifecycle_faults)?;
            self.read()?;
        }
        self.settle()?;
        self.check_end()?;
        self.sweep_at_the_end()
    }

    fn step(&mut self) -> Checked {
        match self.rng.below(100) {
            0..18 => {
                self.produce();
                Ok(())
            }
            18..45 => self.deliver(),
            45..78 => self.work(true),
            78..88 => self.tick(),
            88..93 => self.rebalance(),
            93 => self.crash_or_drain(),
            94 => {
                self.world.chain_revision += 1;
                self.seen.insert("chain revision".into());
                Ok(())
            }
            96 => {
                self.feed_back();
                Ok(())
            }
            _ => self.work(true),
        }
    }

    fn boot(&mut self, index: usize) {
        self.incarnations += 1;
        self.nodes[index] = Some(Node::new(self.incarnations, self.guards));
    }

    /// A session that is open about now; older ones get late chunks.
    fn any_session(&mut self) -> SessionKey {
        let newest = self.world.steps / 120 + 3;
        let age = if self.rng.one_in(5) { self.rng.below(12) } else { self.rng.below(3) };
        session(self.rng.below(2), newest.saturating_sub(age))
    }

    fn produce(&mut self) {
        let partition = self.rng.below(u64::from(PARTITIONS)) as u32;
        let session = self.any_session();
        // A browser's clock says anything; a retry repeats a chunk on another partition.
        let key = ChunkKey { timestamp_start_ms: self.rng.below(6), chunk_index: self.rng.below(3) as u32 };
        let kind = match self.rng.below(40) {
            0 => Kind::Poison,
            1 => Kind::Null,
            2 => Kind::Expired,
            3 => Kind::Panics,
            4 | 5 => Kind::Dropped { session, key },
            6 => Kind::PluginFails { session, key },
            7 => Kind::StoreRejects { session, key },
            _ => Kind::Chunk { content: self.rng.below(2), full_snapshot: self.rng.one_in(6), session, key },
        };
        let bytes = if self.rng.one_in(8) { 6_000 } else { 200 };
        let record = ModelRecord { kind, received_at_ms: self.now.unix_ms, bytes, replay_of: None };
        self.world.append(partition, record);
    }

    /// An operator feeds a dead letter back; its first record stays what it was.
    fn feed_back(&mut self) {
        let Some((letter, attempts)) = self.world.letters.iter().next().map(|(id, n)| (id.clone(), *n))
        else {
            return;
        };
        self.seen.insert("feed back".into());
        let original = &self.world.log[letter.partition as usize][letter.offset as usize];
        // Half of them were mended meanwhile.
        let kind = match &original.kind {
            Kind::PluginFails { session, key } | Kind::StoreRejects { session, key }
                if self.rng.one_in(2) =>
            {
                Kind::Chunk { session: session.clone(), key: *key, content: 9, full_snapshot: false }
            }
            kind => kind.clone(),
        };
        let record = ModelRecord {
            kind,
            received_at_ms: original.received_at_ms,
            bytes: original.bytes,
            replay_of: Some(ReplayOf { letter, attempts }),
        };
        let partition = self.rng.below(u64::from(PARTITIONS)) as u32;
        self.world.append(partition, record);
    }

    /// Migrators, eraser, sweeper: each does a step, starts something, or dies.
    fn lifecycle(&mut self, faults: bool) -> Checked {
        for index in 0..2 {
            if faults && self.rng.one_in(150) {
                self.seen.insert("lifecycle crash".into());
                self.migrators[index].crash(self.now, &mut self.world, &mut self.rng)?;
            }
            if self.migrators[index].is_idle() && self.rng.one_in(4) {
                let task = Task::moving(self.rng.next(), self.writes[index], self.guards);
                self.seen.insert(task.name().into());
                self.migrators[index].start(self.now, task);
            }
            if !self.rng.one_in(4) {
                self.migrators[index].act(self.now, &mut self.world, &mut self.rng, faults)?;
            }
        }
        if faults && self.rng.one_in(200) {
            self.janitor.crash(self.now, &mut self.world, &mut self.rng)?;
        }
        if self.janitor.is_idle() && self.rng.one_in(20) {
            let task = self.janitors_task();
            self.seen.insert(task.name().into());
            self.janitor.start(self.now, task);
        }
        if self.rng.one_in(2) {
            self.janitor.act(self.now, &mut self.world, &mut self.rng, faults)?;
        }
        Ok(())
    }

    fn janitors_task(&mut self) -> Task {
        let key = self.any_session();
        match self.rng.below(16) {
            0 if self.rng.one_in(4) => Task::erasing(EraseScope::Project(key.project_id), self.guards),
            0..3 => Task::erasing(EraseScope::Session(key), self.guards),
            3..5 if self.lifecycle_faults => Task::sweeping(self.guards),
            _ => Task::retiring(self.guards),
        }
    }

    fn read(&mut self) -> Checked {
        if self.readers.len() < 2 && self.rng.one_in(4) {
            let key = self.any_session();
            self.readers.push(Reader::open(key, &self.world));
        }
        for position in (0..self.readers.len()).rev() {
            if self.rng.one_in(2) && self.readers[position].step(&self.world)? {
                let looks = self.readers[position].looks();
                self.seen.insert(if looks > 0 { "read overtaken" } else { "read" }.into());
                self.readers.swap_remove(position);
            }
        }
        Ok(())
    }

    /// Invariant 9: what was erased is gone once everybody has ended, after faults with one more sweep.
    fn sweep_at_the_end(&mut self) -> Checked {
        for _ in 0..20_000 {
            self.now = later(self.now, 1);
            self.world.steps += 1;
            for actor in self.migrators.iter_mut().chain([&mut self.janitor]) {
                actor.act(self.now, &mut self.world, &mut self.rng, false)?;
            }
        }
        if !self.lifecycle_faults {
            self.world.erased_remains().map_or(Ok(()), Err)?;
        }
        self.janitor.start(self.now, Task::sweeping(self.guards));
        for _ in 0..20_000 {
            if self.janitor.is_idle() {
                break;
            }
            self.now = later(self.now, 1);
            self.world.steps += 1;
            self.janitor.act(self.now, &mut self.world, &mut self.rng, false)?;
        }
        self.world.erased_remains().map_or(Ok(()), Err)
    }

    fn deliver(&mut self) -> Checked {
        let index = self.rng.below(2) as usize;
        let Some(node) = &mut self.nodes[index] else { return Ok(()) };
        let ready: Vec<u32> = node
            .mine
            .iter()
            .filter(|(partition, (_, next))| {
                (*next as usize) < self.world.log[**partition as usize].len()
                    && !node.paused.contains(partition)
                    && !node.revoking.contains(partition)
            })
            .map(|(&partition, _)| partition)
            .collect();
        if ready.is_empty() {
            return Ok(());
        }
        let partition = ready[self.rng.pick(&ready)];
        node.deliver(partition, self.now, &mut self.world)
    }

    /// Brings one job on: done, or its answer delivered; with faults, either may go wrong.
    fn work(&mut self, faults: bool) -> Checked {
        let node_index = self.rng.below(2) as usize;
        let Some(node) = &mut self.nodes[node_index] else { return Ok(()) };
        if node.running.is_empty() {
            return Ok(());
        }
        let index = self.rng.pick(&node.running);
        if node.running[index].answer.is_none() {
            if faults && self.rng.one_in(12) && is_edge(&node.running[index].work) {
                let failure = self.failure();
                self.seen.insert(format!("failure {}", failure_name(&failure)));
                let node = self.nodes[node_index].as_mut().expect("checked above");
                return node.answer(index, Outcome::Failed(failure), self.now, &mut self.world);
            }
            node.apply(index, self.now, &mut self.world)?;
            if let Some(Outcome::Failed(failure)) = &node.running[index].answer {
                self.seen.insert(format!("failure {}", failure_name(failure)));
            }
            // Most answers come at once, some only much later.
            if self.rng.one_in(3) {
                return Ok(());
            }
        }
        let Some(answer) = node.running[index].answer.take() else { return Ok(()) };
        if faults && is_edge(&node.running[index].work) && self.rng.one_in(15) {
            self.seen.insert("answer lost".into());
            let lost = Failure::Retry { what: "no answer in time".into(), retry_after_ms: None };
            return node.answer(index, Outcome::Failed(lost), self.now, &mut self.world);
        }
        node.answer(index, answer, self.now, &mut self.world)
    }

    fn failure(&mut self) -> Failure {
        match self.rng.below(4) {
            0 => Failure::Retry { what: "away".into(), retry_after_ms: Some(10) },
            1 => Failure::Refused { what: "no rights".into() },
            2 => Failure::Stale,
            _ => Failure::Panicked,
        }
    }

    fn tick(&mut self) -> Checked {
        self.now = later(self.now, self.rng.below(30));
        for index in 0..2 {
            if let Some(node) = &mut self.nodes[index]
                && node.pipeline.next_timeout_ms().is_some_and(|due_ms| due_ms <= self.now.mono_ms)
            {
                node.handle(self.now, Input::Timeout, &mut self.world)?;
            }
        }
        Ok(())
    }

    /// Moves one partition: assigns a free one, or takes one away, politely or not.
    fn rebalance(&mut self) -> Checked {
        let partition = self.rng.below(u64::from(PARTITIONS)) as u32;
        match self.world.owner[partition as usize] {
            None => {
                let index = self.rng.below(2) as usize;
                self.assign(partition, index)
            }
            Some(index) => {
                let Some(node) = &mut self.nodes[index] else { return Ok(()) };
                if node.revoking.contains(&partition) || !self.rng.one_in(3) {
                    return Ok(());
                }
                if self.rng.one_in(3) {
                    node.gone(partition);
                    self.world.owner[partition as usize] = None;
                    node.handle(self.now, Input::Lost { partitions: vec![partition] }, &mut self.world)
                } else {
                    node.revoking.insert(partition);
                    let within_ms = self.rng.below(120);
                    let input = Input::Revoked { partitions: vec![partition], within_ms };
                    node.handle(self.now, input, &mut self.world)
                }
            }
        }
    }

    fn assign(&mut self, partition: u32, index: usize) -> Checked {
        let Some(node) = &mut self.nodes[index] else { return Ok(()) };
        if node.stopped.is_some() {
            return Ok(());
        }
        let slot = partition as usize;
        self.world.epochs[slot] += 1;
        self.world.owner[slot] = Some(index);
        let (epoch, next_offset) = (self.world.epochs[slot], self.world.committed[slot]);
        node.mine.insert(partition, (epoch, next_offset));
        node.handle(self.now, Input::Assigned { partition, epoch, next_offset }, &mut self.world)
    }

    fn crash_or_drain(&mut self) -> Checked {
        let index = self.rng.below(2) as usize;
        let Some(node) = &mut self.nodes[index] else { return Ok(()) };
        if node.stopped.is_none() && self.rng.one_in(2) {
            let within_ms = self.rng.below(200);
            return node.handle(self.now, Input::Drain { within_ms }, &mut self.world);
        }
        if node.stopped.is_none() && self.rng.one_in(2) {
            return Ok(());
        }
        self.replace(index, true)
    }

    /// The process is gone; what it had asked for may or may not still happen.
    fn replace(&mut self, index: usize, crash: bool) -> Checked {
        let Some(mut node) = self.nodes[index].take() else { return Ok(()) };
        if crash {
            self.seen.insert("crash".into());
        }
        for position in 0..node.running.len() {
            if node.running[position].answer.is_none() && self.rng.one_in(2) {
                node.apply(position, self.now, &mut self.world)?;
            }
        }
        self.seen.append(&mut node.seen);
        for owner in &mut self.world.owner {
            if *owner == Some(index) {
                *owner = None;
            }
        }
        self.boot(index);
        Ok(())
    }

    /// No more faults: everything that is here comes to its end.
    fn settle(&mut self) -> Checked {
        for index in 0..2 {
            if self.nodes[index].as_ref().is_some_and(|node| node.stopped.is_some()) {
                self.replace(index, false)?;
            }
        }
        for _ in 0..200_000 {
            for partition in 0..PARTITIONS {
                if self.world.owner[partition as usize].is_none() {
                    let index = self.rng.below(2) as usize;
                    self.assign(partition, index)?;
                }
            }
            match self.rng.below(8) {
                0..3 => self.deliver()?,
                3..7 => self.work(false)?,
                _ => self.tick()?,
            }
            for index in 0..2 {
                if self.nodes[index].as_ref().is_some_and(|node| node.stopped.is_some()) {
                    self.replace(index, false)?;
                }
            }
            if self.is_settled() {
                return Ok(());
            }
        }
        Err(format!("does not come to an end: committed {:?}", self.world.committed))
    }

    fn is_settled(&self) -> bool {
        let all_committed = (0..PARTITIONS as usize)
            .all(|partition| self.world.committed[partition] == self.world.log[partition].len() as u64);
        all_committed && self.nodes.iter().flatten().all(|node| node.running.is_empty())
    }

    fn check_end(&mut self) -> Checked {
        self.seen.extend(self.world.seen.iter().map(|what| (*what).to_owned()));
        for (partition, log) in self.world.log.iter().enumerate() {
            for offset in 0..log.len() as u64 {
                if !self.world.fates.contains_key(&(partition as u32, offset)) {
                    return Err(format!("{partition}/{offset} ended nowhere"));
                }
            }
        }
        for node in self.nodes.iter_mut().flatten() {
            self.seen.append(&mut node.seen);
            if !node.budget_is_clear(self.now) {
                return Err("the budget is not given back".into());
            }
        }
        Ok(())
    }
}

fn is_edge(work: &Work<crate::model::Token>) -> bool {
    !matches!(work_name(work), "decode" | "transform")
}

fn failure_name(failure: &Failure) -> &'static str {
    match failure {
        Failure::Retry { .. } => "retry",
        Failure::Reject { .. } => "reject",
        Failure::Refused { .. } => "refused",
        Failure::Stale => "stale",
        Failure::Panicked => "panicked",
    }
}
