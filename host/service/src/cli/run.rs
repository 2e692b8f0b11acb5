//! `run`: build, serve, drain with a deadline, say what became of everything.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use replay_core::identity::ProjectId;
use replay_core::pipeline::{Ending, StopCause};
use replay_core::reject::Reason;
use replay_ports::LetterFilter;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::context::Context;
use super::{CliError, Exit, Role, output};
use crate::build::{self, Opener, Parts};
use crate::chains::Chains;
use crate::http::{self, App, Tokens};
use crate::lock::{AdminEndpoint, DataLock, Owner};
use crate::observe::Reloads;
use crate::ops::{FeedBack, Ops};
use crate::reload::{InForce, Reloader};
use crate::run::{Ended, Handle, Loop};

/// How often the segments of the log are looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// How often breakers that closed are looked for.
const RECOVERY: Duration = Duration::from_secs(1);
/// And how long at most until it is tried again, while a store is away.
const LONGEST_RECOVERY: Duration = Duration::from_secs(60);

pub(super) fn run(config: Option<&Path>, roles: &[Role]) -> Result<Exit, CliError> {
    let context = Context::load(config)?;
    context.refuse_what_this_build_lacks()?;
    let _runtime = context.enter();
    // Unheard, the signal would end the process, and chains may take minutes to compile.
    let requests = signal(SignalKind::hangup())?;
    let lock = DataLock::acquire(context.data_dir(), "run")?;
    let mut sandbox = None;
    let (chains, away) = build::chains(context.settings(), &mut sandbox)?;
    let parts = context.block_on(build::parts(context.settings(), context.clock(), Opener::Service))?;
    let reloads = Arc::new(Reloads::default());
    if let Some(config) = config {
        let in_force = InForce {
            chains: Arc::clone(&chains),
            tenants: Arc::clone(&parts.tenants),
            policy: Arc::clone(&parts.policy),
            lifecycle: Arc::clone(&parts.lifecycle),
        };
        let (settings, books) = (context.settings().clone(), Arc::clone(&reloads));
        let reloader = Reloader::new(config.to_owned(), settings, in_force, sandbox, books, away);
        context.spawn(reloader.run(requests));
    }
    context.block_on(serve(&context, roles, lock, parts, chains, reloads))
}

async fn serve(
    context: &Context,
    roles: &[Role],
    mut lock: DataLock,
    parts: Parts,
    chains: Arc<Chains>,
    reloads: Arc<Reloads>,
) -> Result<Exit, CliError> {
    let settings = context.settings();
    let has = |role| roles.contains(&role);
    let (draining_sender, draining) = watch::channel(false);
    let (closed_sender, closed) = watch::channel(false);
    let stop_requested = Arc::new(Notify::new());

    let (the_loop, handle) = if has(Role::Ingest) {
        let jobs = build::job_context(settings, &parts, Arc::clone(&chains));
        let (the_loop, handle) = Loop::new(parts.limits, &parts.stores, jobs, context.clock());
        (Some(tokio::spawn(the_loop.run())), Some(handle))
    } else {
        (None, None)
    };
    let source = Arc::clone(&parts.stores.source);
    let lifecycle = Arc::clone(&parts.lifecycle);
    let app = Arc::new(App {
        stores: parts.stores.clone(),
        tenants: Arc::clone(&parts.tenants),
        chains: Arc::clone(&chains),
        reloads,
        replays: build::replays(settings, &parts.stores.kept),
        handle: handle.clone(),
        metrics: Arc::clone(&parts.metrics),
        ops: Ops::new(parts.stores.clone(), lifecycle),
        intake: http::Intake::new(parts.intake_limits),
        tokens: tokens(settings.api.tokens_file.as_deref())?,
        allowed_origins: settings.api.allowed_origins.clone(),
        draining: draining.clone(),
        stop_requested: Arc::clone(&stop_requested),
    });
    let listener = http::bind(settings.api.listen).await.map_err(CliError::failed)?;
    let admin = http::bind(([127, 0, 0, 1], 0).into()).await.map_err(CliError::failed)?;
    let token = uuid::Uuid::new_v4().simple().to_string();
    lock.announce(&Owner {
        pid: std::process::id(),
        command: "run".to_owned(),
        admin: Some(AdminEndpoint { url: format!("http://{}", admin.local_addr()?), token: token.clone() }),
    })?;
    if let Some(short) = settings.short_days() {
        tracing::warn!("{short}");
    }
    tracing::info!("listening on http://{}", listener.local_addr()?);
    let servers = [
        tokio::spawn(http::serve(listener, Arc::clone(&app), has(Role::Http), closed.clone())),
        tokio::spawn(http::serve_admin(admin, app, token, closed)),
    ];
    let parts = Arc::new(parts);
    let mut tasks = vec![tokio::spawn(prune_log(Arc::clone(&parts)))];
    if has(Role::Ingest) {
        let ops = Ops::new(parts.stores.clone(), Arc::clone(&parts.lifecycle));
        tasks.push(tokio::spawn(feed_back_recovered(ops, chains)));
    }
    if has(Role::Lifecycle) {
        let (run_every, sweep_every) = (settings.replay.migration.interval, settings.erasure.sweep_interval);
        tasks.push(tokio::spawn(keep_house(parts, run_every, sweep_every)));
    }

    let ended =
        until_stopped(the_loop, handle, &stop_requested, &draining_sender, settings.limits.shutdown_deadline)
            .await;
    let _ = draining_sender.send(true);
    let _ = closed_sender.send(true);
    tasks.iter().for_each(JoinHandle::abort);
    source.close().await;
    for server in servers {
        // Open connections may idle; what they had sent is answered.
        let _ = tokio::time::timeout(Duration::from_secs(1), server).await;
    }
    // Until the very end: what still hangs in a store must not meet the next owner.
    std::mem::forget(lock);
    last_words(ended?)
}

/// Waits for a signal (or a request), drains, and waits for the loop's end. A second signal ends it at
/// once: what is not committed is delivered again.
async fn until_stopped(
    the_loop: Option<JoinHandle<replay_ports::Result<Ended>>>,
    handle: Option<Handle>,
    stop_requested: &Notify,
    draining: &watch::Sender<bool>,
    deadline: Duration,
) -> Result<Option<Ended>, CliError> {
    let mut signals = Signals::new()?;
    let Some(mut the_loop) = the_loop else {
        tokio::select! {
            () = signals.next() => {}
            () = stop_requested.notified() => {}
        }
        return Ok(None);
    };
    tokio::select! {
        ended = &mut the_loop => return joined(ended).map(Some),
        () = signals.next() => {}
        () = stop_requested.notified() => {}
    }
    tracing::info!(deadline_s = deadline.as_secs(), "stopping: intake is closed, what is here is finished");
    let _ = draining.send(true);
    if let Some(handle) = &handle {
        handle.drain(deadline);
    }
    tokio::select! {
        ended = &mut the_loop => joined(ended).map(Some),
        () = signals.next() => {
            Err(CliError::new(Exit::Busy, "stopped at once; what was not committed is delivered again"))
        }
        // The pipeline keeps its deadline itself; this is for a loop that is stuck.
        () = tokio::time::sleep(deadline + Duration::from_secs(5)) => {
            Err(CliError::new(Exit::Busy, "the deadline passed; what was not committed is delivered again"))
        }
    }
}

fn joined(ended: Result<replay_ports::Result<Ended>, tokio::task::JoinError>) -> Result<Ended, CliError> {
    match ended {
        Ok(ended) => Ok(ended?),
        Err(error) => Err(CliError::failed(format!("the loop ended early: {error}"))),
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Ends, moves and sweeps at the configured pace. A run that panics is logged and followed by the next.
async fn keep_house(parts: Arc<Parts>, run_every: Duration, sweep_every: Duration) {
    let mut runs = tokio::time::interval(run_every);
    let mut sweeps = tokio::time::interval(sweep_every);
    for timer in [&mut runs, &mut sweeps] {
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    }
    // A run sweeps too, so the first sweep of its own comes later.
    sweeps.tick().await;
    loop {
        let lifecycle = Arc::clone(&parts.lifecycle);
        let work = tokio::select! {
            _ = runs.tick() => tokio::spawn(async move { lifecycle.run_and_log().await }),
            _ = sweeps.tick() => tokio::spawn(async move { lifecycle.sweep_and_log().await }),
        };
        if let Err(error) = work.await {
            tracing::error!(%error, "a lifecycle run ended early; the next one goes on");
        }
    }
}

/// What a breaker refused while it was open goes through the chain once it has closed.
async fn feed_back_recovered(ops: Ops, chains: Arc<Chains>) {
    // Breakers are closed at the start: what they refused before it may try again.
    let mut due = BTreeSet::from([None]);
    let mut pause = RECOVERY;
    loop {
        due.extend(chains.take_recovered().into_iter().map(Some));
        let mut failed = BTreeSet::new();
        for project_id in std::mem::take(&mut due) {
            let project = project_id.as_ref().map_or("all", ProjectId::as_str).to_owned();
            let filter = LetterFilter {
                reason: Some(Reason::PluginBreakerOpen),
                project_id: project_id.clone(),
                since_ms: None,
            };
            let request = FeedBack { letter: None, filter, limit: usize::MAX, dry_run: false, force: false };
            match ops.feed_back(&request).await {
                Ok(report) if report.fed_back + report.left == 0 => {}
                Ok(report) => tracing::info!(
                    project,
                    fed_back = report.fed_back,
                    left = report.left,
                    "a plugin works again: what its breaker had refused was fed back"
                ),
                Err(error) => {
                    tracing::warn!(
                        project, %error,
                        "cannot feed back what a breaker refused; it is tried again until it can be"
                    );
                    failed.insert(project_id);
                }
            }
        }
        // What was fed back before the error may be fed back again, so not every second.
        pause = if failed.is_empty() { RECOVERY } else { (2 * pause).min(LONGEST_RECOVERY) };
        due = failed;
        tokio::time::sleep(pause).await;
    }
}

/// Whoever owns the local log cuts it, whatever roles it has.
async fn prune_log(parts: Arc<Parts>) {
    let mut timer = tokio::time::interval(HOUSEKEEPING);
    loop {
        timer.tick().await;
        parts.prune_log().await;
    }
}

pub(super) fn tokens(file: Option<&Path>) -> Result<Tokens, CliError> {
    let Some(file) = file else { return Ok(Tokens::default()) };
    let text = std::fs::read_to_string(file).map_err(|error| {
        CliError::new(Exit::Config, format!("api.tokens_file: cannot read {}: {error}", file.display()))
    })?;
    let tokens = Tokens::parse(&text);
    if tokens.is_empty() {
        return Err(CliError::new(
            Exit::Config,
            format!("api.tokens_file: {} holds no token", file.display()),
        ));
    }
    Ok(tokens)
}

/// The last line says what became of everything.
fn last_words(ended: Option<Ended>) -> Result<Exit, CliError> {
    let Some(ended) = ended else { return Ok(Exit::Done) };
    let count = |wanted: fn(Ending) -> bool| -> u64 {
        let settled = &ended.status.counts.settled;
        settled.iter().filter(|(ending, _)| wanted(**ending)).map(|(_, count)| count).sum()
    };
    output::say(&format!(
        "stored {}, dead-lettered {}, skipped {}, dropped {}, left uncommitted {}",
        count(|ending| ending == Ending::Stored),
        count(|ending| matches!(ending, Ending::DeadLettered(_))),
        count(|ending| matches!(ending, Ending::Skipped(_))),
        count(|ending| ending == Ending::DroppedByPlugin),
        ended.unsettled,
    ))?;
    Ok(match ended.cause {
        StopCause::Drained => Exit::Done,
        StopCause::DeadlinePassed => Exit::Busy,
    })
}
