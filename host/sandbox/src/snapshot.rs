//! An instance's memory as a component of its own, so that a configured and warmed plugin starts as one.
//!
//! The snapshotter refuses some components and panics on others (a memory that cannot grow, for one):
//! both end here as `None`, and such a plugin is configured anew for each batch.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use wasmtime::component::{Lift, WasmList};
use wasmtime_wizer::{ComponentContext, ComponentInstanceState, Wizer};

use crate::call::Guest;

/// Time for reading an instance's memory out: the guest's own code does not run.
const READ_TIME: Duration = Duration::from_secs(10);

/// A component that also lets its memory be read out.
pub(crate) struct Instrumented<'a> {
    wizer: Wizer,
    context: ComponentContext<'a>,
    /// The component to run.
    pub(crate) component: Vec<u8>,
}

/// Always of the original: a snapshot of a snapshot is not one.
pub(crate) fn instrument(component: &[u8]) -> Option<Instrumented<'_>> {
    let mut wizer = Wizer::new();
    // Without `keep` the result is not valid, and no error says so.
    wizer.init_func("configure").keep_init_func(true);
    let instrumented = catch_unwind(AssertUnwindSafe(|| wizer.instrument_component(component)));
    let (context, component) = instrumented.ok()?.ok()?;
    Some(Instrumented { wizer, context, component })
}

impl Instrumented<'_> {
    /// What `guest`, an instance of [`Self::component`], has in memory, as a component. The guest is
    /// of no use afterwards.
    pub(crate) fn snapshot(&self, mut guest: Guest) -> Option<Vec<u8>> {
        guest.allow(READ_TIME);
        guest.store.set_hostcall_fuel(usize::MAX);
        // Reading grows each memory by a page of its own.
        guest.store.data_mut().meter.max_bytes = usize::MAX;
        let taken = catch_unwind(AssertUnwindSafe(|| {
            at_once(self.wizer.snapshot_component(&self.context, &mut Reader(&mut guest)))
        }));
        taken.ok()??.ok()
    }
}

/// Runs what never waits.
fn at_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

struct Reader<'a>(&'a mut Guest);

impl Reader<'_> {
    /// The snapshotter takes no errors: they unwind to [`Instrumented::snapshot`], without a message.
    fn read<T: Lift + 'static>(&mut self, instance: &str, function: &str) -> T {
        self.try_read(instance, function).unwrap_or_else(|| resume_unwind(Box::new("not readable")))
    }

    fn try_read<T: Lift + 'static>(&mut self, instance: &str, function: &str) -> Option<T> {
        let guest = &mut *self.0;
        let (_, instance) = guest.instance.get_export(&mut guest.store, None, instance)?;
        let (_, function) = guest.instance.get_export(&mut guest.store, Some(&instance), function)?;
        let function = guest.instance.get_typed_func::<(), (T,)>(&mut guest.store, function).ok()?;
        function.call(&mut guest.store, ()).ok().map(|(value,)| value)
    }
}

impl ComponentInstanceState for Reader<'_> {
    async fn call_func_ret_list_u8(
        &mut self,
        instance: &str,
        func: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        let memory: WasmList<u8> = self.read(instance, func);
        contents(memory.as_le_slice(&self.0.store));
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.read(instance, func)
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.read(instance, func)
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.read::<f32>(instance, func).to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.read::<f64>(instance, func).to_bits()
    }
}
