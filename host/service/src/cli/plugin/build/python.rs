//! A plugin in Python: wrapped with its interpreter by componentize-py, in the version that the project's
//! requirements.txt pins. WASI is stubbed out.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::tool::{Bench, checked_name, in_path, run};
use super::{Made, WORLD};
use crate::cli::CliError;

const COMPONENTIZER: &str = "componentize-py";

/// The component's exports, made of the project's plugin.
const ENTRY: &str = "\
from plugin import Plugin
from replay_plugin.guest import world

WitWorld = world(Plugin)
";
/// Its module: what is built must be called otherwise than anything of the project's.
const ENTRY_MODULE: &str = "replay_plugin_entry";

pub(super) fn make(dir: &Path) -> Result<Made, CliError> {
    let requirements = Requirements::read(dir)?;
    let name = checked_name(&name_of(dir)?, dir)?;
    let tool = Tool::find(dir)?;
    tool.check(&requirements)?;

    let bench = Bench::new()?;
    std::fs::write(bench.file(&format!("{ENTRY_MODULE}.py")), ENTRY)?;
    let component = bench.file("plugin.wasm");
    let mut command = Command::new(&tool.program);
    command.current_dir(bench.dir()).arg("--wit-path").arg(bench.wit()).args(["--world", WORLD]);
    command.args(["componentize", "--stub-wasi", ENTRY_MODULE]);
    for path in
        [bench.dir(), &dir.canonicalize()?].into_iter().chain(requirements.local.iter().map(AsRef::as_ref))
    {
        command.arg("--python-path").arg(path);
    }
    if let Some(venv) = &tool.venv {
        command.env("VIRTUAL_ENV", venv);
    }
    run(command.arg("--output").arg(&component))?;
    Ok(Made { name, component: std::fs::read(component)? })
}

/// What the project's requirements.txt asks for, as far as it matters here.
struct Requirements {
    file: PathBuf,
    /// The version of componentize-py.
    version: String,
    /// Directories of packages that lie beside the project, such as the SDK.
    local: Vec<PathBuf>,
}

impl Requirements {
    fn read(dir: &Path) -> Result<Self, CliError> {
        let file = dir.join("requirements.txt");
        let text = std::fs::read_to_string(&file).map_err(|error| {
            CliError::usage(format!("cannot read {}: {error}; it pins `{COMPONENTIZER}==…`", file.display()))
        })?;
        let lines = || text.lines().map(|line| line.split(" #").next().unwrap_or_default().trim());
        let pin = |line: &str| {
            Some(line.strip_prefix(COMPONENTIZER)?.trim_start().strip_prefix("==")?.trim().to_owned())
        };
        let version = lines().find_map(pin).ok_or_else(|| {
            CliError::usage(format!(
                "{} pins no `{COMPONENTIZER}==…`: write the version there",
                file.display()
            ))
        })?;
        let path = |line: &str| {
            let path = line.strip_prefix("-e ").unwrap_or(line).trim();
            path.starts_with(['.', '/']).then(|| dir.join(path))
        };
        let mut local = Vec::new();
        for path in lines().filter_map(path) {
            local.push(path.canonicalize().map_err(|error| {
                CliError::usage(format!("{} names {}: {error}", file.display(), path.display()))
            })?);
        }
        Ok(Self { file, version, local })
    }
}

/// The installed componentize-py.
struct Tool {
    program: PathBuf,
    /// The virtual environment that it is part of: packages that are installed there can be imported.
    venv: Option<PathBuf>,
}

impl Tool {
    /// In the project's `.venv`, in the environment that is active, or in `PATH`.
    fn find(dir: &Path) -> Result<Self, CliError> {
        let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
        for venv in [dir.join(".venv")].into_iter().chain(active) {
            let program = venv.join("bin").join(COMPONENTIZER);
            if program.is_file() {
                let program = std::path::absolute(program)?;
                return Ok(Self { program, venv: Some(venv.canonicalize()?) });
            }
        }
        if let Some(program) = in_path(COMPONENTIZER) {
            return Ok(Self { program, venv: None });
        }
        if in_path("python3").is_none() {
            return Err(CliError::failed(
                "a plugin in Python is built with Python 3.10 or later, and there is no `python3`: python.org brings it",
            ));
        }
        Err(CliError::failed(format!(
            "there is no {COMPONENTIZER}: `python3 -m venv .venv && .venv/bin/pip install -r requirements.txt` in {} \
             brings it",
            dir.display()
        )))
    }

    fn check(&self, requirements: &Requirements) -> Result<(), CliError> {
        let said = Command::new(&self.program).arg("--version").stderr(Stdio::null()).output();
        let said = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let version = said.as_deref().ok().and_then(|said| said.rsplit(' ').next()).unwrap_or_default();
        if version == requirements.version {
            return Ok(());
        }
        let found = if version.is_empty() { "does not say its version" } else { version };
        Err(CliError::failed(format!(
            "{} is {found}, and {} wants {}: `pip install -r requirements.txt` there brings that",
            self.program.display(),
            requirements.file.display(),
            requirements.version
        )))
    }
}

/// `name` of `[project]` in pyproject.toml, else the directory's.
fn name_of(dir: &Path) -> Result<String, CliError> {
    let project = std::fs::read_to_string(dir.join("pyproject.toml")).unwrap_or_default();
    let section = project.lines().skip_while(|line| line.trim() != "[project]").skip(1);
    let mut lines = section.take_while(|line| !line.trim_start().starts_with('['));
    let named = lines.find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "name").then(|| value.trim().trim_matches(['"', '\'']).to_owned())
    });
    let directory = dir.canonicalize()?.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(named.or(directory).unwrap_or_default())
}
