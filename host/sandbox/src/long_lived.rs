//! One instance for many calls, to compare with.

use std::sync::Arc;

use replay_core::rrweb::Verdict;

use crate::call::{Guest, show};
use crate::loaded::Program;
use crate::sandbox::Plugin;
use crate::source::ChunkSource;

/// One instance for many calls: what a fresh one for each is compared with, and nothing else. It breaks
/// the rule that nothing of a batch is there for the next.
pub struct LongLived {
    plugin: Plugin,
    program: Arc<Program>,
    guest: Guest,
}

impl LongLived {
    /// `None` if the plugin cannot be started.
    pub fn new(plugin: &Plugin) -> Option<Self> {
        let (program, limits) = (plugin.program()?, plugin.limits());
        let mut guest = Guest::start(&program.linked, limits, limits.configure_time, false).ok()?;
        plugin.configure_if_needed(&program, &mut guest, limits.configure_time).ok()?;
        Some(Self { plugin: plugin.clone(), program, guest })
    }

    /// As [`Plugin::process_chunks`]; `None` if it failed.
    pub fn process_chunks(&mut self, chunks: &Arc<dyn ChunkSource>) -> Option<Vec<Verdict>> {
        let limits = self.plugin.limits();
        let _time_passes = self.plugin.time_passes();
        self.guest.allow(limits.process_time(chunks.text_bytes()));
        self.guest.process(show(Arc::clone(chunks), &self.program.manifest, limits)).ok()?.ok()
    }
}
