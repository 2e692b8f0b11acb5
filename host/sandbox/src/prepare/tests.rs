//! What is asked of a second instance. Nothing that a guest is given tells one fresh instance from the next
//! (no clock, no chance, the same chunks), so that a component of its own takes the second one's place here:
//! should the engine or the interface ever let instances differ, it is told so.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use super::*;
use crate::checks::Verification;

#[path = "../../tests/sandbox/guests.rs"]
#[allow(dead_code, reason = "the tests of the whole sandbox use the rest")]
mod guests;

/// How it goes when `first` is tried out and `second` answers in its next instance.
fn tried(first: &[u8], second: &[u8]) -> Verification {
    let (limits, passed) = (Limits::default(), RefCell::default());
    let engine = engine::on_demand(&limits, &Arc::new(Functions::new(&[], &limits))).unwrap();
    let ticker = Ticker::start(&engine).unwrap();
    let _time_passes = ticker.run();
    let bench =
        Bench { engine, class: Class::Compiled, config_json: "null", limits: &limits, passed: &passed };
    bench.pass(Check::Imports, String::new());
    let [first, second] = [first, second].map(|component| bench.candidate(component, false).unwrap().linked);
    bench.pass(Check::Compiles, String::new());
    let result = bench.try_out(&first).and_then(|(manifest, answer)| {
        bench.try_again(&second, &manifest, &answer)?;
        Ok(manifest)
    });
    Verification { passed: passed.take(), result }
}

#[test]
fn a_second_instance_that_is_not_as_the_first_is_told() {
    let guest = guests::Guest::default;
    let trap = || "unreachable".to_owned();
    let first = guest().build();
    // The first made-up chunk begins with a `W`.
    let masks = guests::component(&guest().wat_with("(i32.const 67)", "(i32.const 87)"));
    for (second, failed, why) in [
        (guests::Guest { name: Some("moody".into()), ..guest() }.build(), Check::ConfiguresAlike, "twice"),
        (guests::Guest { name: Some("a name".into()), ..guest() }.build(), Check::ConfiguresAlike, "match"),
        (guests::Guest { configure: trap(), ..guest() }.build(), Check::ConfiguresAlike, "panicked"),
        (masks, Check::AnswersAlike, "two fresh instances"),
        (guests::Guest { process: trap(), ..guest() }.build(), Check::AnswersAlike, "panicked"),
    ] {
        let verification = tried(&first, &second);
        assert_eq!(verification.failed(), Some(failed), "{verification:?}");
        let before = Check::ALL.iter().take_while(|check| **check != failed).count();
        assert_eq!(verification.passed.len(), before, "{verification:?}");
        let said = verification.result.unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
    let alike = tried(&first, &first);
    assert_eq!(alike.passed.last().unwrap().check, Check::AnswersAlike);
    assert!(alike.result.is_ok(), "{alike:?}");
}
