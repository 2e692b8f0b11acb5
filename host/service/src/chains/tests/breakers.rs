//! Breakers of the plugins of chains: whose failures open them.

use super::*;

/// What came of so many batches, one after the other.
fn reasons(chains: &Chains, batches: usize) -> Vec<Option<Reason>> {
    let reason = |treated: Vec<Treated>| match treated.into_iter().next() {
        Some(Treated::Rejected(reject)) => Some(reject.reason),
        _ => None,
    };
    (0..batches).map(|_| reason(run(chains, &chunks(1)))).collect()
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
        let (timeout, open) = (Some(Reason::PluginTimeout), Some(Reason::PluginBreakerOpen));
        assert_eq!(reasons(&chains, 5), [timeout, timeout, timeout, open, open]);
        let plugins = chains.report_of(&session().project_id).plugins;
        assert_eq!((&*plugins[failing].breaker, &*plugins[1 - failing].breaker), ("open", "closed"));
        assert_eq!(chains.totals().breakers_open, 1);
    }
}
