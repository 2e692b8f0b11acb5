//! Chains whose plugins fail, in every way and at every place: what comes out is searched for what a
//! redacting chain should have masked. `shadows` are in a file of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod breakers;
mod counting;
mod shadows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use replay_core::codec::{self, Encoding, Recompress, Scratch};
use replay_core::identity::{ChunkKey, ProjectId, SessionId, SessionKey};
use replay_core::pipeline::ChunkHead;
use replay_core::reject::Reason;
use replay_core::row::Codec;
use replay_core::rrweb::{Batch, Changes, Edit, ElementLimits, Kinds, Replacement, ScanLimits, Verdict};
use replay_sandbox::{Answer, FailureKind, Manifest, PluginFailure, Usage};

use super::{Chain, ChainLimits, ChainSet, Chains, Chunk, Guest, ShadowBounds, Stage, StageCounts, Treated};
use crate::config::OnPluginFailure;

const SECRET: &str = "canary";

type Reply = Result<Vec<Verdict>, (FailureKind, Option<usize>)>;

/// What it says to a call, by its number.
type Script = dyn Fn(usize, &Batch) -> Reply + Send + Sync;

/// A plugin that answers as the test wants; it is told which call it is.
struct Scripted {
    manifest: Manifest,
    calls: AtomicUsize,
    reply: Box<Script>,
}

impl Guest for Scripted {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn process(&self, batch: &Arc<Batch>) -> Result<Answer, PluginFailure> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match (self.reply)(call, batch) {
            Ok(verdicts) => Ok(Answer { verdicts, usage: Usage::default() }),
            Err((kind, chunk)) => Err(PluginFailure { kind, chunk, usage: Usage::default() }),
        }
    }
}

fn stage(reply: impl Fn(usize, &Batch) -> Reply + Send + Sync + 'static) -> Stage {
    let manifest = Manifest {
        name: "scripted".into(),
        version: "1".into(),
        kinds: Kinds::ALL,
        redacts: false,
        needs_events: false,
        needs_elements: false,
        drop_reasons: vec!["unwanted".into()],
        error_codes: Vec::new(),
        config_schema: String::new(),
    };
    let guest = Scripted { manifest, calls: AtomicUsize::new(0), reply: Box::new(reply) };
    Stage {
        name: "scripted".into(),
        sha256: "00".into(),
        guest: Arc::new(guest),
        allow_replace: false,
        mask_only: false,
        counts: StageCounts::default(),
    }
}

/// Masks every field whole.
fn mask_all(batch: &Batch) -> Reply {
    let edits = |chunk| {
        let view = batch.view(chunk, Kinds::ALL).unwrap();
        let rows = view.rows().enumerate();
        rows.map(|(field, [.., start, end])| {
            let replacement = Replacement::Mask('*');
            Edit { field: field as u32, start: 0, end: end - start, replacement }
        })
        .collect()
    };
    let change = |chunk| Verdict::Change(Changes { edits: edits(chunk), ..Changes::default() });
    Ok((0..batch.len()).filter(|chunk| !batch.is_dropped(*chunk)).map(change).collect())
}

fn chains(stages: Vec<Stage>, redacts: bool, on_failure: OnPluginFailure) -> Chains {
    over(Chain { redacts, on_failure, letters_hold_payload: !redacts, ..chain(stages) }, limits())
}

fn limits() -> ChainLimits {
    ChainLimits {
        scan: ScanLimits { max_raw_chunk_bytes: 1 << 20, max_ratio: 1000, max_depth: 64, max_fields: 1000 },
        elements: ElementLimits { max_bytes: 1 << 16 },
        all_elements_bytes: 1 << 20,
        batch_bytes: 1 << 20,
        extra_edits: 10,
        max_text_bytes: 1 << 16,
        max_stored_chunk_bytes: 1 << 20,
        breaker_failures: 3,
        breaker_wait: Duration::from_secs(3600),
        plugin_labels: 100,
        // They run when a test says so.
        shadow: ShadowBounds { slots: 0, cpu_percent: 100, queue_batches: 10, queue_bytes: 1 << 20 },
    }
}

fn chain(stages: Vec<Stage>) -> Chain {
    Chain {
        revision: 1,
        digest: "chain".into(),
        kinds: Kinds::ALL,
        stages,
        redacts: true,
        on_failure: OnPluginFailure::Quarantine,
        letters_hold_payload: false,
        shadow: None,
    }
}

fn over(chain: Chain, limits: ChainLimits) -> Chains {
    let encoding = Encoding { codec: Codec::Gzip, level: 1, recompress: Recompress::ChangedOnly };
    Chains::new(ChainSet::new(chain, BTreeMap::new()), limits, encoding)
}

fn session() -> SessionKey {
    let session_id = SessionId::new(uuid::Uuid::from_u128(7)).unwrap();
    SessionKey { project_id: ProjectId::new("shop").unwrap(), session_id }
}

fn chunks(count: u32) -> Vec<(ChunkHead, Bytes)> {
    let json = |index| {
        format!(
            r#"[{{"type":5,"timestamp":{index},"data":{{"tag":"note","payload":{{"text":"{SECRET} {index}"}}}}}}]"#
        )
    };
    (0..count).map(|index| chunk(index, &json(index))).collect()
}

fn chunk(index: u32, json: &str) -> (ChunkHead, Bytes) {
    let encoding = Encoding { codec: Codec::Gzip, level: 1, recompress: Recompress::Always };
    let data = codec::compress(&mut Scratch::default(), &encoding, json.as_bytes()).unwrap();
    let head = ChunkHead {
        session: session(),
        key: ChunkKey { timestamp_start_ms: u64::from(index), chunk_index: index },
        timestamp_end_ms: u64::from(index),
        event_count: 1,
        has_full_snapshot: false,
        data_size: json.len() as u64,
        codec: Codec::Gzip,
    };
    (head, Bytes::from(data))
}

fn run(chains: &Chains, chunks: &[(ChunkHead, Bytes)]) -> Vec<Treated> {
    let shown: Vec<Chunk<'_>> = chunks.iter().map(|(head, data)| Chunk { head, data }).collect();
    chains.transform(&chains.of(&session().project_id), &session(), &shown, &mut Scratch::default())
}

/// Whether what would be stored holds the secret.
fn leaks(treated: &[Treated], chunks: &[(ChunkHead, Bytes)]) -> bool {
    treated.iter().zip(chunks).any(|(treated, (head, data))| {
        let row = treated.clone().into_row(head.clone(), data.clone(), 0, 1);
        row.is_some_and(|row| {
            let mut scratch = Scratch::default();
            let raw = codec::decompress(&mut scratch, row.meta.codec, &row.data, 1 << 20).unwrap();
            raw.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
        })
    })
}

fn failures() -> Vec<FailureKind> {
    vec![
        FailureKind::Timeout,
        FailureKind::Memory,
        FailureKind::Output,
        FailureKind::Stack,
        FailureKind::Trap,
        FailureKind::Error { code: "busy".into() },
        FailureKind::Invalid,
        FailureKind::Load,
        FailureKind::Overloaded,
        FailureKind::BreakerOpen,
    ]
}

#[test]
fn what_a_chain_masks_is_not_stored_and_without_it_it_is() {
    let chunks = chunks(3);
    let masked =
        run(&chains(vec![stage(|_, batch| mask_all(batch))], true, OnPluginFailure::Quarantine), &chunks);
    assert!(masked.iter().all(|treated| matches!(treated, Treated::Changed { redactions: 1.., .. })));
    assert!(!leaks(&masked, &chunks));
    let untouched = run(&chains(Vec::new(), false, OnPluginFailure::Quarantine), &chunks);
    assert!(leaks(&untouched, &chunks), "else this file's search would find nothing at all");
}

#[test]
fn no_failure_at_any_place_lets_what_should_be_masked_through() {
    let chunks = chunks(3);
    for kind in failures() {
        for place in 0..3 {
            for blamed in [None, Some(0), Some(1), Some(2), Some(9)] {
                for policy in [OnPluginFailure::Quarantine, OnPluginFailure::Drop, OnPluginFailure::Pass] {
                    for fails_once in [true, false] {
                        let kind = kind.clone();
                        let failing = stage(move |call, batch| match fails_once && call > 0 {
                            true => Ok(vec![Verdict::Keep; batch.len()]),
                            false => Err((kind.clone(), blamed)),
                        });
                        let mut stages =
                            vec![stage(|_, batch| mask_all(batch)), stage(|_, batch| mask_all(batch))];
                        stages.insert(place, failing);
                        let treated = run(&chains(stages, true, policy), &chunks);
                        assert!(
                            !leaks(&treated, &chunks),
                            "{place} {blamed:?} {policy} {fails_once}: {treated:?}"
                        );
                        assert!(!treated.contains(&Treated::AsItCame), "{treated:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_others_are_tried_once_more_without_the_chunk_to_blame() {
    let failing = stage(|call, batch| match call {
        0 => Err((FailureKind::Trap, Some(1))),
        _ => mask_all(batch),
    });
    let treated = run(&chains(vec![failing], true, OnPluginFailure::Quarantine), &chunks(3));
    let [Treated::Changed { .. }, Treated::Rejected(reject), Treated::Changed { .. }] = &*treated else {
        panic!("{treated:?}")
    };
    assert_eq!((reject.reason, &*reject.detail), (Reason::PluginTrap, "plugin scripted"));
}

#[test]
fn a_forged_answer_is_refused_as_a_whole() {
    let forged = stage(|_, batch| {
        let edit = Edit { field: 0, start: 0, end: 1 << 20, replacement: Replacement::Mask('*') };
        let change = Verdict::Change(Changes { edits: vec![edit], ..Changes::default() });
        let mut verdicts = vec![Verdict::Keep; batch.len()];
        verdicts[0] = change;
        Ok(verdicts)
    });
    let treated = run(&chains(vec![forged], false, OnPluginFailure::Quarantine), &chunks(1));
    let [Treated::Rejected(reject)] = &*treated else { panic!("{treated:?}") };
    assert_eq!(reject.reason, Reason::PluginInvalid);
    assert!(!reject.detail.contains(SECRET));
}

#[test]
fn a_chain_that_does_not_redact_may_pass_what_it_fails_on() {
    let failing = || stage(|_, _| Err((FailureKind::Timeout, None)));
    let chunks = chunks(2);
    let passed = run(&chains(vec![failing()], false, OnPluginFailure::Pass), &chunks);
    assert_eq!(passed, [Treated::AsItCame, Treated::AsItCame]);
    let dropped = run(&chains(vec![failing()], false, OnPluginFailure::Drop), &chunks);
    assert_eq!(dropped, [Treated::Dropped, Treated::Dropped]);
}

#[test]
fn a_plugin_that_fails_again_and_again_is_left_alone() {
    let chains =
        chains(vec![stage(|_, _| Err((FailureKind::Timeout, None)))], true, OnPluginFailure::Quarantine);
    let reasons: Vec<Reason> = (0..5)
        .map(|_| match &*run(&chains, &chunks(1)) {
            [Treated::Rejected(reject)] => reject.reason,
            other => panic!("{other:?}"),
        })
        .collect();
    let (timeout, open) = (Reason::PluginTimeout, Reason::PluginBreakerOpen);
    assert_eq!(reasons, [timeout, timeout, timeout, open, open]);
    let totals = chains.totals();
    assert_eq!((totals.breakers_opened, totals.breakers_open), (1, 1));
    assert_eq!(totals.plugins["scripted"].calls, 3);
    assert_eq!(totals.plugins["scripted"].failures["plugin_timeout"], 3);
}

#[test]
fn a_batch_is_cut_to_what_fits_into_memory() {
    let sizes = stage(|_, batch| {
        assert!(batch.len() <= 2, "{} chunks at a time", batch.len());
        mask_all(batch)
    });
    let mut chains = chains(vec![sizes], true, OnPluginFailure::Quarantine);
    let chunks = chunks(5);
    chains.limits.batch_bytes = chunks[0].0.data_size * 2;
    let treated = run(&chains, &chunks);
    assert!(treated.iter().all(|treated| matches!(treated, Treated::Changed { .. })), "{treated:?}");
}

#[test]
fn letters_of_redacting_tenants_hold_no_original() {
    let keeps = chains(Vec::new(), false, OnPluginFailure::Quarantine);
    let redacts = chains(vec![stage(|_, batch| mask_all(batch))], true, OnPluginFailure::Quarantine);
    let shop = ProjectId::new("shop").unwrap();
    assert!(keeps.letter_may_hold_payload(Some(&shop)) && keeps.letter_may_hold_payload(None));
    assert!(!redacts.letter_may_hold_payload(Some(&shop)));
    assert!(!redacts.letter_may_hold_payload(None), "it may be a record of any tenant");
}
