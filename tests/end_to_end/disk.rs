//! A full disk: the intake says 503, nothing is lost, and it goes on when there is room.

use std::path::Path;
use std::process::Command;

use replay_tests::records::{TestChunk, session_id};
use replay_tests::service::{FAST, Service};

/// A small file system of its own; `None` (said loudly) where this process may not mount one.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(dir: &'a Path) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"]).arg(dir).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(dir));
        }
        assert!(
            std::env::var_os("REQUIRE_SERVICES").is_none(),
            "REQUIRE_SERVICES is set, but a tmpfs cannot be mounted here"
        );
        eprintln!("SKIPPED: a tmpfs cannot be mounted here, so a full disk cannot be tried");
        None
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_loses_nothing_and_room_heals_it() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(dir.path()) else { return };
    let mut service = Service::start(dir.path(), FAST);
    let ballast = [dir.path().join("first"), dir.path().join("second")];
    ballast.iter().for_each(|file| std::fs::write(file, vec![1; 4 << 20]).unwrap());

    let noise = |number: u32| -> String {
        (0..400u64)
            .map(|n| {
                format!(
                    "{:x}",
                    (n + 1).wrapping_mul(u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                )
            })
            .collect()
    };
    let chunk = |number: u32| {
        TestChunk::new(
            "shop",
            &session_id(u64::from(number) / 50),
            number % 50,
            1_700_000_000_000,
            8,
            &noise(number),
        )
    };
    let mut acknowledged = Vec::new();
    let mut refused = 0;
    for number in 0..20_000 {
        match service.post(chunk(number).body("pk_live_shop").to_string().as_bytes()).0 {
            200 => acknowledged.push(number),
            503 => refused += 1,
            other => panic!("the intake answered {other}"),
        }
        if refused >= 20 {
            break;
        }
    }
    assert!(refused >= 20, "the disk never filled: {} taken", acknowledged.len());
    assert_eq!(service.get("/livez").0, 200);

    std::fs::remove_file(&ballast[0]).unwrap();
    service.wait_until("records are taken again", |service| {
        service.post(chunk(30_000).body("pk_live_shop").to_string().as_bytes()).0 == 200
    });
    service.wait_until("everything is stored", |service| {
        service.metric("replay_partition_lag_records", "") == 0.0
    });
    std::fs::remove_file(&ballast[1]).unwrap();
    service.kill();
    service.run();
    service.wait_until("the log is read to its end", |service| {
        service.metric("replay_partition_lag_records", "") == 0.0
    });
    let mut sessions: Vec<u32> = acknowledged.iter().map(|number| number / 50).collect();
    sessions.dedup();
    for session in sessions {
        let exported = service.ok(&["session", "export", "shop", &session_id(u64::from(session))]);
        let of_session = acknowledged.iter().filter(|number| *number / 50 == session);
        for number in of_session {
            assert!(exported.contains(&chunk(*number).events), "chunk {number} is lost");
        }
    }
}
