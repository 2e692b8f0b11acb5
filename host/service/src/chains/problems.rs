//! What is wrong with the chains of a config, and where in it: whoever has to mend it may have hundreds of
//! tenants, and the same mistake in many.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use replay_sandbox::{LoadError, Stage};

use super::json_place::{column_in, key_at};
use super::revisions::DEFAULTS;
use crate::config::Tenants;

/// So many places of one problem are named, the rest are counted.
const NAMED: usize = 3;

/// What is wrong with the chains of a config.
#[derive(Debug, Default)]
pub struct ChainProblems {
    problems: Vec<String>,
    away: bool,
}

impl ChainProblems {
    pub(crate) fn one(problem: String) -> Self {
        Self { problems: vec![problem], away: false }
    }

    /// Whether a place of components could not be asked: another try may go well.
    pub fn is_away(&self) -> bool {
        self.away
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    pub(super) fn push(&mut self, problem: String) {
        self.problems.push(problem);
    }

    pub(super) fn extend(&mut self, problems: impl IntoIterator<Item = String>) {
        self.problems.extend(problems);
    }

    /// These, and then others.
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.away |= others.away;
        self.problems.extend(others.problems);
        self
    }

    pub(super) fn be_away(&mut self) {
        self.away = true;
    }
}

impl fmt::Display for ChainProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.problems.iter().enumerate() {
            let separator = if position > 0 { "\n" } else { "" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ChainProblems {}

/// Where the config names a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot<'a> {
    tenant: &'a str,
    is_shadow: bool,
    position: usize,
}

impl fmt::Display for Spot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shadow = if self.is_shadow { "shadow." } else { "" };
        write!(f, "tenants.{}.{shadow}plugins[{}]", self.tenant, self.position)
    }
}

/// Every plugin of the config with its place, tenant by tenant.
pub(super) fn spots(tenants: &Tenants) -> impl Iterator<Item = (Spot<'_>, &crate::config::PluginRef)> {
    let listed = tenants.listed.iter().map(|(id, tenant)| (id.as_str(), tenant));
    std::iter::once((DEFAULTS, &tenants.defaults)).chain(listed).flat_map(|(name, tenant)| {
        let spot = move |is_shadow| move |position| Spot { tenant: name, is_shadow, position };
        let chain = (0..).map(spot(false)).zip(&tenant.plugins);
        let shadow = tenant.shadow.iter().flat_map(move |shadow| (0..).map(spot(true)).zip(&shadow.plugins));
        chain.chain(shadow)
    })
}

/// What plugins have that do not load: each text once, with all its places.
#[derive(Default)]
pub(super) struct Faults<'a>(BTreeMap<String, BTreeSet<Spot<'a>>>);

impl<'a> Faults<'a> {
    pub(super) fn add(&mut self, name: &str, fault: &str, spots: &[Spot<'a>]) {
        self.0.entry(format!("plugin `{name}`: {fault}")).or_default().extend(spots);
    }

    /// In the order of their first places.
    pub(super) fn into_problems(self) -> impl Iterator<Item = String> {
        let mut faults: Vec<(BTreeSet<Spot<'a>>, String)> =
            self.0.into_iter().map(|(fault, spots)| (spots, fault)).collect();
        faults.sort_unstable();
        faults.into_iter().map(|(spots, fault)| format!("{}: {fault}", named(&spots)))
    }
}

fn named(spots: &BTreeSet<Spot<'_>>) -> String {
    let first: Vec<String> = spots.iter().take(NAMED).map(Spot::to_string).collect();
    match spots.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

/// Why a plugin does not load. What parses JSON counts lines and columns, and those are of no file.
pub(super) fn fault_of(error: &LoadError, config_json: &str) -> String {
    let said = error.to_string();
    if !matches!(error, LoadError::Refused { stage: Stage::Configure, .. }) {
        return said;
    }
    match column_in(&said) {
        Some(column) => {
            let key = key_at(config_json, column);
            let at = if key.is_empty() { String::new() } else { format!(", at `{key}`") };
            format!("{said} (in its config, counted as JSON on one line{at})")
        }
        None => said,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_places_are_named_and_the_rest_counted() {
        let spot = |tenant| Spot { tenant, is_shadow: false, position: 0 };
        let mut faults = Faults::default();
        faults.add("mask", "is bad", &[spot("d"), Spot { is_shadow: true, position: 2, ..spot("a") }]);
        assert_eq!(
            faults.into_problems().collect::<Vec<_>>(),
            ["tenants.a.shadow.plugins[2], tenants.d.plugins[0]: plugin `mask`: is bad"]
        );
        let mut faults = Faults::default();
        faults.add("mask", "is bad", &["e", "c", "a"].map(spot));
        faults.add("mask", "is bad", &["b", "d"].map(spot));
        faults.add("mask", "is worse", &[spot("a")]);
        assert_eq!(
            faults.into_problems().collect::<Vec<_>>(),
            [
                "tenants.a.plugins[0]: plugin `mask`: is worse",
                "tenants.a.plugins[0], tenants.b.plugins[0], tenants.c.plugins[0] and 2 more: plugin `mask`: is bad"
            ]
        );
    }
}
