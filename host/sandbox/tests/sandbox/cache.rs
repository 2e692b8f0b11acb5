//! Compiled plugins on disk: used when they are whole, made again when they are not.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use replay_core::rrweb::Verdict;
use replay_sandbox::{LoadError, Plugin, Sandbox, SandboxError, Settings, sweep_unused};

use crate::guests::Guest;
use crate::support::{Room, texts};

const HOUR: Duration = Duration::from_secs(3600);

fn works(plugin: &Plugin) {
    assert_eq!(plugin.process_chunks(&texts(&["Drop"])).unwrap().verdicts, [Verdict::Drop(0)]);
}

/// The same cache, seen by a program that cannot compile.
fn without_a_compiler(room: &Room) -> Sandbox {
    Sandbox::new(Settings { compiler: PathBuf::from("/nonexistent"), ..room.settings.clone() }).unwrap()
}

#[test]
fn the_second_load_comes_out_of_the_cache() {
    let room = Room::new();
    let (path, sha256) = room.write(&Guest::default().build());
    let first = room.sandbox.load(&path, &sha256, "null").unwrap();
    works(&first);
    let reader = without_a_compiler(&room);
    let second = reader.load(&path, &sha256.to_uppercase(), "null").unwrap();
    assert_eq!(second.manifest(), first.manifest());
    works(&second);
    // Another config is another plugin.
    assert!(matches!(reader.load(&path, &sha256, "{}"), Err(LoadError::Compiler(_))));
    assert_eq!(room.cached("cwasm").len(), 1);
}

#[test]
fn what_was_tampered_with_is_compiled_again() {
    let room = Room::new();
    let (path, sha256) = room.write(&Guest::default().build());
    works(&room.sandbox.load(&path, &sha256, "null").unwrap());
    for extension in ["cwasm", "json"] {
        let file = room.cached(extension).pop().unwrap();
        let whole = std::fs::read(&file).unwrap();
        let flipped = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        };
        for bytes in
            [flipped(0), flipped(whole.len() / 2), flipped(whole.len() - 1), whole[..99].to_vec(), vec![]]
        {
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, bytes).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            let reader = without_a_compiler(&room);
            assert!(
                matches!(reader.load(&path, &sha256, "null"), Err(LoadError::Compiler(_))),
                "{extension}"
            );
        }
        let fresh = Sandbox::new(room.settings.clone()).unwrap();
        works(&fresh.load(&path, &sha256, "null").unwrap());
        assert!(without_a_compiler(&room).load(&path, &sha256, "null").is_ok());
    }
}

#[test]
fn what_belongs_to_another_plugin_is_not_taken_for_it() {
    let room = Room::new();
    let (path, sha256) = room.write(&Guest::default().build());
    room.sandbox.load(&path, &sha256, "1").unwrap();
    let files = |room: &Room| -> Vec<PathBuf> { ["cwasm", "json"].map(|e| room.cached(e)).concat() };
    let ones = files(&room);
    room.sandbox.load(&path, &sha256, "{\"secret\":1}").unwrap();
    let twos: Vec<PathBuf> = files(&room).into_iter().filter(|file| !ones.contains(file)).collect();
    assert_eq!((ones.len(), twos.len()), (2, 2));
    // A whole pair, code and note, put in the place of another tenant's.
    for (one, two) in ones.iter().zip(&twos) {
        assert_eq!(one.extension(), two.extension());
        std::fs::copy(one, two).unwrap();
    }
    assert!(without_a_compiler(&room).load(&path, &sha256, "1").is_ok());
    assert!(without_a_compiler(&room).load(&path, &sha256, "{\"secret\":1}").is_err());
    let fresh = Sandbox::new(room.settings.clone()).unwrap();
    works(&fresh.load(&path, &sha256, "{\"secret\":1}").unwrap());
    assert!(without_a_compiler(&room).load(&path, &sha256, "{\"secret\":1}").is_ok(), "it was made anew");
}

#[test]
fn what_another_user_owns_is_not_trusted() {
    let room = Room::new();
    let (path, sha256) = room.write(&Guest::default().build());
    room.sandbox.load(&path, &sha256, "null").unwrap();
    for extension in ["cwasm", "json"] {
        let file = room.cached(extension).pop().unwrap();
        if std::os::unix::fs::chown(&file, Some(12_345), None).is_err() {
            // Only root may give files away; nobody else can make this case.
            return;
        }
        assert!(without_a_compiler(&room).load(&path, &sha256, "null").is_err(), "{extension}");
        works(&Sandbox::new(room.settings.clone()).unwrap().load(&path, &sha256, "null").unwrap());
        assert!(without_a_compiler(&room).load(&path, &sha256, "null").is_ok(), "it was made anew");
    }
}

#[test]
fn what_others_could_have_written_is_not_trusted() {
    let room = Room::new();
    let (path, sha256) = room.write(&Guest::default().build());
    room.sandbox.load(&path, &sha256, "null").unwrap();
    for extension in ["cwasm", "json"] {
        let file = room.cached(extension).pop().unwrap();
        for mode in [0o620, 0o602, 0o640] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            assert!(without_a_compiler(&room).load(&path, &sha256, "null").is_err(), "{extension} {mode:o}");
        }
        // A link to a good file is not the file.
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let elsewhere = file.with_extension("elsewhere");
        std::fs::rename(&file, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
        assert!(without_a_compiler(&room).load(&path, &sha256, "null").is_err());
        std::fs::rename(&elsewhere, &file).unwrap();
        assert!(without_a_compiler(&room).load(&path, &sha256, "null").is_ok());
    }
}

#[test]
fn a_directory_that_others_can_look_into_is_refused() {
    let room = Room::new();
    for mode in [0o750, 0o701, 0o777] {
        let dir = &room.settings.cache_dir;
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode)).unwrap();
        assert!(matches!(Sandbox::new(room.settings.clone()), Err(SandboxError::CacheDir { .. })));
    }
}

#[test]
fn what_is_not_used_is_let_go_and_comes_back() {
    let room = Room::with(|settings| settings.max_loaded_bytes = 1);
    let plugins: Vec<Plugin> = (0..3)
        .map(|number| {
            let name = Some(format!("plugin-{number}"));
            room.load_here(&Guest { name, ..Guest::default() }.build())
        })
        .collect();
    let one = room.sandbox.loaded_bytes();
    let all: u64 = room.cached("cwasm").iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(one > 0 && (one as u64) < all, "{one} of {all}");
    for plugin in plugins.iter().chain(&plugins) {
        works(plugin);
        assert!((room.sandbox.loaded_bytes() as u64) < all);
    }
}

#[test]
fn a_forgotten_plugin_is_gone_from_the_disk() {
    let room = Room::new();
    let (path, sha256) = room.write(&Guest::default().build());
    let plugin = room.sandbox.load(&path, &sha256, "{\"secret\":1}").unwrap();
    room.sandbox.forget(&sha256, "{\"secret\":1}").unwrap();
    assert!(room.cached("cwasm").is_empty() && room.cached("json").is_empty());
    // Its handle makes it anew.
    works(&plugin);
    assert_eq!(room.cached("cwasm").len(), 1);
}

/// The code of the one plugin that is kept.
fn code(room: &Room) -> Vec<u8> {
    let [file] = room.cached("cwasm").try_into().unwrap();
    std::fs::read(file).unwrap()
}

#[test]
fn a_second_config_is_the_same_code_with_and_without_what_the_first_left() {
    let room = Room::new();
    let (path, sha256) = room.write(&Guest::default().build());
    room.sandbox.load(&path, &sha256, "1").unwrap();
    room.sandbox.forget(&sha256, "1").unwrap();
    let [functions] = room.cached("functions").try_into().unwrap();
    assert_eq!(functions.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let whole = std::fs::read(&functions).unwrap();
    works(&room.sandbox.load(&path, &sha256, "2").unwrap());
    assert_eq!(std::fs::read(&functions).unwrap(), whole, "nothing new was compiled");
    let with = code(&room);
    // Without them, and with what is left of them.
    for left in [None, Some(&whole[..whole.len() / 2]), Some(b"")] {
        room.sandbox.forget(&sha256, "2").unwrap();
        std::fs::remove_file(&functions).unwrap();
        if let Some(left) = left {
            std::fs::write(&functions, left).unwrap();
            std::fs::set_permissions(&functions, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        works(&Sandbox::new(room.settings.clone()).unwrap().load(&path, &sha256, "2").unwrap());
        assert!(code(&room) == with);
        assert_eq!(std::fs::read(&functions).unwrap().len(), whole.len(), "they were kept anew");
    }
}

#[test]
fn functions_that_others_could_have_written_are_not_used() {
    let room = Room::new();
    let (path, sha256) = room.write(&Guest::default().build());
    room.sandbox.load(&path, &sha256, "1").unwrap();
    let [functions] = room.cached("functions").try_into().unwrap();
    std::fs::set_permissions(&functions, std::fs::Permissions::from_mode(0o620)).unwrap();
    works(&room.sandbox.load(&path, &sha256, "2").unwrap());
    // Replaced by a file of its own: what was compiled is known again.
    assert_eq!(functions.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

/// As if nobody had loaded it for so long.
fn age(file: &Path, hours: u64) {
    let then = SystemTime::now() - Duration::from_secs(hours * 3600);
    std::fs::File::open(file).unwrap().set_modified(then).unwrap();
}

#[test]
fn what_left_the_config_leaves_the_disk() {
    let room = Room::new();
    let (path, sha256) = room.write(&Guest::default().build());
    let kept = room.sandbox.load(&path, &sha256, "1").unwrap();
    let gone = room.sandbox.load(&path, &sha256, "{\"secret\":1}").unwrap();
    assert_eq!(room.sandbox.retain([(sha256.as_str(), "1")]).unwrap(), 1);
    assert!(without_a_compiler(&room).load(&path, &sha256, "1").is_ok());
    assert!(without_a_compiler(&room).load(&path, &sha256, "{\"secret\":1}").is_err());
    assert_eq!((room.cached("cwasm").len(), room.cached("json").len()), (1, 1));
    // A batch that is under way ends with what it began with.
    works(&gone);
    works(&kept);
    assert_eq!(room.sandbox.retain([(sha256.as_str(), "1")]).unwrap(), 0);
}

#[test]
fn a_sweep_takes_what_nobody_loaded_for_a_day_and_only_that() {
    let room = Room::new();
    let (path, sha256) = room.write(&Guest::default().build());
    // Of other processes: one that is long gone, one that started an hour ago.
    for config in ["1", "2", "3"] {
        Sandbox::new(room.settings.clone()).unwrap().load(&path, &sha256, config).unwrap();
        let aged = if config == "3" { 1 } else { 48 };
        let files = room.cached("cwasm").into_iter().chain(room.cached("json"));
        let fresh =
            files.filter(|file| file.metadata().unwrap().modified().unwrap().elapsed().unwrap() < HOUR);
        fresh.for_each(|file| age(&file, aged));
    }
    let dir = &room.settings.cache_dir;
    let others =
        ["notes.txt", "notes.json", &format!("{}.txt", "a".repeat(64)), &format!("{}.json", "A".repeat(64))];
    for name in others {
        std::fs::write(dir.join(name), "somebody's").unwrap();
        age(&dir.join(name), 48);
    }
    // Whoever loads it uses it.
    without_a_compiler(&room).load(&path, &sha256, "1").unwrap();
    assert_eq!(room.sandbox.retain([]).unwrap(), 1);
    let left = |config: &str| without_a_compiler(&room).load(&path, &sha256, config).is_ok();
    assert!(left("1") && !left("2") && left("3"));
    assert!(others.iter().all(|name| dir.join(name).exists()));
    // Without any plugin in the config there is no sandbox, and still a sweep.
    assert_eq!(sweep_unused(dir), 0);
    room.cached("cwasm").iter().for_each(|file| age(file, 48));
    assert_eq!(sweep_unused(dir), 2);
    assert_eq!(sweep_unused(&dir.join("nowhere")), 0);
}
