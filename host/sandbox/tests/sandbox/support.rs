//! Sandboxes, chunks and measures for the tests.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use replay_core::rrweb::{ChunkInfo, Element, Kind, Kinds, View};
use replay_sandbox::{ChunkSource, Limits, LoadError, Plugin, Sandbox, Settings};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// A sandbox with directories of its own.
pub(crate) struct Room {
    pub(crate) sandbox: Sandbox,
    pub(crate) settings: Settings,
    dir: TempDir,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let dir = TempDir::new().unwrap();
        let mut settings = Settings {
            cache_dir: dir.path().join("cache"),
            concurrency: 2,
            limits: Limits { compile_time: Duration::from_secs(60), ..Limits::default() },
            script_limits: Limits::of_scripts(),
            max_loaded_bytes: 64 << 20,
            compiler: PathBuf::from(env!("CARGO_BIN_EXE_sandbox-test-compiler")),
        };
        change(&mut settings);
        let sandbox = Sandbox::new(settings.clone()).unwrap();
        Self { sandbox, settings, dir }
    }

    /// Writes a component; its path and sha256.
    pub(crate) fn write(&self, component: &[u8]) -> (PathBuf, String) {
        let sha256 = Sha256::digest(component).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let path = self.dir.path().join(format!("{sha256}.wasm"));
        std::fs::write(&path, component).unwrap();
        (path, sha256)
    }

    /// Loads through the compiling process.
    pub(crate) fn load(&self, component: &[u8], config_json: &str) -> Result<Plugin, LoadError> {
        let (path, sha256) = self.write(component);
        self.sandbox.load(&path, &sha256, config_json)
    }

    /// Loads without the compiling process.
    pub(crate) fn load_here(&self, component: &[u8]) -> Plugin {
        let (path, sha256) = self.write(component);
        self.sandbox.load_in_process(&path, &sha256, "null").unwrap()
    }

    /// Files of the cache with this extension.
    pub(crate) fn cached(&self, extension: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.settings.cache_dir).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
    }
}

/// Chunks with one text field each; `None` is one that a plugin before dropped.
pub(crate) struct Texts(pub(crate) Vec<Option<String>>);

pub(crate) fn texts(texts: &[&str]) -> Arc<dyn ChunkSource> {
    Arc::new(Texts(texts.iter().map(|text| Some((*text).to_owned())).collect()))
}

impl ChunkSource for Texts {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn is_dropped(&self, chunk: usize) -> bool {
        self.0[chunk].is_none()
    }

    fn text_bytes(&self) -> usize {
        self.0.iter().flatten().map(String::len).sum()
    }

    fn info(&self, chunk: usize) -> Option<ChunkInfo> {
        Some(ChunkInfo {
            project_id: "p".into(),
            session_id: "s".into(),
            chunk_index: chunk as u32,
            page: 1,
            timestamp_start_ms: 1,
            timestamp_end_ms: 2,
            event_count: 1,
            has_full_snapshot: false,
            page_url: None,
        })
    }

    fn view(&self, chunk: usize, kinds: Kinds) -> Option<View> {
        assert!(kinds.contains(Kind::Text));
        let text = self.0[chunk].as_ref()?;
        let index = [0, 1, 0, 0, 1, 0, 0, text.len() as u32].iter().flat_map(|n| n.to_le_bytes()).collect();
        Some(View { text: format!("{text}\n").into_bytes(), index, names: vec![String::new()] })
    }

    fn focus(&self, _: usize) -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    fn moves(&self, _: usize) -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    fn nodes(&self, _: usize) -> Option<Vec<u8>> {
        Some(Vec::new())
    }

    fn element(&self, _: usize, _: u32) -> Option<Element> {
        None
    }

    fn events(&self, _: usize) -> Option<Vec<u8>> {
        Some(b"[]".to_vec())
    }
}
