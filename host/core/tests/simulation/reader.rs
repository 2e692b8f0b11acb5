//! A reader that takes its time: between any two of its steps the world goes on.
//!
//! It reads as `replays` does: the hot store to its end, then the archive, then the tombstones, then
//! it picks winners, then it wants the bytes; what is gone by then makes it look again.

use std::collections::BTreeMap;

use replay_core::identity::{ChunkKey, SessionKey};
use replay_core::row::ChunkMeta;
use replay_core::winner::{Rank, winners};

use crate::model::World;
use crate::node::Checked;

/// As often as the service looks; the simulation moves far more than any real store.
const MAX_LOOKS: usize = 12;

#[derive(Clone)]
enum Place {
    Hot,
    Cold(String),
}

enum Step {
    Hot,
    Archive,
    Tombstones,
    Bytes,
}

pub struct Reader {
    session: SessionKey,
    /// What was visible when the read began: each must be seen at this rank or a greater one.
    promised: BTreeMap<ChunkKey, Rank>,
    since_step: u64,
    step: Step,
    looks: usize,
    found: Vec<(ChunkMeta, Place)>,
}

impl Reader {
    pub fn open(session: SessionKey, world: &World) -> Self {
        let promised = world.visible(&session).into_iter().map(|meta| (meta.key, meta.rank())).collect();
        Self { session, promised, since_step: world.steps, step: Step::Hot, looks: 0, found: Vec::new() }
    }

    /// How often it had to look again.
    pub fn looks(&self) -> usize {
        self.looks
    }

    /// One step. `Ok(true)`: the read is over and was right.
    pub fn step(&mut self, world: &World) -> Result<bool, String> {
        match self.step {
            Step::Hot => {
                self.found = world.hot_of(&self.session).map(|meta| (meta.clone(), Place::Hot)).collect();
                self.step = Step::Archive;
            }
            Step::Archive => {
                for row in world.archive_of(&self.session) {
                    let in_object = row.index.iter().map(|entry| {
                        (entry.meta(&self.session, row.header.codec), Place::Cold(row.object_key.clone()))
                    });
                    self.found.extend(in_object);
                }
                self.step = Step::Tombstones;
            }
            Step::Tombstones => {
                self.found.retain(|(meta, _)| !world.is_erased(&self.session, meta.received_at_ms));
                let found = std::mem::take(&mut self.found);
                self.found = winners(found, |(meta, _)| (meta.key, meta.rank()));
                self.step = Step::Bytes;
            }
            Step::Bytes => {
                let here = |(meta, place): &(ChunkMeta, Place)| match place {
                    Place::Hot => world.hot.contains_key(&(self.session.clone(), meta.copy_id())),
                    Place::Cold(key) => world.objects.get(key).is_some_and(|object| {
                        object
                            .row
                            .index
                            .iter()
                            .any(|entry| entry.key == meta.key && entry.rank() == meta.rank())
                    }),
                };
                if self.found.iter().all(here) {
                    return self.check(world).map(|()| true);
                }
                // A move overtook the read.

                self.looks += 1;
                self.step = Step::Hot;
                if self.looks > MAX_LOOKS {
                    // The session changed with every look: the reader says so, it shows nothing wrong.
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Invariants 5, 7 and 9: everything promised is there once, unless it was erased or its time was
    /// over meanwhile; nothing that was erased before the last look is there.
    fn check(&self, world: &World) -> Checked {
        for (key, rank) in &self.promised {
            let seen = self.found.iter().find(|(meta, _)| meta.key == *key);
            match seen {
                Some((meta, _)) if meta.rank() >= *rank => {}
                Some(_) if world.may_be_gone(&self.session, self.since_step) => {}
                Some((meta, _)) => {
                    return Err(format!(
                        "a read of {} shows {:?} where {rank:?} had won",
                        self.session,
                        meta.rank()
                    ));
                }
                None if world.may_be_gone(&self.session, self.since_step) => {}
                None => return Err(format!("a read of {} misses {key:?}", self.session)),
            }
        }
        Ok(())
    }
}
