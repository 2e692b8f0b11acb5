//! No bytes make the scanner panic.

use super::*;
use proptest::prelude::*;

const VALID: &str = r#"[{"type":4,"data":{"href":"https://a"}},{"type":2,"data":{"node":{"type":2,"tagName":"p","attributes":{"class":"\u0041\ud800","style":{"a":["b","c"]}},"childNodes":[{"type":3,"textContent":"é\n","id":2}],"id":1}}},{"type":3,"data":{"source":9,"args":[{"rr_type":"X","args":[[1,2]]}],"id":1}},{"type":5,"data":{"tag":"t","payload":{"k":1234567.5e1}}}]"#;

#[test]
fn truncated_anywhere() {
    for end in 0..VALID.len() {
        assert!(run(&VALID.as_bytes()[..end]).is_err(), "{end}");
    }
    assert!(run(VALID.as_bytes()).is_ok());
}

#[test]
fn too_deep_is_refused() {
    let json =
        format!(r#"[{{"type":5,"data":{{"payload":{}{}}}}}]"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(run(json.as_bytes()).map(|_| ()), Err(ScanError::NotEvents));
    let deep = |levels: usize| format!(r#"[{{"x":{}{}}}]"#, "[".repeat(levels), "]".repeat(levels));
    for levels in 505..515 {
        let valid = replay_core::json::scan_events(deep(levels).as_bytes(), LIMITS.max_depth).is_ok();
        assert!(!valid || run(deep(levels).as_bytes()).is_ok(), "{levels}: what is received is scanned");
    }
}

/// Copied together each time, these would be 16 GB.
#[test]
fn attributes_that_stand_again_and_again_are_not_copied_each_time() {
    let again = r#""childNodes":[{"attributes":{"id":""}}],"attributes":{"id":""},"#.repeat(16_000);
    let json = format!(
        r#"[{{"type":2,"data":{{"node":{{"type":2,"tagName":"p","id":1,"attributes":{{"class":"{}"}},{again}"isSVG":true}}}}}}]"#,
        "c".repeat(1 << 20),
    );
    assert_eq!(run(json.as_bytes()).map(|scan| scan.fields.len()), Ok(1 + 2 * 16_000));
}

#[test]
fn attributes_that_stand_twice_count_together() {
    let json = r#"[{"type":2,"data":{"node":{"type":2,"tagName":"p","id":1,"attributes":{"class":"a","data-x":"1"},"childNodes":[{"type":2,"tagName":"b","id":2,"attributes":{"id":"child"}}],"attributes":{"id":"i"}}}}]"#;
    let mut elements = elements();
    let found = scan(json.as_bytes().to_vec(), place(0, 1), Kinds::ALL, &mut elements, &LIMITS).unwrap();
    let of = |node: u32| elements.element(found.page, node).unwrap().attributes;
    let pairs =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect::<Vec<_>>();
    assert_eq!(of(1), pairs(&[("class", "a"), ("data-x", "1"), ("id", "i")]));
    assert_eq!(of(2), pairs(&[("id", "child")]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = run(&bytes);
    }

    #[test]
    fn any_tokens(tokens in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"", "\\", "1", "-", "true", "\"type\":", "\"data\":{", "\"source\":0",
        "\"type\":2", "\"type\":3", "\"cv\":\"2024-10\"", "\"x\"", "\"node\":{", "\"id\":4", "\"tagName\":\"p\"",
    ]), 0..40)) {
        let _ = run(format!("[{{{}", tokens.concat()).as_bytes());
    }

    #[test]
    fn mutated_events(changes in prop::collection::vec((0..VALID.len(), any::<u8>()), 1..6)) {
        let mut bytes = VALID.as_bytes().to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if let Ok(scan) = run(&bytes) {
            prop_assert!(std::str::from_utf8(&scan.text).is_ok());
        }
    }
}
