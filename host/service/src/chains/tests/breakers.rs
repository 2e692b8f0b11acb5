//! Breakers of the plugins of chains: whose failures open them.

use super::*;
use crate::chains::{Shadow, ShadowCounts};

const TIMEOUT: Option<Reason> = Some(Reason::PluginTimeout);
const OPEN: Option<Reason> = Some(Reason::PluginBreakerOpen);

fn project(name: &str) -> ProjectId {
    ProjectId::new(name).unwrap()
}

/// Why each of so many batches, one after the other, is not stored.
fn reasons(chains: &Chains, name: &str, batches: usize) -> Vec<Option<Reason>> {
    let (session, chunks) = (SessionKey { project_id: project(name), ..session() }, chunks(1));
    let shown: Vec<Chunk<'_>> = chunks.iter().map(|(head, data)| Chunk { head, data }).collect();
    let chain = chains.of(&session.project_id);
    let run = || {
        let (treated, seen) = chains.transform_watched(&chain, &session, &shown, &mut Scratch::default());
        chains.watch(seen);
        while chains.compare_next(&mut Scratch::default()) {}
        match &*treated {
            [Treated::Rejected(reject)] => Some(reject.reason),
            _ => None,
        }
    };
    (0..batches).map(|_| run()).collect()
}

fn fails() -> Stage {
    stage(|_, _| Err((FailureKind::Timeout, None)))
}

fn masks() -> Stage {
    stage(|_, batch| mask_all(batch))
}

#[test]
fn a_component_that_stands_twice_in_a_chain_answers_for_each_place() {
    // As with other settings at each: the same component fails at one, and works at the other.
    for (failing, stages) in [(1, vec![masks(), fails()]), (0, vec![fails(), masks()])] {
        let chains = chains(stages, true, OnPluginFailure::Quarantine);
        assert_eq!(reasons(&chains, "shop", 5), [TIMEOUT, TIMEOUT, TIMEOUT, OPEN, OPEN]);
        let plugins = chains.report_of(&session().project_id).plugins;
        assert_eq!((&*plugins[failing].breaker, &*plugins[1 - failing].breaker), ("open", "closed"));
        assert_eq!(chains.totals().breakers_open, 1);
    }
}

/// A chain that is what it was as long as its number is.
fn numbered(revision: u16, stages: Vec<Stage>) -> Chain {
    Chain { revision, digest: format!("chain {revision}"), ..chain(stages) }
}

fn set(defaults: Chain, listed: [(&str, Chain); 2]) -> ChainSet {
    let listed = listed.map(|(name, chain)| (project(name), Arc::new(chain)));
    ChainSet::new(defaults, BTreeMap::from(listed))
}

#[test]
fn another_tenants_change_mends_no_breaker() {
    let old = || numbered(1, vec![fails()]);
    let chains = Chains::new(
        set(old(), [("shop", old()), ("clinic", old())]),
        limits(),
        Encoding { codec: Codec::Gzip, level: 1, recompress: Recompress::ChangedOnly },
    );
    // `blog` is not listed.
    for name in ["shop", "clinic", "blog"] {
        assert_eq!(reasons(&chains, name, 4), [TIMEOUT, TIMEOUT, TIMEOUT, OPEN], "{name}");
    }
    chains.replace(set(old(), [("shop", old()), ("clinic", old())]));
    for (revision, stages) in [(2, vec![fails()]), (3, vec![masks()])] {
        chains.replace(set(old(), [("shop", numbered(revision, stages)), ("clinic", old())]));
        assert_eq!(chains.take_recovered(), [project("shop")], "the changed chain may try");
        let shop = if revision == 2 { [TIMEOUT, TIMEOUT, TIMEOUT, OPEN] } else { [None; 4] };
        assert_eq!(reasons(&chains, "shop", 4), shop);
        assert_eq!((reasons(&chains, "clinic", 1), reasons(&chains, "blog", 1)), (vec![OPEN], vec![OPEN]));
        assert_eq!(chains.take_recovered(), [], "nobody else has anything to feed back");
    }
    let shop = || numbered(3, vec![masks()]);
    // Listed with the chain of the defaults, it is under the same one.
    chains.replace(set(shop(), [("shop", shop()), ("blog", old())]));
    assert_eq!(chains.take_recovered(), []);
    assert_eq!((reasons(&chains, "blog", 1), reasons(&chains, "clinic", 1)), (vec![OPEN], vec![OPEN]));
    // A higher number alone is a word of the operator's.
    let higher = Chain { revision: 2, ..old() };
    chains.replace(set(shop(), [("shop", shop()), ("blog", higher)]));
    assert_eq!(
        (chains.take_recovered(), reasons(&chains, "blog", 1)),
        (vec![project("blog")], vec![TIMEOUT])
    );
}

#[test]
fn what_a_batch_of_the_chain_before_opened_ends_with_the_next_change() {
    let chains =
        chains(vec![stage(|_, _| Err((FailureKind::Trap, None)))], true, OnPluginFailure::Quarantine);
    let before = chains.of(&project("shop"));
    let other = || ChainSet::new(Chain { digest: "none".into(), ..chain(Vec::new()) }, BTreeMap::new());
    chains.replace(other());
    let chunks = chunks(1);
    let shown = [Chunk { head: &chunks[0].0, data: &chunks[0].1 }];
    (0..4).for_each(|_| drop(chains.transform(&before, &session(), &shown, &mut Scratch::default())));
    assert_eq!((chains.totals().breakers_open, chains.take_recovered()), (1, vec![]));
    chains.replace(other());
    assert_eq!((chains.totals().breakers_open, chains.take_recovered()), (0, vec![project("shop")]));
}

#[test]
fn a_shadows_breaker_begins_anew_with_the_shadow() {
    let with = |revision: u16| {
        let shadow = numbered(revision, vec![fails()]);
        let shadow = Shadow { share_percent: 100, chain: shadow, counts: ShadowCounts::default() };
        let chain = Chain { shadow: Some(Arc::new(shadow)), ..numbered(1, vec![masks()]) };
        ChainSet::new(chain, BTreeMap::new())
    };
    let breaker =
        |chains: &Chains| chains.report_of(&project("shop")).shadow.unwrap().plugins.pop().unwrap().breaker;
    let chains = over(numbered(1, vec![masks()]), limits());
    chains.replace(with(1));
    reasons(&chains, "shop", 4);
    assert_eq!(breaker(&chains), "open");
    chains.replace(with(1));
    assert_eq!(breaker(&chains), "open");
    chains.replace(with(2));
    assert_eq!(breaker(&chains), "closed");
    reasons(&chains, "shop", 4);
    chains.replace(ChainSet::new(numbered(1, vec![masks()]), BTreeMap::new()));
    chains.replace(with(2));
    assert_eq!(breaker(&chains), "closed", "it was gone");
    assert_eq!(chains.take_recovered(), [], "a shadow refused nothing that could be fed back");
}
