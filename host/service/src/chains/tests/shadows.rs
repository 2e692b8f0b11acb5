//! Shadows: what they see, what is told of them, and that nothing of them is stored or felt.

use std::sync::Mutex;
use std::time::Instant;

use replay_core::rrweb::Kind;

use super::*;
use crate::chains::{Shadow, ShadowCounts, ShadowReport, SideReport, SidesReport};

/// The chain with a shadow on so many of a hundred sessions.
fn beside(active: Vec<Stage>, shadow: Vec<Stage>, share_percent: u8) -> Chain {
    let shadow = Chain { digest: "shadow".into(), ..chain(shadow) };
    let shadow = Shadow { share_percent, chain: shadow, counts: ShadowCounts::default() };
    Chain { shadow: Some(Arc::new(shadow)), ..chain(active) }
}

/// As the workers do: the answers first, and what the shadow is to see after them.
fn run_watched(chains: &Chains, session: &SessionKey, chunks: &[(ChunkHead, Bytes)]) -> Vec<Treated> {
    let shown: Vec<Chunk<'_>> = chunks.iter().map(|(head, data)| Chunk { head, data }).collect();
    let chain = chains.of(&session.project_id);
    let (treated, seen) = chains.transform_watched(&chain, session, &shown, &mut Scratch::default());
    chains.watch(seen);
    treated
}

fn compare_all(chains: &Chains) -> ShadowReport {
    while chains.compare_next(&mut Scratch::default()) {}
    reported(chains)
}

fn reported(chains: &Chains) -> ShadowReport {
    chains.report_of(&session().project_id).shadow.unwrap()
}

fn keeps() -> Stage {
    stage(|_, batch| Ok(vec![Verdict::Keep; batch.len()]))
}

fn masks() -> Stage {
    stage(|_, batch| mask_all(batch))
}

#[test]
fn a_shadow_is_compared_and_nothing_of_it_is_stored() {
    let chunks = chunks(3);
    let without = run(&over(chain(vec![masks()]), limits()), &chunks);
    let chains = over(beside(vec![masks()], vec![keeps()], 100), limits());
    assert_eq!(run_watched(&chains, &session(), &chunks), without);
    let report = compare_all(&chains);
    assert_eq!((report.batches, report.compared, report.fell_behind, report.active_failed), (1, 1, 0, 0));
    assert_eq!(report.chunks, BTreeMap::from([("changed/kept".to_owned(), 3)]));
    let fields = SidesReport { active_only: 9, ..SidesReport::default() };
    assert_eq!(report.fields, BTreeMap::from([("custom".to_owned(), fields)]));
    assert!(report.active.redacted_bytes > 0 && report.shadow.redacted_bytes == 0, "{report:?}");
    assert_eq!(report.redacted_less, 3);
    let raw: u64 = chunks.iter().map(|(head, _)| head.data_size).sum();
    assert_eq!((report.active.stored_bytes, report.shadow.stored_bytes), (raw, raw));
    // The other way round: nothing would be masked without the shadow, and nothing is.
    let chains = over(beside(vec![keeps()], vec![masks()], 100), limits());
    assert!(leaks(&run_watched(&chains, &session(), &chunks), &chunks));
    let report = compare_all(&chains);
    assert_eq!(report.fields["custom"], SidesReport { shadow_only: 9, ..SidesReport::default() });
    assert_eq!(report.redacted_less, 0);
    assert!(!format!("{report:?}{:?}", chains.shadow_totals()).contains(SECRET));
    // Metrics of plugins are of those that store.
    assert_eq!(chains.totals().plugins["scripted"].calls, 1);
    assert_eq!((report.plugins[0].calls, report.plugins[0].changed), (1, 3));
}

#[test]
fn two_that_agree_are_alike() {
    let chains = over(beside(vec![masks()], vec![masks()], 100), limits());
    run_watched(&chains, &session(), &chunks(2));
    let report = compare_all(&chains);
    assert_eq!(report.fields["custom"], SidesReport { alike: 6, ..SidesReport::default() });
    assert_eq!(chains.shadow_totals().comparison.fields[Kind::Custom as usize].alike, 6);
    assert_eq!(report.active.redacted_bytes, report.shadow.redacted_bytes);
}

/// A plugin that answers for each chunk by its number.
fn each(answer: impl Fn(&Batch, usize) -> Verdict + Send + Sync + 'static) -> Stage {
    let each = stage(move |_, batch| Ok((0..batch.len()).map(|at| answer(batch, at)).collect()));
    Stage { allow_replace: true, ..each }
}

/// Masks so many bytes at the begin of the field that says this.
fn mask(batch: &Batch, chunk: usize, says: &str, bytes: u32) -> Verdict {
    let view = batch.view(chunk, Kinds::ALL).unwrap();
    let is_it = |[.., start, end]: [u32; 8]| {
        view.text.get(start as usize..end as usize).is_some_and(|text| text.starts_with(says.as_bytes()))
    };
    let field = view.rows().position(is_it).unwrap();
    let edit = Edit { field: field as u32, start: 0, end: bytes, replacement: Replacement::Mask('*') };
    Verdict::Change(Changes { edits: vec![edit], ..Changes::default() })
}

#[test]
fn more_redacted_in_one_chunk_does_not_make_up_for_less_in_another() {
    let active = each(|batch, at| match at {
        0 => mask(batch, at, SECRET, 6),
        1 => mask(batch, at, SECRET, 1),
        2 => mask(batch, at, SECRET, 3),
        _ => Verdict::Drop(0),
    });
    let shadow = each(|batch, at| match at {
        0 => mask(batch, at, SECRET, 1),
        1 => mask(batch, at, SECRET, 6),
        2 => Verdict::Drop(0),
        _ => mask(batch, at, SECRET, 5),
    });
    let chains = over(beside(vec![active], vec![shadow], 100), limits());
    let chunks = chunks(4);
    run_watched(&chains, &session(), &chunks);
    let report = compare_all(&chains);
    assert_eq!(report.redacted_less, 1);
    let fates = [("changed/changed", 2), ("changed/dropped", 1), ("dropped/changed", 1)];
    assert_eq!(report.chunks, fates.map(|(key, count)| (key.to_owned(), count)).into());
    // Of what both store, and of nothing else.
    let stored_bytes = chunks[0].0.data_size + chunks[1].0.data_size;
    let side = SideReport { stored_bytes, redacted_bytes: 7, cpu_us: 0 };
    assert_eq!((report.active, report.shadow), (side, side));
    assert_eq!(chains.shadow_totals().redacted_less, 1);
}

#[test]
fn as_many_bytes_elsewhere_in_a_chunk_are_less_if_a_field_came_through() {
    let active = each(|batch, at| mask(batch, at, SECRET, 4));
    let shadow = each(|batch, at| mask(batch, at, "note", 4));
    let chains = over(beside(vec![active], vec![shadow], 100), limits());
    run_watched(&chains, &session(), &chunks(2));
    let report = compare_all(&chains);
    assert_eq!(report.active, report.shadow);
    let fields = SidesReport { active_only: 2, shadow_only: 2, ..SidesReport::default() };
    assert_eq!((report.redacted_less, report.fields["custom"]), (2, fields));
}

#[test]
fn where_fields_cannot_be_compared_the_bytes_of_each_chunk_are() {
    let replaces = |chunk: usize| {
        each(move |batch, at| match at == chunk {
            true => {
                let (head, data) = &chunks(2)[at];
                let mut scratch = Scratch::default();
                let json = codec::decompress(&mut scratch, head.codec, data, 1 << 20).unwrap();
                Verdict::Replace(
                    String::from_utf8(json.to_vec()).unwrap().replace(SECRET, "******").into_bytes(),
                )
            }
            false => mask(batch, at, SECRET, 1),
        })
    };
    let chains = over(beside(vec![replaces(0)], vec![replaces(1)], 100), limits());
    run_watched(&chains, &session(), &chunks(2));
    let report = compare_all(&chains);
    assert_eq!(report.active, report.shadow);
    assert!(report.fields.is_empty() && report.events == SidesReport::default(), "{report:?}");
    assert_eq!((report.replaced, report.redacted_less), (2, 1));
}

#[test]
fn a_failing_shadow_is_counted_and_felt_by_nobody() {
    for kind in failures() {
        let why = kind.as_str().to_owned();
        let fails = stage(move |_, _| Err((kind.clone(), Some(0))));
        let chains = over(beside(vec![masks()], vec![fails], 100), limits());
        for _ in 0..5 {
            let treated = run_watched(&chains, &session(), &chunks(2));
            assert!(treated.iter().all(|one| matches!(one, Treated::Changed { .. })), "{treated:?}");
            compare_all(&chains);
        }
        let report = reported(&chains);
        assert_eq!((report.batches, report.compared), (5, 0));
        assert_eq!(report.failures.values().sum::<u64>(), 5, "{report:?}");
        assert!(report.failures.get(&why).is_some_and(|count| *count >= 3), "{why}: {report:?}");
        // Its own breaker opened, and no other.
        assert_eq!(report.plugins[0].breaker, "open");
        assert!(report.plugins[0].calls == 3, "{report:?}");
        let totals = chains.totals();
        assert_eq!((totals.breakers_open, totals.breakers_opened), (0, 0));
        assert!(totals.plugins["scripted"].failures.is_empty(), "{totals:?}");
        assert!(chains.take_recovered().is_empty());
    }
}

#[test]
fn a_shadow_that_panics_ends_in_its_own_slot() {
    let limits = ChainLimits { shadow: ShadowBounds { slots: 1, ..limits().shadow }, ..limits() };
    let chains = over(beside(vec![masks()], vec![stage(|_, _| panic!("a bug"))], 100), limits);
    for round in 1..=3 {
        run_watched(&chains, &session(), &chunks(1));
        let deadline = Instant::now() + Duration::from_secs(60);
        while reported(&chains).failures.values().sum::<u64>() < round {
            assert!(Instant::now() < deadline, "{:?}", reported(&chains));
            std::thread::yield_now();
        }
    }
    assert_eq!(reported(&chains).failures, BTreeMap::from([("internal_error".to_owned(), 3)]));
}

#[test]
fn what_does_not_fit_into_the_queue_is_let_go_and_counted() {
    let narrow = |shadow| over(beside(vec![masks()], vec![masks()], 100), ChainLimits { shadow, ..limits() });
    let by_batches = narrow(ShadowBounds { queue_batches: 2, ..limits().shadow });
    let by_bytes = narrow(ShadowBounds { queue_bytes: 1, ..limits().shadow });
    for _ in 0..5 {
        run_watched(&by_batches, &session(), &chunks(1));
        run_watched(&by_bytes, &session(), &chunks(1));
    }
    let report = compare_all(&by_batches);
    assert_eq!((report.batches, report.compared, report.fell_behind), (5, 2, 3));
    let report = compare_all(&by_bytes);
    assert_eq!((report.batches, report.compared, report.fell_behind), (5, 0, 5));
    run_watched(&by_batches, &session(), &chunks(1));
    assert_eq!(compare_all(&by_batches).compared, 3, "there is room again");
}

#[test]
fn a_share_is_of_sessions_and_the_same_ones_every_time() {
    let taken = |share_percent: u8| -> Vec<u128> {
        let chain = beside(vec![masks()], vec![masks()], share_percent);
        let shadow = chain.shadow.unwrap();
        let session = |number: u128| SessionKey {
            session_id: SessionId::new(uuid::Uuid::from_u128(number)).unwrap(),
            ..session()
        };
        (1..=2_000).filter(|number| shadow.takes(&session(*number))).collect()
    };
    assert!(taken(0).is_empty());
    assert_eq!(taken(100).len(), 2_000);
    let tenth = taken(10);
    assert!((140..=260).contains(&tenth.len()), "{}", tenth.len());
    assert_eq!(tenth, taken(10));
    assert!(tenth.iter().all(|number| taken(30).contains(number)), "a larger share holds the smaller one");
}

#[test]
fn the_sessions_outside_of_the_share_are_not_shown() {
    let chains = over(beside(vec![masks()], vec![masks()], 0), limits());
    run_watched(&chains, &session(), &chunks(1));
    assert_eq!(compare_all(&chains).batches, 0);
}

#[test]
fn where_the_chain_fails_there_is_nothing_to_compare_with() {
    let fails = stage(|_, _| Err((FailureKind::Trap, None)));
    let chains = over(beside(vec![fails], vec![masks()], 100), limits());
    run_watched(&chains, &session(), &chunks(1));
    let report = compare_all(&chains);
    assert_eq!((report.batches, report.active_failed, report.plugins[0].calls), (0, 1, 0));
}

/// A chunk of one event, whose data is compressed as rrweb's recorder does: a character for each byte.
fn packed(index: u32, text: &str) -> (ChunkHead, Bytes) {
    let encoding = Encoding { codec: Codec::Gzip, level: 1, recompress: Recompress::Always };
    let data = format!(r#"{{"tag":"note","payload":{{"text":"{text}"}}}}"#);
    let data = codec::compress(&mut Scratch::default(), &encoding, data.as_bytes()).unwrap();
    let data: String = data.into_iter().map(char::from).collect();
    let event = serde_json::json!({"type": 5, "timestamp": index, "cv": "2024-10", "data": data});
    chunk(index, &serde_json::json!([event]).to_string())
}

#[test]
fn beside_a_chain_without_a_plugin_everything_is_stored_as_it_came() {
    let chunks = [
        self::chunks(1).remove(0),
        packed(1, SECRET),
        chunk(2, r#"["no packer made this"]"#),
        // Far more than so few bytes may become.
        packed(3, &"0".repeat(1 << 20)),
    ];
    let stored = |treated: Vec<Treated>| -> Vec<_> {
        let rows = treated.into_iter().zip(&chunks);
        let rows = rows.map(|(one, (head, data))| one.into_row(head.clone(), data.clone(), 0, 1).unwrap());
        rows.map(|row| (row.data, row.meta)).collect()
    };
    let beside_plain = || Chain { kinds: Kinds::default(), ..beside(Vec::new(), vec![masks()], 100) };
    let chains = over(beside_plain(), limits());
    let without = over(Chain { shadow: None, ..beside_plain() }, limits());
    assert_eq!(stored(run_watched(&chains, &session(), &chunks)), stored(run(&without, &chunks)));
    assert!(stored(run(&without, &chunks)).iter().zip(&chunks).all(|(row, (_, data))| row.0 == *data));
    let report = compare_all(&chains);
    let failed = [("bomb".to_owned(), 1), ("packed_unreadable".to_owned(), 1)];
    assert_eq!(report.failures, BTreeMap::from(failed));
    assert_eq!((report.batches, report.compared, report.active_failed), (1, 1, 0));
    assert_eq!(report.chunks, BTreeMap::from([("kept/changed".to_owned(), 2)]));
    let raw = chunks[0].0.data_size + chunks[1].0.data_size;
    assert_eq!((report.active.stored_bytes, report.active.redacted_bytes), (raw, 0));
    assert_eq!(report.redacted_less, 0);
}

#[test]
fn a_shadow_knows_of_the_page_what_the_chain_knew() {
    // Whether the element of node 5 was known at each call.
    let knows = || {
        let known = Arc::new(Mutex::new(Vec::new()));
        let said = Arc::clone(&known);
        let stage = stage(move |_, batch| {
            said.lock().unwrap().push(batch.element(0, 5).map(|element| element.tag));
            Ok(vec![Verdict::Keep; batch.len()])
        });
        (stage, known)
    };
    let ((active, active_knew), (shadow, shadow_knew)) = (knows(), knows());
    let chains = over(beside(vec![active], vec![shadow], 100), limits());
    let (shadow, knew_beside_plain) = knows();
    let plain = Chain { kinds: Kinds::default(), ..beside(Vec::new(), vec![shadow], 100) };
    let plain = over(plain, limits());
    let texts = |index: u32| {
        let json = format!(
            r#"[{{"type":3,"timestamp":{index},"data":{{"source":0,"texts":[],"attributes":[],"removes":[],"adds":[]}}}}]"#
        );
        chunk(index, &json)
    };
    let page = r#"[{"type":2,"timestamp":1,"data":{"node":{"type":0,"id":1,"childNodes":[
        {"type":2,"tagName":"textarea","attributes":{},"childNodes":[],"id":5}]}}}]"#;
    for chunk in [texts(0), chunk(1, page), texts(2)] {
        run_watched(&chains, &session(), std::slice::from_ref(&chunk));
        run_watched(&plain, &session(), &[chunk]);
    }
    // All of the session is over when the shadow begins.
    assert_eq!((compare_all(&chains).compared, compare_all(&plain).compared), (3, 3));
    let known = active_knew.lock().unwrap().clone();
    assert_eq!(known, [None, Some("textarea".to_owned()), Some("textarea".to_owned())]);
    assert_eq!(*shadow_knew.lock().unwrap(), known);
    assert_eq!(*knew_beside_plain.lock().unwrap(), known);
}

#[test]
fn a_comparison_goes_on_while_both_chains_are_what_they_were() {
    let both = || beside(vec![masks()], vec![masks()], 100);
    let set = |chain| ChainSet::new(chain, BTreeMap::new());
    let chains = over(both(), limits());
    run_watched(&chains, &session(), &chunks(1));
    compare_all(&chains);
    chains.replace(set(Chain { shadow: None, ..both() }));
    assert!(chains.report_of(&session().project_id).shadow.is_none());
    chains.replace(set(both()));
    assert_eq!(reported(&chains).compared, 0, "it was gone");
    run_watched(&chains, &session(), &chunks(1));
    compare_all(&chains);
    chains.replace(set(both()));
    assert_eq!(reported(&chains).compared, 1);
    chains.replace(set(Chain { revision: 2, ..both() }));
    assert_eq!(reported(&chains).compared, 0);
}
