//! Makes a component ready: looked at, configured, tried out, warmed up, snapshotted, compiled. Runs in
//! a process of its own in the service, as it runs a stranger's code for seconds.

use std::cell::RefCell;
use std::sync::Arc;

use replay_core::rrweb::Verdict;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::call::{Guest, Linked, has_the_right_types, show};
use crate::checks::{Check, Passed};
use crate::failure::{FailureKind, LoadError, Stage};
use crate::functions::Functions;
use crate::inspect::inspect;
use crate::limits::{Class, Limits};
use crate::link;
use crate::manifest::Manifest;
use crate::snapshot::{Instrumented, instrument};
use crate::source::ChunkSource;
use crate::synthetic::Synthetic;
use crate::ticker::Ticker;
use crate::{engine, verify, wit};

/// Bytes kept of what `configure` says is wrong with a config.
const MAX_MESSAGE_BYTES: usize = 2048;

/// A plugin that is ready to be loaded.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Whether the code starts configured and warmed; if not, `configure` is called for each batch.
    pub snapshotted: bool,
    /// Machine code, for this engine on this machine only.
    pub code: Vec<u8>,
}

/// What is to be made ready.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    pub(crate) component: &'a [u8],
    pub(crate) class: Class,
    pub(crate) config_json: &'a str,
    pub(crate) limits: &'a Limits,
}

/// Makes a component ready in this process: for tools and tests, and for [`crate::compile_child`].
pub fn compile_in_process(
    component: &[u8],
    class: Class,
    config_json: &str,
    limits: &Limits,
) -> Result<Compiled, LoadError> {
    let order = Order { component, class, config_json, limits };
    compile_telling(order, &Arc::new(Functions::new(&[], limits)), &RefCell::default())
}

/// The same, with functions that were compiled before; writes down each check that is passed when it is.
pub(crate) fn compile_telling(
    order: Order<'_>,
    functions: &Arc<Functions>,
    passed: &RefCell<Vec<Passed>>,
) -> Result<Compiled, LoadError> {
    let Order { component, class, config_json, limits } = order;
    let inspection = inspect(component)?;
    inspection.check_class(class)?;
    let note = format!("gosight:replay {}, {} bytes", inspection.interface, inspection.bytes);
    passed.borrow_mut().push(Passed { check: Check::Imports, note });
    let engine = engine::on_demand(limits, functions)
        .map_err(|_| Stage::Compile.refuse("the WebAssembly engine does not start on this machine"))?;
    let ticker = Ticker::start(&engine)
        .map_err(|_| Stage::Compile.refuse("the thread that watches the plugin's time cannot be started"))?;
    let _time_passes = ticker.run();
    Bench { engine, class, config_json, limits, passed }.prepare(component)
}

/// Where one component is made ready.
struct Bench<'a> {
    engine: Engine,
    class: Class,
    config_json: &'a str,
    limits: &'a Limits,
    passed: &'a RefCell<Vec<Passed>>,
}

/// A linked component and whether its instances must be configured first.
struct Candidate {
    linked: Linked,
    component: Component,
    snapshotted: bool,
}

impl Bench<'_> {
    fn prepare(&self, component: &[u8]) -> Result<Compiled, LoadError> {
        let Some((instrumented, linked)) = self.instrumented(component) else {
            let plain = self.candidate(component, false)?;
            self.pass(Check::Compiles, String::new());
            let (manifest, unwarmed) = self.try_out(&plain.linked)?;
            self.try_again(&plain.linked, &manifest, &unwarmed)?;
            return self.finish(plain, manifest, &unwarmed);
        };
        self.pass(Check::Compiles, String::new());
        let (manifest, unwarmed) = self.try_out(&linked)?;
        self.try_again(&linked, &manifest, &unwarmed)?;
        let candidate = match self.snapshot(&instrumented, &linked, &manifest)? {
            Some(snapshot) => self.candidate(&snapshot, true)?,
            None => self.candidate(component, false)?,
        };
        self.finish(candidate, manifest, &unwarmed)
    }

    /// As it lets its memory be read out, if a snapshot may be taken of it.
    fn instrumented<'c>(&self, component: &'c [u8]) -> Option<(Instrumented<'c>, Linked)> {
        if self.class == Class::Script {
            return None;
        }
        let instrumented = instrument(component)?;
        let linked = self.link(&Component::new(&self.engine, &instrumented.component).ok()?).ok()?;
        Some((instrumented, linked))
    }

    fn candidate(&self, component: &[u8], snapshotted: bool) -> Result<Candidate, LoadError> {
        let component = Component::new(&self.engine, component).map_err(|_| {
            Stage::Compile.refuse(format!(
                "it uses WebAssembly that is not supported, or takes more than {} MiB of memory to compile",
                self.limits.compile_memory_bytes >> 20
            ))
        })?;
        Ok(Candidate { linked: self.link(&component)?, component, snapshotted })
    }

    fn link(&self, component: &Component) -> Result<Linked, LoadError> {
        let wrong = || {
            Stage::Interface.refuse(
                "its imports or exports have other types than the interface gives them; build it with the \
                 interface of this service",
            )
        };
        let linker = link::linker(&self.engine)
            .map_err(|_| Stage::Compile.refuse("the WebAssembly engine does not link"))?;
        Linked::new(linker.instantiate_pre(component).map_err(|_| wrong())?).ok_or_else(wrong)
    }

    /// What a configured instance says of itself, and what it answers before it has seen anything.
    fn try_out(&self, linked: &Linked) -> Result<(Manifest, Vec<Verdict>), LoadError> {
        let (mut guest, said) = self.said(linked)?;
        self.pass(Check::Configures, self.used(&guest));
        let manifest = Manifest::check(said)?;
        self.pass(Check::Manifest, format!("{} {}", manifest.name, manifest.version));
        let answer = self.answer(&mut guest, &manifest, &trial())?;
        self.pass(Check::Answers, self.used(&guest));
        verify::check(&*trial(), &manifest, &answer)
            .map_err(|fault| Stage::Conformance.refuse(format!("its answer to made-up chunks: {fault}")))?;
        self.pass(Check::Edits, said_to(&answer));
        Ok((manifest, answer))
    }

    /// A second fresh instance is configured and answers as the first.
    fn try_again(&self, linked: &Linked, manifest: &Manifest, answer: &[Verdict]) -> Result<(), LoadError> {
        let (mut guest, again) = self.configured(linked)?;
        if again != *manifest {
            return Err(Stage::Configure.refuse(
                "configured twice with one config, it says different things of itself; the manifest must follow \
                 from the config alone",
            ));
        }
        self.pass(Check::ConfiguresAlike, String::new());
        if self.answer(&mut guest, manifest, &trial())? != answer {
            return Err(Stage::Conformance.refuse(
                "two fresh instances answer the same chunks differently; the answer must follow from config and \
                 chunks alone",
            ));
        }
        self.pass(Check::AnswersAlike, String::new());
        Ok(())
    }

    fn pass(&self, check: Check, note: String) {
        self.passed.borrow_mut().push(Passed { check, note });
    }

    /// What an instance has used so far, beside what it may use.
    fn used(&self, guest: &Guest) -> String {
        let used = guest.usage();
        format!(
            "{:.1} ms so far, {} KiB of {} MiB memory",
            used.cpu.as_secs_f64() * 1e3,
            used.memory_bytes >> 10,
            self.limits.memory_bytes >> 20
        )
    }

    fn configured(&self, linked: &Linked) -> Result<(Guest, Manifest), LoadError> {
        let (guest, said) = self.said(linked)?;
        Ok((guest, Manifest::check(said)?))
    }

    /// A configured instance, and what it says of itself as it says it.
    fn said(&self, linked: &Linked) -> Result<(Guest, wit::Manifest), LoadError> {
        let failed = |kind: FailureKind| Stage::Configure.refuse(self.explain(&kind));
        let mut guest = Guest::start(linked, self.limits, self.limits.configure_time, false)
            .map_err(|failure| failed(failure.kind))?;
        if !has_the_right_types(&mut guest) {
            return Err(Stage::Interface.refuse(
                "`configure` or `process` has another type than the interface gives it; build it with the \
                 interface of this service",
            ));
        }
        let said = guest.configure(self.config_json).map_err(failed)?;
        let said = said.map_err(|message| Stage::Configure.refuse(printable(&message)))?;
        Ok((guest, said))
    }

    /// The memory of a configured and warmed instance, if it can be taken.
    fn snapshot(
        &self,
        instrumented: &Instrumented<'_>,
        linked: &Linked,
        manifest: &Manifest,
    ) -> Result<Option<Vec<u8>>, LoadError> {
        let (mut guest, _) = self.configured(linked)?;
        self.answer(
            &mut guest,
            manifest,
            &(Arc::new(Synthetic::warm_up(manifest.kinds)) as Arc<dyn ChunkSource>),
        )?;
        Ok(instrumented.snapshot(guest))
    }

    /// Fresh instances of what will run must answer, twice, as one did that was not warmed up.
    fn finish(
        &self,
        candidate: Candidate,
        manifest: Manifest,
        unwarmed: &[Verdict],
    ) -> Result<Compiled, LoadError> {
        for _ in 0..2 {
            let mut guest = if candidate.snapshotted {
                Guest::start(&candidate.linked, self.limits, self.limits.configure_time, false)
                    .map_err(|failure| Stage::Conformance.refuse(self.explain(&failure.kind)))?
            } else {
                self.configured(&candidate.linked)?.0
            };
            if self.answer(&mut guest, &manifest, &trial())? != unwarmed {
                return Err(Stage::Conformance.refuse(
                    "it answers differently once it has seen other chunks; `process` must not depend on \
                     earlier calls",
                ));
            }
        }
        let note = if candidate.snapshotted {
            "starts configured and warmed up"
        } else {
            "its memory cannot be taken: it is configured anew for each batch, which takes longer"
        };
        self.pass(Check::WarmedAlike, note.to_owned());
        let code = candidate
            .component
            .serialize()
            .map_err(|_| Stage::Compile.refuse("the compiled component cannot be written out"))?;
        Ok(Compiled { manifest, snapshotted: candidate.snapshotted, code })
    }

    fn answer(
        &self,
        guest: &mut Guest,
        manifest: &Manifest,
        source: &Arc<dyn ChunkSource>,
    ) -> Result<Vec<Verdict>, LoadError> {
        guest.allow(self.limits.configure_time);
        let failed = |kind: FailureKind| Stage::Conformance.refuse(self.explain(&kind));
        let said = guest.process(show(Arc::clone(source), manifest, self.limits)).map_err(failed)?;
        said.map_err(|code| {
            let code = manifest.error_code(&code);
            Stage::Conformance.refuse(format!("it answers made-up chunks with the error `{code}`"))
        })
    }

    fn explain(&self, kind: &FailureKind) -> String {
        let limits = self.limits;
        match kind {
            FailureKind::Timeout => format!("it took longer than {:?}", limits.configure_time),
            FailureKind::Memory => format!("it wanted more than {} MiB of memory", limits.memory_bytes >> 20),
            FailureKind::Output => "it answered, or asked for, more than is allowed".to_owned(),
            FailureKind::Stack => {
                format!("its calls nest deeper than {} KiB of stack", limits.stack_bytes >> 10)
            }
            FailureKind::Trap => "it panicked, or did what WebAssembly forbids".to_owned(),
            FailureKind::Invalid => "its answer does not fit the interface".to_owned(),
            FailureKind::Error { .. }
            | FailureKind::Load
            | FailureKind::Overloaded
            | FailureKind::BreakerOpen => kind.as_str().to_owned(),
        }
    }
}

fn trial() -> Arc<dyn ChunkSource> {
    Arc::new(Synthetic::trial())
}

/// What an answer does, counted.
fn said_to(answer: &[Verdict]) -> String {
    let (mut edits, mut removed, mut dropped, mut replaced) = (0, 0, 0, 0);
    for verdict in answer {
        match verdict {
            Verdict::Keep => {}
            Verdict::Drop(_) => dropped += 1,
            Verdict::Replace(_) => replaced += 1,
            Verdict::Change(changes) => {
                edits += changes.edits.len();
                removed += changes.remove_events.len();
            }
        }
    }
    let counted =
        [(edits, "edits"), (removed, "events removed"), (dropped, "dropped"), (replaced, "replaced")];
    let told: Vec<String> = counted
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!(
        "{} made-up chunks: {}",
        answer.len(),
        if told.is_empty() { "kept".to_owned() } else { told.join(", ") }
    )
}

/// A guest's message to the operator: bounded, and nothing that a terminal would act on.
fn printable(message: &str) -> String {
    let message = &message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)];
    message.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests;
