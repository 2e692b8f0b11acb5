//! `bench --only tenants`: many tenants over many different components, busy by Zipf's law, through the
//! real pipeline and the real sandbox; then the same beside a tenant whose plugin spins for ever.
//!
//! The source is a list in memory and the stores take everything at once, so what is measured is decoding,
//! dispatch, plugins and compression.

mod components;
mod drive;
mod load;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use replay_core::identity::ProjectId;
use replay_sandbox::{Plugin, Sandbox};
use serde::Serialize;

use super::chains::{chain, stage};
use super::samples::Sample;
use crate::build;
use crate::chains::{Chain, ChainLimits, ChainSet, Chains};
use crate::cli::plugin::{TempDir, production_sandbox};
use crate::cli::{BenchArgs, CliError, output};
use crate::config::Settings;
use crate::observe::LetterLog;
use crate::run::JobContext;
use crate::swap::Swap;
use drive::{Driven, drive};
use load::Load;

/// The component whose variants the tenants run.
const COMPONENT: &str = "mask-pii";

/// The component that spins on the word of the same name.
const HOSTILE: &str = "spin";

/// One phase.
#[derive(Debug, Serialize)]
pub(super) struct Phase {
    phase: &'static str,
    /// Records of all but the hostile tenant that were stored.
    records: u64,
    records_per_s: f64,
    raw_mb_per_s: f64,
    /// Of their records, from the source to the store, milliseconds.
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// Batches of the hostile tenant that were given to a worker, and of how many.
    hostile_dispatches: u64,
    dispatches: u64,
    /// Of the workers' time.
    hostile_worker_share: f64,
    /// Its calls that ran until their time was up.
    hostile_timeouts: u64,
    /// The most anonymous memory of this process in the phase, MiB.
    anonymous_mib: u64,
    /// Compiled code that is mapped at its end, MiB.
    mapped_code_mib: u64,
}

/// Loads everything, and measures each phase for the time that the arguments say.
pub(super) fn measure(args: &BenchArgs, samples: &[Sample]) -> Result<Vec<Phase>, CliError> {
    let dir = TempDir::new()?;
    measure_in(dir.path(), args, samples)
}

fn measure_in(dir: &Path, args: &BenchArgs, samples: &[Sample]) -> Result<Vec<Phase>, CliError> {
    let (settings, sandbox) = production_sandbox(None, &dir.join("cache"))?;
    let before_mib = drive::anonymous_mib();
    let started = Instant::now();
    let workers = settings.limits.workers;
    let variants = components::load_variants(
        &sandbox,
        &args.plugins,
        COMPONENT,
        dir,
        args.components as usize,
        workers,
    )?;
    let hostile = components::load_hostile(&sandbox, &args.plugins, HOSTILE)?;
    output::complain(&format!(
        "{} components compiled in {:.1} s, {} MiB of code; {} tenants on {workers} workers; {before_mib} MiB \
         before, {} MiB now",
        variants.len(),
        started.elapsed().as_secs_f64(),
        components::compiled_bytes(&dir.join("cache")) >> 20,
        args.tenants,
        drive::anonymous_mib(),
    ));
    let tenants = Measured { args, settings: &settings, sandbox: &sandbox, variants, hostile };
    let limits = build::chain_limits(&settings);
    let unbroken = ChainLimits { breaker_failures: u32::MAX, ..limits };
    let mut phases = vec![tenants.phase("quiet", samples, limits, false)];
    if tenants.hostile.is_some() {
        phases.push(tenants.phase("beside a spinning plugin", samples, limits, true));
        phases.push(tenants.phase("and without its breaker", samples, unbroken, true));
    }
    Ok(phases)
}

struct Measured<'a> {
    args: &'a BenchArgs,
    settings: &'a Settings,
    sandbox: &'a Sandbox,
    variants: Vec<Plugin>,
    hostile: Option<Plugin>,
}

impl Measured<'_> {
    fn phase(&self, phase: &'static str, samples: &[Sample], limits: ChainLimits, hostile: bool) -> Phase {
        let context = JobContext {
            threads: self.settings.limits.workers,
            limits: build::decode_limits(self.settings),
            encoding: build::encoding(self.settings),
            tenants: Arc::new(Swap::new(self.settings.tenants.clone())),
            policy: Arc::new(Swap::new(build::retention_policy(self.settings))),
            chains: Arc::new(self.chains(limits)),
            edge_timeout: Duration::from_secs(60),
            max_letter_payload_bytes: 0,
            letter_log: Arc::new(LetterLog::default()),
        };
        let time = Duration::from_secs_f64(self.args.seconds.clamp(0.1, 600.0));
        let mut load = Load::new(samples, self.args.tenants as usize, hostile);
        let driven = drive(&context, build::limits(self.settings), &mut load, time);
        self.summary(phase, driven)
    }

    /// Tenant `t0` is the busiest; its neighbours run other components.
    fn chains(&self, limits: ChainLimits) -> Chains {
        let own = |tenant: usize| -> Option<(ProjectId, Arc<Chain>)> {
            let plugin = self.variants.get(tenant % self.variants.len().max(1))?;
            let stages = vec![stage(COMPONENT, Arc::new(plugin.clone()))];
            Some((load::tenant(tenant)?, Arc::new(chain(stages))))
        };
        let mut listed: BTreeMap<ProjectId, Arc<Chain>> =
            (0..self.args.tenants as usize).filter_map(own).collect();
        if let (Some(plugin), Some(id)) = (&self.hostile, ProjectId::new(load::HOSTILE_TENANT)) {
            listed.insert(id, Arc::new(chain(vec![stage(HOSTILE, Arc::new(plugin.clone()))])));
        }
        let set = ChainSet::new(chain(Vec::new()), listed);
        Chains::new(set, limits, build::encoding(self.settings))
    }

    fn summary(&self, phase: &'static str, driven: Driven) -> Phase {
        let Driven { mut latencies_us, took, raw_bytes, dispatches, hostile, busy, memory_mib } = driven;
        latencies_us.sort_unstable();
        let ms = |share: f64| {
            let at = (latencies_us.len().saturating_sub(1) as f64 * share) as usize;
            latencies_us.get(at).map_or(0.0, |us| (*us as f64 / 10.0).round() / 100.0)
        };
        let records = latencies_us.len() as u64;
        Phase {
            phase,
            records,
            records_per_s: (records as f64 / took.as_secs_f64()).round(),
            raw_mb_per_s: (raw_bytes as f64 / 1e5 / took.as_secs_f64()).round() / 10.0,
            p50_ms: ms(0.50),
            p99_ms: ms(0.99),
            max_ms: ms(1.0),
            hostile_dispatches: hostile.dispatches,
            dispatches,
            hostile_worker_share: (hostile.busy.as_secs_f64() / busy.as_secs_f64().max(1e-9) * 1e3).round()
                / 1e3,
            hostile_timeouts: hostile.timeouts,
            anonymous_mib: memory_mib,
            mapped_code_mib: (self.sandbox.loaded_bytes() >> 20) as u64,
        }
    }
}
