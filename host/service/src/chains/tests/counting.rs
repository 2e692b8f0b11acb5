//! What is counted of each tenant's plugins: exactly what came of their answers.

use std::time::Duration;

use replay_core::rrweb::Kind;

use super::*;
use crate::chains::PluginReport;

fn reported(chains: &Chains) -> Vec<PluginReport> {
    chains.report_of(&session().project_id).plugins
}

#[test]
fn what_a_chain_could_not_treat_is_in_no_verdict() {
    let stages = vec![
        stage(|_, batch| mask_all(batch)),
        stage(|call, batch| match call {
            0 => Err((FailureKind::Error { code: "busy".into() }, Some(1))),
            _ => Ok(vec![Verdict::Keep; batch.len()]),
        }),
    ];
    let chains = chains(stages, true, OnPluginFailure::Quarantine);
    let treated = run(&chains, &chunks(3));
    let changed = treated.iter().filter(|one| matches!(one, Treated::Changed { .. })).count();
    assert_eq!(changed, 2);
    let [first, second] = &*reported(&chains) else { panic!() };
    // Two tries; the first came to nothing.
    assert_eq!((first.calls, first.changed, first.kept), (2, 2, 0));
    assert_eq!((second.calls, second.changed, second.kept), (2, 0, 2));
    assert_eq!(second.failures, BTreeMap::from([("plugin_error busy".to_owned(), 1)]));
    // The same as metrics say, which do not tell the code.
    let totals = chains.totals();
    assert_eq!(first.fields.values().sum::<u64>(), totals.fields.iter().sum::<u64>());
    assert_eq!(first.fields["custom"], totals.fields[Kind::Custom as usize]);
    assert_eq!(totals.plugins["scripted"].failures, BTreeMap::from([("plugin_error".to_owned(), 1)]));
    assert!(!format!("{:?}{totals:?}", reported(&chains)).contains(SECRET));
}

#[test]
fn a_breaker_is_shown_as_it_stands_for_this_tenant() {
    let chains =
        chains(vec![stage(|_, _| Err((FailureKind::Timeout, None)))], true, OnPluginFailure::Quarantine);
    let breaker = |chains: &Chains| reported(chains).pop().unwrap().breaker;
    assert_eq!(breaker(&chains), "closed");
    run(&chains, &chunks(1));
    assert_eq!(breaker(&chains), "closed, 1 failed in a row");
    (0..4).for_each(|_| drop(run(&chains, &chunks(1))));
    assert_eq!(breaker(&chains), "open");
    let wanted = [("plugin_breaker_open".to_owned(), 2), ("plugin_timeout".to_owned(), 3)];
    assert_eq!(reported(&chains)[0].failures, BTreeMap::from(wanted));
}

#[test]
fn a_chain_that_is_what_it_was_counts_on_and_another_begins() {
    let masks = || chain(vec![stage(|_, batch| mask_all(batch))]);
    let set = |chain| ChainSet::new(chain, BTreeMap::new());
    let chains = over(masks(), limits());
    run(&chains, &chunks(2));
    let calls = |chains: &Chains| reported(chains)[0].calls;
    assert_eq!(calls(&chains), 1);
    chains.replace(set(masks()));
    run(&chains, &chunks(2));
    assert_eq!(calls(&chains), 2);
    chains.replace(set(Chain { revision: 2, digest: "other".into(), ..masks() }));
    assert_eq!(calls(&chains), 0);
    assert_eq!(chains.totals().plugins["scripted"].calls, 2, "a counter of the metrics never falls");
}

#[test]
fn a_tenant_that_left_for_a_moment_counts_on() {
    let masks =
        |digest: &str| Chain { digest: digest.into(), ..chain(vec![stage(|_, batch| mask_all(batch))]) };
    let with = |listed: Option<Chain>| {
        let listed = listed.map(|chain| (session().project_id, Arc::new(chain)));
        ChainSet::new(chain(Vec::new()), listed.into_iter().collect())
    };
    let chains = over(chain(Vec::new()), limits());
    chains.replace(with(Some(masks("own"))));
    for listed in [None, None, Some(masks("own"))] {
        run(&chains, &chunks(1));
        chains.replace(with(listed));
    }
    assert_eq!(reported(&chains)[0].calls, 3);
    chains.replace(with(None));
    chains.replace(with(Some(masks("another"))));
    assert_eq!(reported(&chains)[0].calls, 0);
}

#[test]
fn a_repair_is_not_counted_as_the_pipelines_work() {
    let chains = chains(vec![stage(|_, batch| mask_all(batch))], true, OnPluginFailure::Quarantine);
    run(&chains.for_repair(), &chunks(2));
    assert_eq!(reported(&chains)[0].calls, 0);
}

#[test]
fn a_chunk_without_an_event_left_is_told_from_one_that_was_dropped() {
    let removes = stage(|_, batch| {
        let remove = |_| Verdict::Change(Changes { remove_events: vec![0], ..Changes::default() });
        Ok((0..batch.len()).map(remove).collect())
    });
    let chains = chains(vec![removes], true, OnPluginFailure::Quarantine);
    assert_eq!(run(&chains, &chunks(2)), [Treated::Dropped, Treated::Dropped]);
    let [report] = &*reported(&chains) else { panic!() };
    assert_eq!((report.changed, report.emptied, report.dropped, report.events_removed), (2, 2, 0, 2));
    assert_eq!(chains.totals().plugins["scripted"].verdicts.emptied, 2);
    assert!(report.p50_us.is_some() && Duration::from_micros(report.cpu_us) < Duration::from_secs(60));
}
