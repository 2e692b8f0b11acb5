//! Makes a component ready: looked at, configured, tried out, warmed up, snapshotted, compiled. Runs in
//! a process of its own in the service, as it runs a stranger's code for seconds.

use std::sync::Arc;

use replay_core::rrweb::Verdict;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::call::{Guest, Linked, has_the_right_types, show};
use crate::failure::{FailureKind, LoadError, Stage};
use crate::inspect::inspect;
use crate::limits::Limits;
use crate::link;
use crate::manifest::Manifest;
use crate::snapshot::{Instrumented, instrument};
use crate::source::ChunkSource;
use crate::synthetic::Synthetic;
use crate::ticker::Ticker;
use crate::{engine, verify};

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

/// Makes a component ready in this process: for tools and tests, and for [`crate::compile_child`].
pub fn compile_in_process(
    component: &[u8],
    config_json: &str,
    limits: &Limits,
) -> Result<Compiled, LoadError> {
    inspect(component)?;
    let engine = engine::on_demand(limits)
        .map_err(|_| Stage::Compile.refuse("the WebAssembly engine does not start on this machine"))?;
    let ticker = Ticker::start(&engine)
        .map_err(|_| Stage::Compile.refuse("the thread that watches the plugin's time cannot be started"))?;
    let _time_passes = ticker.run();
    Bench { engine, config_json, limits }.prepare(component)
}

/// Where one component is made ready.
struct Bench<'a> {
    engine: Engine,
    config_json: &'a str,
    limits: &'a Limits,
}

/// A linked component and whether its instances must be configured first.
struct Candidate {
    linked: Linked,
    component: Component,
    snapshotted: bool,
}

impl Bench<'_> {
    fn prepare(&self, component: &[u8]) -> Result<Compiled, LoadError> {
        let instrumented = instrument(component).and_then(|instrumented| {
            let linked = self.link(&Component::new(&self.engine, &instrumented.component).ok()?).ok()?;
            Some((instrumented, linked))
        });
        let Some((instrumented, linked)) = instrumented else {
            let plain = self.candidate(component, false)?;
            let (manifest, unwarmed) = self.try_out(&plain.linked)?;
            return self.finish(plain, manifest, &unwarmed);
        };
        let (manifest, unwarmed) = self.try_out(&linked)?;
        let candidate = match self.snapshot(&instrumented, &linked, &manifest)? {
            Some(snapshot) => self.candidate(&snapshot, true)?,
            None => self.candidate(component, false)?,
        };
        self.finish(candidate, manifest, &unwarmed)
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
        let (mut guest, manifest) = self.configured(linked)?;
        let answer = self.answer(&mut guest, &manifest, &trial())?;
        verify::check(&*trial(), &manifest, &answer)
            .map_err(|fault| Stage::Conformance.refuse(format!("its answer to made-up chunks: {fault}")))?;
        Ok((manifest, answer))
    }

    fn configured(&self, linked: &Linked) -> Result<(Guest, Manifest), LoadError> {
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
        Ok((guest, Manifest::check(said)?))
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

/// A guest's message to the operator: bounded, and nothing that a terminal would act on.
fn printable(message: &str) -> String {
    let message = &message[..message.floor_char_boundary(MAX_MESSAGE_BYTES)];
    message.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}
