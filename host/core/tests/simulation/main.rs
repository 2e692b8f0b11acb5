//! The simulation: whole histories from a seed, every invariant checked after every
//! step, and a proof for each guard that without it some history breaks.
//!
//! `SIM_SEEDS=from..to` and `SIM_STEPS=n` play other histories than the usual ones.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::wildcard_enum_match_arm,
    reason = "modules of one test"
)]

mod actor;
mod model;
mod node;
mod reader;
mod rng;
mod run;
mod stores;

use std::collections::BTreeSet;

use replay_core::guards::{Guard, Guards};
use replay_core::lifecycle::ColdWrites;

use run::Run;

const SEEDS: std::ops::Range<u64> = 0..240;
const STEPS: usize = 2_000;

fn seeds() -> std::ops::Range<u64> {
    let parse = |text: String| {
        let (from, to) = text.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    };
    std::env::var("SIM_SEEDS").ok().and_then(parse).unwrap_or(SEEDS)
}

fn steps() -> usize {
    std::env::var("SIM_STEPS").ok().and_then(|text| text.parse().ok()).unwrap_or(STEPS)
}

#[test]
fn every_history_keeps_the_invariants_and_all_of_it_happens() {
    let mut seen = BTreeSet::new();
    for seed in seeds() {
        let mut run = Run::new(seed, Guards::ALL);
        if let Err(broken) = run.play(steps()) {
            panic!("seed {seed}: {broken}\nrepeat with SIM_SEEDS={seed}..{}", seed + 1);
        }
        seen.append(&mut run.seen);
    }
    let missing: Vec<&str> = MUST_HAPPEN.iter().copied().filter(|what| !seen.contains(*what)).collect();
    assert!(missing.is_empty(), "never happened: {missing:?}\nhappened: {seen:?}");
}

const ONCE: [ColdWrites; 2] = [ColdWrites::Once { writer: 1 }, ColdWrites::Once { writer: 2 }];

/// That merging would lose something there is shown in `src/lifecycle/tests/interleaved.rs`.
#[test]
fn every_history_keeps_the_invariants_where_writes_hold_no_condition() {
    let mut seen = BTreeSet::new();
    for seed in seeds() {
        let mut run = Run::without_conditions(ONCE, seed, Guards::ALL);
        if let Err(broken) = run.play(steps()) {
            panic!("seed {seed}: {broken}\nrepeat with SIM_SEEDS={seed}..{}", seed + 1);
        }
        seen.append(&mut run.seen);
    }
    let not_there = ["late chunk merged", "write refused"];
    let missing: Vec<&str> = MUST_HAPPEN
        .iter()
        .copied()
        .filter(|what| !not_there.contains(what) && !seen.contains(*what))
        .collect();
    assert!(missing.is_empty(), "never happened: {missing:?}\nhappened: {seen:?}");
    assert!(not_there.iter().all(|what| !seen.contains(*what)), "{seen:?}");
}

/// A guard that can be taken away without any history breaking would be no guard. Those of the
/// lifecycle that need a rarer coincidence have scenes of their own in `src/lifecycle/tests`.
fn breaks_without(guard: Guard) {
    let breaks = |seed| Run::new(seed, Guards::ALL.without(guard)).play(STEPS).err();
    let broken = SEEDS.into_iter().find_map(breaks);
    assert!(broken.is_some(), "nothing breaks without {guard:?}");
}

#[test]
fn the_epoch_check_is_needed() {
    breaks_without(Guard::EpochCheck);
}

#[test]
fn settling_only_on_written_is_needed() {
    breaks_without(Guard::SettleOnlyOnWritten);
}

#[test]
fn settling_only_on_the_letter_is_needed() {
    breaks_without(Guard::SettleOnlyOnLetter);
}

#[test]
fn the_low_watermark_is_needed() {
    breaks_without(Guard::LowWatermark);
}

#[test]
fn forgetting_lost_partitions_is_needed() {
    breaks_without(Guard::ForgetLost);
}

#[test]
fn deleting_copies_by_their_hash_is_needed() {
    breaks_without(Guard::HashInDelete);
}

#[test]
fn writing_the_tombstone_first_is_needed() {
    breaks_without(Guard::TombstoneFirst);
}

#[test]
fn reading_the_object_back_is_needed() {
    breaks_without(Guard::ReadBack);
}

#[test]
fn reading_the_archive_row_back_is_needed() {
    breaks_without(Guard::ArchiveReadBack);
}

#[test]
fn leaving_expired_objects_alone_is_needed() {
    breaks_without(Guard::ExpiredIsLeftAlone);
}

const MUST_HAPPEN: &[&str] = &[
    "answer lost",
    "at budget",
    "chain revision",
    "copies expired",
    "copies moved",
    "crash",
    "ending DeadLettered(InternalError)",
    "ending DeadLettered(NotEvents)",
    "ending DeadLettered(PackedUnreadable)",
    "ending DeadLettered(PluginOverloaded)",
    "ending DeadLettered(StoreRejected)",
    "ending DroppedByPlugin",
    "ending Skipped(Expired)",
    "ending Skipped(NullValue)",
    "ending Skipped(Tombstoned)",
    "ending Stored",
    "failure panicked",
    "failure refused",
    "failure reject",
    "failure retry",
    "failure stale",
    "feed back",
    "first move",
    "input assigned",
    "input done",
    "input drain",
    "input lost",
    "input record",
    "input revoked",
    "input timeout",
    "late chunk merged",
    "lifecycle crash",
    "lifecycle erase",
    "lifecycle move",
    "lifecycle retire",
    "lifecycle sweep",
    "object erased",
    "object expired",
    "object retired",
    "pause budget",
    "pause dead_letters",
    "pause draining",
    "pause hot_store",
    "read",
    "read overtaken",
    "release",
    "resume",
    "seal age",
    "seal budget",
    "seal full",
    "seal full_snapshot",
    "seal handover",
    "seal idle",
    "store lied",
    "stopped DeadlinePassed",
    "stopped Drained",
    "work commit",
    "work decode",
    "work insert",
    "work letter",
    "work transform",
    "write refused",
];
