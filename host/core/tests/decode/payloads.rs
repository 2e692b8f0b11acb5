//! What is kept as it came, what is encoded anew, and that both hold what arrived.

use super::*;
use replay_core::winner::ContentHash;

#[test]
fn an_unchanged_member_is_kept_verbatim() {
    let member = gzip(EVENTS.as_bytes());
    for encoding in [GZIP, ZSTD] {
        let decoded =
            decode(&data_record(&member), &DecodeLimits::default(), &encoding, &mut Scratch::new()).unwrap();
        assert!(decoded.kept_verbatim);
        assert_eq!(decoded.codec, Codec::Gzip);
        assert_eq!(decoded.data, member);
        assert_eq!(decoded.content_hash, ContentHash::of(&member));
        assert_eq!(decoded.data_size, EVENTS.len() as u64);
        assert_eq!((decoded.event_count, decoded.has_full_snapshot), (2, true));
    }
    let spaced = gzip(br#"[ {"type": 3} ]"#);
    assert!(run(&data_record(&spaced)).unwrap().kept_verbatim, "spaces are no newline");
}

/// What must be encoded anew comes out as one member of compact JSON.
fn encoded_anew(data: &[u8], json: &str) {
    for encoding in [GZIP, ZSTD] {
        let decoded =
            decode(&data_record(data), &DecodeLimits::default(), &encoding, &mut Scratch::new()).unwrap();
        assert!(!decoded.kept_verbatim);
        assert_eq!(decoded.codec, encoding.codec);
        assert_eq!(String::from_utf8(unpacked(&decoded)).unwrap(), json);
        assert_eq!(decoded.data_size, json.len() as u64);
        if decoded.codec == Codec::Gzip {
            let again = run(&data_record(&decoded.data)).unwrap();
            assert!(again.kept_verbatim, "what we write we keep");
        }
    }
}

#[test]
fn members_are_joined_and_rubbish_is_dropped() {
    let (first, second) = EVENTS.split_at(40);
    encoded_anew(&[gzip(first.as_bytes()), gzip(second.as_bytes())].concat(), EVENTS);
    encoded_anew(&[gzip(EVENTS.as_bytes()), gzip(b"")].concat(), EVENTS);
    for rubbish in [&b"\0"[..], b"\x1f", b"rubbish at the end", &[0; 512]] {
        encoded_anew(&[&gzip(EVENTS.as_bytes()), rubbish].concat(), EVENTS);
    }
    // Rubbish that looks like the end of the member.
    let member = gzip(EVENTS.as_bytes());
    encoded_anew(&[&member[..], &member[member.len() - 8..]].concat(), EVENTS);
}

#[test]
fn a_size_that_also_stands_inside_the_member_does_not_confuse() {
    // Stored blocks begin with a zero byte: after spaces, the very bytes of this size.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    let mut raw = br#"["...."]"#.to_vec();
    raw.resize(0x20_2020, b' ');
    encoder.write_all(&raw).unwrap();
    let member = encoder.finish().unwrap();
    let size = memchr::memmem::find(&member, b"\x20\x20\x20\0").unwrap();
    assert!(size < member.len() - 4);
    let decoded = run(&data_record(&member)).unwrap();
    assert_eq!(decoded.event_count, 1);
    assert!(decoded.kept_verbatim);
    assert_eq!(decoded.data, member);
}

#[test]
fn optional_header_fields_are_not_kept() {
    let mut named =
        flate2::GzBuilder::new().filename("events.json").write(Vec::new(), flate2::Compression::new(6));
    named.write_all(EVENTS.as_bytes()).unwrap();
    encoded_anew(&named.finish().unwrap(), EVENTS);
}

#[test]
fn newlines_and_byte_order_marks_are_not_kept() {
    let value: serde_json::Value = serde_json::from_str(EVENTS).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    let sorted = serde_json::to_string(&value).unwrap();
    encoded_anew(&gzip(pretty.as_bytes()), &sorted);
    encoded_anew(&gzip(format!("{EVENTS}\n").as_bytes()), EVENTS);
    encoded_anew(&gzip(format!("{EVENTS}\r").as_bytes()), EVENTS);
    encoded_anew(&gzip(format!("\u{feff}{EVENTS}").as_bytes()), EVENTS);
    // An escaped newline is text like any other.
    let escaped = r#"[{"type":3,"text":"a\nb"}]"#;
    assert!(run(&data_record(&gzip(escaped.as_bytes()))).unwrap().kept_verbatim);
}

#[test]
fn plain_json_and_zstd_are_encoded() {
    encoded_anew(EVENTS.as_bytes(), EVENTS);
    encoded_anew(format!("\u{feff} {EVENTS} ").as_bytes(), EVENTS);
    let frame = replay_core::codec::compress(&mut Scratch::new(), &ZSTD, EVENTS.as_bytes()).unwrap();
    encoded_anew(&frame, EVENTS);
    let (first, second) = EVENTS.split_at(40);
    let pack =
        |text: &str| replay_core::codec::compress(&mut Scratch::new(), &ZSTD, text.as_bytes()).unwrap();
    encoded_anew(&[pack(first), pack(second)].concat(), EVENTS);
    encoded_anew(&[&pack(EVENTS)[..], b"rubbish"].concat(), EVENTS);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9], &pack(EVENTS)[..]].concat();
    encoded_anew(&skippable, EVENTS);
}

#[test]
fn recompress_always_keeps_nothing() {
    let encoding = Encoding { recompress: Recompress::Always, ..GZIP };
    let record = data_record(&gzip(EVENTS.as_bytes()));
    let decoded = decode(&record, &DecodeLimits::default(), &encoding, &mut Scratch::new()).unwrap();
    assert!(!decoded.kept_verbatim);
    assert_eq!(unpacked(&decoded), EVENTS.as_bytes());
}

#[test]
fn inline_events_are_the_same_payload() {
    let inline = run(&record(&format!(r#""has_full_snapshot":false,"events": {EVENTS} "#))).unwrap();
    assert_eq!(unpacked(&inline), EVENTS.as_bytes());
    assert!(inline.has_full_snapshot, "the events know better");
    assert_eq!(inline.event_count, 2);
    let pretty = run(&record("\"events\":[\n  {\"type\" : 3}\n]")).unwrap();
    assert_eq!(unpacked(&pretty), br#"[{"type":3}]"#);
    let both = run(&record(&format!(r#""events":{{}},"data":"{}""#, base64(EVENTS.as_bytes())))).unwrap();
    assert_eq!(unpacked(&both), EVENTS.as_bytes(), "data wins");
    let empty_data = run(&record(&format!(r#""data":"","events":{EVENTS}"#))).unwrap();
    assert_eq!(empty_data.event_count, 2);
}

#[test]
fn base64_may_be_unpadded_and_escaped() {
    for raw in [&b"[]"[..], b"[{}]", b"[ ]", br#"["?>?>"]"#] {
        let text = base64(raw);
        for spelled in [text.clone(), text.trim_end_matches('=').to_owned(), text.replace('/', r"\/")] {
            let decoded = run(&record(&format!(r#""data":"{spelled}""#))).unwrap();
            assert!(serde_json::from_slice::<serde_json::Value>(&unpacked(&decoded)).is_ok());
        }
    }
}

#[test]
fn odd_but_valid_payloads_are_stored() {
    let cases = [
        ("[]", 0, false),
        (r#"[{}]"#, 1, false),
        (r#"[{"type":99},{"type":"2"},{"kind":2}]"#, 3, false),
        (r#"[{"timestamp":1,"data":{"type":2},"type":3}]"#, 1, false),
        (r#"[{"timestamp":1,"data":{"type":3},"type":2}]"#, 1, true),
        (r#"["packed","\ud83d\ud83d"]"#, 2, false),
        (r#"[{"text":"\udc00 alone \ud800"}]"#, 1, false),
        (r#"[{"x\"type":2}]"#, 1, false),
        (r#"[{"type":2,"data":1},"packed",{"type":3}]"#, 3, true),
    ];
    for (json, count, full) in cases {
        let decoded = run(&data_record(&gzip(json.as_bytes()))).unwrap();
        assert_eq!((decoded.event_count, decoded.has_full_snapshot), (count, full), "{json}");
        assert_eq!(unpacked(&decoded), json.as_bytes());
    }
}

#[test]
fn keys_come_in_any_order_and_unknown_ones_do_not_matter() {
    let reversed = format!(
        r#" {{"events":{EVENTS},"later":{{"events":[1],"data":[["x"]]}},"timestamp_end":2,"timestamp_start":1,"chunk_index":0,"session_id":"0191f0c4-7e1a-7c3b-9d55-0123456789ab","project_id":"shop"}} "#
    );
    let decoded = run(reversed.as_bytes()).unwrap();
    assert_eq!((decoded.event_count, decoded.timestamp_end_ms), (2, 2));
}
