//! The writer: the one connection that writes, on a thread of its own.
//!
//! Jobs come through a bounded queue and run in order. Jobs that are waiting together share one
//! transaction, hence one `fsync`; each runs in a savepoint, so that one that fails takes no other
//! with it, and each is answered after the commit. When the queue is empty, deleted rows are overwritten
//! and free pages are given back to the file system, a step at a time.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use replay_ports::{PortError, Result};
use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::failure::{Failure, SqlResult};

/// Jobs in one transaction at most.
const GROUP_JOBS: usize = 64;
/// Bytes in one transaction at most, unless a single job has more.
const GROUP_BYTES: usize = 32 << 20;
/// How long the queue must be empty before the writer tidies up.
const IDLE: Duration = Duration::from_millis(200);
/// Free pages given back in one step: 8 MiB.
const GIVE_BACK_PAGES: i64 = 2048;

/// The handle. Dropping it ends the thread after the jobs that are queued.
pub(super) struct Writer {
    queue: Option<Sender<Command>>,
    slots: Arc<Semaphore>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
}

/// A step of the database's own work, in a transaction; whether there is more to do.
type Idle = fn(&Connection) -> SqlResult<bool>;

enum Command {
    /// Runs in a transaction that others may share.
    Grouped(Box<dyn Job>),
    /// Runs outside any transaction.
    Alone(Box<dyn FnOnce(&Connection) + Send>),
}

impl Writer {
    /// Starts the thread on its connection.
    pub(super) fn start(conn: Connection, path: PathBuf, queued: usize, idle: Option<Idle>) -> Result<Self> {
        let (queue, jobs) = mpsc::channel();
        let label = path.clone();
        let thread = thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || run(&conn, &jobs, &label, idle))
            .map_err(|error| PortError::unavailable(format!("cannot start a thread: {error}")))?;
        let slots = Arc::new(Semaphore::new(queued.max(1)));
        Ok(Self { queue: Some(queue), slots, thread: Some(thread), path })
    }

    /// Runs `work` in a transaction and answers once that is on the disk. `bytes` is about what it
    /// writes. A dropped call is carried out all the same.
    pub(super) async fn grouped<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> Result<T> {
        let slot = self.slot().await?;
        let (answer, answered) = oneshot::channel();
        let reply = move |result| drop(answer.send(result));
        self.send(Command::Grouped(Box::new(Work::new(&self.path, bytes, Some(slot), work, reply))))?;
        answered.await.unwrap_or_else(|_| Err(self.gone()))
    }

    /// The same for callers outside async code. It takes no slot of the queue: each of its callers
    /// waits, so that there are never more jobs than threads.
    pub(super) fn grouped_blocking<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = mpsc::sync_channel(1);
        let reply = move |result| drop(answer.send(result));
        self.send(Command::Grouped(Box::new(Work::new(&self.path, bytes, None, work, reply))))?;
        answered.recv().unwrap_or_else(|_| Err(self.gone()))
    }

    /// Runs `work` outside any transaction, after every job before it.
    pub(super) async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> SqlResult<T> + Send + 'static,
    ) -> Result<T> {
        let slot = self.slot().await?;
        let (answer, answered) = oneshot::channel();
        let path = self.path.clone();
        self.send(Command::Alone(Box::new(move |conn| {
            drop(answer.send(work(conn).map_err(|failure| failure.into_port(&path))));
            drop(slot);
        })))?;
        answered.await.unwrap_or_else(|_| Err(self.gone()))
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.map_err(|_| self.gone())
    }

    fn send(&self, command: Command) -> Result<()> {
        let queue = self.queue.as_ref().ok_or_else(|| self.gone())?;
        queue.send(command).map_err(|_| self.gone())
    }

    fn gone(&self) -> PortError {
        PortError::refused(format!(
            "the writer of {} has stopped; restart the service and report the panic in its log",
            self.path.display()
        ))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A panic of that thread was logged by the panic hook.
            drop(thread.join());
        }
    }
}

/// A job in a shared transaction.
trait Job: Send {
    fn bytes(&self) -> usize;
    /// Does the work. On `false` its changes are undone; what went wrong is kept for the answer.
    fn run(&mut self, conn: &Connection) -> bool;
    /// Answers the caller, after the commit.
    fn answer(self: Box<Self>, committed: &Result<()>);
}

struct Work<T, F, R> {
    path: PathBuf,
    bytes: usize,
    _slot: Option<OwnedSemaphorePermit>,
    work: Option<F>,
    reply: R,
    done: Option<Result<T>>,
}

impl<T, F, R> Work<T, F, R> {
    fn new(
        path: &std::path::Path,
        bytes: usize,
        slot: Option<OwnedSemaphorePermit>,
        work: F,
        reply: R,
    ) -> Self {
        Self { path: path.to_owned(), bytes, _slot: slot, work: Some(work), reply, done: None }
    }
}

impl<T, F, R> Job for Work<T, F, R>
where
    T: Send,
    F: FnOnce(&Connection) -> SqlResult<T> + Send,
    R: FnOnce(Result<T>) + Send,
{
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn run(&mut self, conn: &Connection) -> bool {
        let Some(work) = self.work.take() else { return false };
        let done = work(conn).map_err(|failure| failure.into_port(&self.path));
        let went_well = done.is_ok();
        self.done = Some(done);
        went_well
    }

    fn answer(self: Box<Self>, committed: &Result<()>) {
        let result = match (committed, self.done) {
            // What failed on its own says so, whatever became of the others.
            (_, Some(Err(error))) => Err(error),
            (Err(error), _) => Err(error.clone()),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Ok(()), None) => Err(PortError::unavailable("the write was not carried out; it is repeated")),
        };
        (self.reply)(result);
    }
}

fn run(conn: &Connection, jobs: &Receiver<Command>, path: &std::path::Path, idle: Option<Idle>) {
    let mut held_back = None;
    let mut may_tidy = true;
    loop {
        let next = match held_back.take() {
            Some(command) => Ok(command),
            None if may_tidy => jobs.recv_timeout(IDLE),
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(Command::Alone(work)) => work(conn),
            Ok(Command::Grouped(job)) => {
                let (group, other) = gather(job, jobs);
                held_back = other;
                commit(conn, group, path);
            }
            Err(RecvTimeoutError::Timeout) => {
                may_tidy = tidy(conn, idle).unwrap_or_else(|failure| {
                    let error = failure.into_port(path);
                    tracing::debug!(path = %path.display(), %error, "deleted rows wait, or free pages");
                    false
                });
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
        may_tidy = true;
    }
}

/// The jobs that wait behind `first`, as far as they may share its transaction, and the command
/// that may not.
fn gather(first: Box<dyn Job>, jobs: &Receiver<Command>) -> (Vec<Box<dyn Job>>, Option<Command>) {
    let mut bytes = first.bytes();
    let mut group = vec![first];
    while group.len() < GROUP_JOBS && bytes < GROUP_BYTES {
        match jobs.try_recv() {
            Ok(Command::Grouped(job)) if bytes + job.bytes() <= GROUP_BYTES => {
                bytes += job.bytes();
                group.push(job);
            }
            Ok(other) => return (group, Some(other)),
            Err(_) => break,
        }
    }
    (group, None)
}

fn commit(conn: &Connection, mut group: Vec<Box<dyn Job>>, path: &std::path::Path) {
    let mut transact = || -> SqlResult<()> {
        conn.execute_batch("BEGIN IMMEDIATE")?;
        for job in &mut group {
            conn.execute_batch("SAVEPOINT job")?;
            if !job.run(conn) {
                if conn.is_autocommit() {
                    // A full disk or a failed write can end the whole transaction.
                    return Err(PortError::unavailable(format!(
                        "a write to {} that shared the transaction failed; it is repeated",
                        path.display()
                    ))
                    .into());
                }
                conn.execute_batch("ROLLBACK TO job")?;
            }
            conn.execute_batch("RELEASE job")?;
        }
        conn.execute_batch("COMMIT")?;
        Ok(())
    };
    let committed = transact().map_err(|failure: Failure| failure.into_port(path));
    if committed.is_err() && !conn.is_autocommit() {
        drop(conn.execute_batch("ROLLBACK"));
    }
    for job in group {
        job.answer(&committed);
    }
}

/// Gives a step's worth of free pages back to the file system. Whether there is more to do.
pub(super) fn give_back(conn: &Connection) -> rusqlite::Result<bool> {
    let free: i64 = conn.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    if free == 0 {
        return Ok(false);
    }
    let mut step = conn.prepare(&format!("PRAGMA incremental_vacuum({GIVE_BACK_PAGES})"))?;
    let mut rows = step.query([])?;
    // Every row stepped is one page; stopping early would give back a single one.
    while rows.next()?.is_some() {}
    Ok(free > GIVE_BACK_PAGES)
}

/// What is done when nobody asks for anything.
fn tidy(conn: &Connection, idle: Option<Idle>) -> SqlResult<bool> {
    if let Some(idle) = idle {
        let step = conn.unchecked_transaction()?;
        let more = idle(&step)?;
        step.commit()?;
        if more {
            return Ok(true);
        }
    }
    let free: i64 = conn.pragma_query_value(None, "freelist_count", |row| row.get(0))?;
    let more = give_back(conn)?;
    if free > 0 && !more {
        // The file itself shrinks when the log is copied into it.
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    }
    Ok(more)
}
