//! Loading plugins and calling them.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use replay_core::rrweb::{Batch, Verdict};
use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::cache::{Cache, Key};
use crate::call::{Guest, Linked, StartFailure, show};
use crate::checks::{Check, Passed, Verification};
use crate::child::Made;
use crate::failure::{FailureKind, LoadError, PluginFailure, SandboxError, Stage, Usage};
use crate::functions::Functions;
use crate::inspect::{inspect, sha256_hex};
use crate::limits::{Class, Limits, Settings};
use crate::loaded::{Loaded, Program};
use crate::manifest::Manifest;
use crate::permits::Permits;
use crate::prepare::{Compiled, Order, compile_in_process};
use crate::source::ChunkSource;
use crate::state::{LogLine, State};
use crate::ticker::{Running, Ticker};
use crate::{child, engine, link};

/// Components that are made ready at a time: each may take `compile_memory_bytes`.
const COMPILERS: usize = 2;

/// Where plugins run. A handle: clones share everything.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
    class: Class,
}

struct Inner {
    settings: Settings,
    engine: Engine,
    linker: Linker<State>,
    ticker: Ticker,
    cache: Cache,
    loaded: Loaded,
    /// What was loaded since the last [`Sandbox::retain`], or kept by it.
    known: Mutex<HashSet<Key>>,
    calls: Permits,
    compilers: Permits,
}

/// A loaded plugin with its config. A handle: its code may be unmapped while it is not called, and is
/// mapped again when it is.
#[derive(Clone)]
pub struct Plugin {
    sandbox: Sandbox,
    identity: Arc<Identity>,
}

struct Identity {
    key: Key,
    class: Class,
    component: PathBuf,
    sha256: String,
    config_json: String,
    manifest: Arc<Manifest>,
}

/// What a call came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// One for each chunk that was shown, in order.
    pub verdicts: Vec<Verdict>,
    /// What it used.
    pub usage: Usage,
}

/// Which process makes components ready.
#[derive(Clone, Copy)]
enum Compiler {
    Child,
    ThisProcess,
}

impl Sandbox {
    /// Starts the engine and its clock, and opens the cache.
    pub fn new(settings: Settings) -> Result<Self, SandboxError> {
        let failed = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
        let engine = engine::pooled(&settings).map_err(failed)?;
        let linker = link::linker(&engine).map_err(failed)?;
        let ticker = Ticker::start(&engine).map_err(SandboxError::Thread)?;
        let cache = Cache::open(&settings.cache_dir, &engine, &settings)?;
        let loaded = Loaded::new(settings.max_loaded_bytes);
        let calls = Permits::new(settings.concurrency);
        let compilers = Permits::new(COMPILERS);
        let known = Mutex::default();
        let inner = Inner { settings, engine, linker, ticker, cache, loaded, known, calls, compilers };
        Ok(Self { inner: Arc::new(inner), class: Class::default() })
    }

    /// The same sandbox, which loads plugins as of this class; else they are [`Class::Compiled`].
    #[must_use]
    pub fn of_class(&self, class: Class) -> Self {
        Self { inner: Arc::clone(&self.inner), class }
    }

    /// Reads the component, checks that it is the one meant, and makes it ready with its config: out of
    /// the cache, or by the compiler's process. Blocks, for seconds if it must be compiled. `sha256` is
    /// hexadecimal.
    pub fn load(&self, component: &Path, sha256: &str, config_json: &str) -> Result<Plugin, LoadError> {
        self.load_by(Compiler::Child, component, sha256, config_json)
    }

    /// As [`Self::load`], but compiles in this process, where a hostile component can take any memory: for
    /// tools that a plugin's author runs.
    pub fn load_in_process(
        &self,
        component: &Path,
        sha256: &str,
        config_json: &str,
    ) -> Result<Plugin, LoadError> {
        self.load_by(Compiler::ThisProcess, component, sha256, config_json)
    }

    /// Makes a component ready as [`Self::load`] does, says which checks it passed, and keeps nothing.
    pub fn verify(&self, component: &Path, config_json: &str) -> Verification {
        let (inner, class) = (&self.inner, self.class);
        let first = inner.read_any(class, component).and_then(|bytes| Ok((inspect(&bytes)?, bytes)));
        let (inspection, bytes) = match first {
            Ok(first) => first,
            Err(error) => return Verification { passed: Vec::new(), result: Err(error) },
        };
        let limits = inner.settings.limits_of(class);
        let _turn = inner.compilers.take();
        let order = Order { component: &bytes, class, config_json, limits };
        let Made { mut passed, result, .. } = child::compile(&inner.settings.compiler, order, Vec::new());
        if passed.is_empty() {
            let note = format!("gosight:replay {}, {} bytes", inspection.interface, inspection.bytes);
            passed.push(Passed { check: Check::Imports, note });
        }
        Verification { passed, result: result.map(|compiled| compiled.manifest) }
    }

    /// Removes what is kept of a plugin with this config, of any class, on disk too. A handle to it that is still called
    /// makes it anew.
    pub fn forget(&self, sha256: &str, config_json: &str) -> Result<(), LoadError> {
        for class in Class::ALL {
            let key = self.inner.cache.key(class, &sha256.to_ascii_lowercase(), config_json);
            self.inner.loaded.remove(&key);
            self.inner.cache.forget(&key).map_err(|error| LoadError::Cache(error.to_string()))?;
        }
        Ok(())
    }

    /// Keeps of all plugins only these, each a component's sha256 with a config: what this process loaded
    /// before goes from the disk at once, and what nobody loaded for a day. What is called right now is
    /// mapped, and stays so. How many were removed.
    pub fn retain<'a>(&self, used: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<usize, LoadError> {
        let inner = &self.inner;
        let keys = |(sha256, config): (&str, &str)| {
            Class::ALL.map(|class| inner.cache.key(class, &sha256.to_ascii_lowercase(), config))
        };
        let used: HashSet<Key> = used.into_iter().flat_map(keys).collect();
        let mut known = inner.known.lock().unwrap_or_else(PoisonError::into_inner);
        let gone: Vec<Key> = known.difference(&used).cloned().collect();
        for key in &gone {
            inner.cache.forget(key).map_err(|error| LoadError::Cache(error.to_string()))?;
            known.remove(key);
        }
        Ok(gone.len() + inner.cache.sweep(&used))
    }

    /// Bytes of compiled code that are mapped.
    pub fn loaded_bytes(&self) -> usize {
        self.inner.loaded.bytes()
    }

    fn load_by(
        &self,
        compiler: Compiler,
        component: &Path,
        sha256: &str,
        config_json: &str,
    ) -> Result<Plugin, LoadError> {
        let sha256 = sha256.to_ascii_lowercase();
        let (class, key) = (self.class, self.inner.cache.key(self.class, &sha256, config_json));
        let bytes = self.inner.read(class, component, &sha256)?;
        let program = match self.inner.program(&key) {
            Some(program) => program,
            None => {
                let limits = self.inner.settings.limits_of(class);
                let order = Order { component: &bytes, class, config_json, limits };
                self.inner.make(&key, &sha256, compiler, order)?
            }
        };
        let identity = Identity {
            key,
            class,
            component: component.to_owned(),
            sha256,
            config_json: config_json.to_owned(),
            manifest: Arc::clone(&program.manifest),
        };
        Ok(Plugin { sandbox: self.clone(), identity: Arc::new(identity) })
    }
}

impl Inner {
    /// The component's bytes, if they are those that are meant.
    fn read(&self, class: Class, path: &Path, sha256: &str) -> Result<Vec<u8>, LoadError> {
        let component = self.read_any(class, path)?;
        let got = sha256_hex(&component);
        if got != sha256 {
            return Err(LoadError::Digest { got, wanted: sha256.to_owned() });
        }
        Ok(component)
    }

    /// The bytes of a file that is no larger than a component may be.
    fn read_any(&self, class: Class, path: &Path) -> Result<Vec<u8>, LoadError> {
        let unreadable = |error| LoadError::Unreadable { path: path.to_owned(), error };
        let max_bytes = self.settings.limits_of(class).component_bytes;
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        if bytes > max_bytes as u64 {
            return Err(LoadError::TooLarge { bytes, max_bytes, class });
        }
        let mut component = Vec::new();
        // It may grow while it is read.
        file.take(max_bytes as u64 + 1).read_to_end(&mut component).map_err(unreadable)?;
        if component.len() > max_bytes {
            return Err(LoadError::TooLarge { bytes: component.len() as u64, max_bytes, class });
        }
        Ok(component)
    }

    /// The plugin, if it is mapped or in the cache.
    fn program(&self, key: &Key) -> Option<Arc<Program>> {
        if let Some(program) = self.loaded.get(key) {
            return Some(program);
        }
        let cached = self.cache.find(&self.engine, key)?;
        let program = Arc::new(Program {
            linked: Linked::new(self.linker.instantiate_pre(&cached.component).ok()?)?,
            manifest: Arc::new(cached.manifest),
            snapshotted: cached.snapshotted,
            code_bytes: cached.code_bytes,
        });
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        self.loaded.put(key.clone(), Arc::clone(&program));
        Some(program)
    }

    /// Makes the plugin ready and puts it into the cache. `sha256` is the component's.
    fn make(
        &self,
        key: &Key,
        sha256: &str,
        compiler: Compiler,
        order: Order<'_>,
    ) -> Result<Arc<Program>, LoadError> {
        // What can be said without a process is said at once.
        inspect(order.component)?.check_class(order.class)?;
        {
            let _turn = self.compilers.take();
            // Whoever had the turn before may have made this very one.
            if let Some(program) = self.program(key) {
                return Ok(program);
            }
            self.cache.store(key, &self.compile(sha256, compiler, order)?)?;
        }
        self.program(key).ok_or_else(|| {
            LoadError::Cache(
                "what was written cannot be loaded; is the cache on a file system that allows execution, and is \
                 the compiler of the same version as this program?"
                    .to_owned(),
            )
        })
    }

    /// Makes the plugin ready, with what is known of its component.
    fn compile(&self, sha256: &str, compiler: Compiler, order: Order<'_>) -> Result<Compiled, LoadError> {
        let Order { component, class, config_json, limits } = order;
        match compiler {
            Compiler::Child => {
                let known = self.cache.functions(class, sha256, Functions::max_bytes(limits));
                let has_known = !known.is_empty();
                let mut made = child::compile(&self.settings.compiler, order, known);
                if has_known && matches!(made.result, Err(LoadError::Refused { stage: Stage::Compile, .. })) {
                    // What helps takes memory too: it is not to be what makes a plugin too large.
                    made = child::compile(&self.settings.compiler, order, Vec::new());
                }
                let Made { result, functions, .. } = made;
                if result.is_ok() && !functions.is_empty() {
                    self.cache.store_functions(class, sha256, &functions);
                }
                result
            }
            Compiler::ThisProcess => compile_in_process(component, class, config_json, limits),
        }
    }
}

impl Plugin {
    /// What it says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.identity.manifest
    }

    /// Calls it on a batch: one fresh instance, one call. Blocks, up to twice the time it may take, and
    /// while all places are taken; for a plain thread. Dropped chunks are not shown.
    pub fn process(&self, batch: &Arc<Batch>) -> Result<Answer, PluginFailure> {
        let batch: Arc<dyn ChunkSource> = Arc::<Batch>::clone(batch);
        self.process_chunks(&batch)
    }

    /// As [`Self::process`], on chunks from anywhere.
    pub fn process_chunks(&self, chunks: &Arc<dyn ChunkSource>) -> Result<Answer, PluginFailure> {
        self.call(chunks, false).0
    }

    /// As [`Self::process_chunks`], with what it logged: for the plugin's author, as it may hold payload.
    pub fn process_with_logs(
        &self,
        chunks: &Arc<dyn ChunkSource>,
    ) -> (Result<Answer, PluginFailure>, Vec<LogLine>) {
        self.call(chunks, true)
    }

    fn call(
        &self,
        chunks: &Arc<dyn ChunkSource>,
        keep_log: bool,
    ) -> (Result<Answer, PluginFailure>, Vec<LogLine>) {
        let inner = &self.sandbox.inner;
        let Some(program) = self.program() else {
            return (Err(failure(FailureKind::Load, None, Usage::default())), Vec::new());
        };
        let limits = self.limits();
        let time = limits.process_time(chunks.text_bytes());
        let start_time = if program.snapshotted { time } else { limits.configure_time };
        let _place = inner.calls.take();
        let _time_passes = self.time_passes();
        let mut guest = match Guest::start(&program.linked, limits, start_time, keep_log) {
            Ok(guest) => guest,
            Err(StartFailure { kind, usage }) => return (Err(failure(kind, None, usage)), Vec::new()),
        };
        let said = self.configure_if_needed(&program, &mut guest, time).and_then(|()| {
            let said = guest.process(show(Arc::clone(chunks), &program.manifest, limits))?;
            said.map_err(|code| FailureKind::Error { code: program.manifest.error_code(&code) })
        });
        let usage = guest.usage();
        let result = match said {
            Ok(verdicts) => Ok(Answer { verdicts, usage }),
            Err(kind) => Err(failure(kind, guest.last_chunk(), usage)),
        };
        (result, guest.store.data_mut().log.take_lines())
    }

    /// The wall clock of a call on so much text; a machine that keeps it waiting extends it once.
    pub fn time_allowed(&self, text_bytes: usize) -> Duration {
        self.limits().process_time(text_bytes)
    }

    /// One that could not be snapshotted is configured for each batch, in the time that is for that; it said
    /// yes to this config before. Then it may run for `time`.
    pub(crate) fn configure_if_needed(
        &self,
        program: &Program,
        guest: &mut Guest,
        time: Duration,
    ) -> Result<(), FailureKind> {
        if program.snapshotted {
            return Ok(());
        }
        guest.configure(&self.identity.config_json)?.map_err(|_| FailureKind::Load)?;
        guest.allow(time);
        Ok(())
    }

    /// Deadlines pass until the guard is dropped.
    pub(crate) fn time_passes(&self) -> Running<'_> {
        self.sandbox.inner.ticker.run()
    }

    /// Its bounds.
    pub(crate) fn limits(&self) -> &Limits {
        self.sandbox.inner.settings.limits_of(self.identity.class)
    }

    /// Mapped, from the cache, or made anew from the component's file.
    pub(crate) fn program(&self) -> Option<Arc<Program>> {
        let (inner, identity) = (&self.sandbox.inner, &*self.identity);
        if let Some(program) = inner.program(&identity.key) {
            return Some(program);
        }
        let class = identity.class;
        let component = inner.read(class, &identity.component, &identity.sha256).ok()?;
        let (config_json, limits) = (&*identity.config_json, self.limits());
        let order = Order { component: &component, class, config_json, limits };
        inner.make(&identity.key, &identity.sha256, Compiler::Child, order).ok()
    }
}

fn failure(kind: FailureKind, chunk: Option<usize>, usage: Usage) -> PluginFailure {
    PluginFailure { kind, chunk, usage }
}
