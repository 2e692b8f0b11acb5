//! The engine's settings: one set decides what compiled code looks like, and is the same in the service
//! and in the process that compiles; only where instances live differs.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use crate::functions::Functions;
use crate::limits::{Limits, Settings};

/// Core instances of a component: its module, those that the component tooling adds, and for Python each
/// of its libraries.
const CORE_INSTANCES: u32 = 64;
/// Memories of a component.
const MEMORIES: u32 = 2;
/// Tables of a component.
const TABLES: u32 = 8;
/// Elements of a table.
const TABLE_ELEMENTS: usize = 100_000;
/// Bytes of an instance's own tables at the host.
const INSTANCE_BYTES: usize = 1 << 20;

/// Bytes at a memory's beginning that are written over after a call, whatever was written there; what lies
/// beyond goes back to the kernel. Most calls touch no more, and to clear it is cheaper than to fault its
/// pages in again.
const KEPT_BYTES: usize = 1 << 20;

/// For the service: instances in a pool of `concurrency`, started copy-on-write.
pub(crate) fn pooled(settings: &Settings) -> wasmtime::Result<Engine> {
    let limits = &settings.limits;
    let instances = u32::try_from(settings.concurrency.max(1)).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(instances.saturating_mul(MEMORIES))
        .total_tables(instances.saturating_mul(TABLES))
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_core_instance_size(INSTANCE_BYTES)
        .max_component_instance_size(INSTANCE_BYTES)
        .max_memory_size(limits.memory_bytes.max(settings.script_limits.memory_bytes))
        .table_elements(TABLE_ELEMENTS)
        // No page of one tenant stays in a slot that another gets. All of what is kept is written, not only
        // what a scan finds (wasmtime#14357): the scan asks for pages that are present, and would pass over
        // one that is swapped out, or that the kernel is moving just then (compaction, NUMA balancing).
        .linear_memory_keep_resident(KEPT_BYTES)
        .table_keep_resident(0)
        .pagemap_scan(Enabled::No);
    let mut config = code_config(limits);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// For making a component ready: a few instances, one after another. What is among `functions` is not
/// compiled again.
pub(crate) fn on_demand(limits: &Limits, functions: &Arc<Functions>) -> wasmtime::Result<Engine> {
    let mut config = code_config(limits);
    config.enable_incremental_compilation(Arc::<Functions>::clone(functions))?;
    Engine::new(&config)
}

fn code_config(limits: &Limits) -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_bytes)
        .memory_init_cow(true)
        .cranelift_opt_level(OptLevel::Speed)
        // The same answer on every machine.
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false)
        // A trace would hold names that a guest chose.
        .wasm_backtrace_max_frames(None)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config
}

/// Feeds what the engine says of its compatibility into `digest`.
pub(crate) fn digest_compatibility(engine: &Engine, digest: &mut Sha256) {
    engine.precompile_compatibility_hash().hash(&mut DigestHasher(digest));
}

/// `Hash` writes bytes; all of them count, not the 64 bits at the end.
struct DigestHasher<'a>(&'a mut Sha256);

impl Hasher for DigestHasher<'_> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
