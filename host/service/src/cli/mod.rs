//! The command line: what can be asked, and where each command lives.

mod bench;
mod check;
mod client;
mod context;
mod dead_letter;
mod demo;
mod exit;
mod ingest;
mod migrate;
mod output;
mod plugin;
mod recorded;
mod reload;
mod reprocess;
mod run;
mod session;
mod status;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

pub use exit::{CliError, Exit};

/// Stores session replays: takes rrweb chunks, keeps them hot and cold, erases them, gives them back.
#[derive(Debug, Parser)]
#[command(name = "replay-processor", version, arg_required_else_help = true)]
pub struct Cli {
    /// The config file.
    #[arg(long, short, global = true, env = "CONFIG_PATH", value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take records in, store them, move and end them, until stopped
    Run(RunArgs),
    /// What a running service is doing
    Status(OutputArgs),
    /// Play recorded sessions through a real service on embedded stores, and show what became of them
    Demo(DemoArgs),
    /// Say everything that is wrong with the config, or print what it resolves to
    Check(CheckArgs),
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
struct OutputArgs {
    /// How to print
    #[arg(long, short, value_enum, default_value = "table")]
    output: Format,
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
struct RunArgs {
    /// What this process does
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["ingest", "lifecycle", "http"])]
    roles: Vec<Role>,
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// Recorded sessions: one folder a project, with .ndjson files of records
    #[arg(long, value_name = "DIR", default_value = "tests/fixtures/recordings")]
    recordings: PathBuf,
    /// The components of its plugins: block-url.wasm, mask-inputs.wasm, mask-pii.wasm
    #[arg(long, value_name = "DIR", default_value = "target/plugins")]
    plugins: PathBuf,
    /// Where the demo keeps its data; a fresh temporary directory if left out
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Print the JSON Schema of the config for editors instead
    #[arg(long)]
    schema: bool,
}

#[derive(Debug, Args)]
struct IngestArgs {
    /// Files with one record a line; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum SessionCommand {
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
struct SessionListArgs {
    /// Only this project
    #[arg(long)]
    project: Option<String>,
    /// Only sessions that were still active at this time: Unix milliseconds, or an age such as 2h or 7d
    #[arg(long)]
    since: Option<String>,
    /// Only sessions that began before this time
    #[arg(long)]
    until: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Go on after this session: `project/session` of the last line
    #[arg(long, value_name = "PROJECT/SESSION")]
    after: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct SessionArgs {
    /// The project
    project: String,
    /// The session
    session: String,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct ReprocessArgs {
    /// The project
    project: String,
    /// The session; without it all of the project
    session: Option<String>,
    /// Only sessions that were still active at this time: Unix milliseconds, or an age such as 2h or 7d
    #[arg(long)]
    since: Option<String>,
    /// Only sessions that began before this time
    #[arg(long)]
    until: Option<String>,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct EraseArgs {
    /// The project
    project: String,
    /// The session
    session: String,
    /// It is meant: what is erased does not come back. Without this the terminal asks
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Subcommand)]
enum ProjectCommand {
    /// Erase everything of a project that was received up to now
    Erase(ProjectEraseArgs),
}

#[derive(Debug, Args)]
struct ProjectEraseArgs {
    /// The project
    project: String,
    /// It is meant: what is erased does not come back. Without this the terminal asks
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Subcommand)]
enum DeadLetterCommand {
    /// List dead letters
    List(LetterListArgs),
    /// Show one dead letter; with --payload the original record alone, which is not redacted
    Show(LetterShowArgs),
    /// Feed dead letters back through the tenant's present chain
    Replay(LetterReplayArgs),
}

#[derive(Debug, Args)]
struct LetterFilterArgs {
    /// Only this reason
    #[arg(long)]
    reason: Option<String>,
    /// Only this project
    #[arg(long)]
    project: Option<String>,
    /// Only letters that died since then: Unix milliseconds, or an age such as 2h or 7d
    #[arg(long)]
    since: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 1_000)]
    limit: usize,
}

#[derive(Debug, Args)]
struct LetterListArgs {
    #[command(flatten)]
    filter: LetterFilterArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct LetterShowArgs {
    /// `topic/partition/offset`, as the listing has it
    id: String,
    /// Write the original record to standard output
    #[arg(long)]
    payload: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct LetterReplayArgs {
    #[command(flatten)]
    filter: LetterFilterArgs,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Also those that were tried more than three times
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Subcommand)]
enum MigrateCommand {
    /// Move everything that is due, and delete what is over
    Run(MigrateRunArgs),
    /// Say what would be moved now
    Plan(OutputArgs),
    /// Compare the archive with the cold store
    Reconcile(ReconcileArgs),
}

#[derive(Debug, Args)]
struct MigrateRunArgs {
    /// Move this session now, whatever its age, and nothing else
    #[arg(long, value_name = "PROJECT/SESSION")]
    session: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct ReconcileArgs {
    /// Leave objects alone that are younger than this: their move may be under way. Default:
    /// replay.migration.reconcile_grace
    #[arg(long, value_name = "AGE")]
    grace: Option<String>,
    /// Mend what is found
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct BenchArgs {
    /// A directory of chunks: .ndjson files of records, or .json files of one events array each
    #[arg(long, value_name = "DIR", default_value = "tests/fixtures/recordings")]
    input: PathBuf,
    /// The components of the shipped plugins, to be measured too
    #[arg(long, value_name = "DIR", default_value = "target/plugins")]
    plugins: PathBuf,
    /// Only measures whose name holds this, and what they are compared with
    #[arg(long, default_value = "", value_name = "TEXT")]
    only: String,
    /// Seconds a measure
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    #[command(flatten)]
    output: OutputArgs,
}

/// Runs what the arguments say and turns every end into an exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.dispatch() {
        Ok(exit) => exit.into(),
        Err(error) => {
            error.print();
            error.exit.into()
        }
    }
}

/// The compiler's child says how it went by its own code, which nobody but its parent reads.
fn compiled(code: ExitCode) -> Exit {
    if code == ExitCode::SUCCESS { Exit::Done } else { Exit::Failed }
}

impl Cli {
    fn dispatch(self) -> Result<Exit, CliError> {
        let config = self.config.as_deref();
        match self.command {
            Command::Run(args) => run::run(config, &args.roles),
            Command::Status(args) => status::status(config, args.output),
            Command::Demo(args) => demo::demo(&args),
            Command::Check(args) => check::check(config, args.schema),
            Command::Ingest(args) => ingest::ingest(config, &args.files),
            Command::Session(command) => match command {
                SessionCommand::List(args) => session::list(config, &args),
                SessionCommand::Show(args) => session::show(config, &args),
                SessionCommand::Export(args) => session::export(config, &args),
                SessionCommand::Reprocess(args) => reprocess::reprocess(config, &args),
                SessionCommand::Erase(args) => {
                    session::erase(config, &args.project, Some(&args.session), args.yes, args.output.output)
                }
            },
            Command::Project(ProjectCommand::Erase(args)) => {
                session::erase(config, &args.project, None, args.yes, args.output.output)
            }
            Command::DeadLetter(command) => match command {
                DeadLetterCommand::List(args) => dead_letter::list(config, &args),
                DeadLetterCommand::Show(args) => dead_letter::show(config, &args),
                DeadLetterCommand::Replay(args) => dead_letter::replay(config, &args),
            },
            Command::Migrate(command) => match command {
                MigrateCommand::Run(args) => {
                    migrate::run(config, args.session.as_deref(), args.output.output)
                }
                MigrateCommand::Plan(args) => migrate::plan(config, args.output),
                MigrateCommand::Reconcile(args) => migrate::reconcile(config, &args),
            },
            Command::Plugin(command) => command.run(config),
            Command::CompilePlugin => Ok(compiled(replay_sandbox::compile_child())),
            Command::Bench(args) => bench::bench(&args),
            Command::Completions { shell } => {
                clap_complete::generate(
                    shell,
                    &mut Self::command(),
                    "replay-processor",
                    &mut std::io::stdout(),
                );
                Ok(Exit::Done)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
