//! `plugin {build,inspect,fields,test}`: what the author of a plugin works with.

mod build;
mod canaries;
mod fields;
mod inspect;
mod spelling;
mod test;

use std::path::{Path, PathBuf};

pub(super) use test::{production_sandbox, tempdir};

use clap::{Args, Subcommand};
use replay_sandbox::sha256_hex;

use super::{CliError, Exit, OutputArgs};

#[derive(Debug, Subcommand)]
pub(super) enum PluginCommand {
    /// Compile a plugin's crate to a component
    Build(BuildArgs),
    /// Say what a component is: its interface, its name, what it wants and may answer
    Inspect(InspectArgs),
    /// Show the fields of recorded chunks as a plugin would see them
    Fields(FieldsArgs),
    /// Run a plugin on recorded chunks under production limits: each field before and after
    Test(TestArgs),
}

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// The crate's directory
    #[arg(default_value = ".", value_name = "DIR")]
    crate_dir: PathBuf,
    /// Directory for the component; default: where you are
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// The component
    #[arg(value_name = "FILE")]
    component: PathBuf,
    /// The plugin's settings, as JSON
    #[arg(long, default_value = "null", value_name = "JSON")]
    settings: String,
    #[command(flatten)]
    output: OutputArgs,
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
    /// The components, in the order of the chain
    #[arg(required = true, value_name = "PLUGIN")]
    components: Vec<PathBuf>,
    /// Each plugin's settings as JSON, in the same order
    #[arg(long, value_name = "JSON")]
    settings: Vec<String>,
    /// Files of records (.ndjson), of one events array each (.json), or directories of both
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    input: Vec<PathBuf>,
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
            Self::Build(args) => build::build(&args),
            Self::Inspect(args) => inspect::inspect(config, &args),
            Self::Fields(args) => fields::fields(&args),
            Self::Test(args) => test::test(config, &args),
        }
    }
}

fn read_component(path: &Path) -> Result<Vec<u8>, CliError> {
    std::fs::read(path).map_err(|error| CliError::usage(format!("cannot read {}: {error}", path.display())))
}
