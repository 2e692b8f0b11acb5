//! What can be asked on the command line: commands, their arguments, their help.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::plugin;
use crate::replays::State;

/// Stores session replays: takes rrweb chunks, keeps them hot and cold, erases them, gives them back.
#[derive(Debug, Parser)]
#[command(name = "replay-processor", version, arg_required_else_help = true)]
pub struct Cli {
    /// The config file.
    #[arg(long, short, global = true, env = "CONFIG_PATH", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Take records in, store them, move and end them, until stopped
    Run(RunArgs),
    /// What a running service is doing
    Status(OutputArgs),
    /// Play recorded sessions through a real service on embedded stores, and show what became of them
    Demo(DemoArgs),
    /// Say everything that is wrong with the config and its plugins, or print what it resolves to
    Check(CheckArgs),
    /// Reach every server that the config names, try every right that it needs, and load its plugins
    Doctor(DoctorArgs),
    /// The hot store's tables: see them, make them
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Append records, one JSON object a line, to the configured source
    Ingest(IngestArgs),
    /// Look at sessions, export or erase them
    #[command(subcommand)]
    Session(SessionCommand),
    /// Erase a whole project
    #[command(subcommand)]
    Project(ProjectCommand),
    /// Look at records that could not be stored, and feed them back
    #[command(subcommand)]
    DeadLetter(DeadLetterCommand),
    /// Move sessions to the cold store, or see what would move
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// Build, look at and try plugins
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Configure and compile one plugin; run by the service itself, in a process of its own
    #[command(hide = true)]
    CompilePlugin,
    /// Measure decoding, encoding and the whole path on recorded chunks
    Bench(BenchArgs),
    /// Print a completion script for a shell
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// How listings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON object a line.
    Json,
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct OutputArgs {
    /// How to print
    #[arg(long, short, value_enum, default_value = "table")]
    pub(super) output: Format,
}

/// What one process does of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// Reads the source and stores what it brings.
    Ingest,
    /// Moves, ends, erases.
    Lifecycle,
    /// Takes records over HTTP.
    Http,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// What this process does
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["ingest", "lifecycle", "http"])]
    pub(super) roles: Vec<Role>,
}

#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Recorded sessions: one folder a project, with .ndjson files of records
    #[arg(long, value_name = "DIR", default_value = "tests/fixtures/recordings")]
    pub(super) recordings: PathBuf,
    /// The components of its plugins: block-url.wasm, mask-inputs.wasm, mask-pii.wasm
    #[arg(long, value_name = "DIR", default_value = "target/plugins")]
    pub(super) plugins: PathBuf,
    /// Where the demo keeps its data; a fresh temporary directory if left out
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Print the JSON Schema of the config for editors instead
    #[arg(long)]
    pub(super) schema: bool,
    /// Leave plugins alone: neither look for components nor compile them and try their configs, as `run` does
    #[arg(long, conflicts_with = "schema")]
    pub(super) no_load: bool,
}

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Leave plugins alone: neither look for components nor compile them and try their configs, as `run` does
    #[arg(long)]
    pub(super) no_load: bool,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum SchemaCommand {
    /// Print the statements that make the tables
    Show,
    /// Make the tables, or bring older ones up to date
    Apply(SchemaApplyArgs),
}

#[derive(Debug, Args)]
pub(super) struct SchemaApplyArgs {
    /// Also move the rows of a `replay_chunks` that another program made into ours
    #[arg(long)]
    pub(super) adopt: bool,
}

#[derive(Debug, Args)]
pub(super) struct IngestArgs {
    /// Files with one record a line; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// List sessions, hot and cold
    List(SessionListArgs),
    /// List the chunks of one session
    Show(SessionArgs),
    /// Write a session's chunks to standard output: one JSON array of events a line, in order of play
    Export(SessionArgs),
    /// Run the tenant's present chain over stored sessions, hot and cold: how a leak is repaired
    Reprocess(ReprocessArgs),
    /// Erase a session everywhere, for good
    Erase(EraseArgs),
}

#[derive(Debug, Args)]
pub(super) struct SessionListArgs {
    /// Only this project
    #[arg(long)]
    pub(super) project: Option<String>,
    /// Only sessions that were still active at this time: Unix milliseconds, or an age such as 2h or 7d
    #[arg(long)]
    pub(super) since: Option<String>,
    /// Only sessions that began before this time
    #[arg(long)]
    pub(super) until: Option<String>,
    /// Only sessions that lasted at least so long, such as 30s
    #[arg(long, value_name = "TIME")]
    pub(super) min_duration: Option<String>,
    /// Only sessions whose chunks lie there
    #[arg(long, value_enum)]
    pub(super) state: Option<State>,
    /// Only sessions in which the console logged an error; reads the chunks of all that match otherwise
    #[arg(long)]
    pub(super) has_error: bool,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    pub(super) limit: usize,
    /// Go on after this session: `project/session` of the last line
    #[arg(long, value_name = "PROJECT/SESSION")]
    pub(super) after: Option<String>,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct SessionArgs {
    /// The project
    pub(super) project: String,
    /// The session
    pub(super) session: String,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct ReprocessArgs {
    /// The project
    pub(super) project: String,
    /// The session; without it all of the project
    pub(super) session: Option<String>,
    /// Only sessions that were still active at this time: Unix milliseconds, or an age such as 2h or 7d
    #[arg(long)]
    pub(super) since: Option<String>,
    /// Only sessions that began before this time
    #[arg(long)]
    pub(super) until: Option<String>,
    /// Only say what would change
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct EraseArgs {
    /// The project
    pub(super) project: String,
    /// The session
    pub(super) session: String,
    /// It is meant: what is erased does not come back. Without this the terminal asks
    #[arg(long, short)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum ProjectCommand {
    /// Erase everything of a project that was received up to now
    Erase(ProjectEraseArgs),
}

#[derive(Debug, Args)]
pub(super) struct ProjectEraseArgs {
    /// The project
    pub(super) project: String,
    /// It is meant: what is erased does not come back. Without this the terminal asks
    #[arg(long, short)]
    pub(super) yes: bool,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum DeadLetterCommand {
    /// List dead letters
    List(LetterListArgs),
    /// Show one dead letter; with --payload the original record alone, which is not redacted
    Show(LetterShowArgs),
    /// Feed dead letters back through the tenant's present chain
    Replay(LetterReplayArgs),
}

#[derive(Debug, Args)]
pub(super) struct LetterFilterArgs {
    /// Only this reason
    #[arg(long)]
    pub(super) reason: Option<String>,
    /// Only this project
    #[arg(long)]
    pub(super) project: Option<String>,
    /// Only letters that died since then: Unix milliseconds, or an age such as 2h or 7d
    #[arg(long)]
    pub(super) since: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 1_000)]
    pub(super) limit: usize,
}

#[derive(Debug, Args)]
pub(super) struct LetterListArgs {
    #[command(flatten)]
    pub(super) filter: LetterFilterArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct LetterShowArgs {
    /// `topic/partition/offset`, as the listing has it
    pub(super) id: String,
    /// Write the original record to standard output
    #[arg(long)]
    pub(super) payload: bool,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct LetterReplayArgs {
    /// Only this one: topic/partition/offset, as `dead-letter list` and the log name it
    #[arg(conflicts_with_all = ["reason", "project", "since", "limit"])]
    pub(super) id: Option<String>,
    #[command(flatten)]
    pub(super) filter: LetterFilterArgs,
    /// Only say what would be done
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Also those that were tried more than three times
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Subcommand)]
pub(super) enum MigrateCommand {
    /// Move everything that is due, and delete what is over
    Run(MigrateRunArgs),
    /// Say what would be moved now
    Plan(OutputArgs),
    /// Compare the archive with the cold store
    Reconcile(ReconcileArgs),
}

#[derive(Debug, Args)]
pub(super) struct MigrateRunArgs {
    /// Move this session now, whatever its age, and nothing else
    #[arg(long, value_name = "PROJECT/SESSION")]
    pub(super) session: Option<String>,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct ReconcileArgs {
    /// Leave objects alone that are younger than this: their move may be under way. Default:
    /// replay.migration.reconcile_grace
    #[arg(long, value_name = "AGE")]
    pub(super) grace: Option<String>,
    /// Mend what is found
    #[arg(long)]
    pub(super) repair: bool,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// A directory of chunks: .ndjson files of records, or .json files of one events array each
    #[arg(long, value_name = "DIR", default_value = "tests/fixtures/recordings")]
    pub(super) input: PathBuf,
    /// The components of the shipped plugins, to be measured too
    #[arg(long, value_name = "DIR", default_value = "target/plugins")]
    pub(super) plugins: PathBuf,
    /// Only measures whose name holds this, and what they are compared with. `tenants` is one that is never
    /// run otherwise: many tenants over many components, one of them hostile; it compiles for a minute or two
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub(super) only: String,
    /// Of `--only tenants`: so many tenants
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub(super) tenants: u32,
    /// Of `--only tenants`: so many different components
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) components: u32,
    /// Seconds a measure
    #[arg(long, default_value_t = 2.0)]
    pub(super) seconds: f64,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}
