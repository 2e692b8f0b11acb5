//! `plugin promote`: the shadow becomes the chain. What the comparison says comes first, and what is
//! worrying in it must be meant.

use std::path::Path;

use super::ChangeArgs;
use super::change::Target;
use super::status::shadow_text;
use crate::chains::ShadowReport;
use crate::cli::{CliError, Exit, output};

pub(super) fn promote(config: Option<&Path>, args: &ChangeArgs) -> Result<Exit, CliError> {
    let target = Target::load(config, &args.tenant)?;
    let Some(shadow) = &target.tenant.shadow else {
        let message = format!(
            "tenants.{} has no `shadow`: write the chain that is to be tried there, and reload",
            args.tenant
        );
        return Err(CliError::failed(message));
    };
    let worries = match target.report.as_ref().and_then(|report| report.shadow.as_ref()) {
        Some(report) => {
            shadow_text(report).iter().try_for_each(|line| {
                output::complain(line);
                Ok::<(), CliError>(())
            })?;
            worries(report)
        }
        None => vec!["no service runs, so there is nothing that it was compared on".to_owned()],
    };
    if !worries.is_empty() && !args.yes {
        let all = worries.iter().map(|worry| format!("\n  {worry}")).collect::<String>();
        return Err(CliError::failed(format!(
            "nothing was changed:{all}\nsay --yes if it is meant all the same"
        )));
    }
    target.change(&shadow.plugins, true, args.print)
}

/// What speaks against a shadow: what it failed on, and what it would store that the chain does not.
fn worries(report: &ShadowReport) -> Vec<String> {
    let mut worries = Vec::new();
    if report.compared == 0 {
        worries.push(
            "nothing was compared yet: is its share more than 0, and did its sessions come?".to_owned(),
        );
    }
    let failed: u64 = report.failures.values().sum();
    if failed > 0 {
        worries.push(format!("it failed on {failed} batches"));
    }
    let fewer: Vec<String> = report
        .fields
        .iter()
        .filter(|(_, sides)| sides.active_only > 0)
        .map(|(kind, sides)| format!("{} {kind}", sides.active_only))
        .collect();
    if !fewer.is_empty() {
        worries.push(format!("it left fields as they are that the chain changed: {}", fewer.join(", ")));
    }
    if report.events.active_only > 0 {
        worries.push(format!("it left {} events in that the chain removed", report.events.active_only));
    }
    let count = |key: &str| report.chunks.get(key).copied().unwrap_or(0);
    let stored = count("dropped/kept") + count("dropped/changed");
    if stored > 0 {
        worries.push(format!("it would store {stored} chunks that the chain dropped"));
    }
    // Pictures, moves and whole new events are no fields.
    let drops = count("kept/dropped") + count("changed/dropped") > 0;
    let (shadow, active) = (report.shadow.redacted_bytes, report.active.redacted_bytes);
    if shadow < active && !drops && fewer.is_empty() {
        worries.push(format!("it redacted {shadow} bytes, where the chain redacted {active}"));
    }
    worries
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::chains::{SideReport, SidesReport};

    #[test]
    fn only_what_would_be_stored_or_lost_is_worrying() {
        let good = ShadowReport {
            batches: 10,
            compared: 9,
            fell_behind: 1,
            chunks: BTreeMap::from([("kept/changed".into(), 3), ("kept/dropped".into(), 1)]),
            fields: BTreeMap::from([(
                "text".into(),
                SidesReport { shadow_only: 4, alike: 3, differing: 2, active_only: 0 },
            )]),
            ..ShadowReport::default()
        };
        assert_eq!(worries(&good), Vec::<String>::new());
        let said = |report: ShadowReport, words: &str| {
            let found = worries(&report);
            assert!(matches!(&*found, [one] if one.contains(words)), "{found:?}");
        };
        said(ShadowReport { compared: 0, ..good.clone() }, "nothing was compared");
        let failures = BTreeMap::from([("plugin_timeout".into(), 2), ("plugin_trap".into(), 1)]);
        said(ShadowReport { failures, ..good.clone() }, "failed on 3");
        let sides = SidesReport { active_only: 5, ..SidesReport::default() };
        said(ShadowReport { fields: BTreeMap::from([("input".into(), sides)]), ..good.clone() }, "5 input");
        said(ShadowReport { events: sides, ..good.clone() }, "5 events");
        let chunks = BTreeMap::from([("dropped/kept".into(), 1), ("dropped/changed".into(), 1)]);
        said(ShadowReport { chunks, ..good.clone() }, "2 chunks");
        let active = SideReport { redacted_bytes: 9, ..SideReport::default() };
        let same = BTreeMap::from([("kept/kept".into(), 1)]);
        said(ShadowReport { chunks: same, active, ..good }, "redacted 0 bytes");
    }
}
