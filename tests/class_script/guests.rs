//! The guests, built from source when what they are made of changed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::pipeline::ChunkHead;
use replay_core::row::Codec;
use replay_core::rrweb::{Batch, ElementLimits, Elements, Kinds, ScanLimits};
use replay_sandbox::{ChunkSource, Class, Limits, Plugin, Sandbox, Settings};
use replay_tests::plugins::sha256_of;
use replay_tests::service::binary;
use sha2::{Digest, Sha256};

/// What a plugin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    JavaScript,
    Python,
}

impl Language {
    pub(crate) const ALL: [Self; 2] = [Self::JavaScript, Self::Python];

    fn suffix(self) -> &'static str {
        match self {
            Self::JavaScript => "js",
            Self::Python => "py",
        }
    }

    pub(crate) fn sdk(self) -> PathBuf {
        root().join(format!("plugins/sdk-{}", self.suffix()))
    }

    /// The plugin that masks addresses and cards.
    pub(crate) fn mask_basics(self) -> PathBuf {
        root().join(format!("plugins/mask-basics-{}", self.suffix()))
    }

    /// Whether its tools are there; if not, the test that asks has nothing to say.
    pub(crate) fn is_here(self) -> bool {
        let missing = match self {
            Self::JavaScript if !runs("node") => "node",
            Self::JavaScript if !modules().join("@bytecodealliance/componentize-js").is_dir() => {
                "`npm ci` in plugins/mask-basics-js"
            }
            Self::Python if !runs("python3") => "python3",
            Self::Python if !venv().join("bin/componentize-py").is_file() => {
                "componentize-py (python3 -m venv target/script-venv, and pip install there)"
            }
            Self::JavaScript | Self::Python => return true,
        };
        let required = std::env::var_os("REQUIRE_SCRIPTS").is_some_and(|value| value == "1");
        assert!(!required, "plugins in {self:?} need {missing}");
        // Past the capture of what passing tests print.
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: plugins in {self:?} are not tested here: it needs {missing}"
        );
        false
    }
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

pub(crate) fn target() -> PathBuf {
    binary().ancestors().nth(2).unwrap().to_owned()
}

/// What the tools of JavaScript are installed in.
pub(crate) fn modules() -> PathBuf {
    Language::JavaScript.mask_basics().join("node_modules")
}

/// The environment that componentize-py is installed in.
pub(crate) fn venv() -> PathBuf {
    let own = target().join("script-venv");
    let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    if own.is_dir() { own } else { active.unwrap_or(own) }
}

fn runs(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|said| said.status.success())
}

/// `plugin build` of a directory.
pub(crate) fn plugin_build(dir: &Path, out: &Path) -> Output {
    let mut command = Command::new(binary());
    command.args(["plugin", "build"]).arg(dir).arg("--out").arg(out).env("VIRTUAL_ENV", venv());
    command.output().unwrap()
}

/// Where the components of this suite lie.
pub(crate) fn components() -> PathBuf {
    target().join("script-plugins")
}

/// The shipped plugin's component.
pub(crate) fn mask_basics(language: Language) -> PathBuf {
    let dir = language.mask_basics();
    built(&dir, &format!("mask-basics-{}", language.suffix()), language)
}

/// The component of `fixtures/hostile/script-*`.
pub(crate) fn hostile(language: Language) -> PathBuf {
    let name = format!("hostile-{}", language.suffix());
    let from = root().join(format!("tests/fixtures/hostile/script-{}", language.suffix()));
    let sources = files(&from).into_iter().map(|file| {
        let text = std::fs::read_to_string(&file).unwrap();
        (file.file_name().unwrap().to_str().unwrap().to_owned(), text)
    });
    assembled(&name, sources.collect(), language)
}

/// The component of the example in the SDK's README.
pub(crate) fn example(language: Language) -> PathBuf {
    let readme = std::fs::read_to_string(language.sdk().join("README.md")).unwrap();
    let (title, entry, pins) = match language {
        Language::JavaScript => ("```js\n// plugin.js\n", "plugin.js", "package.json"),
        Language::Python => ("```python\n# plugin.py\n", "plugin.py", "requirements.txt"),
    };
    let (source, _) = readme.split_once(title).unwrap().1.split_once("```").unwrap();
    let name = format!("example-{}", language.suffix());
    let pinned = std::fs::read_to_string(language.mask_basics().join(pins)).unwrap();
    let pinned = pinned.replace("mask-basics-js", &name).replace("src/plugin.js", "plugin.js");
    let pinned = pinned.replace("-e ../sdk-py", "");
    let files = vec![(pins.to_owned(), pinned), (entry.to_owned(), source.to_owned())];
    assembled(&name, files, language)
}

/// The component of a project of these files, by name, with the SDK and the tools that are installed.
fn assembled(name: &str, files: Vec<(String, String)>, language: Language) -> PathBuf {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = target().join("script-guests").join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    for (file, text) in files {
        let sdk = match file.as_str() {
            "requirements.txt" => format!("-e {}\n", language.sdk().display()),
            _ => String::new(),
        };
        std::fs::write(dir.join(file), text + &sdk).unwrap();
    }
    if language == Language::JavaScript {
        std::os::unix::fs::symlink(modules(), dir.join("node_modules")).unwrap();
    }
    built(&dir, name, language)
}

/// Builds `dir` unless its component was built from the same files. One at a time: each takes a core for seconds.
fn built(dir: &Path, name: &str, language: Language) -> PathBuf {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (component, key) =
        (components().join(format!("{name}.wasm")), components().join(format!("{name}.key")));
    let sources =
        [files(dir), files(&language.sdk()), files(&root().join("host/service/src/cli/plugin/build"))];
    let made_of = sources
        .iter()
        .flatten()
        .chain(&files(&root().join("wit")))
        .fold(Sha256::new(), |digest, file| digest.chain_update(std::fs::read(file).unwrap()));
    let made_of: String = made_of.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    if component.is_file() && std::fs::read_to_string(&key).is_ok_and(|key| key == made_of) {
        return component;
    }
    let output = plugin_build(dir, &components());
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("class: script"), "{said}");
    std::fs::write(key, made_of).unwrap();
    component
}

/// The files of a project, without what is installed or made there.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let (path, name) = (entry.path(), entry.file_name());
        if ["node_modules", "__pycache__", ".venv"].iter().any(|made| name == *made) {
            continue;
        }
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Time enough for a compiler that is not optimised, on a busy machine.
pub(crate) const COMPILE_TIME: Duration = Duration::from_secs(600);

/// A sandbox with the limits of production, but for the compiler's time. What it compiles is kept.
pub(crate) fn sandbox(change: impl FnOnce(&mut Settings)) -> Sandbox {
    let mut settings = Settings {
        cache_dir: target().join("plugin-cache"),
        concurrency: 2,
        limits: Limits::default(),
        script_limits: Limits { compile_time: COMPILE_TIME, ..Limits::of_scripts() },
        max_loaded_bytes: 300 << 20,
        compiler: binary(),
    };
    change(&mut settings);
    Sandbox::new(settings).unwrap()
}

/// Loads a component as a script; one at a time, as two would compile the same.
pub(crate) fn load(sandbox: &Sandbox, component: &Path, config_json: &str) -> Plugin {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    sandbox.of_class(Class::Script).load(component, &sha256_of(component), config_json).unwrap()
}

/// A batch of one chunk with these events.
pub(crate) fn chunk_of(events: &str) -> Arc<dyn ChunkSource> {
    let limits =
        ScanLimits { max_raw_chunk_bytes: 1 << 20, max_ratio: 1000, max_depth: 512, max_fields: 1 << 22 };
    let head = ChunkHead {
        session: SessionKey {
            project_id: ProjectId::new("shop").unwrap(),
            session_id: SessionId::parse("0191f0c4-7e1a-7c3b-9d55-0123456789ab").unwrap(),
        },
        key: ChunkKey { timestamp_start_ms: 1, chunk_index: 0 },
        timestamp_end_ms: 3,
        event_count: 1,
        has_full_snapshot: false,
        data_size: events.len() as u64,
        codec: Codec::Gzip,
    };
    let mut batch = Batch::new(Kinds::ALL, Elements::new(ElementLimits { max_bytes: 1 << 20 }));
    batch.add(&head, events.as_bytes().to_vec(), &limits).unwrap();
    Arc::new(batch)
}
