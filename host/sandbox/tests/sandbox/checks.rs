//! What a plugin is asked at load, told check by check.

use replay_sandbox::{Check, Verification};

use crate::guests::{Guest, component};
use crate::support::Room;

fn verify(room: &Room, component: &[u8], config_json: &str) -> Verification {
    let (path, _) = room.write(component);
    room.sandbox.verify(&path, config_json)
}

#[test]
fn a_good_one_passes_all_in_order_and_nothing_is_kept() {
    let room = Room::new();
    let verification = verify(&room, &Guest::default().build(), "null");
    let passed: Vec<Check> = verification.passed.iter().map(|passed| passed.check).collect();
    assert_eq!(passed, Check::ALL);
    assert_eq!(verification.failed(), None);
    assert_eq!(verification.result.unwrap().name, "test");
    assert!(room.cached("cwasm").is_empty());
    // One that cannot be snapshotted as well.
    let stiff = Guest { memory: Some("40 40".into()), ..Guest::default() };
    let verification = verify(&room, &stiff.build(), "null");
    assert_eq!(verification.failed(), None);
    assert_eq!(verification.passed.len(), Check::ALL.len());
    assert!(verification.passed.last().unwrap().note.contains("configured anew"));
}

#[test]
fn the_first_check_that_is_not_passed_is_named() {
    let room = Room::new();
    let wrong_mask = Guest::default().wat_with("(i32.const 67)", "(i32.const 87)");
    let trap = "unreachable".to_owned();
    for (bytes, failed) in [
        (b"no WebAssembly".to_vec(), Check::Imports),
        (Guest { configure: trap.clone(), ..Guest::default() }.build(), Check::Configures),
        (Guest { name: Some("a name".into()), ..Guest::default() }.build(), Check::Manifest),
        (Guest { process: trap, ..Guest::default() }.build(), Check::Answers),
        (component(&wrong_mask.replace("(i32.const 42)", "(i32.const 63)")), Check::Edits),
    ] {
        let verification = verify(&room, &bytes, "null");
        assert_eq!(verification.failed(), Some(failed), "{verification:?}");
        let before = Check::ALL.iter().take_while(|check| **check != failed).count();
        assert_eq!(verification.passed.len(), before, "{verification:?}");
    }
    // A compiler that is killed tells nothing but that.
    let room = Room::with(|settings| settings.limits.compile_memory_bytes = 1 << 20);
    let verification = verify(&room, &Guest::default().build(), "null");
    assert_eq!(verification.failed(), Some(Check::Compiles), "{verification:?}");
}
