//! `plugin {new,build,inspect,verify,fields,test,bench}`: what the author of a plugin works with;
//! `plugin {status,promote,rollback}`: what whoever runs it does.

mod bench;
mod build;
mod canaries;
mod change;
mod dead_letter;
mod fields;
mod inspect;
mod new;
mod noop;
mod promote;
mod rollback;
mod spelling;
mod status;
mod test;
mod verify;
mod watch;
mod workshop;

use std::path::{Path, PathBuf};

pub(super) use workshop::{TempDir, production_sandbox};

use clap::{Args, Subcommand};
use replay_sandbox::{Class, Inspection, LoadError, Plugin, Sandbox};

use super::{CliError, Exit, OutputArgs};

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// Write a small plugin that builds and tests at once, to start from
    New(NewArgs),
    /// Build a plugin, in Rust, JavaScript or Python, to a component
    Build(BuildArgs),
    /// Say what a component is: its interface, its name, what it wants and may answer
    Inspect(OneArgs),
    /// Ask of a component all that the service asks when it loads it, one check a line
    Verify(OneArgs),
    /// Show the fields of recorded chunks as a plugin would see them
    Fields(FieldsArgs),
    /// Run a plugin on recorded chunks under production limits: each field before and after
    Test(TestArgs),
    /// Measure a plugin's time and memory a chunk, beside a plugin that does nothing
    Bench(BenchArgs),
    /// What each tenant's plugins did since they are what they are, and how shadows compare
    Status(StatusArgs),
    /// Make a tenant's shadow its chain, in the config file, under a new chain_revision
    Promote(ChangeArgs),
    /// Give a tenant the chain back that it had before, in the config file, under a new chain_revision
    Rollback(ChangeArgs),
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Only this project's, whether it is listed or not
    #[arg(long, short)]
    project: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct ChangeArgs {
    /// The tenant: a project id, or `defaults`
    tenant: String,
    /// Only print the YAML to put in, for a file that something else writes
    #[arg(long)]
    print: bool,
    /// It is meant, whatever speaks against it: the comparison, or that somebody went back from it
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// Its directory, which is made; the last part is the plugin's name: lower-case letters, digits, `-`
    #[arg(value_name = "NAME")]
    path: PathBuf,
    /// What it is written in
    #[arg(long, value_enum, default_value = "rust")]
    lang: new::Lang,
    /// Use the SDK that lies there; default: the project gets a copy of the one in this program
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// The plugin's directory: a Rust crate, a JavaScript package, or Python with a plugin.py
    #[arg(default_value = ".", value_name = "DIR")]
    dir: PathBuf,
    /// Directory for the component; default: where you are
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// The component
    #[arg(value_name = "FILE")]
    component: PathBuf,
    /// The plugin's settings: JSON, or `@FILE` with it
    #[arg(long, default_value = "null", value_name = "JSON")]
    settings: String,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    #[command(flatten)]
    one: OneArgs,
    /// Files of records (.ndjson), of one events array each (.json), or directories of both; default: a
    /// small visit that this program carries
    #[arg(long, num_args = 1.., value_name = "FILE")]
    input: Vec<PathBuf>,
    /// Seconds to measure for
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

#[derive(Debug, Args)]
pub(super) struct FieldsArgs {
    /// Files of records (.ndjson), of one events array each (.json), or directories of both
    #[arg(required = true, value_name = "FILE")]
    input: Vec<PathBuf>,
    /// Only these kinds: text, input, attribute, markup, url, style, code, html, console, network, custom,
    /// canvas, pixels, other
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// The components, or the directories that build them, in the order of the chain
    #[arg(required_unless_present = "tenant", value_name = "PLUGIN")]
    components: Vec<PathBuf>,
    /// Each plugin's settings, in the same order: JSON, or `@FILE` with it
    #[arg(long, value_name = "JSON")]
    settings: Vec<String>,
    /// Run the chain that --config gives this tenant (a project id, or `defaults`) instead: its components,
    /// settings and what they may do
    #[arg(
        long,
        value_name = "NAME",
        conflicts_with_all = ["components", "settings", "allow_replace", "mask_only", "watch"]
    )]
    tenant: Option<String>,
    /// The plugins may answer with whole new events, as in the service with `allow_replace: true`
    #[arg(long, conflicts_with = "mask_only")]
    allow_replace: bool,
    /// The plugins may do nothing but mask, as in the service with `mask_only: true`
    #[arg(long)]
    mask_only: bool,
    /// Files of records (.ndjson), of one events array each (.json), or directories of both; a broken record
    /// is left out, named, and makes the exit code 3
    #[arg(long, required_unless_present = "dead_letter", num_args = 1.., value_name = "FILE")]
    input: Vec<PathBuf>,
    /// Run on the record of this dead letter (`topic/partition/offset`) instead, out of the stores that
    /// --config names; shows what is not redacted
    #[arg(long, value_name = "ID", conflicts_with = "input")]
    dead_letter: Option<String>,
    /// Run again whenever a component, or a file of a directory that builds one, changes; shows only fields
    /// that came out differently than the time before
    #[arg(long, conflicts_with_all = ["canaries", "write"])]
    watch: bool,
    /// Show at most so many changed fields
    #[arg(long, default_value_t = 50)]
    show: usize,
    /// Write what is left of each session here: one .ndjson file each, one events array a line
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// What was planted and typed in the recordings: says how much else was changed, and shows only
    /// fields where that happened; fails when something that a rule must catch is left
    #[arg(long, value_name = "FILE")]
    canaries: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

impl PluginCommand {
    pub(super) fn run(self, config: Option<&Path>) -> Result<Exit, CliError> {
        match self {
            Self::New(args) => new::new(&args),
            Self::Build(args) => build::build(&args),
            Self::Inspect(args) => inspect::inspect(config, &args),
            Self::Fields(args) => fields::fields(&args),
            Self::Verify(args) => verify::verify(config, &args),
            Self::Test(args) => test::test(config, &args),
            Self::Bench(args) => bench::bench(config, &args),
            Self::Status(args) => status::status(config, &args),
            Self::Promote(args) => promote::promote(config, &args),
            Self::Rollback(args) => rollback::rollback(config, &args),
        }
    }
}

/// Loads a component as what it is: in production that is the operator's word. Answers with its pin.
fn load(sandbox: &Sandbox, path: &Path, settings: &str) -> Result<(Plugin, Inspection), CliError> {
    let component = read_component(path)?;
    let failed = |error: LoadError| CliError::failed(format!("{}: {error}", path.display()));
    let inspection = replay_sandbox::inspect(&component).map_err(failed)?;
    let sandbox = sandbox.of_class(inspection.class());
    let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.display().to_string());
    let loaded = compiling(&name, || sandbox.load(path, &inspection.sha256, settings));
    Ok((loaded.map_err(failed)?, inspection))
}

/// Says so when a component takes long to be made ready.
fn compiling<T>(name: &str, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let (done, waiting) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            if waiting.recv_timeout(COMPILE_QUIETLY) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                super::output::complain(&format!("compiling {name} …"));
            }
        });
        let result = work();
        drop(done);
        result
    })
}

/// After so long, whoever waits is told for what.
const COMPILE_QUIETLY: std::time::Duration = std::time::Duration::from_secs(1);

/// What a component is to be loaded as; what is none at all will be refused as anything.
fn class_of(path: &Path) -> Class {
    let inspection = read_component(path).ok().and_then(|component| replay_sandbox::inspect(&component).ok());
    inspection.map_or(Class::Compiled, |inspection| inspection.class())
}

/// A plugin's settings as given: JSON, or `@FILE` with it.
fn settings_arg(given: &str) -> Result<String, CliError> {
    let (place, text) = match given.strip_prefix('@') {
        None => ("--settings".to_owned(), given.to_owned()),
        Some(file) => {
            let text = std::fs::read_to_string(file);
            (file.to_owned(), text.map_err(|error| CliError::usage(format!("cannot read {file}: {error}")))?)
        }
    };
    match serde_json::from_str::<serde::de::IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(CliError::usage(format!(
            "{place} is not JSON: {error}; write such as '{{\"prefix\": \"ORD-\"}}', or @FILE"
        ))),
    }
}

fn read_component(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| CliError::usage(format!("cannot read {}: {error}", path.display())))
}
