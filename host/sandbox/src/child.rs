//! The process in which plugins are made ready, from both sides. A thread can be neither stopped nor
//! capped, and the snapshotter may panic; a process has limits of its own and can be killed.

use std::cell::RefCell;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::checks::Passed;
use crate::failure::{LoadError, Stage};
use crate::functions::Functions;
use crate::job::{self, Job, Reply};
use crate::limits::Limits;
use crate::prepare::{Compiled, Order, compile_telling};

/// The argument by which an executable becomes the child.
const COMMAND: &str = "compile-plugin";
/// Wall clock for each unit of CPU time: a busy machine is no fault of the plugin's.
const WALL_TIMES: u32 = 3;
/// Most files that the child has open: the three it was given, and a few of the runtime's.
const MAX_FILES: u64 = 32;

/// The body of the hidden command `compile-plugin`: a job on standard input, the result on standard
/// output. Limits its own process first, so it must be nothing else.
pub fn compile_child() -> ExitCode {
    let Ok((job, mut component)) = job::read::<Job>(std::io::stdin().lock()) else {
        return ExitCode::FAILURE;
    };
    let Job { component_bytes, config_json, class, limits } = job;
    let functions = component.split_off(component_bytes.min(component.len()));
    let passed = RefCell::default();
    let known = Arc::new(Functions::new(&functions, &limits));
    drop(functions);
    let result = match limit_this_process(&limits) {
        Ok(()) => {
            let order = Order { component: &component, class, config_json: &config_json, limits: &limits };
            let made = AssertUnwindSafe(|| compile_telling(order, &known, &passed));
            catch_unwind(made).unwrap_or_else(|_| Err(Stage::Compile.refuse(gave_up(&limits))))
        }
        Err(error) => Err(LoadError::Compiler(format!("limits cannot be set: {error}"))),
    };
    let (reply, code) = Reply::new(passed.into_inner(), result);
    match job::write(std::io::stdout().lock(), &reply, [&code, &known.to_bytes()]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Reserved addresses are not counted (an instance reserves 4 GiB of them), only memory that can be
/// written; the engine's images of memories count as files. No core is left: it would hold the tenant's
/// config.
fn limit_this_process(limits: &Limits) -> rustix::io::Result<()> {
    let cpu_seconds = limits.compile_time.as_secs() + u64::from(limits.compile_time.subsec_nanos() > 0);
    for (resource, limit) in [
        (Resource::Core, 0),
        (Resource::Fsize, limits.compile_memory_bytes),
        (Resource::Nofile, MAX_FILES),
        (Resource::Data, limits.compile_memory_bytes),
        (Resource::Cpu, cpu_seconds.max(1)),
    ] {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    Ok(())
}

/// What a process made.
pub(crate) struct Made {
    /// Not known of a process that did not answer.
    pub(crate) passed: Vec<Passed>,
    pub(crate) result: Result<Compiled, LoadError>,
    /// All functions that it compiled or was given; empty if it was given all.
    pub(crate) functions: Vec<u8>,
}

impl Made {
    fn nothing(error: LoadError) -> Self {
        Self { passed: Vec::new(), result: Err(error), functions: Vec::new() }
    }
}

/// Makes a component ready in a process of its own, `compiler`, and waits for it. `functions` are those
/// that one made before of the same component.
pub(crate) fn compile(compiler: &Path, order: Order<'_>, functions: Vec<u8>) -> Made {
    match answer_of(compiler, order, functions) {
        Ok((status, Some((mut reply, mut code)))) if status.success() => {
            let functions = code.split_off(reply.code_bytes.min(code.len()));
            let passed = std::mem::take(&mut reply.passed);
            Made { passed, result: reply.into_result(code), functions }
        }
        Ok((status, _)) => Made::nothing(Stage::Compile.refuse(explain(status, order.limits))),
        Err(error) => Made::nothing(error),
    }
}

/// A reply, and what follows it.
type Replied = (Reply, Vec<u8>);

/// How the process ended, and its reply if it gave one.
fn answer_of(
    compiler: &Path,
    order: Order<'_>,
    functions: Vec<u8>,
) -> Result<(ExitStatus, Option<Replied>), LoadError> {
    let mut child = Command::new(compiler)
        .arg(COMMAND)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map(Killed)
        .map_err(|error| LoadError::Compiler(format!("{} cannot be run: {error}", compiler.display())))?;
    let reply = converse(&mut child.0, order, functions);
    if reply.is_none() {
        // Too late, or it closed its end: in either case it has no more to say.
        let _ = child.0.kill();
    }
    let status = child.0.wait().map_err(|error| LoadError::Compiler(error.to_string()))?;
    Ok((status, reply.flatten()))
}

/// The child's reply; `Some(None)` if it ended without one, `None` if it did not end.
fn converse(child: &mut Child, order: Order<'_>, functions: Vec<u8>) -> Option<Option<Replied>> {
    let Order { component, class, config_json, limits } = order;
    let (mut stdin, stdout) = (child.stdin.take()?, child.stdout.take()?);
    let (component, config_json) = (component.to_vec(), config_json.to_owned());
    let job = Job { component_bytes: component.len(), config_json, class, limits: limits.clone() };
    let max_bytes = limits.compile_memory_bytes;
    let (sender, receiver) = mpsc::channel();
    // Both end when the child does.
    std::thread::Builder::new()
        .name("compile-write".to_owned())
        .spawn(move || {
            // A child that died reads no more: that shows at its other end.
            let _ = job::write(&mut stdin, &job, [&component, &functions]);
        })
        .ok()?;
    std::thread::Builder::new()
        .name("compile-read".to_owned())
        .spawn(move || {
            // Nobody waits any more once it is too late.
            let _ = sender.send(job::read::<Reply>(stdout.take(max_bytes)).ok());
        })
        .ok()?;
    receiver.recv_timeout(wall_time(limits)).ok()
}

fn wall_time(limits: &Limits) -> Duration {
    limits.compile_time.saturating_mul(WALL_TIMES)
}

fn explain(status: ExitStatus, limits: &Limits) -> String {
    const SIGKILL: i32 = 9;
    const SIGXCPU: i32 = 24;
    match status.signal() {
        Some(SIGKILL | SIGXCPU) => format!(
            "it takes more than {:?} of CPU time to make ready (or {:?} in all); make it smaller, or raise the \
             limit",
            limits.compile_time,
            wall_time(limits)
        ),
        Some(_) => gave_up(limits),
        None => "the compiler ended without a result; is it of the same version as this program?".to_owned(),
    }
}

/// Without memory the child panics or aborts, by where it happens.
fn gave_up(limits: &Limits) -> String {
    format!(
        "it takes more than {} MiB of memory to make ready, or crashes the compiler; make it smaller, or raise \
         the limit",
        limits.compile_memory_bytes >> 20
    )
}

/// A child does not outlive the call that started it.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
