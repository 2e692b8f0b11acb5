//! What is removed and what is masked. Levels are only in the events, which chunks in memory have none of:
//! `events` and the recordings test them.

use replay_plugin::memory::{MemoryChunk, run_in_memory};
use replay_plugin::parse_config;

use super::*;

fn plugin(config: &str) -> Result<DropConsole, String> {
    DropConsole::configure(parse_config(config)?)
}

fn chunk() -> MemoryChunk {
    MemoryChunk::new()
        .field(Kind::Text, 3, "", "a page")
        .field(Kind::Console, 0, "payload", "\"saved Ann\"")
        .field(Kind::Console, 0, "trace", "save@app.js:1")
}

#[test]
fn masked_it_stays_without_its_text() {
    let texts = run_in_memory(&plugin(r#"{"action": "mask", "mask_char": "x"}"#).unwrap(), &[chunk()]);
    assert_eq!(texts.unwrap().remove(0).unwrap(), ["a page", "xxxxxx xxxx", "xxxxxxxxxxxxx"]);
}

#[test]
fn what_cannot_be_told_is_masked() {
    for config in ["{}", r#"{"levels": ["debug"]}"#] {
        // These events are no array of objects with a type.
        let texts = run_in_memory(&plugin(config).unwrap(), &[chunk()]).unwrap().remove(0).unwrap();
        assert_eq!(texts, ["a page", "****** ****", "*************"], "{config}");
    }
}

#[test]
fn events_are_asked_for_only_where_they_decide() {
    for (config, asks) in [("{}", true), (r#"{"action": "mask"}"#, false), (r#"{"levels": ["log"]}"#, true)] {
        assert_eq!(plugin(config).unwrap().manifest().needs_events, asks, "{config}");
    }
}

#[test]
fn a_level_decides_and_an_unknown_one_is_meant() {
    let some = plugin(r#"{"levels": ["debug", "groupEnd"]}"#).unwrap();
    assert!(some.means(Some(Level::GroupEnd)) && some.means(None) && !some.means(Some(Level::Error)));
    assert!(plugin("{}").unwrap().means(Some(Level::Error)));
}

#[test]
fn errors_of_the_config() {
    for (config, said) in [
        (r#"{"levels": []}"#, "nothing would be removed"),
        (r#"{"levels": ["fatal"]}"#, "fatal"),
        (r#"{"action": "drop"}"#, "drop"),
        (r#"{"level": []}"#, "levels"),
    ] {
        assert!(plugin(config).unwrap_err().contains(said));
    }
}
