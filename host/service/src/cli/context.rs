//! What every command starts from: the config, a runtime, and a way to the data.

use std::future::Future;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use replay_core::identity::{ProjectId, SessionId, SessionKey};
use replay_ports::{DeadLetters, HotStore};
use tokio::runtime::Runtime;

use super::client::Client;
use super::{CliError, Exit};
use crate::build::{self, Opener};
use crate::clock::{Clock, millis, unix_ms};
use crate::config::{Settings, wants_colour};
use crate::lock::{DataLock, LockError, running_owner};
use crate::observe;
use crate::ops::Ops;
use crate::replays::Replays;

/// The config, resolved, and a runtime.
pub(super) struct Context {
    settings: Settings,
    /// Ended in the background: work that hangs (a dead network mount) must not keep the process.
    runtime: BackgroundRuntime,
    clock: Clock,
}

/// What a looking command may use.
pub(super) struct Readable {
    pub(super) hot: Arc<dyn HotStore>,
    pub(super) replays: Replays,
    pub(super) letters: Arc<dyn DeadLetters>,
}

/// Who carries out a changing command.
pub(super) enum Reach {
    /// The running service.
    Service(Client),
    /// This process: no service runs, and it holds the lock.
    Own(Own),
}

/// The operations over stores that this process owns.
pub(super) struct Own {
    pub(super) ops: Ops,
    pub(super) replays: Replays,
    _lock: DataLock,
}

impl Context {
    pub(super) fn load(path: Option<&Path>) -> Result<Self, CliError> {
        let path = path.ok_or_else(|| {
            CliError::usage(
                "which config? say --config FILE or set CONFIG_PATH; config/embedded.yaml is a start",
            )
        })?;
        let env = |name: &str| std::env::var(name).ok();
        let settings = Settings::load(path, &env).map_err(|errors| {
            let colour = wants_colour(&env, std::io::stderr().is_terminal());
            CliError::new(Exit::Config, errors.render(colour))
        })?;
        let colour = wants_colour(&env, std::io::stderr().is_terminal());
        observe::init_logging(settings.telemetry.log_format, settings.telemetry.log_level, colour);
        let runtime = BackgroundRuntime(Some(Runtime::new()?));
        Ok(Self { settings, runtime, clock: Clock::start() })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    pub(super) fn data_dir(&self) -> &Path {
        &self.settings.embedded.dir
    }

    /// Who is asking, for the audit trail.
    pub(super) fn actor(&self) -> String {
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
        user.map_or_else(|_| "cli".to_owned(), |user| format!("cli:{user}"))
    }

    /// For what has to be made inside a runtime.
    pub(super) fn enter(&self) -> tokio::runtime::EnterGuard<'_> {
        self.runtime.get().enter()
    }

    /// Work beside the command, until it ends.
    pub(super) fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.runtime.get().spawn(work)
    }

    pub(super) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.get().block_on(work)
    }

    /// A config may name what a later build has; running on less would lose or leak.
    pub(super) fn refuse_what_this_build_lacks(&self) -> Result<(), CliError> {
        let lacking = self.settings.unsupported_servers();
        if lacking.is_empty() {
            return Ok(());
        }
        Err(CliError::new(
            Exit::Config,
            format!(
                "this build has no client for {}; config/embedded.yaml runs without servers",
                lacking.join(", ")
            ),
        ))
    }

    /// Stores to look into, beside a running service or without one.
    pub(super) fn open_for_reading(&self) -> Result<Readable, CliError> {
        self.refuse_what_this_build_lacks()?;
        let opened = self.block_on(build::open_for_reading(&self.settings))?;
        let replays = build::replays(&self.settings, &opened);
        Ok(Readable { hot: opened.hot, replays, letters: opened.letters })
    }

    /// The running service; an error when there is none.
    pub(super) fn service(&self) -> Result<Client, CliError> {
        let owner = running_owner(self.data_dir()).ok_or_else(|| {
            let dir = self.data_dir().display();
            CliError::new(Exit::Unreachable, format!("no service is running on {dir}"))
        })?;
        match owner.admin {
            Some(endpoint) => Ok(Client::new(endpoint)),
            None => Err(CliError::new(
                Exit::Busy,
                format!("process {} (`{}`) has the data just now; try again", owner.pid, owner.command),
            )),
        }
    }

    /// The running service, if there is one that can be asked.
    pub(super) fn running(&self) -> Option<Client> {
        running_owner(self.data_dir())?.admin.map(Client::new)
    }

    /// The running service, or else this process as the owner of the data.
    pub(super) fn reach(&self, command: &str) -> Result<Reach, CliError> {
        self.refuse_what_this_build_lacks()?;
        let lock = match DataLock::acquire(self.data_dir(), command) {
            Ok(lock) => lock,
            Err(LockError::Held { .. } | LockError::HeldByUnknown { .. }) => {
                return self.service().map(Reach::Service);
            }
            Err(error) => return Err(error.into()),
        };
        let parts = self.block_on(build::parts(&self.settings, self.clock, Opener::Command))?;
        let replays = build::replays(&self.settings, &parts.stores.kept);
        Ok(Reach::Own(Own { ops: Ops::new(parts.stores, parts.lifecycle), replays, _lock: lock }))
    }
}

/// A runtime that does not wait for blocked threads when it ends.
struct BackgroundRuntime(Option<Runtime>);

impl BackgroundRuntime {
    fn get(&self) -> &Runtime {
        match &self.0 {
            Some(runtime) => runtime,
            None => unreachable!("taken only when dropped"),
        }
    }
}

impl Drop for BackgroundRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
    }
}

pub(super) fn project_arg(text: &str) -> Result<ProjectId, CliError> {
    ProjectId::new(text).ok_or_else(|| {
        CliError::usage(format!("`{text}` is no project id: letters, digits, `.`, `_`, `-`, at most 128"))
    })
}

pub(super) fn session_arg(project: &str, session: &str) -> Result<SessionKey, CliError> {
    let project_id = project_arg(project)?;
    let session_id = SessionId::parse(session)
        .ok_or_else(|| CliError::usage(format!("`{session}` is no session id: it is a UUID, and not nil")))?;
    Ok(SessionKey { project_id, session_id })
}

/// A point in time: Unix milliseconds, or an age before now.
pub(super) fn time_arg(text: &str) -> Result<u64, CliError> {
    if let Ok(unix_ms) = text.parse() {
        return Ok(unix_ms);
    }
    age_arg(text).map(|age_ms| unix_ms().saturating_sub(age_ms))
}

/// An age such as `90s`, `2h` or `7d`, in milliseconds.
pub(super) fn age_arg(text: &str) -> Result<u64, CliError> {
    crate::config::parse_age(text).map(millis).map_err(|why| CliError::usage(format!("`{text}` {why}")))
}
