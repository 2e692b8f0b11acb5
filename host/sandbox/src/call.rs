//! One instance and the calls on it: its deadline is set before it starts, its memory is metered, and
//! whatever ends it has a type.

use std::sync::Arc;
use std::time::{Duration, Instant};

use replay_core::rrweb::Verdict;
use wasmtime::component::{ComponentExportIndex, Instance, InstancePre, Resource};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use crate::failure::{FailureKind, Usage};
use crate::limits::Limits;
use crate::source::ChunkSource;
use crate::state::{Shown, State, Stop};
use crate::ticker::ticks;
use crate::wit;

/// A compiled component, linked, with its two functions found.
#[derive(Clone)]
pub(crate) struct Linked {
    pre: InstancePre<State>,
    configure: ComponentExportIndex,
    process: ComponentExportIndex,
}

impl Linked {
    pub(crate) fn new(pre: InstancePre<State>) -> Option<Self> {
        let export = |name| pre.component().get_export_index(None, name);
        Some(Self { configure: export("configure")?, process: export("process")?, pre })
    }

    fn engine(&self) -> &Engine {
        self.pre.engine()
    }
}

/// What the guest answers in `process`.
type Processed = (Result<Vec<wit::Verdict>, String>,);

/// A running instance. Dropping it is the only cleanup there is, and is due after any failure.
pub(crate) struct Guest {
    pub(crate) store: Store<State>,
    pub(crate) instance: Instance,
    linked: Linked,
    started_cpu: Duration,
}

/// An instance that did not even start.
pub(crate) struct StartFailure {
    pub(crate) kind: FailureKind,
    pub(crate) usage: Usage,
}

impl Guest {
    /// Starts a fresh instance that may run for `time`.
    pub(crate) fn start(
        linked: &Linked,
        limits: &Limits,
        time: Duration,
        keep_log: bool,
    ) -> Result<Self, StartFailure> {
        let started_cpu = thread_cpu();
        let mut store = Store::new(linked.engine(), State::new(limits, keep_log));
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(limits.output_bytes);
        set_deadline(&mut store, time);
        match linked.pre.instantiate(&mut store) {
            Ok(instance) => Ok(Self { store, instance, linked: linked.clone(), started_cpu }),
            Err(error) => Err(StartFailure { kind: classify(&error), usage: usage(&store, started_cpu) }),
        }
    }

    /// Starts the time anew.
    pub(crate) fn allow(&mut self, time: Duration) {
        set_deadline(&mut self.store, time);
    }

    /// `configure`: what the guest says of itself, or what it says is wrong with its config.
    pub(crate) fn configure(
        &mut self,
        config_json: &str,
    ) -> Result<Result<wit::Manifest, String>, FailureKind> {
        type Configured = (Result<wit::Manifest, String>,);
        let configure = self
            .instance
            .get_typed_func::<(&str,), Configured>(&mut self.store, self.linked.configure)
            .map_err(|_| FailureKind::Invalid)?;
        let (said,) = configure.call(&mut self.store, (config_json,)).map_err(|error| classify(&error))?;
        Ok(said)
    }

    /// `process` on the chunks of `shown`: one verdict for each, or the guest's own error.
    pub(crate) fn process(&mut self, shown: Shown) -> Result<Result<Vec<Verdict>, String>, FailureKind> {
        let count = shown.len();
        let chunks: Vec<Resource<wit::Chunk>> =
            (0..u32::try_from(count).unwrap_or(u32::MAX)).map(Resource::new_own).collect();
        self.store.data_mut().shown = Some(shown);
        let process = self
            .instance
            .get_typed_func::<(&[Resource<wit::Chunk>],), Processed>(&mut self.store, self.linked.process)
            .map_err(|_| FailureKind::Invalid)?;
        let (said,) = process.call(&mut self.store, (&chunks,)).map_err(|error| classify(&error))?;
        let verdicts = match said {
            Ok(verdicts) => verdicts,
            Err(code) => return Ok(Err(code)),
        };
        if verdicts.len() != count {
            return Err(FailureKind::Invalid);
        }
        Ok(Ok(verdicts.into_iter().map(Into::into).collect()))
    }

    /// The chunk that it asked about last.
    pub(crate) fn last_chunk(&self) -> Option<usize> {
        self.store.data().shown.as_ref().and_then(Shown::last)
    }

    pub(crate) fn usage(&self) -> Usage {
        usage(&self.store, self.started_cpu)
    }
}

/// Whether `process` has the type that the interface gives it, and `configure`.
pub(crate) fn has_the_right_types(guest: &mut Guest) -> bool {
    let (configure, process) = (guest.linked.configure, guest.linked.process);
    guest
        .instance
        .get_typed_func::<(&str,), (Result<wit::Manifest, String>,)>(&mut guest.store, configure)
        .is_ok()
        && guest
            .instance
            .get_typed_func::<(&[Resource<wit::Chunk>],), Processed>(&mut guest.store, process)
            .is_ok()
}

/// What a call shows of `source`.
pub(crate) fn show(
    source: Arc<dyn ChunkSource>,
    manifest: &crate::manifest::Manifest,
    limits: &Limits,
) -> Shown {
    Shown::new(source, manifest, limits)
}

fn set_deadline(store: &mut Store<State>, time: Duration) {
    let (started, started_cpu) = (Instant::now(), thread_cpu());
    let mut deadline = Deadline { time, at: time };
    store.set_epoch_deadline(ticks(time));
    store.epoch_deadline_callback(move |_| {
        let left = deadline.left(started.elapsed(), || thread_cpu().saturating_sub(started_cpu));
        left.map(|left| UpdateDeadline::Continue(ticks(left))).ok_or_else(|| wasmtime::Error::new(Stop::Time))
    });
}

/// So many times its time a guest may take on the wall clock, if the machine keeps it waiting.
const LONGEST_WAIT: u32 = 4;

/// When a guest must have ended, on the wall clock since it started.
struct Deadline {
    time: Duration,
    at: Duration,
}

impl Deadline {
    /// Time that is left. What a guest could not use, since the machine kept it waiting, it is given
    /// again, unless that is a small part: a batch is no failure of its plugin's when others are busy.
    fn left(&mut self, elapsed: Duration, cpu: impl FnOnce() -> Duration) -> Option<Duration> {
        if elapsed >= self.at {
            let unused = self.time.saturating_sub(cpu());
            let last = self.time.saturating_mul(LONGEST_WAIT);
            if unused < self.time / 4 || elapsed >= last {
                return None;
            }
            self.at = elapsed.saturating_add(unused).min(last);
        }
        Some(self.at - elapsed)
    }
}

fn usage(store: &Store<State>, started_cpu: Duration) -> Usage {
    let state = store.data();
    Usage {
        cpu: thread_cpu().saturating_sub(started_cpu),
        memory_bytes: state.meter.used_bytes,
        log_lines: state.log.counts,
    }
}

/// CPU time of this thread.
fn thread_cpu() -> Duration {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime)).unwrap_or_default()
}

/// What an error of the engine's means. Its text is not passed on: the guest may have written it.
fn classify(error: &wasmtime::Error) -> FailureKind {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stop.kind();
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return if *trap == Trap::StackOverflow {
            FailureKind::Stack
        } else if *trap == Trap::Interrupt {
            FailureKind::Timeout
        } else {
            FailureKind::Trap
        };
    }
    if error.is::<PoolConcurrencyLimitError>() {
        return FailureKind::Overloaded;
    }
    // The type is private to the engine; a test holds its words.
    if error.chain().any(|cause| cause.to_string().contains("fuel allocated for hostcalls")) {
        return FailureKind::Output;
    }
    FailureKind::Invalid
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_guest_that_waited_gets_the_time_that_it_could_not_use() {
        let deadline = || Deadline { time: ms(40), at: ms(40) };
        assert_eq!(deadline().left(ms(30), || ms(30)), Some(ms(10)));
        assert_eq!(deadline().left(ms(41), || ms(31)), None);
        let mut kept_waiting = deadline();
        assert_eq!(kept_waiting.left(ms(42), || ms(2)), Some(ms(38)));
        assert_eq!(kept_waiting.left(ms(70), || ms(2)), Some(ms(10)));
        assert_eq!(kept_waiting.left(ms(80), || ms(20)), Some(ms(20)));
        assert_eq!(kept_waiting.left(ms(100), || ms(35)), None);
    }

    #[test]
    fn no_guest_waits_for_ever() {
        let mut deadline = Deadline { time: ms(40), at: ms(40) };
        let mut now = 0;
        while let Some(left) = deadline.left(ms(now), || ms(0)) {
            assert!(left > ms(0));
            now += u64::try_from(left.as_millis()).unwrap();
        }
        assert_eq!(now, 160);
    }
}
