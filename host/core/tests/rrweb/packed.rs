//! Events that arrive compressed are seen like any other.

use std::io::Write;

use super::*;

const EVENT: &str = r#"{"type":5,"data":{"tag":"Anna","payload":"é"},"timestamp":1,"v":"v1"}"#;

fn latin1(bytes: &[u8]) -> String {
    serde_json::to_string(&bytes.iter().map(|byte| char::from(*byte)).collect::<String>()).unwrap()
}

fn zlib(text: &str) -> String {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(text.as_bytes()).unwrap();
    latin1(&encoder.finish().unwrap())
}

fn gzip(text: &str) -> String {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(text.as_bytes()).unwrap();
    latin1(&encoder.finish().unwrap())
}

fn unpacked(json: &str) -> Result<String, ScanError> {
    run(json.as_bytes()).map(|scan| {
        assert!(scan.was_packed);
        assert!(scan.fields.iter().any(|field| text(&scan, field) == "Anna"));
        String::from_utf8(scan.json).unwrap()
    })
}

#[test]
fn the_packer_is_unpacked() {
    let json = format!(r#"[ {}, {{"type":0}}, {} ]"#, zlib(EVENT), serde_json::to_string(EVENT).unwrap());
    assert_eq!(unpacked(&json).unwrap(), format!(r#"[{EVENT},{{"type":0}},{EVENT}]"#));
}

#[test]
fn parts_of_data_are_unpacked() {
    let node = r#"{"node":{"type":3,"textContent":"Anna","id":1}}"#;
    let json = format!(r#"[{{"type":2,"cv":"2024-10","data":{},"timestamp":1}}]"#, gzip(node));
    assert_eq!(unpacked(&json).unwrap(), format!(r#"[{{"type":2,"data":{node},"timestamp":1}}]"#));
    let texts = r#"[{"id":1,"value":"Anna"}]"#;
    let json = format!(
        r#"[{{"cv":"2024-10","type":3,"data":{{"source":0,"texts":{},"adds":[],"removes":{}}}}}]"#,
        gzip(texts),
        gzip("[]")
    );
    let plain = format!(r#"[{{"type":3,"data":{{"source":0,"texts":{texts},"adds":[],"removes":[]}}}}]"#);
    assert_eq!(unpacked(&json).unwrap(), plain);
    let rules = r#"[{"rule":"Anna"}]"#;
    let json = format!(r#"[{{"type":3,"data":{{"source":8,"adds":{}}},"cv":"2024-10"}}]"#, gzip(rules));
    assert_eq!(unpacked(&json).unwrap(), format!(r#"[{{"type":3,"data":{{"source":8,"adds":{rules}}}}}]"#));
}

#[test]
fn what_does_not_open_is_never_passed() {
    let bad = ScanError::PackedUnreadable { event: 1 };
    for event in [
        r#""plain""#.to_owned(),
        r#""€""#.to_owned(),
        zlib("7"),
        zlib(r#"{"type":5},{"type":5}"#),
        zlib(r#"{"type":2,"cv":"2024-10","data":"x"}"#),
        format!(r#"{{"cv":"2025-01","type":2,"data":{}}}"#, gzip("{}")),
        r#"{"cv":1,"type":2}"#.to_owned(),
        r#"{"cv":"2024-10","type":2,"data":"x"}"#.to_owned(),
        format!(r#"{{"cv":"2024-10","type":2,"data":{}}}"#, gzip(r#"{}},{"type":5,"data":{}"#)),
        format!(r#"{{"cv":"2024-10","type":2,"data":{}}}"#, gzip(r#"{},"x":1"#)),
    ] {
        let json = format!(r#"[{{"type":0}},{event}]"#);
        assert_eq!(run(json.as_bytes()).map(|_| ()), Err(bad), "{event}");
    }
}

#[test]
fn a_bomb_is_refused() {
    let long: String = (0..300_000).map(|number| format!("{number:07},")).collect();
    let bomb = zlib(&format!(r#"{{"type":5,"x":"{long}"}}"#));
    let json = format!("[{bomb}]");
    assert!(run(json.as_bytes()).is_ok());
    let low = ScanLimits { max_ratio: 1, ..LIMITS };
    let result = scan(json.clone().into_bytes(), place(0, 1), Kinds::ALL, &mut elements(), &low);
    assert_eq!(result.map(|_| ()), Err(ScanError::Bomb { event: 0 }));
    let small = ScanLimits { max_raw_chunk_bytes: 1 << 20, ..LIMITS };
    let result = scan(json.into_bytes(), place(0, 1), Kinds::ALL, &mut elements(), &small);
    assert_eq!(result.map(|_| ()), Err(ScanError::Bomb { event: 0 }));
}
