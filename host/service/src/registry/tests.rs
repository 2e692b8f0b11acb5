//! The rule and the copies, on directories and on a bucket that can be away.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use replay_sandbox::sha256_hex;

use super::*;

/// Objects by `bucket/key`, with what is asked of them.
#[derive(Default)]
struct Bucket {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    is_away: AtomicBool,
    fetched: AtomicUsize,
}

impl Bucket {
    fn put(&self, path: &str, bytes: &[u8]) {
        self.objects.lock().unwrap().insert(path.to_owned(), bytes.to_vec());
    }

    fn find(&self, bucket: &str, key: &str) -> Result<Option<Vec<u8>>, String> {
        match self.is_away.load(Ordering::Relaxed) {
            true => Err("connection refused".to_owned()),
            false => Ok(self.objects.lock().unwrap().get(&format!("{bucket}/{key}")).cloned()),
        }
    }
}

impl Remote for Bucket {
    fn size(&self, bucket: &str, key: &str) -> Result<Option<u64>, String> {
        Ok(self.find(bucket, key)?.map(|bytes| bytes.len() as u64))
    }

    fn get(&self, bucket: &str, key: &str, max_bytes: u64) -> Result<Option<Vec<u8>>, String> {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        let found = self.find(bucket, key)?;
        assert!(found.as_ref().is_none_or(|bytes| bytes.len() as u64 <= max_bytes), "its size was asked");
        Ok(found)
    }
}

struct Room {
    dir: tempfile::TempDir,
    bucket: Arc<Bucket>,
}

impl Room {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("plugins")).unwrap();
        Self { dir, bucket: Arc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn registry(&self, places: &str) -> Registry {
        let text = format!(
            "source: {{kind: local}}\nhot: {{kind: sqlite}}\ncold: {{kind: none}}\n\
             plugins: {{cache_dir: {}, kept_bytes: 1MiB, limits: {{component_bytes: 1KiB}}, \
             script_limits: {{component_bytes: 1KiB}}, \
             s3: {{endpoint: 'm:1'}}, {places}}}\n",
            self.path("cache").display()
        );
        let settings = Settings::parse("test", text.as_bytes(), &|_| None).unwrap();
        let remote: Arc<dyn Remote> = Arc::<Bucket>::clone(&self.bucket);
        Registry::new(&settings, Some(remote))
    }

    fn local(&self) -> Registry {
        self.registry(&format!("dir: {}", self.path("plugins").display()))
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.path("plugins").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn kept(&self, bytes: &[u8]) -> PathBuf {
        self.path("cache").join("components").join(format!("{}.wasm", sha256_hex(bytes)))
    }
}

fn wanted(name: &str, bytes: &[u8], from: Option<Place>) -> Wanted {
    Wanted { name: name.into(), sha256: sha256_hex(bytes), from, max_bytes: 1 << 10 }
}

fn read(found: Result<Component, Missing>) -> (Vec<u8>, bool) {
    let component = found.unwrap_or_else(|missing| panic!("{missing}"));
    (std::fs::read(&component.path).unwrap(), component.away.is_some())
}

#[test]
fn versions_lie_side_by_side() {
    let room = Room::new();
    let (one, two, three): (&[u8], &[u8], &[u8]) = (b"one", b"two", b"three");
    room.write("mask.wasm", one);
    room.write(&format!("mask-{}.wasm", &sha256_hex(two)[..12]), two);
    room.write(&format!("mask/{}.wasm", sha256_hex(three)), three);
    let registry = room.local();
    for bytes in [one, two, three] {
        assert_eq!(read(registry.fetch(&wanted("mask", bytes, None))), (bytes.to_vec(), false));
        assert_eq!(registry.look(&wanted("mask", bytes, None)), Ok(None));
    }
    let missing = registry.fetch(&wanted("mask", b"four", None)).unwrap_err();
    // What lies there instead is said with its hash.
    assert!(!missing.away && missing.why.contains(&sha256_hex(one)), "{missing}");
    let missing = registry.fetch(&wanted("other", one, None)).unwrap_err();
    assert!(missing.why.contains("no other.wasm"), "{missing}");
}

#[test]
fn a_name_that_promises_a_hash_is_not_believed() {
    let room = Room::new();
    room.write(&format!("mask/{}.wasm", sha256_hex(b"good")), b"evil");
    let missing = room.local().fetch(&wanted("mask", b"good", None)).unwrap_err();
    assert!(missing.why.contains(&sha256_hex(b"evil")), "{missing}");
    assert!(!room.kept(b"good").exists());
    // The good one under another name is found all the same.
    room.write("mask.wasm", b"good");
    assert_eq!(read(room.local().fetch(&wanted("mask", b"good", None))).0, b"good");
}

#[test]
fn from_is_the_only_place() {
    let room = Room::new();
    room.write("mask.wasm", b"one");
    std::fs::create_dir(room.path("own")).unwrap();
    std::fs::write(room.path("own/any-name.wasm"), b"two").unwrap();
    let registry = room.local();
    let from = |text: &str| Some(Place::File(room.path(text)));
    assert_eq!(read(registry.fetch(&wanted("mask", b"two", from("own/any-name.wasm")))).0, b"two");
    assert!(registry.fetch(&wanted("mask", b"one", from("own/any-name.wasm"))).is_err());
    let dir = Some(Place::Dir(room.path("own")));
    assert!(registry.fetch(&wanted("mask", b"one", dir)).is_err());
}

#[test]
fn a_file_that_is_too_long_is_not_read() {
    let room = Room::new();
    let long = vec![7; 1025];
    room.write("mask.wasm", &long);
    let missing = room.local().fetch(&wanted("mask", &long, None)).unwrap_err();
    assert!(missing.why.contains("1024 bytes"), "{missing}");
    room.bucket.put("plugins/mask.wasm", &long);
    let missing = room.registry("registries: ['s3://plugins']").fetch(&wanted("mask", &long, None));
    assert!(missing.unwrap_err().why.contains("1024 bytes"));
    assert_eq!(room.bucket.fetched.load(Ordering::Relaxed), 0);
}

#[test]
fn a_bucket_that_is_away_is_bridged_by_the_copy() {
    let room = Room::new();
    let registry = room.registry("registries: ['s3://plugins/v1']");
    room.bucket.put(&format!("plugins/v1/mask/{}.wasm", sha256_hex(b"one")), b"one");
    let (one, two) = (wanted("mask", b"one", None), wanted("mask", b"two", None));
    assert_eq!(read(registry.fetch(&one)), (b"one".to_vec(), false));
    // What is named by its hash, and kept, is not fetched again.
    assert_eq!(read(registry.fetch(&one)), (b"one".to_vec(), false));
    assert_eq!(room.bucket.fetched.load(Ordering::Relaxed), 1);

    room.bucket.is_away.store(true, Ordering::Relaxed);
    assert_eq!(read(registry.fetch(&one)), (b"one".to_vec(), true));
    assert!(registry.look(&one).unwrap().unwrap().contains("connection refused"));
    for missing in [registry.fetch(&two).unwrap_err(), registry.look(&two).unwrap_err()] {
        assert!(missing.away && missing.why.contains("no copy"), "{missing}");
    }
    assert!(registry.reach().iter().all(|(_, reached)| reached.is_err()));

    // It is back, and the component is not in it: the config asks for what is not there.
    room.bucket.is_away.store(false, Ordering::Relaxed);
    room.bucket.objects.lock().unwrap().clear();
    assert!(!registry.fetch(&one).unwrap_err().away);
    assert!(registry.reach().iter().all(|(_, reached)| reached.is_ok()));
}

#[test]
fn what_may_come_into_a_bucket_comes_unseen() {
    let room = Room::new();
    let registry = room.registry("registries: ['s3://plugins/v1']");
    let (one, local) = (wanted("mask", b"one", None), Place::Dir(room.path("plugins")));
    // The bucket answers and does not have it: no place is away, and yet it may come.
    assert!(!registry.fetch(&one).unwrap_err().away && registry.may_come_unseen(&one));
    assert!(!registry.may_come_unseen(&wanted("mask", b"one", Some(local))), "a file's arrival is seen");
    assert!(!room.local().may_come_unseen(&one));
    room.bucket.put("plugins/v1/mask.wasm", b"another version");
    assert!(registry.may_come_unseen(&one));
    room.bucket.put("plugins/v1/mask.wasm", b"one");
    assert!(!registry.may_come_unseen(&one), "it has come");
    assert_eq!(read(registry.fetch(&one)), (b"one".to_vec(), false));
}

#[test]
fn a_directory_that_is_away_is_bridged_too() {
    let room = Room::new();
    room.write("mask.wasm", b"one");
    let (registry, one) = (room.local(), wanted("mask", b"one", None));
    read(registry.fetch(&one));
    std::fs::rename(room.path("plugins"), room.path("elsewhere")).unwrap();
    assert_eq!(read(registry.fetch(&one)), (b"one".to_vec(), true));
    assert!(registry.fetch(&wanted("mask", b"two", None)).unwrap_err().away);
}

#[test]
fn later_places_are_asked_when_the_first_are_away() {
    let room = Room::new();
    room.write("mask.wasm", b"one");
    let (none, plugins) = (room.path("none"), room.path("plugins"));
    let places = format!("dir: {}, registries: ['s3://plugins', {}]", none.display(), plugins.display());
    room.bucket.is_away.store(true, Ordering::Relaxed);
    assert_eq!(read(room.registry(&places).fetch(&wanted("mask", b"one", None))), (b"one".to_vec(), false));
}

#[test]
fn a_copy_that_was_tampered_with_is_not_run() {
    let room = Room::new();
    room.write("mask.wasm", b"one");
    let (registry, one) = (room.local(), wanted("mask", b"one", None));
    read(registry.fetch(&one));
    let kept = room.kept(b"one");
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(kept.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let link = |kept: &Path| {
        std::fs::remove_file(kept).unwrap();
        std::os::unix::fs::symlink(room.path("plugins/mask.wasm"), kept).unwrap();
    };
    let flip = |kept: &Path| std::fs::write(kept, b"onf").unwrap();
    let open = |kept: &Path| std::fs::set_permissions(kept, std::fs::Permissions::from_mode(0o620)).unwrap();
    for damage in [&flip as &dyn Fn(&Path), &open, &link] {
        damage(&kept);
        // Nothing else has it: the copy alone will not do.
        std::fs::rename(room.path("plugins"), room.path("elsewhere")).unwrap();
        assert!(registry.fetch(&one).unwrap_err().away);
        std::fs::rename(room.path("elsewhere"), room.path("plugins")).unwrap();
        // With the original it is written anew.
        assert_eq!(read(registry.fetch(&one)), (b"one".to_vec(), false));
        assert!(kept.symlink_metadata().unwrap().is_file());
    }
    std::fs::set_permissions(kept.parent().unwrap(), std::fs::Permissions::from_mode(0o755)).unwrap();
    room.write("mask.wasm", b"two");
    assert!(registry.fetch(&wanted("mask", b"two", None)).unwrap_err().why.contains("0700"));
}

#[test]
fn copies_that_nobody_runs_go_when_they_are_too_many() {
    let room = Room::new();
    let registry = room.local();
    let bytes = |number: u8| vec![number; 1000];
    for number in 0..4 {
        room.write("mask.wasm", &bytes(number));
        read(registry.fetch(&wanted("mask", &bytes(number), None)));
        let then = std::time::SystemTime::now() - std::time::Duration::from_secs(100 - u64::from(number));
        std::fs::File::open(room.kept(&bytes(number))).unwrap().set_modified(then).unwrap();
    }
    let used = sha256_hex(&bytes(0));
    assert_eq!(registry.clean(&HashSet::from([used.as_str()])), 0, "all fit");
    let tight = Registry { kept_bytes: 2500, ..room.local() };
    assert_eq!(tight.clean(&HashSet::from([used.as_str()])), 1);
    let left: Vec<bool> = (0..4).map(|number| room.kept(&bytes(number)).exists()).collect();
    assert_eq!(left, [true, false, true, true], "the one in use, and the newest");
    assert_eq!(Registry { kept_bytes: 0, ..room.local() }.clean(&HashSet::new()), 3);
}
