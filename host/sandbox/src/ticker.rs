//! The clock that interrupts plugins: a thread of its own moves the engine's epoch on while any call
//! runs, and sleeps otherwise.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

/// How fine time limits are.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Ticks that cover `time`; one more, as the current tick has begun already.
pub(crate) fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(TICK.as_nanos())).unwrap_or(u64::MAX >> 1).saturating_add(1)
}

pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    running_calls: usize,
    stopped: bool,
}

impl Shared {
    /// The counters are whole after any panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the clock running.
pub(crate) struct Running<'a>(&'a Shared);

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (theirs, engine) = (Arc::clone(&shared), engine.weak());
        let thread = std::thread::Builder::new()
            .name("plugin-clock".to_owned())
            .spawn(move || tick(&theirs, &engine))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Time passes for plugins until the guard is dropped.
    pub(crate) fn run(&self) -> Running<'_> {
        self.shared.lock().running_calls += 1;
        self.shared.changed.notify_one();
        Running(&self.shared)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.lock().running_calls -= 1;
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // It ends within a tick, and cannot panic.
            let _ = thread.join();
        }
    }
}

fn tick(shared: &Shared, engine: &EngineWeak) {
    loop {
        let state = shared
            .changed
            .wait_while(shared.lock(), |state| state.running_calls == 0 && !state.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            return;
        }
        drop(state);
        std::thread::sleep(TICK);
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
    }
}
