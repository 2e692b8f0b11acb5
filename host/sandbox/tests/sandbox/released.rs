//! Released interfaces stay: their files as they are, and what was built for them runs and answers alike.

use std::sync::Arc;

use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::pipeline::ChunkHead;
use replay_core::row::Codec;
use replay_core::rrweb::{
    Batch, Changes, Edit, EditRules, ElementLimits, Elements, Finished, Item, Kinds, Replacement, ScanLimits,
    Verdict,
};
use replay_sandbox::{FailureKind, LogLevel, Plugin};
use sha2::{Digest, Sha256};

use crate::guests::component;
use crate::support::Room;

const EVERYTHING: &str = include_str!("../../../../tests/fixtures/components/1.0.0/everything.wat");

/// Something for each part of an answer.
const EVENTS: &str = include_str!("../../../../tests/fixtures/components/1.0.0/everything.json");

fn batch() -> Batch {
    let mut batch = Batch::new(Kinds::ALL, Elements::new(ElementLimits { max_bytes: 1 << 20 }));
    let head = ChunkHead {
        session: SessionKey {
            project_id: ProjectId::new("shop").unwrap(),
            session_id: SessionId::parse("0191f0c4-7e1a-7c3b-9d55-0123456789ab").unwrap(),
        },
        key: ChunkKey { timestamp_start_ms: 1000, chunk_index: 0 },
        timestamp_end_ms: 1006,
        event_count: 7,
        has_full_snapshot: true,
        data_size: 0,
        codec: Codec::Gzip,
    };
    let limits =
        ScanLimits { max_raw_chunk_bytes: 1 << 20, max_ratio: 1000, max_depth: 512, max_fields: 1 << 20 };
    batch.add(&head, EVENTS.into(), &limits).unwrap();
    batch
}

fn load(room: &Room, answer: &str) -> Plugin {
    room.load(&component(EVERYTHING), &format!("{answer:?}")).unwrap()
}

/// A released file never changes, not even a word: an author may have any copy of it.
#[test]
fn the_file_of_1_0_0_is_as_it_was_released() {
    let file = include_bytes!("../../../../wit/1.0.0/replay.wit");
    let sha256: String = Sha256::digest(file).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(sha256, "008e3b02ee22cc81fcbda8a76fe7fb1a459c58e9a78ab202497d8588565b6d5c");
}

#[test]
fn a_component_of_1_0_0_changes_all_that_can_be_changed() {
    let room = Room::new();
    let plugin = load(&room, "change");
    let manifest = plugin.manifest();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("everything", "1.2.3"));
    assert!(manifest.redacts && manifest.needs_events && manifest.needs_elements);
    assert_eq!(
        (&*manifest.drop_reasons, &*manifest.error_codes),
        (&["bot".into()][..], &["broken".into()][..])
    );
    assert_eq!((manifest.kinds, manifest.config_schema.as_str()), (Kinds::ALL, r#"{"type":"string"}"#));

    let shown = Arc::new(batch());
    let (answer, lines) = plugin.process_with_logs(&(Arc::clone(&shown) as _));
    let edit = |field, start, end, replacement| Edit { field, start, end, replacement };
    let expected = Changes {
        edits: vec![
            edit(0, 8, 9, Replacement::Mask('*')),
            edit(1, 0, 5, Replacement::Text("new".into())),
            edit(2, 0, 2, Replacement::Blank),
        ],
        remove_events: vec![5],
        block_nodes: vec![20],
        drop_items: vec![Item::Position(6, 0), Item::Request(3), Item::Header(6)],
    };
    let verdicts = answer.unwrap().verdicts;
    assert_eq!(verdicts, [Verdict::Change(expected)]);
    let text = "https://shop.example/\ntyped\nup\n/one\n/two\ncookie\nk=v\naccept\n*/*\ninside\n";
    let said = [
        (LogLevel::Debug, text),
        (LogLevel::Info, "href"),
        (LogLevel::Warn, "https://shop.example/"),
        (LogLevel::Error, "main"),
    ];
    let lines: Vec<_> = lines.iter().map(|line| (line.level, line.text.as_str())).collect();
    assert_eq!(lines, said);

    let rules = EditRules {
        allow_replace: false,
        mask_only: false,
        extra_edits: 0,
        max_text_bytes: 100,
        drop_reasons: 1,
    };
    let mut batch = batch();
    batch.apply(0, Kinds::ALL, verdicts, &rules).unwrap();
    let left = concat!(
        r#"[{"type":4,"timestamp":1000,"data":{"href":"https://*hop.example/"}},"#,
        r#"{"type":3,"timestamp":1001,"data":{"source":5,"text":"new","isChecked":false,"id":9}},"#,
        r#"{"type":5,"timestamp":1002,"data":{"tag":"","payload":null}},"#,
        r#"{"type":6,"timestamp":1003,"data":{"plugin":"rrweb/network@1","payload":{"requests":["#,
        r#"{"url":"/two","requestHeaders":{"accept":"*/*"}}]}}},"#,
        r#"{"type":2,"timestamp":1004,"data":{"node":{"type":0,"childNodes":[{"type":2,"tagName":"main","attributes":{},"#,
        r#""childNodes":[],"id":20}],"id":1}}},"#,
        r#"{"type":3,"timestamp":1006,"data":{"source":1,"positions":[{"x":2,"y":2,"id":9,"timeOffset":0}]}}]"#,
    );
    let (finished, _) = batch.finish();
    let Finished::Changed { json, .. } = &finished[0] else { panic!("{finished:?}") };
    assert_eq!(std::str::from_utf8(json).unwrap(), left);
}

#[test]
fn a_component_of_1_0_0_answers_in_all_other_ways() {
    let room = Room::new();
    let answer = |said: &str| load(&room, said).process_chunks(&(Arc::new(batch()) as _));
    assert_eq!(answer("keep").unwrap().verdicts, [Verdict::Keep]);
    assert_eq!(answer("drop").unwrap().verdicts, [Verdict::Drop(0)]);
    assert_eq!(answer("replace").unwrap().verdicts, [Verdict::Replace(EVENTS.into())]);
    assert_eq!(answer("error").unwrap_err().kind, FailureKind::Error { code: "broken".into() });
    let refused = room.load(&component(EVERYTHING), "\"wrong\"").err().unwrap();
    assert!(refused.to_string().contains("no such answer"), "{refused}");
}
