//! What redaction costs: the scan, the splice, sandboxed plugins, and the whole path with them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use replay_core::codec::{Encoding, Recompress, Scratch};
use replay_core::decode::{DecodeLimits, decode};
use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::pipeline::ChunkHead;
use replay_core::row::Codec;
use replay_core::rrweb::{
    Batch, Changes, Edit, EditRules, Elements, Finished, Kind, Kinds, Replacement, Verdict,
};
use replay_sandbox::{Answer, Manifest, Plugin, PluginFailure, sha256_hex};

use super::Subject;
use super::samples::Sample;
use crate::build;
use crate::chains::{
    Chain, ChainLimits, ChainSet, Chains, Chunk, Guest, Shadow, ShadowBounds, ShadowCounts, Stage,
    StageCounts,
};
use crate::cli::plugin::production_sandbox;
use crate::cli::{CliError, output};
use crate::config::OnPluginFailure;

/// Of each sixteen fields one is masked.
const MASK_EVERY: usize = 16;

/// The measures that need the shipped plugins.
const OF_PLUGINS: [&str; 9] = [
    "sandboxed_mask_pii",
    "chain_of_1",
    "chain_of_3",
    "chain_needs_elements",
    "chain_asking_elements",
    "chain_without_shadow",
    "chain_with_shadow_10",
    "path_mask_pii_gzip6",
    "path_mask_pii_zstd3",
];

/// Percent of the sessions that the measured shadow sees.
const SHADOW_PERCENT: u8 = 10;

/// Scan and splice; and, if one of them is asked for by `only` and their components are in `plugins`, the
/// shipped plugins, which are compiled for it.
pub(super) fn subjects(plugins: &Path, cache: &Path, only: &str) -> Result<Vec<Subject>, CliError> {
    let (settings, sandbox) = production_sandbox(None, cache)?;
    let limits = build::chain_limits(&settings);
    let mut subjects = vec![
        Subject { name: "memchr_walk", against: None, run: Box::new(|sample| strings_in(&sample.raw)) },
        Subject {
            name: "scan",
            against: Some("memchr_walk"),
            run: Box::new(move |sample| scanned(sample, &limits).map_or(0, |batch| batch.text_bytes())),
        },
        Subject {
            name: "scan_splice",
            against: Some("memchr_walk"),
            run: Box::new(move |sample| scanned(sample, &limits).map_or(0, spliced)),
        },
    ];
    if !OF_PLUGINS.iter().any(|name| name.contains(only)) {
        return Ok(subjects);
    }
    let mut loaded = Vec::new();
    for (name, own) in
        [("mask-pii", "{}"), ("mask-inputs", "{}"), ("block-url", r#"{"blockUrls": ["/nowhere"]}"#)]
    {
        let path = plugins.join(format!("{name}.wasm"));
        let Ok(component) = std::fs::read(&path) else {
            output::complain(&format!(
                "no {}: plugins are not measured; `replay-processor plugin build plugins/{name} --out {}`",
                path.display(),
                plugins.display()
            ));
            return Ok(subjects);
        };
        let sha256 = sha256_hex(&component);
        let plugin = sandbox.load(&path, &sha256, own);
        loaded
            .push((name, plugin.map_err(|error| CliError::failed(format!("{}: {error}", path.display())))?));
    }
    let gzip = Encoding { codec: Codec::Gzip, level: 6, recompress: Recompress::ChangedOnly };
    let zstd = Encoding { codec: Codec::Zstd, level: 3, ..gzip };
    let stages = |plugins: &[(&str, Plugin)]| -> Vec<Stage> {
        plugins.iter().map(|(name, plugin)| stage(name, Arc::new(plugin.clone()))).collect()
    };
    let one = || stages(&loaded[..1]);
    let of = |stages, encoding| chains(stages, None, encoding, limits);
    subjects.push(call("sandboxed_mask_pii", Some("scan"), loaded[0].1.clone(), limits));
    subjects.push(chained("chain_of_1", None, of(one(), gzip)));
    subjects.push(chained("chain_of_3", Some("chain_of_1"), of(stages(&loaded), gzip)));
    // `mask-inputs` needs elements, `mask-pii` does not; and the same `mask-pii` with every element asked for.
    subjects.push(chained("chain_needs_elements", Some("chain_of_1"), of(stages(&loaded[1..2]), gzip)));
    let asking = vec![stage("asking", Arc::new(AsksForElements(loaded[0].1.clone())))];
    subjects.push(chained("chain_asking_elements", Some("chain_of_1"), of(asking, gzip)));
    subjects.push(visits("chain_without_shadow", None, of(one(), gzip)));
    let shadowed = chains(one(), Some(one()), gzip, limits);
    subjects.push(visits("chain_with_shadow_10", Some("chain_without_shadow"), shadowed));
    subjects.push(whole_path("path_mask_pii_gzip6", gzip, of(one(), gzip)));
    subjects.push(whole_path("path_mask_pii_zstd3", zstd, of(one(), zstd)));
    Ok(subjects)
}

/// A plugin that is also told every element that a field names, as one that needs elements may ask.
struct AsksForElements(Plugin);

impl Guest for AsksForElements {
    fn manifest(&self) -> &Manifest {
        self.0.manifest()
    }

    fn process(&self, batch: &Arc<Batch>) -> Result<Answer, PluginFailure> {
        for chunk in 0..batch.len() {
            let Some(view) = batch.view(chunk, self.manifest().kinds) else { continue };
            let mut asked = 0;
            for [.., element, _, _] in view.rows() {
                // Neighbours of one element are asked for once.
                if element != asked {
                    std::hint::black_box(batch.element(chunk, element));
                    asked = element;
                }
            }
        }
        self.0.process(batch)
    }
}

/// The least that anything does which looks at every string: from quote to quote, over escapes.
fn strings_in(json: &[u8]) -> usize {
    let (mut rest, mut strings) = (json, 0);
    while let Some(open) = memchr::memchr(b'"', rest) {
        rest = rest.get(open + 1..).unwrap_or_default();
        while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
            let is_escape = rest.get(at) == Some(&b'\\');
            rest = rest.get(at + 1 + usize::from(is_escape)..).unwrap_or_default();
            if !is_escape {
                break;
            }
        }
        strings += 1;
    }
    strings
}

fn scanned(sample: &Sample, limits: &ChainLimits) -> Option<Batch> {
    let mut batch = Batch::new(Kinds::ALL, Elements::new(limits.elements));
    batch.add(&head_of(sample), sample.raw.clone(), &limits.scan).ok()?;
    Some(batch)
}

fn spliced(mut batch: Batch) -> usize {
    let kinds: Kinds = [Kind::Text, Kind::Input, Kind::Attribute].into_iter().collect();
    let Some(view) = batch.view(0, kinds) else { return 0 };
    let rows = view.rows().enumerate().step_by(MASK_EVERY);
    let edits = rows.map(|(field, [.., start, end])| {
        let field = u32::try_from(field).unwrap_or(u32::MAX);
        Edit { field, start: 0, end: end.saturating_sub(start), replacement: Replacement::Mask('*') }
    });
    let change = Verdict::Change(Changes { edits: edits.collect(), ..Changes::default() });
    let rules = EditRules {
        allow_replace: false,
        mask_only: true,
        extra_edits: 0,
        max_text_bytes: 0,
        drop_reasons: 0,
    };
    if batch.apply(0, kinds, vec![change], &rules).is_err() {
        return 0;
    }
    batch.finish().0.iter().map(finished_bytes).sum()
}

fn finished_bytes(finished: &Finished) -> usize {
    match finished {
        Finished::Changed { json, .. } => json.len(),
        Finished::Unchanged | Finished::Dropped { .. } | Finished::Failed => 0,
    }
}

/// The call alone, on a batch that is scanned once: a fresh instance, the fields, the verdicts.
fn call(name: &'static str, against: Option<&'static str>, plugin: Plugin, limits: ChainLimits) -> Subject {
    let mut known: Vec<(usize, Arc<Batch>)> = Vec::new();
    let run = move |sample: &Sample| {
        let place = sample.raw.as_ptr() as usize;
        let batch = match known.iter().find(|(of, _)| *of == place) {
            Some((_, batch)) => Arc::clone(batch),
            None => {
                let Some(batch) = scanned(sample, &limits).map(Arc::new) else { return 0 };
                known.push((place, Arc::clone(&batch)));
                batch
            }
        };
        plugin.process(&batch).map_or(0, |answer| answer.verdicts.len())
    };
    Subject { name, against, run: Box::new(run) }
}

fn chained(name: &'static str, against: Option<&'static str>, chains: Chains) -> Subject {
    let mut scratch = Scratch::default();
    let run = move |sample: &Sample| {
        let (head, data) = (head_of(sample), Bytes::from(sample.member.clone()));
        transform(&chains, &head, &data, &mut scratch)
    };
    Subject { name, against, run: Box::new(run) }
}

/// Every chunk as a visit of its own; what the shadow is to see it sees at once, on this thread.
fn visits(name: &'static str, against: Option<&'static str>, chains: Chains) -> Subject {
    let (mut scratch, mut visit) = (Scratch::default(), 0u128);
    let run = move |sample: &Sample| {
        visit += 1;
        let (mut head, data) = (head_of(sample), Bytes::from(sample.member.clone()));
        if let Some(id) = SessionId::new(uuid::Uuid::from_u128(visit)) {
            head.session.session_id = id;
        }
        let chain = chains.of(&head.session.project_id);
        let chunks = [Chunk { head: &head, data: &data }];
        let (treated, seen) = chains.transform_watched(&chain, &head.session, &chunks, &mut scratch);
        chains.watch(seen);
        while chains.compare_next(&mut scratch) {}
        treated.len()
    };
    Subject { name, against, run: Box::new(run) }
}

fn whole_path(name: &'static str, encoding: Encoding, chains: Chains) -> Subject {
    let (mut scratch, limits) = (Scratch::default(), DecodeLimits::default());
    let run = move |sample: &Sample| {
        let Ok(chunk) = decode(&sample.record, &limits, &encoding, &mut scratch) else { return 0 };
        transform(&chains, &head_of(sample), &chunk.data, &mut scratch)
    };
    Subject { name, against: Some("gunzip"), run: Box::new(run) }
}

fn transform(chains: &Chains, head: &ChunkHead, data: &Bytes, scratch: &mut Scratch) -> usize {
    let chain = chains.of(&head.session.project_id);
    chains.transform(&chain, &head.session, &[Chunk { head, data }], scratch).len()
}

pub(super) fn stage(name: &str, guest: Arc<dyn Guest>) -> Stage {
    Stage {
        name: name.to_owned(),
        sha256: String::new(),
        guest,
        allow_replace: false,
        mask_only: false,
        counts: StageCounts::default(),
    }
}

pub(super) fn chain(stages: Vec<Stage>) -> Chain {
    let kinds = stages.iter().fold(Kinds::default(), |kinds, one| kinds.union(one.guest.manifest().kinds));
    Chain {
        revision: 1,
        digest: String::new(),
        stages,
        kinds,
        redacts: true,
        on_failure: OnPluginFailure::Quarantine,
        letters_hold_payload: false,
        shadow: None,
    }
}

/// One chain for all, and a shadow beside it that runs when it is told to.
fn chains(stages: Vec<Stage>, shadow: Option<Vec<Stage>>, encoding: Encoding, limits: ChainLimits) -> Chains {
    let shadow = shadow.map(|stages| {
        let counts = ShadowCounts::default();
        Arc::new(Shadow { share_percent: SHADOW_PERCENT, chain: chain(stages), counts })
    });
    let chain = Chain { shadow, ..chain(stages) };
    let limits = ChainLimits { shadow: ShadowBounds { slots: 0, ..limits.shadow }, ..limits };
    Chains::new(ChainSet::new(chain, BTreeMap::new()), limits, encoding)
}

/// Every sample as the first chunk of a page of one session.
#[allow(clippy::expect_used, reason = "constants")]
fn head_of(sample: &Sample) -> ChunkHead {
    let project_id = ProjectId::new("bench").expect("a project id");
    let session_id = SessionId::parse("0191f0c4-7e1a-7c3b-9d55-0123456789ab").expect("a session id");
    ChunkHead {
        session: SessionKey { project_id, session_id },
        key: ChunkKey { timestamp_start_ms: 1_700_000_000_000, chunk_index: 0 },
        timestamp_end_ms: 1_700_000_000_000,
        event_count: 0,
        has_full_snapshot: true,
        data_size: sample.raw.len() as u64,
        codec: Codec::Gzip,
    }
}
