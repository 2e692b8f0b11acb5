//! For any payload: what is stored holds what arrived. For any bytes: no panic.

use super::*;
use proptest::prelude::*;
use replay_core::codec::compress;
use replay_core::record::intake::{from_sdk, unzip_body};
use serde_json::value::RawValue;
use serde_json::{Value, json};

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 80, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(".{0,12}", inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn events() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(
        (0..8u8, values(), any::<u32>())
            .prop_map(|(kind, data, at)| json!({"type": kind, "data": data, "timestamp": at})),
        0..12,
    )
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_is_stored_holds_what_arrived(
        events in events(),
        pretty in any::<bool>(),
        form in 0..4u8,
        zstd in any::<bool>(),
        level in 1..12u8,
        always in any::<bool>(),
    ) {
        let text = if pretty { serde_json::to_string_pretty(&events) } else { serde_json::to_string(&events) }.unwrap();
        let record = match form {
            0 => record(&format!(r#""events":{text}"#)),
            1 => data_record(text.as_bytes()),
            2 => data_record(&gzip(text.as_bytes())),
            _ => data_record(&compress(&mut Scratch::new(), &ZSTD, text.as_bytes()).unwrap()),
        };
        let recompress = if always { Recompress::Always } else { Recompress::ChangedOnly };
        let encoding = Encoding { codec: if zstd { Codec::Zstd } else { Codec::Gzip }, level, recompress };
        let mut scratch = Scratch::new();
        let decoded = decode(&record, &DecodeLimits::default(), &encoding, &mut scratch).unwrap();
        let raw = unpacked(&decoded);
        prop_assert_eq!(serde_json::from_slice::<Value>(&raw).unwrap(), Value::from(events.clone()));
        prop_assert!(!raw.contains(&b'\n'));
        prop_assert_eq!(decoded.data_size, raw.len() as u64);
        prop_assert_eq!(decoded.event_count as usize, events.len());
        prop_assert_eq!(decoded.has_full_snapshot, events.iter().any(|event| event["type"] == 2));
        let again = decode(&record, &DecodeLimits::default(), &encoding, &mut scratch).unwrap();
        prop_assert_eq!(again, decoded, "a worker's past must not matter");
    }

    #[test]
    fn any_bytes_end_in_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = run(&bytes);
        let _ = run(&data_record(&bytes));
        let _ = run(&data_record(&[b"\x1f\x8b\x08\0", &bytes[..]].concat()));
        let _ = run(&data_record(&[b"\x28\xb5\x2f\xfd", &bytes[..]].concat()));
        let _ = run(&data_record(&gzip(&bytes)));
        let _ = from_sdk(&bytes, |_| None, 8);
        let _ = unzip_body(&bytes, 1000);
    }

    #[test]
    fn damaged_records_end_in_an_answer(
        events in events(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let text = serde_json::to_string(&events).unwrap();
        for mut record in [record(&format!(r#""events":{text}"#)), data_record(&gzip(text.as_bytes()))] {
            for (at, byte) in &changes {
                let at = at.index(record.len());
                record[at] = *byte;
            }
            if let Ok(decoded) = run(&record) {
                // As raw JSON: a damaged digit may make a number that is valid, but fits no float.
                prop_assert!(serde_json::from_slice::<&RawValue>(&unpacked(&decoded)).is_ok());
            }
        }
    }
}
