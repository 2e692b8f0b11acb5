//! `plugin promote`: the shadow becomes the chain. What the comparison says comes first, and what is
//! worrying in it must be meant.

use std::path::Path;

use super::ChangeArgs;
use super::change::Target;
use super::status::shadow_text;
use crate::chains::{ShadowReport, SidesReport};
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
    let all = worries.iter().map(|worry| format!("\n  {worry}")).collect::<String>();
    if args.print {
        worries.iter().for_each(|worry| output::complain(worry));
    } else if !worries.is_empty() && !args.yes {
        return Err(CliError::failed(format!(
            "nothing was changed:{all}\nsay --yes if it is meant all the same"
        )));
    }
    target.change(&shadow.plugins, true, args.print)
}

/// What speaks against a shadow: what it failed on, what it would store that the chain does not, and what
/// the two made something else of. Numbers cannot tell whether that something else says less.
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
    if let Some(fewer) = fields(report, |sides| sides.active_only) {
        worries.push(format!("it left fields as they are that the chain changed: {fewer}"));
    }
    if let Some(differing) = fields(report, |sides| sides.differing) {
        worries.push(format!(
            "it made something else than the chain of fields that both changed: {differing}; look at them with \
             `plugin test`, on a recording"
        ));
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
    let untouched = count("changed/kept");
    if untouched > 0 {
        worries.push(format!("it would store {untouched} chunks as they came that the chain changed"));
    }
    // Not by their sum: more in one chunk does not make up for less in another.
    if report.redacted_less > 0 {
        let (shadow, active) = (report.shadow.redacted_bytes, report.active.redacted_bytes);
        worries.push(format!(
            "it redacted less than the chain in {} chunks that both store; {shadow} bytes in all of them, where \
             the chain redacted {active}",
            report.redacted_less
        ));
    }
    worries
}

/// How many fields, by kind, if any.
fn fields(report: &ShadowReport, of: impl Fn(&SidesReport) -> u64) -> Option<String> {
    let counts = report.fields.iter().map(|(kind, sides)| (kind, of(sides))).filter(|(_, count)| *count > 0);
    let named: Vec<String> = counts.map(|(kind, count)| format!("{count} {kind}")).collect();
    (!named.is_empty()).then(|| named.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::chains::SideReport;

    #[test]
    fn what_would_be_stored_or_came_out_otherwise_is_worrying() {
        let good = ShadowReport {
            batches: 10,
            compared: 9,
            fell_behind: 1,
            chunks: BTreeMap::from([("kept/changed".into(), 3), ("kept/dropped".into(), 1)]),
            fields: BTreeMap::from([(
                "text".into(),
                SidesReport { shadow_only: 4, alike: 3, ..SidesReport::default() },
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
        let sides = SidesReport { differing: 7, shadow_only: 9, ..SidesReport::default() };
        said(
            ShadowReport { fields: BTreeMap::from([("url".into(), sides)]), ..good.clone() },
            "both changed: 7 url",
        );
        let chunks =
            |counts: &[(&str, u64)]| counts.iter().map(|(key, count)| ((*key).into(), *count)).collect();
        let stored = chunks(&[("dropped/kept", 1), ("dropped/changed", 1)]);
        said(ShadowReport { chunks: stored, ..good.clone() }, "2 chunks");
        // More elsewhere does not make up for it.
        let shadow = SideReport { redacted_bytes: 90, ..SideReport::default() };
        let untouched = chunks(&[("changed/kept", 4), ("kept/changed", 40), ("kept/dropped", 1)]);
        said(ShadowReport { chunks: untouched, shadow, ..good.clone() }, "4 chunks as they came");
        let active = SideReport { redacted_bytes: 9, ..SideReport::default() };
        said(
            ShadowReport { redacted_less: 2, shadow, active, ..good.clone() },
            "in 2 chunks that both store; 90 bytes in all of them, where the chain redacted 9",
        );
        assert_eq!(worries(&ShadowReport { shadow, active, ..good }), Vec::<String>::new());
    }
}
