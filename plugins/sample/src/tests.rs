//! How many sessions are kept, and that the choice never changes.

use replay_plugin::memory::{MemoryChunk, run_in_memory};
use replay_plugin::{ChunkInfo, parse_config};

use super::*;

fn plugin(config: &str) -> Result<Sample, String> {
    Sample::configure(parse_config(config)?)
}

/// Ids as browsers make them: most of their digits are chance, some are not.
fn session(number: u64) -> String {
    let chance = hash("sessions", &number.to_string());
    let [high, low] = [chance >> 32, chance & 0xFFFF_FFFF];
    format!(
        "{high:08x}-{:04x}-4{:03x}-8{:03x}-{low:08x}{:04x}",
        high & 0xFFFF,
        low & 0xFFF,
        high & 0xFFF,
        low & 0xFFFF
    )
}

fn is_kept(sample: &Sample, session_id: &str, chunk_index: u32) -> bool {
    let info = ChunkInfo { session_id: session_id.into(), chunk_index, ..ChunkInfo::default() };
    run_in_memory(sample, &[MemoryChunk::new().info(info)]).unwrap().remove(0).is_some()
}

#[test]
fn so_many_are_kept_as_were_asked_for() {
    for share in [0.01_f64, 0.1, 0.5, 0.9] {
        let sample = plugin(&format!("{{\"share\": {share}}}")).unwrap();
        let kept = (0..20_000).filter(|number| is_kept(&sample, &session(*number), 0)).count();
        // Five standard deviations.
        let (wanted, spread) = (20_000.0 * share, (20_000.0 * share * (1.0 - share)).sqrt());
        assert!((kept as f64 - wanted).abs() < 5.0 * spread, "{share}: {kept}");
    }
    let all = plugin("{\"share\": 1}").unwrap();
    assert!((0..1_000).all(|number| is_kept(&all, &session(number), 0)));
}

#[test]
fn all_chunks_of_a_session_fare_alike_and_a_larger_share_keeps_what_a_smaller_one_keeps() {
    let [few, many] = [0.2, 0.6].map(|share| plugin(&format!("{{\"share\": {share}}}")).unwrap());
    for number in 0..500 {
        let id = session(number);
        let kept = is_kept(&few, &id, 0);
        assert!((1..4).all(|chunk| is_kept(&few, &id, chunk) == kept));
        assert_eq!(is_kept(&few, &id.to_uppercase(), 0), kept);
        assert!(!kept || is_kept(&many, &id, 0));
    }
}

#[test]
fn another_salt_is_another_choice() {
    let [one, other] =
        ["a", "b"].map(|salt| plugin(&format!("{{\"share\": 0.5, \"salt\": \"{salt}\"}}")).unwrap());
    let same =
        (0..2_000).filter(|n| is_kept(&one, &session(*n), 0) == is_kept(&other, &session(*n), 0)).count();
    assert!((850..1_150).contains(&same), "{same}");
}

/// Computed by another program, from the words above `hash`.
#[test]
fn the_choice_is_the_same_for_ever() {
    for (salt, id, wanted) in [
        ("", "", 0xB903_4AD3_7056_F5FB),
        ("", "7f1d2c3b-4a59-4e68-9b7a-0c1d2e3f4a5b", 0xA3F5_67D4_D4A8_0747),
        ("2026", "0191f0c4-7e1a-7c3b-9d55-0123456789ab", 0x2E1D_60AA_FB25_6853),
    ] {
        assert_eq!(hash(salt, id), wanted, "{salt} {id}");
    }
}

#[test]
fn errors_of_the_config() {
    for (config, said) in [
        ("{}", "share"),
        ("{\"share\": 0}", "above 0"),
        ("{\"share\": 10}", "at most 1"),
        ("{\"share\": -0.5}", "above 0"),
        ("{\"share\": 0.5, \"sal\": 1}", "salt"),
    ] {
        let error = plugin(config).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}
