//! Which positions stay.

use proptest::prelude::*;
use replay_plugin::memory::{MemoryChunk, outcomes_in_memory};
use replay_plugin::parse_config;

use super::*;

fn plugin(config: &str) -> Result<ThinMouse, String> {
    ThinMouse::configure(parse_config(config)?)
}

/// When the positions are that stay, by event, and the events that leave.
fn left(config: &str, events: &[&[u32]]) -> (Vec<Vec<u32>>, Vec<u32>) {
    let chunk = events.iter().fold(MemoryChunk::new(), |chunk, at_ms| chunk.moves(at_ms));
    let out = outcomes_in_memory(&plugin(config).unwrap(), &[chunk]).unwrap().remove(0).unwrap();
    let of = |event: u32| out.moves.iter().filter(|m| m.event == event).map(|m| m.at_ms).collect();
    ((0..events.len() as u32).map(of).collect(), out.removed_events)
}

#[test]
fn one_in_each_interval_and_the_last_of_each_event() {
    let config = r#"{"interval_ms": 100, "keep_before_clicks": false}"#;
    let (left, removed) = left(config, &[&[0, 50, 99, 100, 150, 199], &[201, 210, 220], &[230, 240], &[250]]);
    assert_eq!(left, [vec![0, 100, 199], vec![201, 220], vec![240], vec![250]]);
    assert!(removed.is_empty());
}

#[test]
fn none_at_all() {
    let (left, removed) = left(r#"{"drop_all": true}"#, &[&[0, 50], &[201]]);
    assert_eq!((left, removed), (vec![vec![], vec![]], vec![0, 1]));
}

#[test]
fn the_last_before_a_click_stays() {
    let moves: Vec<Move> =
        (0..10).map(|position| Move { event: 0, position, at_ms: 10 * position }).collect();
    let gone = |clicks: &[u64]| -> Vec<u32> {
        let clicks: Vec<u64> = clicks.iter().map(|at_ms| 5_000 + at_ms).collect();
        superfluous(&moves, 5_000, 1_000, &clicks).iter().map(|moved| moved.at_ms).collect()
    };
    assert_eq!(gone(&[]), [10, 20, 30, 40, 50, 60, 70, 80]);
    assert_eq!(gone(&[35, 36, 60]), [10, 20, 40, 50, 70, 80]);
    assert_eq!(gone(&[0, 500]), [10, 20, 30, 40, 50, 60, 70, 80]);
}

#[test]
fn positions_from_before_the_chunk_stay_if_something_was_clicked_there() {
    let moves: Vec<Move> = (0..6).map(|position| Move { event: 0, position, at_ms: 0 }).collect();
    assert_eq!(superfluous(&moves, 5_000, 100, &[4_400]), []);
    assert_eq!(superfluous(&moves, 5_000, 100, &[3_400]).len(), 4);
}

#[test]
fn where_clicks_are_not_known_all_stay() {
    // Of a chunk in memory there are no events: no click.
    assert_eq!(left("{}", &[&[0, 10, 20]]).0, [vec![0, 20]]);
    assert!(plugin("{}").unwrap().manifest().needs_events);
    assert!(!plugin(r#"{"keep_before_clicks": false}"#).unwrap().manifest().needs_events);
    assert!(!plugin(r#"{"drop_all": true}"#).unwrap().manifest().needs_events);
}

#[test]
fn errors_of_the_config() {
    for (config, said) in [
        (r#"{"interval_ms": 0}"#, "from 1 to 60000"),
        (r#"{"interval_ms": 60001}"#, "from 1 to 60000"),
        (r#"{"interval_ms": "100ms"}"#, "100ms"),
        (r#"{"interval": 5}"#, "interval_ms"),
    ] {
        let error = plugin(config).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

proptest! {
    #[test]
    fn what_must_stay_stays(
        mut at_ms in prop::collection::vec((0u32..5, 0u32..3_000), 0..60),
        mut clicks in prop::collection::vec(10_000u64..25_100, 0..6),
        interval in 1u32..700,
    ) {
        at_ms.sort_by_key(|(event, at)| (*event, *at));
        let mut position = 0;
        let moves: Vec<Move> = at_ms.iter().map(|&(event, at_ms)| {
            position += 1;
            Move { event, position, at_ms: event * 3_000 + at_ms }
        }).collect();
        clicks.sort_unstable();
        let gone = superfluous(&moves, 10_000, interval, &clicks);
        let is_left = |moved: &&Move| !gone.contains(moved);
        for event in 0..5 {
            let last = moves.iter().rfind(|moved| moved.event == event);
            prop_assert!(last.is_none_or(|last| is_left(&last)));
        }
        for click in clicks {
            let last = moves.iter().rfind(|moved| 10_000 + u64::from(moved.at_ms) <= click);
            prop_assert!(last.is_none_or(|last| is_left(&last)));
        }
        let intervals = |moves: &[Move]| -> std::collections::BTreeSet<u32> {
            moves.iter().map(|moved| moved.at_ms / interval).collect()
        };
        let left: Vec<Move> = moves.iter().filter(is_left).copied().collect();
        prop_assert_eq!(intervals(&left), intervals(&moves));
    }
}
