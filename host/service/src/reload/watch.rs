//! Whether files changed, by looking: what is new and the same at two looks in a row has been written whole.
//!
//! Looked at is what a directory knows of a file (size, time, inode), never its contents: whoever reads it
//! then tells a touched file from a changed one.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// What files look like from outside.
type Print = [u8; 32];

/// The files of a config, and those that it waits for.
pub(super) struct Watch {
    config: PathBuf,
    tenants_dir: Option<PathBuf>,
    /// Components that were not there when they were needed.
    awaited: Vec<PathBuf>,
    of_config: Judge,
    of_awaited: Judge,
}

/// Tells a change that has settled from one that goes on.
#[derive(Default)]
struct Judge {
    /// How it looked when it was last read.
    handled: Option<Print>,
    /// How it looked the last time, if that was something new.
    candidate: Option<Print>,
}

impl Watch {
    /// The first look finds everything changed: what was read before it may be older.
    pub(super) fn new(config: PathBuf, tenants_dir: Option<PathBuf>) -> Self {
        let (of_config, of_awaited) = Default::default();
        Self { config, tenants_dir, awaited: Vec::new(), of_config, of_awaited }
    }

    /// Whether something new has settled since the last time that this said so.
    pub(super) fn has_changed(&mut self) -> bool {
        let (config, awaited) = (self.print_of_config(), print(&self.awaited));
        let has_changed = self.of_config.judge(config);
        self.of_awaited.judge(awaited) || has_changed
    }

    /// Whether the config looks otherwise than when it was last found changed.
    pub(super) fn is_changing(&self) -> bool {
        self.of_config.handled != Some(self.print_of_config())
    }

    /// The config is read now, whether it changed or not.
    pub(super) fn reads(&mut self) {
        self.of_config = Judge { handled: Some(self.print_of_config()), candidate: None };
    }

    /// The directory of the config that was read last; whether it is another than before.
    pub(super) fn follow(&mut self, tenants_dir: Option<&Path>) -> bool {
        let is_another = self.tenants_dir.as_deref() != tenants_dir;
        if is_another {
            self.tenants_dir = tenants_dir.map(Path::to_owned);
        }
        is_another
    }

    /// Components whose arrival is a change too.
    pub(super) fn wait_for(&mut self, components: Vec<PathBuf>) {
        self.of_awaited = Judge { handled: Some(print(&components)), candidate: None };
        self.awaited = components;
    }

    fn print_of_config(&self) -> Print {
        let mut files = vec![self.config.clone()];
        if let Some(dir) = &self.tenants_dir {
            files.push(dir.clone());
            let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
            files.extend(entries.map(|entry| entry.path()));
            files.sort_unstable();
        }
        print(&files)
    }
}

impl Judge {
    fn judge(&mut self, now: Print) -> bool {
        if self.handled == Some(now) {
            self.candidate = None;
            return false;
        }
        let has_settled = self.candidate == Some(now);
        if has_settled {
            self.handled = Some(now);
        }
        self.candidate = Some(now).filter(|_| !has_settled);
        has_settled
    }
}

fn print(files: &[PathBuf]) -> Print {
    let mut digest = Sha256::new();
    for file in files {
        digest.update(file.as_os_str().as_encoded_bytes());
        digest.update([0]);
        // What is behind a link counts.
        digest.update(marks(std::fs::metadata(file).ok().as_ref()));
    }
    digest.finalize().into()
}

fn marks(metadata: Option<&Metadata>) -> [u8; 40] {
    let mut marks = [0; 40];
    let Some(metadata) = metadata else { return marks };
    let parts = [metadata.len(), metadata.ino(), metadata.dev()].map(u64::to_le_bytes);
    let times = [metadata.mtime(), metadata.mtime_nsec()].map(i64::to_le_bytes);
    for (place, part) in marks.chunks_exact_mut(8).zip(parts.into_iter().chain(times)) {
        place.copy_from_slice(&part);
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_it_has_settled() {
        let dir = tempfile::tempdir().unwrap();
        let (config, tenants) = (dir.path().join("replay.yaml"), dir.path().join("tenants"));
        std::fs::write(&config, "a").unwrap();
        std::fs::create_dir(&tenants).unwrap();
        let mut watch = Watch::new(config.clone(), Some(tenants.clone()));
        assert_eq!([watch.has_changed(), watch.has_changed(), watch.has_changed()], [false, true, false]);
        for (number, file) in [&config, &tenants.join("shop.yaml")].into_iter().enumerate() {
            // Half of it, and the other half before the next look.
            std::fs::write(file, "ab").unwrap();
            assert!(!watch.has_changed(), "{number}");
            std::fs::write(file, "abc").unwrap();
            assert_eq!([watch.has_changed(), watch.has_changed(), watch.has_changed()], [false, true, false]);
        }
        std::fs::remove_file(tenants.join("shop.yaml")).unwrap();
        assert_eq!([watch.has_changed(), watch.has_changed()], [false, true]);
        assert!(!watch.is_changing());
        std::fs::remove_file(&config).unwrap();
        assert!(watch.is_changing());
        watch.reads();
        assert_eq!([watch.has_changed(), watch.has_changed()], [false, false]);
    }

    #[test]
    fn what_is_waited_for_counts_when_it_comes() {
        let dir = tempfile::tempdir().unwrap();
        let (config, component) = (dir.path().join("replay.yaml"), dir.path().join("mask.wasm"));
        let mut watch = Watch::new(config, None);
        watch.reads();
        watch.wait_for(vec![component.clone()]);
        assert_eq!([watch.has_changed(), watch.has_changed()], [false, false]);
        std::fs::write(&component, "wasm").unwrap();
        assert_eq!([watch.has_changed(), watch.has_changed(), watch.has_changed()], [false, true, false]);
        watch.wait_for(Vec::new());
        assert_eq!([watch.has_changed(), watch.has_changed()], [false, false]);
    }
}
