//! The command line: where each command lives, and how each end becomes an exit code.

mod allocator;
mod args;
mod bench;
mod check;
mod client;
mod context;
mod dead_letter;
mod demo;
mod doctor;
mod exit;
mod ingest;
mod migrate;
mod output;
mod plugin;
mod recorded;
mod reprocess;
mod run;
mod schema;
mod session;
mod status;
mod trial;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::*;
pub use args::{Cli, Format, Role};
pub use exit::{CliError, Exit};

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
            Command::Run(args) => {
                allocator::settle();
                run::run(config, &args.roles)
            }
            Command::Status(args) => status::status(config, args.output),
            Command::Demo(args) => demo::demo(&args),
            Command::Check(args) => check::check(config, &args),
            Command::Doctor(args) => doctor::doctor(config, &args),
            Command::Schema(SchemaCommand::Show) => schema::show(config),
            Command::Schema(SchemaCommand::Apply(args)) => schema::apply(config, args.adopt),
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
