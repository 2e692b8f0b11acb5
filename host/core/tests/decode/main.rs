//! Records as bytes: what is stored of them, and by what name each bad one is refused.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod hostile;
mod intake;
mod payloads;
mod properties;
mod reasons;

use std::io::Write;

use replay_core::codec::{Codec, Encoding, Recompress, Scratch, decompress};
use replay_core::decode::{DecodeLimits, Decoded, Rejected, decode};
use replay_core::reject::Reason;

const GZIP: Encoding = Encoding { codec: Codec::Gzip, level: 6, recompress: Recompress::ChangedOnly };
const ZSTD: Encoding = Encoding { codec: Codec::Zstd, level: 3, recompress: Recompress::ChangedOnly };

const EVENTS: &str = r#"[{"type":4,"data":{"href":"https://a.example/"},"timestamp":1},{"type":2,"data":{"node":{}},"timestamp":2}]"#;

/// A record that is right but for `payload`, a member or several.
fn record(payload: &str) -> Vec<u8> {
    format!(
        r#"{{"project_id":"shop","session_id":"0191f0c4-7e1a-7c3b-9d55-0123456789ab","chunk_index":3,"timestamp_start":1700000000000,"timestamp_end":1700000005000,{payload}}}"#
    )
    .into_bytes()
}

fn data_record(data: &[u8]) -> Vec<u8> {
    record(&format!(r#""data":"{}""#, base64(data)))
}

fn base64(data: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(data)
}

/// One gzip member as browsers make it: no optional header fields.
fn gzip(raw: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(raw).unwrap();
    encoder.finish().unwrap()
}

fn run(record: &[u8]) -> Result<Decoded, Rejected> {
    decode(record, &DecodeLimits::default(), &GZIP, &mut Scratch::new())
}

fn reason(record: &[u8]) -> Reason {
    match run(record) {
        Ok(_) => panic!("was accepted: {}", String::from_utf8_lossy(&record[..record.len().min(300)])),
        Err(rejected) => rejected.reject.reason,
    }
}

fn unpacked(decoded: &Decoded) -> Vec<u8> {
    decompress(&mut Scratch::new(), decoded.codec, &decoded.data, 1 << 30).unwrap().to_vec()
}
