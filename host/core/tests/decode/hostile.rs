//! Sizes: every cap holds before memory is used.

use super::*;

const MIB: usize = 1 << 20;

/// A member of `mib` MiB of one byte, made without ever holding them.
fn bomb(mib: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
    let block = vec![b' '; MIB];
    for _ in 0..mib {
        encoder.write_all(&block).unwrap();
    }
    encoder.finish().unwrap()
}

#[test]
fn a_gibibyte_in_a_megabyte_is_refused_within_the_cap() {
    let bomb = bomb(1024);
    assert!(bomb.len() < 2 * MIB);
    let record = data_record(&bomb);
    let limits = DecodeLimits { max_raw_chunk_bytes: 16 * MIB, ..DecodeLimits::default() };
    let mut scratch = Scratch::new();
    let rejected = decode(&record, &limits, &GZIP, &mut scratch).unwrap_err();
    assert_eq!(rejected.reject.reason, Reason::Bomb);
    assert!(scratch.raw_bytes() <= 16 * MIB, "{}", scratch.raw_bytes());
    assert!(rejected.project_id.is_some());
    // The next payload gives the large buffer back.
    decode(&data_record(&gzip(b"[]")), &limits, &GZIP, &mut scratch).unwrap();
    assert!(scratch.raw_bytes() <= 8 * MIB);
}

#[test]
fn sizes_that_lie_do_not_help() {
    let mut liar = bomb(64);
    let size = liar.len();
    liar[size - 4..].copy_from_slice(&100_u32.to_le_bytes());
    let limits = DecodeLimits { max_raw_chunk_bytes: 4 * MIB, ..DecodeLimits::default() };
    let mut scratch = Scratch::new();
    let rejected = decode(&data_record(&liar), &limits, &GZIP, &mut scratch).unwrap_err();
    assert_eq!(rejected.reject.reason, Reason::Bomb);
    assert!(scratch.raw_bytes() <= 4 * MIB);
    // A small member that promises a gibibyte.
    let mut small = gzip(EVENTS.as_bytes());
    let size = small.len();
    small[size - 4..].copy_from_slice(&(1_u32 << 30).to_le_bytes());
    assert_eq!(reason(&data_record(&small)), Reason::InvalidCompression);
}

#[test]
fn bombs_in_many_members_and_frames() {
    let limits = DecodeLimits { max_raw_chunk_bytes: 4 * MIB, ..DecodeLimits::default() };
    let member = bomb(1);
    let members = member.repeat(8);
    let mut scratch = Scratch::new();
    let rejected = decode(&data_record(&members), &limits, &GZIP, &mut scratch).unwrap_err();
    assert_eq!(rejected.reject.reason, Reason::Bomb);
    assert!(scratch.raw_bytes() <= 4 * MIB);
    let frame = replay_core::codec::compress(&mut Scratch::new(), &ZSTD, &vec![b' '; 64 * MIB]).unwrap();
    let mut scratch = Scratch::new();
    let rejected = decode(&data_record(&frame), &limits, &GZIP, &mut scratch).unwrap_err();
    assert_eq!(rejected.reject.reason, Reason::Bomb);
    assert!(scratch.raw_bytes() <= 4 * MIB);
    let empty = gzip(b"").repeat(5000);
    assert_eq!(reason(&data_record(&empty)), Reason::InvalidCompression);
}

#[test]
fn the_ratio_has_a_cap_of_its_own() {
    let mut raw = vec![b' '; 8 * MIB];
    raw[0] = b'[';
    *raw.last_mut().unwrap() = b']';
    let record = data_record(&gzip(&raw));
    let strict = DecodeLimits { max_ratio: 100, ..DecodeLimits::default() };
    let rejected = decode(&record, &strict, &GZIP, &mut Scratch::new()).unwrap_err();
    assert_eq!(rejected.reject.reason, Reason::Bomb);
    let lax = DecodeLimits { max_ratio: 1100, ..DecodeLimits::default() };
    assert_eq!(decode(&record, &lax, &GZIP, &mut Scratch::new()).unwrap().event_count, 0);
    // Below a mebibyte no ratio counts.
    let small = data_record(&gzip(&[&b"["[..], &vec![b' '; MIB - 2], b"]"].concat()));
    decode(&small, &strict, &GZIP, &mut Scratch::new()).unwrap();
}

#[test]
fn raw_sizes_are_inclusive() {
    let raw = [&b"["[..], &vec![b' '; 200_000], b"]"].concat();
    let limits = |max_raw_chunk_bytes| DecodeLimits { max_raw_chunk_bytes, ..DecodeLimits::default() };
    let packed = data_record(&gzip(&raw));
    decode(&packed, &limits(raw.len()), &GZIP, &mut Scratch::new()).unwrap();
    let over = decode(&packed, &limits(raw.len() - 1), &GZIP, &mut Scratch::new()).unwrap_err();
    assert_eq!(over.reject.reason, Reason::Bomb);
    for uncompressed in
        [data_record(&raw), record(&format!(r#""events":{}"#, String::from_utf8(raw.clone()).unwrap()))]
    {
        decode(&uncompressed, &limits(raw.len()), &GZIP, &mut Scratch::new()).unwrap();
        let over = decode(&uncompressed, &limits(raw.len() - 1), &GZIP, &mut Scratch::new()).unwrap_err();
        assert_eq!(over.reject.reason, Reason::TooLarge);
    }
}

/// Events that hardly compress.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut json = b"[{\"type\":6,\"data\":\"".to_vec();
    while json.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        json.extend_from_slice(base64_simd::STANDARD_NO_PAD.encode_to_string(state.to_le_bytes()).as_bytes());
    }
    json.extend_from_slice(b"\"}]");
    json
}

#[test]
fn large_chunks_are_judged_by_what_is_stored() {
    // 20 MB of noise stay far above 8 MiB, 20 MB of ordinary events do not.
    let rejected = run(&data_record(&gzip(&noise(20_000_000)))).unwrap_err();
    assert_eq!(rejected.reject.reason, Reason::TooLarge);
    assert!(rejected.project_id.is_some());
    let event = r#"{"type":3,"data":{"source":2,"type":1,"id":123,"x":10,"y":20},"timestamp":1700000000000}"#;
    let ordinary = format!("[{}]", vec![event; 20_000_000 / event.len()].join(","));
    let decoded = run(&data_record(&gzip(ordinary.as_bytes()))).unwrap();
    assert_eq!(decoded.event_count as usize, 20_000_000 / event.len());
    assert!(decoded.kept_verbatim);
}

#[test]
fn a_record_over_its_cap_is_not_even_read() {
    let limits = DecodeLimits { max_record_bytes: 1000, ..DecodeLimits::default() };
    let rejected = decode(&[b'x'; 1001], &limits, &GZIP, &mut Scratch::new()).unwrap_err();
    assert_eq!(rejected.reject.reason, Reason::TooLarge);
}
