//! Signature Version 4 with the payload's hash in a header (the algorithm is AWS's own documentation's).

use std::time::{SystemTime, UNIX_EPOCH};

use replay_core::time::Day;
use sha2::{Digest, Sha256};

use crate::servers::S3_KEYS;

const REGION: &str = "us-east-1";

/// The headers that a request needs beside its own: `(name, value)`. Of its own, those that a store wants
/// signed are; names are in lower case.
///
/// `target` is path and query, encoded as they are sent.
pub(super) fn signed_headers(
    method: &str,
    target: &str,
    host: &str,
    payload_hash: &str,
    own: &[(String, String)],
) -> Vec<(String, String)> {
    let (date, time) = now();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut parameters: Vec<String> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| if parameter.contains('=') { parameter.into() } else { format!("{parameter}=") })
        .collect();
    parameters.sort();
    let mut headers: Vec<(&str, &str)> =
        vec![("host", host), ("x-amz-content-sha256", payload_hash), ("x-amz-date", &time)];
    let wanted = own.iter().filter(|(name, _)| name.starts_with("x-amz-") || name == "content-type");
    headers.extend(wanted.map(|(name, value)| (name.as_str(), value.as_str())));
    headers.sort_unstable();
    let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let parameters = parameters.join("&");
    let canonical = format!("{method}\n{path}\n{parameters}\n{lines}\n{names}\n{payload_hash}");
    let scope = format!("{date}/{REGION}/s3/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let (access_key, secret_key) = S3_KEYS;
    let mut key = hmac(format!("AWS4{secret_key}").as_bytes(), date.as_bytes());
    for part in [REGION, "s3", "aws4_request"] {
        key = hmac(&key, part.as_bytes());
    }
    let signature = hex(&hmac(&key, to_sign.as_bytes()));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    );
    vec![
        ("x-amz-content-sha256".into(), payload_hash.into()),
        ("x-amz-date".into(), time),
        ("authorization".into(), authorization),
    ]
}

/// SHA-256 as hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// `YYYYMMDD` and `YYYYMMDDTHHMMSSZ`.
fn now() -> (String, String) {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (year, month, day) = Day::of(seconds * 1000).date();
    let date = format!("{year:04}{month:02}{day:02}");
    let of_day = seconds % 86_400;
    let time = format!("{date}T{:02}{:02}{:02}Z", of_day / 3600, of_day / 60 % 60, of_day % 60);
    (date, time)
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
