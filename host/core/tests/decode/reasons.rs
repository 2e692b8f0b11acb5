//! Every reason that the decoder gives, with the bytes that earn it.

use super::*;
use replay_core::identity::{ProjectId, SessionId};

fn with(from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(record(&format!(r#""events":{EVENTS}"#))).unwrap();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn invalid_json() {
    let whole = record(&format!(r#""events":{EVENTS}"#));
    assert_eq!(reason(b""), Reason::InvalidJson);
    assert_eq!(reason(b"not json"), Reason::InvalidJson);
    assert_eq!(reason(b"[]"), Reason::InvalidJson);
    assert_eq!(reason(b"null"), Reason::InvalidJson);
    assert_eq!(reason(&whole[..whole.len() - 1]), Reason::InvalidJson);
    assert_eq!(reason(&[&whole[..], b"}"].concat()), Reason::InvalidJson);
    let mut not_utf8 = whole.clone();
    let at = not_utf8.windows(4).position(|window| window == b"href").unwrap();
    not_utf8[at] = 0xff;
    assert_eq!(reason(&not_utf8), Reason::InvalidJson);
}

#[test]
fn duplicate_keys_however_spelled() {
    let events = format!(r#""events":{EVENTS}"#);
    assert_eq!(reason(&record(&format!(r#"{events},"chunk_index":4"#))), Reason::InvalidJson);
    assert_eq!(reason(&record(&format!(r#"{events},"chunk\u005findex":4"#))), Reason::InvalidJson);
    assert_eq!(reason(&record(&format!(r#"{events},"x":1,"y":2,"\u0078":3"#))), Reason::InvalidJson);
    // Inside events they are rrweb's business, and the last one counts.
    let twice = run(&record(r#""events":[{"type":2,"type":3}]"#)).unwrap();
    assert!(!twice.has_full_snapshot);
    assert!(run(&record(r#""events":[{"type":3,"\u0074ype":2.0}]"#)).unwrap().has_full_snapshot);
}

#[test]
fn missing_field() {
    for key in ["project_id", "session_id", "chunk_index", "timestamp_start", "timestamp_end"] {
        assert_eq!(reason(&with(&format!("\"{key}\""), "\"other\"")), Reason::MissingField, "{key}");
    }
    assert_eq!(reason(&with(r#""chunk_index":3"#, r#""chunk_index":null"#)), Reason::MissingField);
    assert_eq!(reason(&with(r#""project_id":"shop""#, r#""project_id": null"#)), Reason::MissingField);
    assert_eq!(reason(&record(r#""x":1"#)), Reason::MissingField);
    for nothing in [r#""data":null"#, r#""data":"""#, r#""events":null"#, r#""data":"","events":null"#] {
        assert_eq!(reason(&record(nothing)), Reason::MissingField, "{nothing}");
    }
}

#[test]
fn invalid_ids() {
    for id in [".", "..", "../shop", "-a", "a b", "ä", ""] {
        let bad = with(r#""project_id":"shop""#, &format!(r#""project_id":"{id}""#));
        assert_eq!(reason(&bad), Reason::InvalidProjectId, "{id}");
    }
    assert_eq!(reason(&with(r#""shop""#, "7")), Reason::InvalidProjectId);
    let id = r#""0191f0c4-7e1a-7c3b-9d55-0123456789ab""#;
    for bad in [r#""""#, r#""nope""#, r#""00000000-0000-0000-0000-000000000000""#, "5", "{}"] {
        assert_eq!(reason(&with(id, bad)), Reason::InvalidSessionId, "{bad}");
    }
    let upper = run(&with(r#""shop""#, r#""A""#)).unwrap();
    let lower = run(&with(r#""shop""#, r#""a""#)).unwrap();
    assert_ne!(upper.project_id, lower.project_id);
}

#[test]
fn invalid_chunk_index() {
    for bad in ["-1", "4294967296", "1.5", "\"5\"", "1e30", "true", "[]"] {
        let record = with(r#""chunk_index":3"#, &format!(r#""chunk_index":{bad}"#));
        assert_eq!(reason(&record), Reason::InvalidChunkIndex, "{bad}");
    }
    for (good, index) in [("0", 0), ("3.0", 3), ("4294967295", u32::MAX), ("1e2", 100)] {
        let record = with(r#""chunk_index":3"#, &format!(r#""chunk_index":{good}"#));
        assert_eq!(run(&record).unwrap().key.chunk_index, index);
    }
}

#[test]
fn invalid_timestamp() {
    let start = r#""timestamp_start":1700000000000"#;
    for bad in ["-1", "1.5", "7258118400001", "1700000000000000000", "\"1\"", "1e400"] {
        let record = with(start, &format!(r#""timestamp_start":{bad}"#));
        assert_eq!(reason(&record), Reason::InvalidTimestamp, "{bad}");
    }
    // 1999 and 2150: clocks lie, and that is all right.
    for good in [946_598_400_000_u64, 5_680_281_600_000, 0, 7_258_118_400_000] {
        let decoded = run(&with(start, &format!(r#""timestamp_start":{good}"#))).unwrap();
        assert_eq!(decoded.key.timestamp_start_ms, good);
        assert_eq!(decoded.timestamp_end_ms, good.max(1_700_000_005_000));
    }
    let float = run(&with(start, r#""timestamp_start":1.7e12"#)).unwrap();
    assert_eq!(float.key.timestamp_start_ms, 1_700_000_000_000);
}

#[test]
fn invalid_base64() {
    let whole = base64(&gzip(EVENTS.as_bytes()));
    let cut = &whole[..whole.trim_end_matches('=').len() / 4 * 4 - 3];
    for bad in [cut, "a", "!!!!", "ab cd", "====", "YQ=", "a-_b"] {
        assert_eq!(reason(&record(&format!(r#""data":"{bad}""#))), Reason::InvalidBase64, "{bad}");
    }
    assert_eq!(reason(&record(r#""data":5"#)), Reason::InvalidBase64);
    assert_eq!(reason(&record(r#""data":["x"]"#)), Reason::InvalidBase64);
}

#[test]
fn invalid_compression() {
    let whole = gzip(EVENTS.as_bytes());
    for cut in [3, 10, 12, whole.len() / 2, whole.len() - 8, whole.len() - 1] {
        assert_eq!(reason(&data_record(&whole[..cut])), Reason::InvalidCompression, "{cut}");
    }
    for wrong in [whole.len() - 1, whole.len() - 8] {
        let mut bytes = whole.clone();
        bytes[wrong] ^= 1;
        assert_eq!(reason(&data_record(&bytes)), Reason::InvalidCompression, "{wrong}");
    }
    let second_damaged = [&whole[..], &whole[..20]].concat();
    assert_eq!(reason(&data_record(&second_damaged)), Reason::InvalidCompression);

    let frame = replay_core::codec::compress(&mut Scratch::new(), &ZSTD, EVENTS.as_bytes()).unwrap();
    assert_eq!(reason(&data_record(&frame[..frame.len() - 1])), Reason::InvalidCompression);
    let mut wrong = frame.clone();
    *wrong.last_mut().unwrap() ^= 1;
    assert_eq!(reason(&data_record(&wrong)), Reason::InvalidCompression);
}

#[test]
fn not_events() {
    for payload in [r#"{"type":2}"#, "5", "", "nonsense", "[1]", "[[]]", "[null]", "[{}", r#"[{"a":01}]"#] {
        assert_eq!(reason(&data_record(&gzip(payload.as_bytes()))), Reason::NotEvents, "{payload}");
    }
    assert_eq!(reason(&data_record(&gzip(b"[\"\xff\"]"))), Reason::NotEvents);
    assert_eq!(reason(&data_record(b"plain text")), Reason::NotEvents);
    assert_eq!(reason(&record(r#""events":{"0":{}}"#)), Reason::NotEvents);
    assert_eq!(reason(&record(r#""events":"[]""#)), Reason::NotEvents);
    assert_eq!(reason(&record(r#""events":[{},3]"#)), Reason::NotEvents);
}

#[test]
fn too_deep() {
    let nested = |depth: usize| format!("[{{\"a\":{}{}}}]", "[".repeat(depth), "]".repeat(depth));
    for (depth, fits) in [(510, true), (511, false), (10_000, false), (500_000, false)] {
        let packed = data_record(&gzip(nested(depth).as_bytes()));
        let inline = record(&format!(r#""events":{}"#, nested(depth)));
        if fits {
            run(&packed).unwrap();
            run(&inline).unwrap();
        } else {
            assert_eq!(reason(&packed), Reason::TooDeep, "{depth}");
            assert_eq!(reason(&inline), Reason::TooDeep, "{depth}");
        }
    }
    assert_eq!(
        run(&record(&format!(r#""x":{}"#, "[".repeat(600)))).unwrap_err().reject.reason,
        Reason::TooDeep
    );
}

#[test]
fn a_rejection_names_whose_it_is_and_nothing_else() {
    let ours = (ProjectId::new("shop"), SessionId::parse("0191f0c4-7e1a-7c3b-9d55-0123456789ab"));
    let secret = "anna@example.com";
    let bad_index = run(&with(r#""chunk_index":3"#, &format!(r#""chunk_index":"{secret}""#))).unwrap_err();
    assert_eq!((bad_index.project_id, bad_index.session_id), ours);
    let bad_data = run(&record(&format!(r#""data":"{secret}""#))).unwrap_err();
    assert_eq!((bad_data.project_id, bad_data.session_id), ours);
    let bad_session = run(&with("0191f0c4", secret)).unwrap_err();
    assert_eq!((bad_session.project_id, bad_session.session_id), (ours.0.clone(), None));
    let broken = run(format!(r#"{{"project_id":"shop",{secret}"#).as_bytes()).unwrap_err();
    assert_eq!((broken.project_id, broken.session_id), (None, None));
    for reject in [bad_index.reject, bad_data.reject, bad_session.reject, broken.reject] {
        assert!(!reject.detail.contains("anna"), "{}", reject.detail);
        assert!(!reject.detail.is_empty());
    }
}
