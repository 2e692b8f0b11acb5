//! `plugin test`: a chain on recorded chunks, under production limits, and each changed field before and
//! after. Nothing is stored.

mod outcome;
mod pairs;
mod report;
mod show;

use std::path::{Path, PathBuf};
use std::time::Duration;

use replay_core::identity::SessionKey;
use replay_sandbox::Sandbox;

use super::canaries::Canaries;
use super::change::tenant_named;
use super::dead_letter::{self, LetterFound};
use super::{TempDir, TestArgs, build, compiling, load, production_sandbox, settings_arg, watch};
use crate::build as service;
use crate::chains::{DEFAULTS, class_of};
use crate::cli::context::project_arg;
use crate::cli::recorded::{RecordedChunk, Recordings, read_sessions};
use crate::cli::{CliError, Exit, output};
use crate::config::{PluginRef, Settings};
use outcome::{Link, Outcome};
use report::TestReport;
pub(super) use show::{ChangedLine, say_change};
use show::{Logged, write_session};

/// Changed fields that are kept of a run.
const MAX_KEPT: usize = 100_000;

/// What is run, on what.
pub(super) struct Trial {
    settings: Settings,
    pub(super) sandbox: Sandbox,
    recordings: Recordings,
    pub(super) whose: Whose,
    letter: Option<LetterFound>,
    own: Vec<String>,
    allow_replace: bool,
    mask_only: bool,
    canaries: Option<Canaries>,
}

/// What came of it: at most [`MAX_KEPT`] changed fields.
pub(super) struct Run {
    pub(super) changed: Vec<ChangedLine>,
    pub(super) logged: Logged,
    pub(super) report: TestReport,
    /// Pin and settings of each plugin.
    pub(super) used: Vec<(String, String)>,
}

/// Whether places are told by file and session, too, as there are several.
#[derive(Clone, Copy)]
pub(super) struct Whose {
    are_several: bool,
}

impl Whose {
    fn said(self, file: &str, session: &str, chunk: usize) -> String {
        match self.are_several {
            true => format!("{file} {session} chunk {chunk}"),
            false => format!("chunk {chunk}"),
        }
    }
}

/// A session that was recorded, and what became of it.
struct Tried<'a> {
    session: &'a SessionKey,
    recorded: &'a [RecordedChunk],
    outcome: Outcome,
    whose: Whose,
}

impl Tried<'_> {
    /// The file that a chunk came from; empty if from none.
    fn file(&self, chunk: usize) -> &str {
        self.recorded.get(chunk).map(|chunk| &*chunk.file).unwrap_or_default()
    }

    fn place(&self, chunk: usize) -> String {
        self.whose.said(self.file(chunk), &self.session.to_string(), chunk)
    }
}

pub(super) fn test(config: Option<&Path>, args: &TestArgs) -> Result<Exit, CliError> {
    if args.settings.len() > args.components.len() {
        return Err(CliError::usage(format!(
            "{} plugins and {} settings; give each plugin's in the order of the plugins",
            args.components.len(),
            args.settings.len()
        )));
    }
    if args.tenant.is_some() && config.is_none() {
        return Err(CliError::usage("--tenant takes a tenant of a config: say --config FILE, too"));
    }
    let workshop = TempDir::new()?;
    let (letter, recordings) = match &args.dead_letter {
        Some(id) => {
            let (letter, (sessions, broken)) = dead_letter::fetch(config, id)?;
            (letter, Recordings { sessions, broken })
        }
        None => (None, read_sessions(&args.input)?),
    };
    let (settings, sandbox) = production_sandbox(config, &workshop.path().join("cache"))?;
    let trial = Trial {
        settings,
        sandbox,
        whose: Whose { are_several: recordings.are_several() },
        recordings,
        letter,
        own: args.settings.iter().map(|given| settings_arg(given)).collect::<Result<_, _>>()?,
        allow_replace: args.allow_replace,
        mask_only: args.mask_only,
        canaries: args.canaries.as_deref().map(Canaries::read).transpose()?,
    };
    if args.watch {
        return watch::watch(&trial, args, workshop.path());
    }
    let run = match &args.tenant {
        Some(tenant) => trial.run_chain(&trial.tenants_chain(tenant)?, args.write.as_deref())?,
        None => trial.run(&components(args, workshop.path())?, args.write.as_deref())?,
    };
    run.logged.say();
    run.changed
        .iter()
        .take(args.show)
        .try_for_each(|line| say_change(line, trial.whose, args.output.output))?;
    output::report(&run.report, args.output.output)?;
    Ok(if run.report.is_clean() { trial.recordings.exit() } else { Exit::SomeFailed })
}

/// The components, those of directories built anew.
pub(super) fn components(args: &TestArgs, workshop: &Path) -> Result<Vec<PathBuf>, CliError> {
    let component = |(position, path): (usize, &PathBuf)| {
        if !path.is_dir() {
            return Ok(path.clone());
        }
        Ok(build::component(path, &workshop.join(position.to_string()))?.file)
    };
    args.components.iter().enumerate().map(component).collect()
}

impl Trial {
    /// Runs the chain of these components on every session.
    pub(super) fn run(&self, components: &[PathBuf], write: Option<&Path>) -> Result<Run, CliError> {
        let (mut chain, mut used) = (Vec::new(), Vec::new());
        for (position, path) in components.iter().enumerate() {
            let own = self.own.get(position).map_or("null", String::as_str);
            let (plugin, inspection) = load(&self.sandbox, path, own)?;
            used.push((inspection.sha256, own.to_owned()));
            chain.push(Link { plugin, allow_replace: self.allow_replace, mask_only: self.mask_only });
        }
        Ok(Run { used, ..self.run_chain(&chain, write)? })
    }

    fn run_chain(&self, chain: &[Link], write: Option<&Path>) -> Result<Run, CliError> {
        let limits = service::chain_limits(&self.settings);
        let (mut text_bytes, mut call_time) = (0, Duration::ZERO);
        let mut report = TestReport::new(self.letter.clone(), self.recordings.broken);
        let (mut kept, mut logged) = (Vec::new(), Logged::default());
        for (session, recorded) in &self.recordings.sessions {
            let outcome = Outcome::of(&limits, chain, recorded)?;
            text_bytes += outcome.text_bytes;
            call_time += outcome.call_time;
            let tried = Tried { session, recorded, outcome, whose: self.whose };
            logged.take(&tried);
            report.take(&tried);
            let changed = report.changed_lines(&tried, self.canaries.as_ref());
            kept.extend(changed.into_iter().take(MAX_KEPT - kept.len()));
            if let Some(dir) = write {
                write_session(dir, &tried)?;
            }
        }
        report.call_time_ms = call_time.as_secs_f64() * 1e3;
        report.text_mb_per_s = text_bytes as f64 / 1e6 / call_time.as_secs_f64().max(1e-9);
        Ok(Run { changed: kept, logged, report, used: Vec::new() })
    }

    /// The chain that the config gives a tenant, as the service would load it: pins, settings, leave.
    fn tenants_chain(&self, tenant: &str) -> Result<Vec<Link>, CliError> {
        let tenants = &self.settings.tenants;
        let found = tenant_named(tenants, &project_arg(tenant)?).ok_or_else(|| {
            let known: Vec<&str> = tenants.listed.keys().map(|id| id.as_str()).take(20).collect();
            CliError::usage(format!(
                "the config lists no tenant `{tenant}`; there is `{DEFAULTS}`, and {}",
                if known.is_empty() { "no other".to_owned() } else { known.join(", ") }
            ))
        })?;
        // A registry may be a bucket.
        let runtime = tokio::runtime::Runtime::new()?;
        let _inside = runtime.enter();
        let registry = service::registry(&self.settings);
        let link = |plugin: &PluginRef| {
            let failed = |why: &dyn std::fmt::Display| {
                CliError::new(Exit::Config, format!("plugin `{}`: {why}", plugin.name))
            };
            let component = registry.fetch(&registry.wanted(plugin)).map_err(|missing| failed(&missing))?;
            let (sandbox, own) = (self.sandbox.of_class(class_of(plugin)), plugin.config.to_string());
            let loaded = compiling(&plugin.name, || sandbox.load(&component.path, &plugin.sha256, &own));
            Ok(Link {
                plugin: loaded.map_err(|error| failed(&error))?,
                allow_replace: plugin.allow_replace,
                mask_only: plugin.mask_only,
            })
        };
        let chain: Vec<Link> = found.plugins.iter().map(link).collect::<Result<_, CliError>>()?;
        match chain.is_empty() {
            true => Err(CliError::usage(format!("the tenant `{tenant}` has no plugins, so nothing to test"))),
            false => Ok(chain),
        }
    }
}
